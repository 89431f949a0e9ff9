import { type Cidr, cidrContains, cidrOf, type Ipv4, isIpv4 } from '../../wire/address.ts';
import { type DnsmasqLine, readDnsmasqTime } from './dnsmasq-lines.ts';
import { type ImportProblem, noteAt, quote, subnetErrorAt } from './imported.ts';
import { networkOfRange, prefixOfNetmask, rangeOf } from './netmask.ts';

/** A dhcp-range of IPv4 addresses. Without `pool` it only says that the network is served (`static`). */
export type DnsmasqRange = {
  line: number;
  cidr: Cidr;
  pool?: { first: Ipv4; last: Ipv4 };
  leaseSeconds?: number;
  tags: string[];
};

/** What a dhcp-range says. dnsmasq 2.90 manual, --dhcp-range. Where it names no netmask (dnsmasq would ask its
 *  interface), a /24 is assumed, or as much as the range needs. */
export function readDnsmasqRange({ line, fields, text }: DnsmasqLine): {
  range?: DnsmasqRange;
  problems: ImportProblem[];
} {
  const problems: ImportProblem[] = [];
  const say = (sentence: string) => problems.push(subnetErrorAt(line, sentence));
  const tell = (sentence: string) => problems.push(noteAt(line, sentence));
  const tags: string[] = [];
  const start = fields.findIndex(({ syntax }) => isIpv4(syntax) || /^[0-9a-f]*:[0-9a-f:.]*$/i.test(syntax));
  for (const field of fields.slice(0, Math.max(start, 0))) {
    if (/^(tag|net):/.test(field.syntax)) say(`${quote(field.text)} is not taken: the range is open to every client`);
    else tags.push(field.text.replace(/^set:/, ''));
  }
  const [first = '', second = '', ...more] = fields.slice(Math.max(start, 0)).map((field) => field.text);
  if (first.includes(':') && !isIpv4(first)) {
    tell(`the IPv6 range ${quote(text)} is not taken`);
    return { problems };
  }
  if (!isIpv4(first) || !(isIpv4(second) || second === 'static' || second === 'proxy')) {
    say(`the range is not taken: it has not two IPv4 addresses: ${quote(text)}`);
    return { problems };
  }
  if (second === 'proxy') {
    tell(`the range ${first} is not taken: it is for proxy DHCP, and another server gives the addresses`);
    return { problems };
  }
  const pool = isIpv4(second) ? rangeOf(first, second) : undefined;
  const rest = [...more];
  let cidr = networkOfRange(first, pool ? (second as Ipv4) : first);
  if (rest[0]?.includes('.')) {
    const mask = rest.shift() as string;
    const prefix = prefixOfNetmask(mask);
    if (prefix === undefined || (isIpv4(second) && !cidrContains(cidrOf(first, prefix), second))) {
      say(`the range ${quote(text)} is not taken: ${quote(mask)} is no netmask that holds both ends`);
      return { problems };
    }
    cidr = cidrOf(cidrOf(first, prefix).base, prefix);
    if (rest[0]?.includes('.')) rest.shift(); // the broadcast address, which the mask gives
  } else tell(`the range ${quote(text)} names no netmask: ${cidr.base}/${cidr.prefix} is assumed`);
  const leaseSeconds = rest[0] === undefined ? undefined : readDnsmasqTime(rest[0]);
  if (rest.length > 1 || (rest[0] !== undefined && leaseSeconds === undefined))
    say(`${quote(rest.join(','))} of the range ${first} is not taken: it is no lease time`);
  return {
    range: { line, cidr, tags, ...(pool && { pool }), ...(leaseSeconds !== undefined && { leaseSeconds }) },
    problems,
  };
}
