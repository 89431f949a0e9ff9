import type { Instant } from '../../model/time.ts';
import { after } from '../../model/time.ts';
import { isIpv4 } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { macOfClientId, readHex, readMac } from './client.ts';
import {
  endOfForEver,
  errorAt,
  type Found,
  type ImportedLease,
  type ImportProblem,
  linesOf,
  noteAt,
  quote,
} from './imported.ts';

/** Seconds below which the first field is how long the lease is, not when it ends: 1973 as a time. A dnsmasq built with
 *  HAVE_BROKEN_RTC (routers without a clock) writes that. */
const FIRST_TIME = 100_000_000;

/** Leases of a dnsmasq.leases: `ENDS MAC ADDRESS NAME CLIENT-ID`, * for no name and no client id, 0 for no end. */
export function importDnsmasqLeases(text: string, now: Instant): Found {
  const leases = new Map<string, ImportedLease>();
  const problems: ImportProblem[] = [];
  for (const [index, raw] of linesOf(text).entries()) {
    const line = index + 1;
    const fields = raw.trim().split(/\s+/);
    if (raw.trim() === '' || fields[0] === 'duid') continue; // the server's own DUID
    const read = readLine(fields, line, now);
    if ('problem' in read) problems.push(errorAt(line, `${read.problem}: ${quote(raw)}`));
    else if ('note' in read) problems.push(noteAt(line, `${read.note}: ${quote(raw)}`));
    else {
      leases.delete(read.lease.address);
      leases.set(read.lease.address, read.lease);
      if (read.doubt !== undefined) problems.push(noteAt(line, read.doubt));
    }
  }
  return { leases: [...leases.values()], problems };
}

function readLine(
  fields: readonly string[],
  line: number,
  now: Instant,
): { lease: ImportedLease; doubt?: string } | { problem: string } | { note: string } {
  const [ends = '', hardware = '', address = '', name = '', id = ''] = fields;
  if (ends === 'vendorclass' || ends === 'agent-info') return { note: `the ${ends} of a lease is not taken` };
  if (address.includes(':')) return { note: 'a lease of an IPv6 address is not taken' };
  if (fields.length !== 5 || !/^[0-9]{1,12}$/.test(ends) || !isIpv4(address))
    return { problem: 'this is no lease (end, MAC, address, name, client id)' };
  const clientId = id === '*' ? undefined : readHex(id);
  const own = readMac(hardware.replace(/^01-/, ''));
  const lease = withoutUndefined<ImportedLease>({
    line,
    address,
    mac: own ?? macOfClientId(clientId),
    clientId,
    hostname: name === '*' ? '' : name,
    state: 'bound',
    expiresAt: endOf(Number(ends), now),
  });
  const hasHardware = !/^([0-9a-f]{2}-)?$/i.test(hardware); // `00-` is none
  if (hasHardware && !own)
    return { lease, doubt: `lease ${address}: ${quote(hardware)} is not an Ethernet address and is not taken` };
  if (id !== '*' && !clientId)
    return { lease, doubt: `lease ${address}: client id ${quote(id)} is not hexadecimal and is not taken` };
  return { lease };
}

function endOf(seconds: number, now: Instant): Instant {
  if (seconds === 0) return endOfForEver(now);
  return seconds < FIRST_TIME ? after(now, seconds * 1000) : ((seconds * 1000) as Instant);
}
