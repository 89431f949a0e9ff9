import { AppError } from '../model/errors.ts';
import { type Cidr, cidrFirstHost, cidrLastHost, type Ipv4, ipv4ToNumber, isIpv4, parseCidr } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';

/** Consecutive addresses, the first as a number. */
type ScanRange = { first: number; count: number };

/** A /16, which takes some ten minutes. */
export const RANGE_LIMIT = 65_536;

const FORMS = 'write a range as 10.0.0.0/24, 10.0.0.5-10.0.0.90, 10.0.0.5-90 or 10.0.0.5';

/** The addresses of a network without its own and its broadcast address, of a range, or one. AppError `bad-request` for anything else. */
export function parseScanRange(text: string): ScanRange {
  const written = text.trim();
  const [first, last] = boundsOf(written);
  const [from, to] = [ipv4ToNumber(first), ipv4ToNumber(last)];
  if (to < from) throw new AppError('bad-request', `the range ${written} ends before it begins`, FORMS);
  const count = to - from + 1;
  if (count > RANGE_LIMIT) {
    const next = 'scan it in parts';
    throw new AppError('bad-request', `the range ${written} has ${count} addresses, more than ${RANGE_LIMIT}`, next);
  }
  // RFC 1122 3.2.1.3 and RFC 5771: network 0 is no destination, nor is what is for many hosts at once.
  if (from < ipv4ToNumber('1.0.0.0' as Ipv4) || to >= ipv4ToNumber('224.0.0.0' as Ipv4))
    throw new AppError('bad-request', `the range ${written} has addresses that no host can have`, FORMS);
  return { first: from, count };
}

function boundsOf(written: string): [Ipv4, Ipv4] {
  if (written.includes('/')) {
    const cidr = cidrOf(written);
    return [cidrFirstHost(cidr), cidrLastHost(cidr)];
  }
  const [from = '', to = from, ...more] = written.split('-').map((part) => part.trim());
  if (isIpv4(from) && more.length === 0) {
    const last = /^\d{1,3}$/.test(to) ? from.replace(/\d+$/, to) : to;
    if (isIpv4(last)) return [from, last];
  }
  throw new AppError('bad-request', `"${written}" is no range of IPv4 addresses`, FORMS);
}

function cidrOf(written: string): Cidr {
  try {
    return parseCidr(written);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw new AppError('bad-request', `"${written}" is no network`, FORMS);
  }
}
