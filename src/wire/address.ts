import { WireError } from './bytes.ts';

declare const brand: unique symbol;

/** An Ethernet address as lower case text with colons: `52:54:00:aa:bb:01`. Made by parseMac or macFromBytes only. */
export type Mac = string & { readonly [brand]: 'Mac' };

/** An IPv4 address as dotted text without leading zeros: `10.77.0.1`. Made by parseIpv4 and the functions here only. */
export type Ipv4 = string & { readonly [brand]: 'Ipv4' };

/** A network: `address` as it was written (10.77.0.1/24), `base` with the host bits cleared (10.77.0.0). */
export type Cidr = { readonly address: Ipv4; readonly base: Ipv4; readonly prefix: number };

const macText = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const macWritten =
  /^(?:[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{12})$/;
const octet = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4Text = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

/** Is it a MAC in the one form that we keep? */
export function isMac(value: unknown): value is Mac {
  return typeof value === 'string' && macText.test(value);
}

/** Is it an IPv4 address in the one form that we keep? */
export function isIpv4(value: unknown): value is Ipv4 {
  return typeof value === 'string' && ipv4Text.test(value);
}

/** The MAC in any usual spelling (colons, hyphens, Cisco dots, none; any case); WireError names what is not one. */
export function parseMac(text: string): Mac {
  const lower = text.trim().toLowerCase();
  if (isMac(lower)) return lower;
  if (!macWritten.test(lower)) throw notA('MAC address', text, '52:54:00:aa:bb:01');
  return lower.replace(/[:.-]/g, '').replace(/..(?=.)/g, '$&:') as Mac;
}

/** The address; WireError names what is not one (leading zeros are not: some read them as octal). */
export function parseIpv4(text: string): Ipv4 {
  if (!isIpv4(text)) throw notA('IPv4 address', text, '10.77.0.1');
  return text;
}

/** The network of `10.77.0.1/24`; WireError names what is not one. */
export function parseCidr(text: string): Cidr {
  const slash = text.indexOf('/');
  const address = text.slice(0, slash);
  const prefix = text.slice(slash + 1);
  if (slash < 0 || !isIpv4(address) || !/^(?:[0-9]|[12][0-9]|3[0-2])$/.test(prefix)) {
    throw notA('network', text, '10.77.0.0/24');
  }
  return cidrOf(address, Number(prefix));
}

/** The network of `prefix` bits (0 to 32) that the address is in. */
export function cidrOf(address: Ipv4, prefix: number): Cidr {
  return { address, base: ipv4FromNumber((ipv4ToNumber(address) & mask(prefix)) >>> 0), prefix };
}

/** `10.77.0.0/24`: the base, not the address that was written. */
export function cidrToText(cidr: Cidr): string {
  return `${cidr.base}/${cidr.prefix}`;
}

/** 0 to 4294967295, in the order of the addresses. */
export function ipv4ToNumber(address: Ipv4): number {
  let number = 0;
  let part = 0;
  for (let i = 0; i < address.length; i++) {
    const digit = address.charCodeAt(i) - 48;
    if (digit >= 0) part = part * 10 + digit;
    else {
      number = number * 256 + part;
      part = 0;
    }
  }
  return number * 256 + part;
}

/** The address of 0 to 4294967295; WireError names any other number. */
export function ipv4FromNumber(number: number): Ipv4 {
  if (!Number.isInteger(number) || number < 0 || number > 0xffffffff) {
    throw notA('IPv4 address', String(number), '0 to 4294967295');
  }
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}` as Ipv4;
}

export function cidrContains(cidr: Cidr, address: Ipv4): boolean {
  return ((ipv4ToNumber(address) ^ ipv4ToNumber(cidr.base)) & mask(cidr.prefix)) === 0;
}

/** 24 gives 255.255.255.0. */
export function cidrNetmask(cidr: Cidr): Ipv4 {
  return ipv4FromNumber(mask(cidr.prefix) >>> 0);
}

/** The last address of the network. */
export function cidrBroadcast(cidr: Cidr): Ipv4 {
  return ipv4FromNumber(lastNumber(cidr));
}

/** The first address a host may have. RFC 3021: a /31 has no network address, and neither has a /32. */
export function cidrFirstHost(cidr: Cidr): Ipv4 {
  return ipv4FromNumber(ipv4ToNumber(cidr.base) + (cidr.prefix >= 31 ? 0 : 1));
}

/** The last address a host may have. RFC 3021: a /31 has no broadcast address, and neither has a /32. */
export function cidrLastHost(cidr: Cidr): Ipv4 {
  return ipv4FromNumber(lastNumber(cidr) - (cidr.prefix >= 31 ? 0 : 1));
}

/** `52-54-00-aa-bb-01`: the machine's key in boot names and iPXE's `${net0/mac:hexhyp}`. */
export function macToHyphens(mac: Mac): string {
  return mac.replaceAll(':', '-');
}

/** The MAC of `52-54-00-aa-bb-01`; anything else, also another spelling of a MAC, is a WireError that names it. */
export function macFromHyphens(text: string): Mac {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!isMac(mac) || text.includes(':')) throw notA('MAC address', text, '52-54-00-aa-bb-01');
  return mac;
}

export function macToBytes(mac: Mac): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** The MAC of exactly six bytes; WireError for another number of them. */
export function macFromBytes(bytes: Buffer): Mac {
  if (bytes.length !== 6) throw notA('MAC address', bytes.toString('hex'), 'six bytes');
  let text = hex[bytes[0] as number] as string;
  for (let i = 1; i < 6; i++) text += `:${hex[bytes[i] as number]}`;
  return text as Mac;
}
const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function ipv4ToBytes(address: Ipv4): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(ipv4ToNumber(address));
  return bytes;
}

/** The address in the four bytes at `offset`; WireError when there are fewer. */
export function ipv4FromBytes(bytes: Buffer, offset = 0): Ipv4 {
  if (offset + 4 > bytes.length) {
    throw new WireError(
      'truncated',
      'IPv4 address',
      offset,
      `an IPv4 address needs 4 bytes, not ${bytes.length - offset}`,
    );
  }
  return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}` as Ipv4;
}

function mask(prefix: number): number {
  return prefix === 0 ? 0 : -1 << (32 - prefix);
}

function lastNumber(cidr: Cidr): number {
  return (ipv4ToNumber(cidr.base) | ~mask(cidr.prefix)) >>> 0;
}

function notA(what: string, value: string, example: string): WireError {
  return new WireError('malformed', what, 0, `${JSON.stringify(value)} is not a ${what} (like ${example})`);
}
