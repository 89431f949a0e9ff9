import { type Ipv4, ipv4FromBytes, ipv4ToBytes } from './address.ts';
import { textFromBytes, textToBytes, Writer } from './bytes.ts';
import {
  decodeSubOptions,
  encodeSubOptions,
  ip,
  optional,
  type Shape,
  type SubOption,
  text,
  u8,
  withoutUndefined,
} from './dhcp-shapes.ts';

/** Option 43 of a PXE client or boot server (PXE 2.1 table 2-1). 1 to 5 (MTFTP) stay raw: EDK2 takes an offer with all
 *  five for another protocol and throws it away. */
export type PxeOptions = {
  /** 6: the discoveryControl bits below. */
  discoveryControl?: number;
  /** 7 */
  multicastAddress?: Ipv4;
  /** 8 */
  bootServers?: { type: number; addresses: Ipv4[] }[];
  /** 9: type 0 is "boot from the disk". */
  menu?: { type: number; text: string }[];
  /** 10: seconds until the first line of the menu is taken; 0 at once, 255 never. */
  prompt?: { timeout: number; text: string };
  /** 71: what the client chose, asked for on port 4011. `credentials`: it wants BIS, which we refuse. */
  bootItem?: { type: number; layer: number; credentials: boolean };
  /** Other sub-options, raw. */
  others?: Map<number, Buffer>;
};

/** Bits of PxeOptions.discoveryControl. */
export const discoveryControl = {
  noBroadcast: 1,
  noMulticast: 2,
  onlyListedServers: 4,
  /** No menu and no discovery: boot what this very packet names. */
  useThisBootFile: 8,
} as const;

/** The boot servers of one type. */
export type PxeBootServer = NonNullable<PxeOptions['bootServers']>[number];
/** One line of the menu and the type of boot server that it leads to. */
export type PxeMenuLine = NonNullable<PxeOptions['menu']>[number];
/** See PxeOptions.prompt. */
export type PxePrompt = NonNullable<PxeOptions['prompt']>;
/** See PxeOptions.bootItem. */
export type PxeBootItem = NonNullable<PxeOptions['bootItem']>;

/** Sub-option 8 (PXE 2.1 table 2-1): boot servers by their type, each with its addresses. */
export const bootServers: Shape<PxeBootServer[]> = {
  decode: decodeBootServers,
  encode: encodeBootServers,
  describe: (servers) => servers.map(({ type, addresses }) => [type, ...addresses].join(' ')).join(', '),
};

/** Sub-option 9 (PXE 2.1 table 2-1): the lines of the boot menu. */
export const menu: Shape<PxeMenuLine[]> = {
  decode: decodeMenu,
  encode: encodeMenu,
  describe: (lines) => lines.map((line) => `${line.type} ${text.describe(line.text)}`).join(', '),
};

/** Sub-option 10 (PXE 2.1 table 2-1): the prompt, and the seconds until the first line of the menu is taken. */
export const prompt: Shape<PxePrompt> = {
  decode: decodePrompt,
  encode: encodePrompt,
  describe: (value) => `${text.describe(value.text)} for ${value.timeout} s`,
};

const bootItem: Shape<PxeBootItem> = {
  decode: decodeBootItem,
  encode: encodeBootItem,
  describe: ({ type, layer }) => `type ${type}, layer ${layer}`,
};

/** The sub-options of PxeOptions (PXE 2.1 table 2-1). */
export const pxeSubOptions = {
  discoveryControl: { code: 6, shape: u8 },
  multicastAddress: { code: 7, shape: ip },
  bootServers: { code: 8, shape: bootServers },
  menu: { code: 9, shape: menu },
  prompt: { code: 10, shape: prompt },
  bootItem: { code: 71, shape: bootItem },
} as const;
const pxeCodes = new Set(Object.values(pxeSubOptions).map(({ code }): number => code));

/** What is understood of an option 43; malformed sub-options count as absent, without end. Never throws. */
export function decodePxe(bytes: Buffer): PxeOptions {
  const subs = decodeSubOptions(bytes, true);
  const others = new Map([...subs].filter(([code]) => !pxeCodes.has(code)));
  return withoutUndefined<PxeOptions>({
    discoveryControl: get(subs, pxeSubOptions.discoveryControl),
    multicastAddress: get(subs, pxeSubOptions.multicastAddress),
    bootServers: get(subs, pxeSubOptions.bootServers),
    menu: get(subs, pxeSubOptions.menu),
    prompt: get(subs, pxeSubOptions.prompt),
    bootItem: get(subs, pxeSubOptions.bootItem),
    others: others.size > 0 ? others : undefined,
  });
}

/** The bytes of an option 43, ended by 255 as PXE 2.1 asks. */
export function encodePxe(value: PxeOptions): Buffer {
  const subs = new Map<number, Buffer>();
  set(subs, pxeSubOptions.discoveryControl, value.discoveryControl);
  set(subs, pxeSubOptions.multicastAddress, value.multicastAddress);
  set(subs, pxeSubOptions.bootServers, value.bootServers);
  set(subs, pxeSubOptions.menu, value.menu);
  set(subs, pxeSubOptions.prompt, value.prompt);
  set(subs, pxeSubOptions.bootItem, value.bootItem);
  for (const [code, data] of value.others ?? []) subs.set(code, data);
  return Buffer.concat([encodeSubOptions(subs), Buffer.of(255)]);
}

/** What an iPXE was built with, by its number in option 175 (iPXE src/include/ipxe/features.h). */
const features = {
  pxeExtensions: 0x10,
  iscsi: 0x11,
  aoe: 0x12,
  http: 0x13,
  https: 0x14,
  tftp: 0x15,
  ftp: 0x16,
  dns: 0x17,
  bzimage: 0x18,
  multiboot: 0x19,
  slam: 0x1a,
  srp: 0x1b,
  nbi: 0x20,
  pxe: 0x21,
  elf: 0x22,
  comboot: 0x23,
  efi: 0x24,
  fcoe: 0x25,
  vlan: 0x26,
  menu: 0x27,
  sdi: 0x28,
  nfs: 0x29,
} as const;
/** The name of something that an iPXE can have been built with. */
export type IpxeFeature = keyof typeof features;
const featureNames = new Map<number, IpxeFeature>(
  Object.entries(features).map(([name, code]) => [code, name as IpxeFeature]),
);

/** Option 175: what iPXE tells of itself, and what it may be told. */
export type IpxeOptions = {
  priority?: number;
  keepSan?: boolean;
  /** true: do not wait for a ProxyDHCP server. Saves three seconds. */
  skipProxyDhcp?: boolean;
  /** The network card. `type` 1 is PCI. */
  bus?: { type: number; vendor: number; device: number };
  useCached?: boolean;
  /** `1.21.1` */
  version?: string;
  /** What it can do. Stock ROMs have no `https`. */
  features: IpxeFeature[];
  /** Other sub-options, raw. */
  others?: Map<number, Buffer>;
};

/** A setting of iPXE that is off when its byte is 0. */
export const onOff: Shape<boolean> = {
  decode: (bytes) => (bytes.length === 1 ? bytes[0] !== 0 : undefined),
  encode: (value) => Buffer.of(value ? 1 : 0),
  describe: (value) => (value ? 'yes' : 'no'),
};

/** What iPXE may be told in option 175 (iPXE src/include/ipxe/dhcp.h, DHCP_EB_...; src/usr/autoboot.c for the types). */
export const ipxeSubOptions = {
  priority: { code: 0x01, shape: u8 },
  /** Leave a SAN disk attached when it does not boot: needed to install onto it. */
  keepSan: { code: 0x08, shape: onOff },
  skipSanBoot: { code: 0x09, shape: onOff },
  /** A line of iPXE script to run instead of booting by itself. */
  scriptlet: { code: 0x51, shape: text },
  syslogs: { code: 0x55, shape: text },
  /** A URI: where the cross-signed certificates are. */
  crosscert: { code: 0x5d, shape: text },
  skipProxyDhcp: { code: 0xb0, shape: onOff },
  useCached: { code: 0xb2, shape: onOff },
  sanRetry: { code: 0xbb, shape: u8 },
  sanFilename: { code: 0xbc, shape: text },
  /** 128 is the first disk of a BIOS. */
  sanDrive: { code: 0xbd, shape: u8 },
  username: { code: 0xbe, shape: text },
  password: { code: 0xbf, shape: text },
  reverseUsername: { code: 0xc0, shape: text },
  reversePassword: { code: 0xc1, shape: text },
} as const;

/** Option 175. A feature counts when its value, a version, is not 0. */
export const ipxe: Shape<IpxeOptions> = {
  decode: (bytes) => {
    if (bytes.length === 0) return undefined;
    const subs = decodeSubOptions(bytes, true);
    const others = new Map([...subs].filter(([code]) => !ipxeCodes.has(code) && !featureNames.has(code)));
    return withoutUndefined<IpxeOptions>({
      priority: get(subs, ipxeSubOptions.priority),
      keepSan: get(subs, ipxeSubOptions.keepSan),
      skipProxyDhcp: get(subs, ipxeSubOptions.skipProxyDhcp),
      bus: optional(subs.get(0xb1), decodeBus),
      useCached: get(subs, ipxeSubOptions.useCached),
      version: optional(subs.get(0xeb), (value) => (value.length === 3 ? [...value].join('.') : undefined)),
      features: [...subs].flatMap(([code, value]) =>
        value.length === 1 && value[0] ? (featureNames.get(code) ?? []) : [],
      ),
      others: others.size > 0 ? others : undefined,
    });
  },
  encode: (value) => {
    const subs = new Map<number, Buffer>();
    set(subs, ipxeSubOptions.priority, value.priority);
    set(subs, ipxeSubOptions.keepSan, value.keepSan);
    set(subs, ipxeSubOptions.skipProxyDhcp, value.skipProxyDhcp);
    if (value.bus) subs.set(0xb1, encodeBus(value.bus));
    set(subs, ipxeSubOptions.useCached, value.useCached);
    if (value.version !== undefined) subs.set(0xeb, encodeVersion(value.version));
    for (const name of value.features) subs.set(features[name], Buffer.of(1));
    for (const [code, data] of value.others ?? []) subs.set(code, data);
    return encodeSubOptions(subs);
  },
  describe: ({ version, features }) =>
    `iPXE ${version ?? 'without a version'} with ${features.join(', ') || 'no features'}`,
};

const ipxeCodes = new Set([0x01, 0x08, 0xb0, 0xb1, 0xb2, 0xeb]);

function get<T>(subs: ReadonlyMap<number, Buffer>, { code, shape }: SubOption<T>): T | undefined {
  return optional(subs.get(code), shape.decode);
}

function set<T>(subs: Map<number, Buffer>, { code, shape }: SubOption<T>, value: T | undefined): void {
  if (value !== undefined) subs.set(code, shape.encode(value));
}

function decodeBootServers(bytes: Buffer): PxeBootServer[] | undefined {
  const servers: { type: number; addresses: Ipv4[] }[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + (bytes[at + 2] as number) * 4;
    if (end > bytes.length) return undefined;
    const addresses: Ipv4[] = [];
    for (let i = at + 3; i < end; i += 4) addresses.push(ipv4FromBytes(bytes, i));
    servers.push({ type: bytes.readUInt16BE(at), addresses });
    at = end;
  }
  return servers.length > 0 ? servers : undefined;
}

function encodeBootServers(servers: PxeBootServer[]): Buffer {
  const parts = servers.map(({ type, addresses }) => {
    const head = new Writer(3).u16(type, 'boot server type').u8(addresses.length, 'boot server count').done();
    return Buffer.concat([head, ...addresses.map(ipv4ToBytes)]);
  });
  return Buffer.concat(parts);
}

function decodeMenu(bytes: Buffer): PxeMenuLine[] | undefined {
  const lines: { type: number; text: string }[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 3 > bytes.length) return undefined;
    const end = at + 3 + (bytes[at + 2] as number);
    if (end > bytes.length) return undefined;
    lines.push({ type: bytes.readUInt16BE(at), text: textFromBytes(bytes.subarray(at + 3, end)) });
    at = end;
  }
  return lines.length > 0 ? lines : undefined;
}

function encodeMenu(lines: PxeMenuLine[]): Buffer {
  const parts = lines.map(({ type, text }) => {
    const line = textToBytes(text, 'menu text');
    return new Writer(3 + line.length)
      .u16(type, 'menu type')
      .u8(line.length, 'menu length')
      .put(line, 'menu text')
      .done();
  });
  return Buffer.concat(parts);
}

function decodePrompt(bytes: Buffer): PxePrompt | undefined {
  return bytes.length > 0 ? { timeout: bytes[0] as number, text: textFromBytes(bytes.subarray(1)) } : undefined;
}

function encodePrompt({ timeout, text }: PxePrompt): Buffer {
  return Buffer.concat([u8.encode(timeout), textToBytes(text, 'prompt')]);
}

function decodeBootItem(bytes: Buffer): PxeBootItem | undefined {
  if (bytes.length !== 4) return undefined;
  const layer = bytes.readUInt16BE(2);
  return { type: bytes.readUInt16BE(0), layer: layer & 0x7fff, credentials: (layer & 0x8000) !== 0 };
}

function encodeBootItem({ type, layer, credentials }: PxeBootItem): Buffer {
  return new Writer(4)
    .u16(type, 'boot item type')
    .u16(layer | (credentials ? 0x8000 : 0), 'boot item layer')
    .done();
}

function decodeBus(bytes: Buffer): IpxeOptions['bus'] {
  if (bytes.length !== 5) return undefined;
  return { type: bytes[0] as number, vendor: bytes.readUInt16BE(1), device: bytes.readUInt16BE(3) };
}

function encodeBus({ type, vendor, device }: NonNullable<IpxeOptions['bus']>): Buffer {
  return new Writer(5).u8(type, 'bus type').u16(vendor, 'bus vendor').u16(device, 'bus device').done();
}

function encodeVersion(version: string): Buffer {
  const parts = version.split('.').map(Number);
  return parts.reduce((out, part) => out.u8(part, 'iPXE version'), new Writer(3)).done();
}
