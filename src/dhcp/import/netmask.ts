import { type Cidr, cidrContains, cidrOf, type Ipv4, ipv4ToNumber, isIpv4 } from '../../wire/address.ts';

/** 24 for `255.255.255.0`; undefined for what is no address or has a hole in it. */
export function prefixOfNetmask(text: string): number | undefined {
  if (!isIpv4(text)) return undefined;
  const host = ~ipv4ToNumber(text) >>> 0; // a mask without holes: its complement is one less than a power of two
  return (host & (host + 1)) === 0 ? Math.clz32(host) : undefined;
}

/** The /24 of both addresses, or the smallest network that has both. */
export function networkOfRange(first: Ipv4, last: Ipv4): Cidr {
  let prefix = 24;
  while (!cidrContains(cidrOf(first, prefix), last)) prefix--;
  return { ...cidrOf(first, prefix), address: cidrOf(first, prefix).base };
}

/** The range with its lower end first: every server here takes it in either order. */
export function rangeOf(one: Ipv4, other: Ipv4): { first: Ipv4; last: Ipv4 } {
  return ipv4ToNumber(one) <= ipv4ToNumber(other) ? { first: one, last: other } : { first: other, last: one };
}
