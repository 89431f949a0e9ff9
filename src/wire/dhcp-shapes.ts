import {
  type Cidr,
  cidrOf,
  cidrToText,
  type Ipv4,
  ipv4FromBytes,
  ipv4FromNumber,
  ipv4ToBytes,
  macFromBytes,
} from './address.ts';
import { escapeText, textFromBytes, textToBytes, WireError, Writer } from './bytes.ts';

/** How the value of an option looks on the wire, in code and in a sentence. */
export type Shape<T> = {
  /** The value, or undefined when the bytes are not one. Never throws: a malformed option counts as absent. */
  readonly decode: (bytes: Buffer) => T | undefined;
  /** The bytes of a value; WireError 'unencodable' when the format cannot carry it (a port of 70000, a NUL in a text). */
  readonly encode: (value: T) => Buffer;
  /** The value for a human, safe to print whatever the peer sent. */
  readonly describe: (value: T) => string;
};

/** What a message is (option 53), named as in RFC 2131. */
export type MessageType = 'discover' | 'offer' | 'request' | 'decline' | 'ack' | 'nak' | 'release' | 'inform';
const messageTypes: MessageType[] = ['discover', 'offer', 'request', 'decline', 'ack', 'nak', 'release', 'inform'];

/** Option 53. RFC 2131 only: leasequery and the other later types decode as undefined. */
export const messageType: Shape<MessageType> = {
  decode: (bytes) => (bytes.length === 1 ? messageTypes[(bytes[0] as number) - 1] : undefined),
  encode: (value) => Buffer.of(messageTypes.indexOf(value) + 1),
  describe: (value) => value,
};

/** One address, 4 bytes. */
export const ip: Shape<Ipv4> = {
  decode: (bytes) => (bytes.length === 4 ? ipv4FromBytes(bytes) : undefined),
  encode: ipv4ToBytes,
  describe: (value) => value,
};

/** One address or more, the preferred one first. */
export const ips: Shape<Ipv4[]> = {
  decode: (bytes) => every(bytes, 4, (at) => ipv4FromBytes(bytes, at)),
  encode: (values) => Buffer.concat(values.map(ipv4ToBytes)),
  describe: (values) => values.join(', '),
};

/** Pairs of addresses: destination and router (33), address and mask (21). */
export const ipPairs: Shape<[Ipv4, Ipv4][]> = {
  decode: (bytes) => every(bytes, 8, (at) => [ipv4FromBytes(bytes, at), ipv4FromBytes(bytes, at + 4)]),
  encode: (values) => Buffer.concat(values.flat().map(ipv4ToBytes)),
  describe: (values) => values.map(([a, b]) => `${a} ${b}`).join(', '),
};

/** A whole number of one byte. */
export const u8: Shape<number> = {
  decode: (bytes) => (bytes.length === 1 ? bytes[0] : undefined),
  encode: (value) => new Writer(1).u8(value, 'value').done(),
  describe: String,
};

/** A whole number of two bytes. */
export const u16: Shape<number> = {
  decode: (bytes) => (bytes.length === 2 ? bytes.readUInt16BE() : undefined),
  encode: (value) => new Writer(2).u16(value, 'value').done(),
  describe: String,
};

/** One number of two bytes or more. */
export const u16s: Shape<number[]> = {
  decode: (bytes) => every(bytes, 2, (at) => bytes.readUInt16BE(at)),
  encode: (values) => values.reduce((out, value) => out.u16(value, 'value'), new Writer(values.length * 2)).done(),
  describe: (values) => values.join(', '),
};

/** A whole number of four bytes. */
export const u32: Shape<number> = {
  decode: (bytes) => (bytes.length === 4 ? bytes.readUInt32BE() : undefined),
  encode: (value) => new Writer(4).u32(value, 'value').done(),
  describe: String,
};

/** Seconds, 0 to 4294967295; the highest means for ever (RFC 2131 3.3). */
export const seconds: Shape<number> = {
  decode: (bytes) => (bytes.length === 4 ? bytes.readUInt32BE() : undefined),
  encode: (value) => new Writer(4).u32(value, 'seconds').done(),
  describe: (value) => (value === 0xffffffff ? 'for ever' : `${value} s`),
};

/** Seconds east of UTC, negative to the west. */
export const signedSeconds: Shape<number> = {
  decode: (bytes) => (bytes.length === 4 ? bytes.readInt32BE() : undefined),
  encode: (value) => new Writer(4).u32(value < 0 ? value + 2 ** 32 : value, 'seconds').done(),
  describe: (value) => `${value} s`,
};

/** One byte, 0 or 1; every other value is malformed. */
export const bool: Shape<boolean> = {
  decode: (bytes) => (bytes.length === 1 && (bytes[0] as number) <= 1 ? bytes[0] === 1 : undefined),
  encode: (value) => Buffer.of(value ? 1 : 0),
  describe: (value) => (value ? 'yes' : 'no'),
};

/** An option without a value: to be there is what it says. */
export const flag: Shape<true> = {
  decode: (bytes) => (bytes.length === 0 ? true : undefined),
  encode: () => Buffer.alloc(0),
  describe: () => 'yes',
};

/** Text of at least one character, one byte each. RFC 2132 2: receivers must take trailing NULs and drop them. */
export const text: Shape<string> = {
  decode: (bytes) => textFromBytes(bytes) || undefined,
  encode: (value) => textToBytes(value, 'text'),
  describe: quote,
};

/** Text that we end with a NUL against RFC 2132 2: PXE ROMs read on past the option without it
 *  (boot-protocols.md 2.6 Q1-Q3). */
export const textz: Shape<string> = {
  decode: text.decode,
  encode: (value) => Buffer.concat([textToBytes(value, 'text'), Buffer.of(0)]),
  describe: quote,
};

/** Bytes that mean nothing to us, as they are. */
export const bytes: Shape<Buffer> = { decode: (value) => value, encode: (value) => value, describe: hex };

/** Option 55: codes in the order in which the client wants them, each once. 0 and 255 are no options
 *  (OVMF 2022.11 sends an uninitialised byte here). */
export const optionCodes: Shape<number[]> = {
  decode: (value) => {
    const codes: number[] = [];
    for (const code of value) if (code !== 0 && code !== 255 && !codes.includes(code)) codes.push(code);
    return codes.length > 0 ? codes : undefined;
  },
  encode: (codes) => codes.reduce((out, code) => out.u8(code, 'option code'), new Writer(codes.length)).done(),
  describe: (codes) => codes.join(', '),
};

/** Option 61, opaque (RFC 4361 4); shorter than the two bytes of RFC 2132 9.14 is no identifier. */
export const clientId: Shape<Buffer> = {
  decode: (value) => (value.length >= 2 ? value : undefined),
  encode: (value) => value,
  describe: (value) => (value.length === 7 && value[0] === 1 ? macFromBytes(value.subarray(1)) : hex(value)),
};

/** Option 97: type 0 and the SMBIOS UUID, its first three parts little-endian, as `dmidecode` and the kernel print it.
 *  All zero and all ones are what firmware sends that has none: undefined. */
export const guid: Shape<string> = {
  decode: (value) => {
    if (value.length !== 17 || value[0] !== 0) return undefined;
    const id = value.subarray(1);
    if (id.every((byte) => byte === 0) || id.every((byte) => byte === 255)) return undefined;
    const digits = swapGuid(id).toString('hex');
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  },
  encode: (value) => {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value)) throw unencodable('GUID', value);
    return Buffer.concat([Buffer.of(0), swapGuid(Buffer.from(value.replaceAll('-', ''), 'hex'))]);
  },
  describe: (value) => value,
};

/** The revision of the network driver interface that firmware has (RFC 4578 2.2). */
export type NetworkInterfaceRevision = { major: number; minor: number };

/** Option 94 (RFC 4578 2.2): type 1 is UNDI. */
export const undi: Shape<NetworkInterfaceRevision> = {
  decode: (value) =>
    value.length === 3 && value[0] === 1 ? { major: value[1] as number, minor: value[2] as number } : undefined,
  encode: ({ major, minor }) => new Writer(3).u8(1, 'type').u8(major, 'major').u8(minor, 'minor').done(),
  describe: ({ major, minor }) => `UNDI ${major}.${minor}`,
};

/** Option 77: a list of counted texts (RFC 3004 4). iPXE, and others, send one text without its length: lengths that do
 *  not add up to the option make it that one text. */
export const userClass: Shape<string[]> = {
  decode: (value) => {
    if (value.length === 0) return undefined;
    const classes: string[] = [];
    for (let at = 0; at < value.length; ) {
      const length = value[at] as number;
      if (length === 0 || at + 1 + length > value.length) return value.length <= 255 ? [latin1(value)] : undefined;
      classes.push(latin1(value.subarray(at + 1, at + 1 + length)));
      at += 1 + length;
    }
    return classes;
  },
  encode: (classes) => {
    const total = classes.reduce((sum, name) => sum + 1 + name.length, 0);
    const out = new Writer(total);
    for (const name of classes) out.u8(name.length, 'class length').put(latin1Bytes(name), 'class');
    return out.done();
  },
  describe: (classes) => classes.map(quote).join(', '),
};

/** A way to a network (RFC 3442). */
export type Route = { to: Cidr; via: Ipv4 };

/** Options 121 and 249 (RFC 3442): prefix length, only the bytes of the destination that it covers, router. */
export const routes: Shape<Route[]> = {
  decode: (value) => {
    const list: Route[] = [];
    for (let at = 0; at < value.length; ) {
      const prefix = value[at] as number;
      const significant = Math.ceil(prefix / 8);
      if (prefix > 32 || at + 1 + significant + 4 > value.length) return undefined;
      const destination = Buffer.alloc(4);
      value.copy(destination, 0, at + 1, at + 1 + significant);
      const { base } = cidrOf(ipv4FromBytes(destination), prefix);
      list.push({ to: { address: base, base, prefix }, via: ipv4FromBytes(value, at + 1 + significant) });
      at += 1 + significant + 4;
    }
    return list.length > 0 ? list : undefined;
  },
  encode: (list) =>
    Buffer.concat(
      list.map(({ to, via }) =>
        Buffer.concat([
          Buffer.of(to.prefix),
          ipv4ToBytes(to.base).subarray(0, Math.ceil(to.prefix / 8)),
          ipv4ToBytes(via),
        ]),
      ),
    ),
  describe: (list) => list.map(({ to, via }) => `${cidrToText(to)} via ${via}`).join(', '),
};

/** RFC 3442: who takes these routes ignores option 3, so the gateway is said again as the route to 0.0.0.0/0, at the end.
 *  The same list when it is empty, there is no gateway, or it has a route to 0.0.0.0/0 already. */
export function withDefaultRoute(list: readonly Route[], gateway: Ipv4 | undefined): Route[] {
  if (list.length === 0 || gateway === undefined || list.some(({ to }) => to.prefix === 0)) return [...list];
  return [...list, { to: cidrOf(ipv4FromNumber(0), 0), via: gateway }];
}

/** Option 119 (RFC 3397): domain names; compression is understood and never written (few ROMs know it). */
export const domains: Shape<string[]> = {
  decode: (value) => {
    const names: string[] = [];
    for (let at = 0; at < value.length; ) {
      const name = decodeName(value, at, true);
      if (name === undefined || name.labels.length === 0) return undefined;
      names.push(name.labels.join('.'));
      at = name.end;
    }
    return names.length > 0 ? names : undefined;
  },
  encode: (names) => Buffer.concat(names.map((name) => encodeName(name, true))),
  describe: (names) => names.map(quote).join(', '),
};

/** A client's name, and who is to register it (RFC 4702 2.1): the bits S, O, N and E, in this order. */
export type ClientFqdn = {
  serverUpdates: boolean;
  overridden: boolean;
  noUpdates: boolean;
  /** E: the name is in DNS labels; without it, in the deprecated plain text. */
  labels: boolean;
  /** A trailing dot: fully qualified. None: partial, the server completes it. */
  name: string;
};

/** Option 81 (RFC 4702 2): flags, two dead result codes, the name. Compression is not allowed here. */
export const fqdn: Shape<ClientFqdn> = {
  decode: (value) => {
    if (value.length < 3) return undefined;
    const flags = value[0] as number;
    const encoded = value.subarray(3);
    const labels = (flags & 4) !== 0;
    const name = labels ? decodeWholeName(encoded) : textFromBytes(encoded);
    if (name === undefined) return undefined;
    return {
      serverUpdates: (flags & 1) !== 0,
      overridden: (flags & 2) !== 0,
      noUpdates: (flags & 8) !== 0,
      labels,
      name,
    };
  },
  encode: ({ serverUpdates, overridden, noUpdates, labels, name }) => {
    const flags = (serverUpdates ? 1 : 0) | (overridden ? 2 : 0) | (labels ? 4 : 0) | (noUpdates ? 8 : 0);
    const full = name.endsWith('.');
    const encoded = labels ? encodeName(full ? name.slice(0, -1) : name, full) : textToBytes(name, 'FQDN');
    // RFC 4702 2.2: servers send 255 in both result codes, and everyone ignores them.
    return Buffer.concat([Buffer.of(flags, 255, 255), encoded]);
  },
  describe: ({ name }) => quote(name),
};

/** What is said under the number of an enterprise (IANA private enterprise numbers). */
export type VendorData = { enterprise: number; data: Buffer };

/** Options 124 and 125 (RFC 3925): enterprise number, length, data; again and again. */
export const vendorData: Shape<VendorData[]> = {
  decode: (value) => {
    const list: VendorData[] = [];
    for (let at = 0; at < value.length; ) {
      if (at + 5 > value.length) return undefined;
      const end = at + 5 + (value[at + 4] as number);
      if (end > value.length) return undefined;
      list.push({ enterprise: value.readUInt32BE(at), data: value.subarray(at + 5, end) });
      at = end;
    }
    return list.length > 0 ? list : undefined;
  },
  encode: (list) => {
    const out = new Writer(list.reduce((sum, { data }) => sum + 5 + data.length, 0));
    for (const { enterprise, data } of list) {
      out.u32(enterprise, 'enterprise').u8(data.length, 'data length').put(data, 'data');
    }
    return out.done();
  },
  describe: (list) => list.map(({ enterprise, data }) => `${enterprise}: ${hex(data)}`).join(', '),
};

/** What a relay says of where a client stands (RFC 3046 3.1, 3.2), and how it wants to be answered. */
export type RelayInformation = {
  circuitId?: Buffer;
  remoteId?: Buffer;
  /** RFC 3527: choose the subnet by this address, and still answer to giaddr. */
  linkSelection?: Ipv4;
  /** RFC 5010: did the relay receive the client's packet as unicast? */
  unicast?: boolean;
  /** RFC 5107: the relay wants to be the server in the client's eyes. */
  serverId?: Ipv4;
  /** RFC 8357: answer to the UDP source port, not to 67. */
  sourcePort?: true;
};

/** Option 82 (RFC 3046) as far as we act on it. Malformed sub-options count as absent. Echo the raw bytes, not this. */
export const relayInformation: Shape<RelayInformation> = {
  decode: (value) => {
    if (value.length === 0) return undefined;
    const subs = decodeSubOptions(value);
    const flags = subs.get(10);
    return withoutUndefined<RelayInformation>({
      circuitId: subs.get(1),
      remoteId: subs.get(2),
      linkSelection: optional(subs.get(5), ip.decode),
      unicast: flags?.length === 1 ? ((flags[0] as number) & 0x80) !== 0 : undefined,
      serverId: optional(subs.get(11), ip.decode),
      sourcePort: optional(subs.get(19), flag.decode),
    });
  },
  encode: (value) => {
    const subs = new Map<number, Buffer>();
    if (value.circuitId) subs.set(1, value.circuitId);
    if (value.remoteId) subs.set(2, value.remoteId);
    if (value.linkSelection) subs.set(5, ip.encode(value.linkSelection));
    if (value.unicast !== undefined) subs.set(10, Buffer.of(value.unicast ? 0x80 : 0));
    if (value.serverId) subs.set(11, ip.encode(value.serverId));
    if (value.sourcePort) subs.set(19, flag.encode(true));
    return encodeSubOptions(subs);
  },
  describe: (value) =>
    Object.entries(value)
      .map(([name, part]) => `${name} ${Buffer.isBuffer(part) ? printable(part) : part}`)
      .join(', '),
};

/** One named sub-option: its code, and the shape of its value. */
export type SubOption<T> = { readonly code: number; readonly shape: Shape<T> };

/** Code, length, data, again and again, as inside 43, 82 and 175. A sub-option that runs past the end is left out with
 *  all that follows; the first of two with one code counts; `pads` says whether 0 and 255 mean pad and end here. */
export function decodeSubOptions(value: Buffer, pads = false): Map<number, Buffer> {
  const subs = new Map<number, Buffer>();
  for (let at = 0; at < value.length; ) {
    const code = value[at] as number;
    if (pads && code === 255) break;
    if (pads && code === 0) {
      at += 1;
      continue;
    }
    const length = value[at + 1];
    if (length === undefined || at + 2 + length > value.length) break;
    if (!subs.has(code)) subs.set(code, value.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return subs;
}

/** The bytes of sub-options in the map's order, without an end mark; more than 255 bytes in one is WireError. */
export function encodeSubOptions(subs: ReadonlyMap<number, Buffer>): Buffer {
  let total = 0;
  for (const data of subs.values()) total += 2 + data.length;
  const out = new Writer(total);
  for (const [code, data] of subs)
    out.u8(code, 'sub-option code').u8(data.length, 'sub-option length').put(data, 'data');
  return out.done();
}

/** The same object without the names whose value is undefined, so that decoded objects compare and print cleanly. */
export function withoutUndefined<T extends object>(value: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined)) as T;
}

/** What `decode` makes of bytes that may be absent. */
export function optional<T>(value: Buffer | undefined, decode: (bytes: Buffer) => T | undefined): T | undefined {
  return value === undefined ? undefined : decode(value);
}

function every<T>(value: Buffer, size: number, read: (at: number) => T): T[] | undefined {
  if (value.length === 0 || value.length % size !== 0) return undefined;
  return Array.from({ length: value.length / size }, (_, i) => read(i * size));
}

/** The labels of the DNS name at `start` and where it ends. A pointer must lead back to before the name that has it:
 *  that, and the 255 bytes of RFC 1035 2.3.4, end every walk. */
function decodeName(value: Buffer, start: number, compressed: boolean): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let end: number | undefined;
  let size = 0;
  let barrier = start;
  for (let at = start; ; ) {
    const length = value[at];
    if (length === undefined) return undefined;
    if (length === 0) return { labels, end: end ?? at + 1 };
    if (length >= 0xc0) {
      const low = value[at + 1];
      if (!compressed || low === undefined) return undefined;
      end ??= at + 2;
      const target = (length & 0x3f) * 256 + low;
      if (target >= barrier) return undefined;
      barrier = at = target;
      continue;
    }
    size += length + 1;
    if (length > 63 || size > 254 || at + 1 + length > value.length) return undefined;
    const label = latin1(value.subarray(at + 1, at + 1 + length));
    if (label.includes('.')) return undefined;
    labels.push(label);
    at += 1 + length;
  }
}

/** A name that fills its bytes: with a trailing dot when the root label ends it, without when the bytes just end. */
function decodeWholeName(value: Buffer): string | undefined {
  const full = decodeName(value, 0, false);
  if (full !== undefined) return full.end === value.length ? `${full.labels.join('.')}.` : undefined;
  const partial = decodeName(Buffer.concat([value, Buffer.of(0)]), 0, false);
  return partial?.labels.join('.');
}

function encodeName(name: string, rooted: boolean): Buffer {
  const labels = name === '' ? [] : name.split('.');
  const size = labels.reduce((sum, label) => sum + 1 + label.length, 0);
  if (size > 254 || labels.some((label) => label.length === 0 || label.length > 63)) throw unencodable('name', name);
  const out = new Writer(size + 1);
  for (const label of labels) out.u8(label.length, 'label length').put(latin1Bytes(label), 'label');
  return rooted ? out.u8(0, 'root label').done() : out.done();
}

/** RFC 4122's fields are big-endian in text and, in SMBIOS, little-endian in bytes. The swap is its own inverse. */
function swapGuid(id: Buffer): Buffer {
  const swapped = Buffer.from(id);
  swapped.subarray(0, 4).reverse();
  swapped.subarray(4, 6).reverse();
  swapped.subarray(6, 8).reverse();
  return swapped;
}

function latin1(value: Buffer): string {
  return value.toString('latin1');
}

function latin1Bytes(value: string): Buffer {
  if (/[^\x00-\xff]/.test(value)) throw unencodable('text', value);
  return Buffer.from(value, 'latin1');
}

function quote(value: string): string {
  return `"${escapeText(value)}"`;
}

function hex(value: Buffer): string {
  return value.length > 32 ? `${value.toString('hex', 0, 32)}... (${value.length} bytes)` : value.toString('hex');
}

function printable(value: Buffer): string {
  return value.length > 0 && value.every((byte) => byte >= 0x20 && byte < 0x7f) ? quote(latin1(value)) : hex(value);
}

function unencodable(what: string, value: string): WireError {
  return new WireError('unencodable', what, 0, `${JSON.stringify(value)} cannot be written as a ${what}`);
}
