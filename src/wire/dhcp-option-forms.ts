import { cidrToText, type Ipv4, isIpv4, parseCidr } from './address.ts';
import { WireError } from './bytes.ts';
import {
  bool,
  bytes as bytesShape,
  domains,
  flag,
  ip,
  ipPairs,
  ips,
  type Route,
  routes,
  type Shape,
  seconds,
  signedSeconds,
  text,
  textz,
  u8,
  u16,
  u16s,
  u32,
} from './dhcp-shapes.ts';

/** An option's value as a person writes it: as YAML or JSON gives it, or all in one string as a command line does.
 *  `hex:0a4d0001` is the bytes themselves, for every option. */
export type OptionText = string | number | boolean | readonly OptionText[] | { readonly [key: string]: OptionText };

/** How people write the values of a shape. What is not one is WireError 'malformed'. */
export type Form = {
  readonly parse: (value: unknown) => Buffer;
  /** Undefined when the bytes are no value of the shape. It may say less than the bytes do: toText sees to that. */
  readonly format: (bytes: Buffer) => OptionText | undefined;
  readonly example: OptionText;
};

/** The forms of plain values, under the names that a custom option gives their shapes. */
export const scalarForms = {
  ip: form(ip, readIp, same, '10.0.0.1'),
  ips: form(ips, (value) => words(value).map(readIp), same, ['10.0.0.1', '10.0.0.2']),
  'ip-pairs': form(ipPairs, readPairs, (pairs) => pairs.map((pair) => pair.join(' ')), ['10.1.0.0 10.0.0.1']),
  u8: form(u8, whole(0, 0xff), same, 64),
  u16: form(u16, whole(0, 0xffff), same, 1500),
  u16s: form(u16s, (value) => words(value).map(whole(0, 0xffff)), same, [1, 2]),
  u32: form(u32, whole(0, 0xffffffff), same, 86400),
  seconds: form(seconds, readSeconds, secondsText, '12h'),
  'signed-seconds': form(signedSeconds, readSignedSeconds, signedSecondsText, '-1h'),
  bool: form(bool, readBool, same, true),
  flag: form(flag, readFlag, same, true),
  text: form(text, readText, same, 'text'),
  textz: form(textz, readText, same, 'text'),
  hex: form(bytesShape, readHex, (value) => `0x${value.toString('hex')}`, '0x0a4d0001'),
  domains: form(domains, (value) => words(value).map(readDomain), same, ['rack1.example', 'example']),
  routes: form(
    routes,
    (value) => items(value).map(readRoute),
    (list) => list.map(routeText),
    ['10.1.0.0/16 via 10.0.0.1', 'default via 10.0.0.254'],
  ),
};

/** How people write the values of `shape`: `read` and `write` turn what they wrote into a value and back. */
export function form<T>(
  shape: Shape<T>,
  read: (value: unknown) => T,
  write: (value: T) => OptionText,
  example: OptionText,
): Form & { shape: Shape<T> } {
  return {
    shape,
    example,
    parse: (value) => shape.encode(read(value)),
    format: (bytes) => {
      const value = shape.decode(bytes);
      return value === undefined ? undefined : write(value);
    },
  };
}

/** The bytes of what was written in this form, or after `hex:` as they are. WireError when it is neither. */
export function toBytes(form: Form, value: unknown): Buffer {
  if (typeof value !== 'string' || !value.startsWith(rawMark)) return form.parse(value);
  const digits = value.slice(rawMark.length);
  return digits === '' ? Buffer.alloc(0) : readHex(digits);
}

/** What the form says of the bytes, if toBytes makes the very same bytes of it; `hex:` and the bytes otherwise. */
export function toText(form: Form, bytes: Buffer): OptionText {
  const value = form.format(bytes);
  return value !== undefined && says(form, value, bytes) ? value : rawText(bytes);
}

/** Does toBytes make these very bytes of the value? */
export function says(form: Form, value: OptionText, bytes: Buffer): boolean {
  try {
    return toBytes(form, value).equals(bytes);
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

const rawMark = 'hex:';

/** The bytes in hex, as toBytes takes them whatever the form. */
export function rawText(bytes: Buffer): string {
  return rawMark + bytes.toString('hex');
}

/** What stands between commas; of an array, its members as they are. */
export function items(value: unknown): unknown[] {
  return listOf(value, (line) => line.split(',').map((item) => item.trim()));
}

/** What stands between commas or spaces; of an array, its members as they are. */
export function words(value: unknown): unknown[] {
  return listOf(value, (line) => line.trim().split(/[\s,]+/));
}

function listOf(value: unknown, split: (line: string) => string[]): unknown[] {
  const list = Array.isArray(value) ? value : typeof value === 'string' ? split(value) : [value];
  if (list.length === 0 || list[0] === '') throw malformed('list', `${show(value)} ${emptyHint}`);
  return list;
}

/** An IPv4 address. This and the readers below throw WireError 'malformed', which names what they were given. */
export function readIp(value: unknown): Ipv4 {
  const address = trimmed(value);
  if (!isIpv4(address)) throw notA(value, 'an IPv4 address');
  return address;
}

function readPairs(value: unknown): [Ipv4, Ipv4][] {
  return items(value).map((item) => {
    const pair = words(item);
    if (pair.length !== 2) throw notA(item, 'a pair of IPv4 addresses like "10.1.0.0 10.0.0.1"');
    return [readIp(pair[0]), readIp(pair[1])];
  });
}

function readRoute(value: unknown): Route {
  const written =
    typeof value === 'object' && value !== null && 'to' in value && 'via' in value
      ? [value.to, value.via]
      : /^(\S+)\s+via\s+(\S+)$/.exec(typeof value === 'string' ? value.trim() : '')?.slice(1);
  if (written === undefined) throw notA(value, 'a route like "10.1.0.0/16 via 10.0.0.1"');
  const [to, via] = written;
  if (typeof to !== 'string' || !/^(?:default|[\d./]{7,18})$/.test(to)) throw notA(to, 'a network like "10.1.0.0/16"');
  const cidr = parseCidr(to === 'default' ? '0.0.0.0/0' : isIpv4(to) ? `${to}/32` : to);
  // The host bits would be lost silently, and with them perhaps what was meant.
  if (cidr.address !== cidr.base) throw malformed('route', `${show(to)} is inside the network ${cidrToText(cidr)}`);
  return { to: cidr, via: readIp(via) };
}

function routeText({ to, via }: Route): string {
  return `${to.prefix === 0 ? 'default' : cidrToText(to)} via ${via}`;
}

/** Letters, digits, hyphens and underscores, as in RFC 1123 2.1 and in the names of services; a last dot is dropped. */
function readDomain(value: unknown): string {
  const name = typeof value === 'string' ? value.replace(/\.$/, '') : '';
  const isName = name.split('.').every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
  if (!isName || name.length > 253) throw notA(value, 'a domain name like "rack1.example"');
  return name;
}

/** One byte each, and no NUL. A number is refused: YAML makes 1.1 of 1.10. */
function readText(value: unknown): string {
  if (typeof value !== 'string') throw notA(value, 'a text: write it in quotes');
  if (value === '') throw malformed('text', `"" ${emptyHint}`);
  if (/[^\x01-\xff]/.test(value)) throw notA(value, 'a text of one-byte characters (Latin-1, no NUL)');
  return value;
}

/** Bytes as `0x0a4d0001`, `0a4d0001` or `0a:4d:00:01`; a hyphen or a space will do for the colon. */
export function readHex(value: unknown): Buffer {
  if (typeof value !== 'string') throw notA(value, 'bytes: write them in quotes, like "0x0a4d0001"');
  const written = /^(?:0x)?([0-9a-f]{2}(?:[:\- ]?[0-9a-f]{2})*)$/i.exec(value.trim())?.[1];
  if (written === undefined) throw notA(value, 'bytes in hex like "0x0a4d0001" or "0a:4d:00:01"');
  return Buffer.from(written.replace(/[:\- ]/g, ''), 'hex');
}

/** A reader of whole numbers in this range, decimal or `0x`. */
export function whole(min: number, max: number): (value: unknown) => number {
  return (value) => {
    const digits = typeof value === 'string' && /^(?:0x[0-9a-f]{1,8}|\d{1,10})$/i.test(value.trim());
    const number = digits ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
    throw notA(value, `a whole number from ${min} to ${max}`);
  };
}

const unitSeconds: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60, s: 1 };
const forEver = 0xffffffff;

function readSeconds(value: unknown): number {
  if (typeof value === 'string' && /^for ?ever$/i.test(value.trim())) return forEver;
  const sum = typeof value === 'string' ? secondsIn(value.trim()) : value;
  if (typeof sum === 'number' && Number.isInteger(sum) && sum >= 0 && sum <= forEver) return sum;
  throw notA(value, 'a time like "12h", "1h30m", 3600 (seconds) or "for ever"');
}

function readSignedSeconds(value: unknown): number {
  const sum = typeof value === 'string' ? signedSecondsIn(value.trim()) : value;
  if (typeof sum === 'number' && Number.isInteger(sum) && sum >= -(2 ** 31) && sum < 2 ** 31) return sum;
  throw notA(value, 'a time like "-5h" or 3600 (seconds), at most 68 years');
}

/** Seconds in `3600`, `3600 s` or `1h 30m`; NaN when it is none of these. */
function secondsIn(written: string): number {
  if (/^\d+$/.test(written)) return Number(written);
  if (!/^\d+ ?[dhms](?: ?\d+ ?[dhms])*$/.test(written)) return Number.NaN;
  const parts = [...written.matchAll(/(\d+) ?([dhms])/g)];
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (unitSeconds[unit] ?? 0), 0);
}

function signedSecondsIn(written: string): number {
  if (written.startsWith('-')) return -secondsIn(written.slice(1));
  return secondsIn(written.startsWith('+') ? written.slice(1) : written);
}

function secondsText(value: number): string {
  if (value === forEver) return 'for ever';
  let rest = value;
  let written = '';
  for (const [unit, size] of Object.entries(unitSeconds)) {
    if (rest >= size) written += `${Math.floor(rest / size)}${unit}`;
    rest %= size;
  }
  return written || '0s';
}

function signedSecondsText(value: number): string {
  return value < 0 ? `-${secondsText(-value)}` : secondsText(value);
}

/** yes, true, on or 1; no, false, off or 0. */
export function readBool(value: unknown): boolean {
  const word = typeof value === 'string' ? value.trim().toLowerCase() : value;
  if (word === true || word === 1 || word === 'yes' || word === 'true' || word === 'on' || word === '1') return true;
  if (word === false || word === 0 || word === 'no' || word === 'false' || word === 'off' || word === '0') return false;
  throw notA(value, 'yes or no');
}

function readFlag(value: unknown): true {
  if (readBool(value)) return true;
  throw malformed('flag', `${show(value)} cannot be said by an option without a value: leave the option out instead`);
}

const emptyHint = 'is empty: leave the option out instead';

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.trim() : value;
}

function same<T extends OptionText>(value: T): T {
  return value;
}

/** The error for what is not what it should be. `what` has its article: `an IPv4 address`. */
export function notA(value: unknown, what: string): WireError {
  return malformed('option', `${show(value)} is not ${what}`);
}

/** The error for what a person wrote wrongly; `problem` quotes it and is the whole message. */
export function malformed(field: string, problem: string): WireError {
  return new WireError('malformed', field, 0, problem);
}

/** A value of whatever kind for a message: one line, not too long, without control characters. */
export function show(value: unknown): string {
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? String(value);
  } catch {
    shown = `a ${typeof value}`; // a circle, or a BigInt
  }
  const safe = shown.replace(
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return safe.length > 80 ? `${safe.slice(0, 77)}...` : safe;
}

/** The spelling for people of a name in our tables: `dnsServers` is `dns-servers`. */
export function kebab(camel: string): string {
  return camel.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
