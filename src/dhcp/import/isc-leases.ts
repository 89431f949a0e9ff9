import type { Instant } from '../../model/time.ts';
import { isIpv4, type Mac } from '../../wire/address.ts';
import { withoutUndefined } from '../../wire/dhcp-shapes.ts';
import { macOfClientId, readMac } from './client.ts';
import {
  append,
  endOfForEver,
  errorAt,
  type Found,
  type ImportedLease,
  type ImportProblem,
  noteAt,
  quote,
} from './imported.ts';
import { bytesOfIscToken, type IscHost, readIscHost } from './isc-host.ts';
import { phraseOf } from './isc-options.ts';
import { type IscStatement, keywordOf, readIscStatements } from './isc-statements.ts';
import { textOfIscToken } from './isc-tokens.ts';

/** Statements of the file that are not about a client. */
const ofTheServer = new Set(['authoring-byte-order', 'server-duid', 'failover', 'group', 'class', 'subclass']);
/** Entries of a DHCPv6 server. */
const ofIpv6 = new Set(['ia-na', 'ia-ta', 'ia-pd']);

/** Leases of a dhcpd.leases, and the hosts that were added while dhcpd ran (OMAPI). It is a log: what stands last for an
 *  address or a host counts. dhcpd.leases(5). */
export function importIscLeases(text: string, now: Instant): Found {
  const problems: ImportProblem[] = [];
  const leases = new Map<string, ImportedLease>();
  const hosts = new Map<string, IscHost>();
  for (const statement of readIscStatements(text, problems)) {
    const keyword = keywordOf(statement.tokens[0]);
    if (keyword === 'lease' && statement.block) {
      const read = readLease(statement, now);
      append(problems, read.problems);
      if (read.address !== undefined) leases.delete(read.address);
      if (read.lease) leases.set(read.lease.address, read.lease);
    } else if (keyword === 'host' && statement.block) {
      const host = readIscHost(statement, [], new Map());
      hosts.delete(host.name);
      if (!host.deleted) hosts.set(host.name, host);
    } else if (ofIpv6.has(keyword))
      problems.push(noteAt(statement.line, `${quote(phraseOf(statement.tokens))} is not taken: it is for IPv6`));
    else if (!ofTheServer.has(keyword))
      problems.push(
        errorAt(statement.line, `${quote(phraseOf(statement.tokens))} is not taken: it is no entry that we know`),
      );
  }
  return {
    leases: [...leases.values()],
    reservations: [...hosts.values()].flatMap(({ reservation }) => reservation ?? []),
    problems: [...problems, ...[...hosts.values()].flatMap((host) => host.problems)],
  };
}

/** The lease of one entry. `address` without a lease: the entry says that nobody had the address, or cannot be read. */
function readLease(
  { line, tokens, block = [] }: IscStatement,
  now: Instant,
): { address?: string; lease?: ImportedLease; problems: ImportProblem[] } {
  const problems: ImportProblem[] = [];
  const address = phraseOf(tokens.slice(1));
  const say = (at: number, text: string) => problems.push(errorAt(at, `lease ${quote(address)}: ${text}`));
  const refuse = ({ line: at, tokens: told }: IscStatement, why: string) =>
    problems.push(noteAt(at, `lease ${quote(address)}: ${quote(phraseOf(told))} is not taken: ${why}`));
  if (!isIpv4(address)) {
    say(line, 'it is not taken: that is no IPv4 address');
    return { problems };
  }
  let hardware: Mac | undefined;
  let clientId: Buffer | undefined;
  let hostname = '';
  let binding = 'active';
  let expiresAt: Instant | undefined;
  for (const statement of block) {
    const [first, second, third] = statement.tokens;
    switch (keywordOf(first)) {
      case 'ends':
        expiresAt = readDate(statement.tokens.slice(1).map(textOfIscToken), now);
        if (expiresAt === undefined) say(statement.line, `${quote(phraseOf(statement.tokens))} is no date`);
        break;
      case 'binding':
        binding = keywordOf(third);
        break;
      case 'abandoned': // how dhcpd 2 said it
        binding = 'abandoned';
        break;
      case 'hardware':
        hardware = keywordOf(second) === 'ethernet' ? readMac(phraseOf(statement.tokens.slice(2))) : undefined;
        if (!hardware) refuse(statement, 'it is no Ethernet address');
        break;
      case 'uid':
        clientId = bytesOfIscToken(second);
        if (!clientId) refuse(statement, 'it has not 1 to 255 bytes');
        break;
      case 'client-hostname':
        if (second) hostname = textOfIscToken(second);
    }
  }
  const mac = hardware ?? macOfClientId(clientId);
  const state = binding === 'active' ? 'bound' : binding === 'abandoned' ? 'declined' : 'released';
  // an address of the pool that nobody had yet, or that waits for the failover peer
  if (state === 'released' && !mac && !clientId) return { address, problems };
  if (expiresAt === undefined && state !== 'released') {
    say(line, 'it is not taken: it does not say when it ends');
    return { address, problems };
  }
  const lease = withoutUndefined<ImportedLease>({
    line,
    address,
    mac,
    clientId,
    hostname,
    state,
    expiresAt: expiresAt ?? now,
  });
  return { address, lease, problems };
}

/** `never`, `epoch 1700000000`, or `4 2023/11/16 10:00:00` (the day of the week counts for nothing), in UTC. */
function readDate(words: readonly string[], now: Instant): Instant | undefined {
  const [first = '', second = '', third = ''] = words;
  if (first.toLowerCase() === 'never') return endOfForEver(now);
  if (first.toLowerCase() === 'epoch')
    return /^[0-9]{1,12}$/.test(second) ? ((Number(second) * 1000) as Instant) : undefined;
  const day = /^([0-9]{4})\/([0-9]{1,2})\/([0-9]{1,2})$/.exec(second);
  const time = /^([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})$/.exec(third);
  if (!day || !time) return undefined;
  const [year, month, date] = day.slice(1).map(Number) as [number, number, number];
  const [hours, minutes, seconds] = time.slice(1).map(Number) as [number, number, number];
  if (month < 1 || month > 12 || date < 1 || date > 31 || hours > 23 || minutes > 59 || seconds > 60) return undefined;
  return Date.UTC(year, month - 1, date, hours, minutes, seconds) as Instant;
}
