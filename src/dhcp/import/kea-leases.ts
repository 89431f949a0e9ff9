import type { Instant } from '../../model/time.ts';
import { isIpv4 } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { macOfClientId, readHex, readMac } from './client.ts';
import {
  endOfForEver,
  errorAt,
  FOR_EVER_SECONDS,
  type Found,
  type ImportedLease,
  type ImportProblem,
  linesOf,
  noteAt,
  quote,
} from './imported.ts';

/** Columns that a lease cannot be read without; the others came and went with Kea's versions. */
const needed = ['address', 'hwaddr', 'client_id', 'valid_lifetime', 'expire', 'hostname'];

/** Kea's lease states. Kea 2.2 `Lease` states 0 to 2; 3 came with 2.6. */
const states: readonly ImportedLease['state'][] = ['bound', 'declined', 'released', 'released'];

/** Leases of a kea-leases4.csv: Kea appends to it, so the last line of an address is the one that counts. */
export function importKeaLeases(text: string, now: Instant): Found {
  const lines = linesOf(text);
  const at = lines.findIndex((line) => line.trim() !== '');
  const header = (lines[at] ?? '').split(',');
  const missing = needed.filter((column) => !header.includes(column));
  if (missing.length > 0) {
    const text = `the first line is no header of a Kea lease file: ${missing.join(', ')} is missing in ${quote(lines[at] ?? '')}`;
    return { problems: [errorAt(Math.max(at, 0) + 1, text)] };
  }
  const leases = new Map<string, ImportedLease>();
  const problems: ImportProblem[] = [];
  for (const [index, line] of lines.entries()) {
    if (index <= at || line.trim() === '') continue;
    const read = readLine(line, index + 1, header, now);
    if ('problem' in read) problems.push(errorAt(index + 1, read.problem));
    else {
      leases.delete(read.lease.address); // so that leases stand in the order of their lines
      leases.set(read.lease.address, read.lease);
      if (read.doubt !== undefined) problems.push(noteAt(index + 1, read.doubt));
    }
  }
  return { leases: [...leases.values()], problems };
}

function readLine(
  text: string,
  line: number,
  header: readonly string[],
  now: Instant,
): { lease: ImportedLease; doubt?: string } | { problem: string } {
  const fields = text.split(',').map(unescapeField);
  if (fields.length > header.length)
    return { problem: `the line has ${fields.length} fields, the header ${header.length}: ${quote(text)}` };
  const of = (column: string) => fields[header.indexOf(column)] ?? '';
  const address = of('address');
  if (!isIpv4(address)) return { problem: `${quote(address)} is not an IPv4 address` };
  const lifetime = readCount(of('valid_lifetime'));
  const expire = readCount(of('expire'));
  const state = states[Number(of('state') || '0')];
  if (lifetime === undefined)
    return { problem: `lease ${address}: valid_lifetime ${quote(of('valid_lifetime'))} is no number of seconds` };
  if (expire === undefined)
    return { problem: `lease ${address}: expire ${quote(of('expire'))} is no number of seconds` };
  if (state === undefined)
    return { problem: `lease ${address}: ${quote(of('state'))} is no state of a lease that we know` };
  const clientId = of('client_id') === '' ? undefined : readHex(of('client_id'));
  const mac = readMac(of('hwaddr')) ?? macOfClientId(clientId);
  const lease = withoutUndefined<ImportedLease>({
    line,
    address,
    mac,
    clientId,
    hostname: of('hostname').replace(/\.$/, ''),
    // a lifetime of 0 is how Kea writes that it removed the lease
    state: lifetime === 0 ? 'released' : state,
    expiresAt: lifetime === FOR_EVER_SECONDS ? endOfForEver(now) : ((expire * 1000) as Instant),
  });
  if (of('hwaddr') !== '' && !readMac(of('hwaddr')))
    return {
      lease,
      doubt: `lease ${address}: hwaddr ${quote(of('hwaddr'))} is not an Ethernet address and is not taken`,
    };
  if (of('client_id') !== '' && !clientId)
    return {
      lease,
      doubt: `lease ${address}: client_id ${quote(of('client_id'))} is not hexadecimal and is not taken`,
    };
  return { lease };
}

/** Kea writes a character that would break the table as &#x and two digits, without a semicolon. */
function unescapeField(field: string): string {
  return field.replace(/&#x([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function readCount(text: string): number | undefined {
  return /^[0-9]{1,12}$/.test(text) ? Number(text) : undefined;
}
