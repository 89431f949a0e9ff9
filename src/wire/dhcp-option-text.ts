import { cidrToText, type Ipv4, isIpv4, parseCidr } from './address.ts';
import { WireError } from './bytes.ts';
import { dhcpOptions, type OptionName, optionCode, optionName } from './dhcp-options.ts';
import {
  bool,
  bytes as bytesShape,
  decodeSubOptions,
  domains,
  encodeSubOptions,
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
  vendorData,
} from './dhcp-shapes.ts';
import {
  bootServers,
  ipxeSubOptions,
  menu,
  onOff,
  type PxeBootServer,
  type PxeMenuLine,
  type PxePrompt,
  prompt,
  pxeSubOptions,
} from './pxe.ts';

/** An option's value as a person writes it: as YAML or JSON gives it, or all in one string as a command line does.
 *  `hex:0a4d0001` is the bytes themselves, for every option. */
export type OptionText = string | number | boolean | readonly OptionText[] | { readonly [key: string]: OptionText };

export type ShapeName = keyof typeof forms;

/** An option that our table does not have, or has as mere bytes, under the operator's name. */
export type CustomOption = { readonly code: number; readonly name: string; readonly shape: ShapeName };

/** A row of the table for whoever wants to set it: how its value looks, or why it is refused. */
export type OptionLine = { code: number; name: string; source: string } & (
  | { shape: ShapeName; example: OptionText }
  | { refused: string }
);

/** What a person wrote is no value of the option, or there is no such option. The message alone says all:
 *  `dns-servers: "10.0.0" is not an IPv4 address`. */
export class OptionTextError extends Error {
  readonly option: string;
  readonly value: unknown;

  constructor(option: string, value: unknown, problem: string) {
    super(`${option}: ${problem}`);
    this.name = 'OptionTextError';
    this.option = option;
    this.value = value;
  }
}

/** The code and the bytes of what was written. `name` is `dns-servers`, `dnsServers`, `6`, `option-6`, or a custom
 *  option's name; a number that nobody named takes bytes in hex. OptionTextError for everything else. */
export function parseOption(
  name: string,
  value: OptionText,
  custom: readonly CustomOption[] = [],
): { code: number; bytes: Buffer } {
  const code = codeNamed(name, value, custom);
  const shown = nameOf(code, custom);
  const why = refused.get(code);
  if (why !== undefined) throw new OptionTextError(shown, value, `${show(value)} cannot be set: ${why}`);
  const bytes = asOptionText(shown, value, () => toBytes(formOf(code, custom), value));
  if (bytes.length > longestOption) {
    const problem = `${show(value)} has ${bytes.length} bytes, a reply has room for ${longestOption}`;
    throw new OptionTextError(shown, value, problem);
  }
  return { code, bytes };
}

/** The option as parseOption reads it back to the very same bytes: `value` for YAML and JSON, `text` in one printable
 *  line of ASCII. Never throws; options that cannot be set, and those of more than 1024 bytes, are shown all the same. */
export function formatOption(
  code: number,
  bytes: Buffer,
  custom: readonly CustomOption[] = [],
): { name: string; value: OptionText; text: string } {
  const form = formOf(code, custom);
  const value = toText(form, bytes);
  const line = inOneLine(value);
  const isSafe = /^[\x20-\x7e]*$/.test(line) && says(form, line, bytes);
  return { name: nameOf(code, custom), value, text: isSafe ? line : rawText(bytes) };
}

/** The definition, checked, that may join `others`; OptionTextError says what is wrong with it. */
export function checkCustomOption(
  option: { code: number; name: string; shape: string },
  others: readonly CustomOption[] = [],
): CustomOption {
  const { code, name, shape } = option;
  const fail = (value: unknown, problem: string) => new OptionTextError(show(name), value, `${show(value)} ${problem}`);
  if (!Number.isInteger(code) || code < 1 || code > 254) throw fail(code, 'is no option code: 1 to 254');
  if (typeof name !== 'string' || !/^[a-z]([a-z0-9-]{0,62}[a-z0-9])?$/.test(name) || /^option-\d+$/.test(name)) {
    throw fail(name, 'is no name for an option: small letters, digits and hyphens, like "switch-config"');
  }
  if (!isShapeName(shape)) throw fail(shape, `is no shape: ${Object.keys(forms).join(', ')}`);
  const why = refused.get(code);
  if (why !== undefined) throw fail(code, `is ${nameOf(code, [])}, which cannot be set: ${why}`);
  if (shapeOf(code, []) !== 'hex') throw fail(code, `has a name and a shape already: ${nameOf(code, [])}`);
  if (tableCodes.has(name)) throw fail(name, `is the name of option ${tableCodes.get(name)}`);
  const other = others.find((one) => one.code === code || one.name === name);
  if (other !== undefined) throw fail(code, `is given twice: ${other.name} is option ${other.code}`);
  return { code, name, shape };
}

/** Every row of the table, in the order of the codes. */
export function listOptions(): OptionLine[] {
  return Object.entries(dhcpOptions).map(([camel, { code, source }]): OptionLine => {
    const why = refused.get(code);
    const line = { code, name: kebab(camel), source };
    if (why !== undefined) return { ...line, refused: why };
    const shape = shapeOf(code, []);
    return { ...line, shape, example: examples[camel as OptionName] ?? forms[shape].example };
  });
}

/** No reply has room for more, once it says what no reply can miss (dhcpReplyLimit: 1472 bytes, 240 of them header). */
const longestOption = 1024;

/** Options that a person cannot set, and why. */
const refused: ReadonlyMap<number, string> = new Map([
  [0, 'it is the padding between options'],
  [optionCode('requestedAddress'), 'only a client sends it'],
  [optionCode('leaseSeconds'), 'it is the lease time of the subnet'],
  [optionCode('overload'), 'it says how the reply is laid out'],
  [optionCode('messageType'), 'it says what kind of message the reply is'],
  [optionCode('serverId'), 'it is the address at which this server answered'],
  [optionCode('parameterRequestList'), 'only a client sends it'],
  [optionCode('message'), 'it says why the server refuses a request'],
  [optionCode('maxMessageSize'), 'only a client sends it'],
  [optionCode('clientId'), "it is the client's own, echoed (RFC 6842)"],
  [optionCode('userClass'), 'only a client sends it'],
  [optionCode('rapidCommit'), "it answers the client's own (RFC 4039)"],
  [optionCode('clientFqdn'), "it answers the client's own (RFC 4702)"],
  [optionCode('relayInformation'), "it is the relay's own, echoed (RFC 3046)"],
  [optionCode('clientArchitectures'), 'only a client sends it'],
  [optionCode('clientNetworkInterface'), 'only a client sends it'],
  [optionCode('clientMachineId'), "it is the client's own, echoed (RFC 4578)"],
  [optionCode('subnetSelection'), "it is the client's own, echoed (RFC 3011)"],
  [255, 'it ends the options'],
]);

/** Better than the example of the shape. */
const examples: Partial<Record<OptionName, OptionText>> = {
  subnetMask: '255.255.255.0',
  timeOffset: '-5h',
  hostName: 'node1',
  meritDumpFile: '/var/crash/node1',
  domainName: 'rack1.example',
  rootPath: '10.0.0.1:/srv/root',
  extensionsPath: 'extensions',
  policyFilter: ['10.1.0.0 255.255.0.0'],
  pathMtuPlateaus: [576, 1500],
  interfaceMtu: 9000,
  broadcastAddress: '10.0.0.255',
  nisDomain: 'rack1',
  netbiosNodeType: 8,
  netbiosScope: 'rack1',
  vendorClass: 'PXEClient',
  netwareDomain: 'rack1',
  nisPlusDomain: 'rack1',
  tftpServerName: '10.0.0.1',
  bootFileName: 'ipxe.efi',
  timezonePosix: 'CET-1CEST,M3.5.0,M10.5.0/3',
  timezoneDatabase: 'Europe/Berlin',
  captivePortal: 'https://portal.example/api',
  iscsiInitiator: 'iqn.2024-01.example:node1',
  pxelinuxMagic: '0xf100747e',
  pxelinuxConfigFile: 'pxelinux.cfg/default',
  pxelinuxPathPrefix: '/syslinux/',
  proxyAutoDiscovery: 'http://wpad.example/wpad.dat',
};

/** How people write the values of a shape. What is not one is WireError 'malformed'. */
type Form = {
  readonly parse: (value: unknown) => Buffer;
  /** Undefined when the bytes are no value of the shape. It may say less than the bytes do: toText sees to that. */
  readonly format: (bytes: Buffer) => OptionText | undefined;
  readonly example: OptionText;
};

const hex = form(bytesShape, readHex, (value) => `0x${value.toString('hex')}`, '0x0a4d0001');

const scalarForms = {
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
  hex,
  domains: form(domains, (value) => words(value).map(readDomain), same, ['rack1.example', 'example']),
  routes: form(
    routes,
    (value) => items(value).map(readRoute),
    (list) => list.map(routeText),
    ['10.1.0.0/16 via 10.0.0.1', 'default via 10.0.0.254'],
  ),
};

/** Forms that occur inside options only. */
const innerForms: readonly (readonly [unknown, Form])[] = [
  [onOff, form(onOff, readBool, same, true)],
  [
    bootServers,
    form(bootServers, readBootServers, (list) => list.map((one) => [one.type, ...one.addresses].join(' ')), [
      '1 10.0.0.1',
    ]),
  ],
  [menu, form(menu, readMenu, (lines) => lines.map((line) => `${line.type} ${line.text}`), ['0 Local disk'])],
  [prompt, form(prompt, readPrompt, (value) => `${value.timeout} ${value.text}`, '10 Press F8 for a menu')],
];

type Part = { readonly code: number; readonly form: Form };

/** Shapes by the name that a custom option gives them. */
const forms = {
  ...scalarForms,
  'sub-options': subOptions(new Map(), false, { 1: '0x0a4d0001', 2: '0x00' }),
  /** 43 of a PXE client. PXE 2.1 wants an end mark; so it has one when a part is given by its PXE name, and people who
   *  write numbers for another vendor's machine get those bytes and no more. */
  pxe: subOptions(partsOf(pxeSubOptions), true, { 'discovery-control': 8 }),
  ipxe: subOptions(partsOf(ipxeSubOptions), false, { 'skip-proxy-dhcp': true }),
  'vendor-class': {
    parse: parseVendorClasses,
    format: formatVendorClasses,
    example: { 4491: ['docsis3.0'] },
  },
  'vendor-options': {
    parse: parseVendorOptions,
    format: formatVendorOptions,
    example: { 311: { 1: '0x0a4d0001', 2: '0x00' } },
  },
} satisfies Record<string, Form>;

/** Options that are sub-options to people and less to the codec. */
const shapeByCode: ReadonlyMap<number, ShapeName> = new Map([
  [optionCode('vendorEncapsulated'), 'pxe'],
  [optionCode('ipxe'), 'ipxe'],
  [optionCode('vendorIdentifyingClass'), 'vendor-class'],
  [optionCode('vendorIdentifyingOptions'), 'vendor-options'],
]);

const shapeNames: ReadonlyMap<unknown, ShapeName> = new Map(
  Object.entries(scalarForms).map(([name, { shape }]) => [shape, name as ShapeName]),
);

/** Both spellings of every row. */
const tableCodes: ReadonlyMap<string, number> = new Map(
  Object.entries(dhcpOptions).flatMap(([camel, { code }]): [string, number][] => [
    [camel, code],
    [kebab(camel), code],
  ]),
);

function codeNamed(name: string, value: unknown, custom: readonly CustomOption[]): number {
  const code = custom.find((one) => one.name === name)?.code ?? tableCodes.get(name);
  if (code !== undefined) return code;
  const digits = /^(?:option-)?(\d{1,9})$/.exec(name)?.[1];
  if (digits === undefined) {
    const names = [...custom.map((one) => one.name), ...Object.keys(dhcpOptions).map(kebab)];
    const alike = names.filter((one) => name.length > 2 && (one.includes(name) || name.includes(one)));
    const hint = alike.length > 0 ? `; is it ${alike.slice(0, 3).join(' or ')}?` : '';
    throw new OptionTextError(show(name), value, `no DHCP option has this name (value ${show(value)})${hint}`);
  }
  if (Number(digits) > 255) {
    throw new OptionTextError(show(name), value, `no DHCP option has this number (value ${show(value)}): 1 to 254`);
  }
  return Number(digits);
}

function nameOf(code: number, custom: readonly CustomOption[]): string {
  const own = custom.find((one) => one.code === code)?.name;
  if (own !== undefined) return own;
  const camel = optionName(code);
  return camel === undefined ? `option-${code}` : kebab(camel);
}

function shapeOf(code: number, custom: readonly CustomOption[]): ShapeName {
  const own = custom.find((one) => one.code === code)?.shape ?? shapeByCode.get(code);
  if (own !== undefined) return own;
  const camel = optionName(code);
  return (camel && shapeNames.get(dhcpOptions[camel].shape)) ?? 'hex';
}

function formOf(code: number, custom: readonly CustomOption[]): Form {
  return forms[shapeOf(code, custom)];
}

function isShapeName(name: unknown): name is ShapeName {
  return typeof name === 'string' && Object.hasOwn(forms, name);
}

function form<T>(
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

function toBytes(form: Form, value: unknown): Buffer {
  if (typeof value !== 'string' || !value.startsWith(rawMark)) return form.parse(value);
  const digits = value.slice(rawMark.length);
  return digits === '' ? Buffer.alloc(0) : readHex(digits);
}

/** What the form says of the bytes, if toBytes makes the very same bytes of it; `hex:` and the bytes otherwise. */
function toText(form: Form, bytes: Buffer): OptionText {
  const value = form.format(bytes);
  return value !== undefined && says(form, value, bytes) ? value : rawText(bytes);
}

function says(form: Form, value: OptionText, bytes: Buffer): boolean {
  try {
    return toBytes(form, value).equals(bytes);
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

const rawMark = 'hex:';

function rawText(bytes: Buffer): string {
  return rawMark + bytes.toString('hex');
}

/** Sub-options by name, and by number with their bytes in hex: `{ menu: ['0 Local disk'], 200: '0x01' }`, or in one
 *  string `menu=0 Local disk; 200=0x01`. */
function subOptions(parts: ReadonlyMap<string, Part>, endMark: boolean, example: OptionText): Form {
  const names = new Map([...parts].map(([name, { code }]) => [code, name]));
  return {
    example,
    parse: (value) => {
      if (typeof value === 'string' && /^\s*0x[^=:]*$/.test(value)) return readHex(value);
      const subs = parseParts(parts, pairsOf(value));
      const isEnded = endMark && [...subs.values()].some(({ named }) => named);
      const written = encodeSubOptions(new Map([...subs].map(([code, { bytes }]) => [code, bytes])));
      return isEnded ? Buffer.concat([written, Buffer.of(255)]) : written;
    },
    // Without the end mark the names would add one.
    format: (bytes) => formatParts(parts, endMark && bytes.at(-1) !== 255 ? new Map() : names, bytes),
  };
}

function parseParts(
  parts: ReadonlyMap<string, Part>,
  pairs: readonly (readonly [string, unknown])[],
): Map<number, { bytes: Buffer; named: boolean }> {
  const subs = new Map<number, { bytes: Buffer; named: boolean }>();
  for (const [key, value] of pairs) {
    const part = parts.get(kebab(key));
    const known = parts.size > 0 ? `${[...parts.keys()].join(', ')}, or a number` : 'a number';
    const code = part?.code ?? readKey(key, 1, 254, `a sub-option (${known} from 1 to 254)`);
    if (subs.has(code)) throw malformed('sub-option', `sub-option ${key} is given twice`);
    subs.set(code, { bytes: within(key, () => toBytes(part?.form ?? hex, value)), named: part !== undefined });
  }
  return subs;
}

function formatParts(
  parts: ReadonlyMap<string, Part>,
  names: ReadonlyMap<number, string>,
  bytes: Buffer,
): OptionText | undefined {
  const subs = decodeSubOptions(bytes, true);
  if (subs.size === 0) return undefined;
  return Object.fromEntries(
    [...subs].map(([code, data]) => {
      const name = names.get(code);
      const part = name === undefined ? undefined : parts.get(name);
      return [name ?? String(code), toText(part?.form ?? hex, data)];
    }),
  );
}

/** The parts of a table whose shapes people write. */
function partsOf(
  table: Readonly<Record<string, { readonly code: number; readonly shape: unknown }>>,
): ReadonlyMap<string, Part> {
  const formByShape = new Map<unknown, Form>([
    ...Object.values(scalarForms).map((one): [unknown, Form] => [one.shape, one]),
    ...innerForms,
  ]);
  const parts = new Map<string, Part>();
  for (const [camel, { code, shape }] of Object.entries(table)) {
    const form = formByShape.get(shape);
    if (form !== undefined) parts.set(kebab(camel), { code, form });
  }
  return parts;
}

/** Option 125 (RFC 3925 4): `{ 311: { 1: '0x01' } }`, or in one string `311/1=0x01; 311/2=0x00`. */
function parseVendorOptions(value: unknown): Buffer {
  const enterprises = new Map<number, [string, unknown][]>();
  for (const [key, part] of pairsOf(value)) {
    const slash = key.indexOf('/');
    const enterprise = readEnterprise(slash < 0 ? key : key.slice(0, slash));
    const pairs: [string, unknown][] = slash < 0 ? within(key, () => pairsOf(part)) : [[key.slice(slash + 1), part]];
    enterprises.set(enterprise, [...(enterprises.get(enterprise) ?? []), ...pairs]);
  }
  return vendorData.encode(
    [...enterprises].map(([enterprise, pairs]) => {
      const subs = within(String(enterprise), () => parseParts(new Map(), pairs));
      return { enterprise, data: encodeSubOptions(new Map([...subs].map(([code, { bytes }]) => [code, bytes]))) };
    }),
  );
}

function formatVendorOptions(bytes: Buffer): OptionText | undefined {
  const list = vendorData.decode(bytes);
  if (list === undefined) return undefined;
  return Object.fromEntries(
    list.map(({ enterprise, data }) => [enterprise, formatParts(new Map(), new Map(), data) ?? {}]),
  );
}

/** Option 124 (RFC 3925 3): each enterprise's counted texts, `{ 4491: ['docsis3.0'] }`, or `4491=docsis3.0`. */
function parseVendorClasses(value: unknown): Buffer {
  const enterprises = new Map<number, Buffer[]>();
  for (const [key, part] of pairsOf(value)) {
    const enterprise = readEnterprise(key);
    const classes = (Array.isArray(part) ? part : [part]).map((one: unknown) => {
      const data = within(key, () => toBytes(forms.text, one));
      if (data.length > 255) throw malformed('vendor class', `${key}: ${show(one)} is longer than 255 bytes`);
      return Buffer.concat([Buffer.of(data.length), data]);
    });
    enterprises.set(enterprise, [...(enterprises.get(enterprise) ?? []), ...classes]);
  }
  return vendorData.encode(
    [...enterprises].map(([enterprise, classes]) => ({ enterprise, data: Buffer.concat(classes) })),
  );
}

function formatVendorClasses(bytes: Buffer): OptionText | undefined {
  const list = vendorData.decode(bytes);
  if (list === undefined) return undefined;
  return Object.fromEntries(
    list.map(({ enterprise, data }) => {
      const classes: OptionText[] = [];
      for (let at = 0; at < data.length; at += 1 + (data[at] as number)) {
        classes.push(toText(forms.text, data.subarray(at + 1, at + 1 + (data[at] as number))));
      }
      return [enterprise, classes];
    }),
  );
}

function readEnterprise(key: string): number {
  return readKey(key, 0, 0xffffffff, 'an enterprise number (IANA, like 311)');
}

function readKey(key: string, min: number, max: number, what: string): number {
  const number = /^\d{1,10}$/.test(key) ? Number(key) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw notA(key, what);
}

/** Name and value, from an object or from `name=value; name=value`. A comma, or a colon for the equals sign, will do
 *  where nothing else can be meant: a new pair begins where a name and its sign follow. */
function pairsOf(value: unknown): [string, unknown][] {
  if (typeof value === 'string') return value.split(/[;,]\s*(?=[\w/-]+\s*[=:])/).map(readPair);
  const pairs = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
  if (pairs.length === 0) throw notA(value, 'sub-options like { 1: "0x0a4d0001" }');
  return pairs;
}

function readPair(pair: string): [string, string] {
  const [, key, value] = /^([\w/-]+)\s*[=:](.*)$/s.exec(pair.trim()) ?? [];
  if (key === undefined || value === undefined) throw notA(pair, 'a sub-option like "1=0x0a4d0001"');
  return [key, value.trim()];
}

/** A value of JSON in one line, for which the readers below have an ear. */
function inOneLine(value: OptionText): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value !== 'object') return String(value);
  if (isList(value)) return value.map(inOneLine).join(', ');
  return lineOfPairs(value, '');
}

function lineOfPairs(pairs: { readonly [key: string]: OptionText }, prefix: string): string {
  return Object.entries(pairs)
    .map(([key, value]) =>
      typeof value === 'object' && !isList(value)
        ? lineOfPairs(value, `${prefix}${key}/`)
        : `${prefix}${key}=${inOneLine(value)}`,
    )
    .join('; ');
}

/** Array.isArray does not narrow to a readonly array. */
function isList(value: object): value is readonly OptionText[] {
  return Array.isArray(value);
}

/** What stands between commas; of an array, its members as they are. */
function items(value: unknown): unknown[] {
  return listOf(value, (line) => line.split(',').map((item) => item.trim()));
}

/** What stands between commas or spaces; of an array, its members as they are. */
function words(value: unknown): unknown[] {
  return listOf(value, (line) => line.trim().split(/[\s,]+/));
}

function listOf(value: unknown, split: (line: string) => string[]): unknown[] {
  const list = Array.isArray(value) ? value : typeof value === 'string' ? split(value) : [value];
  if (list.length === 0 || list[0] === '') throw malformed('list', `${show(value)} ${emptyHint}`);
  return list;
}

function readIp(value: unknown): Ipv4 {
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

function readHex(value: unknown): Buffer {
  if (typeof value !== 'string') throw notA(value, 'bytes: write them in quotes, like "0x0a4d0001"');
  const written = /^(?:0x)?([0-9a-f]{2}(?:[:\- ]?[0-9a-f]{2})*)$/i.exec(value.trim())?.[1];
  if (written === undefined) throw notA(value, 'bytes in hex like "0x0a4d0001" or "0a:4d:00:01"');
  return Buffer.from(written.replace(/[:\- ]/g, ''), 'hex');
}

function whole(min: number, max: number): (value: unknown) => number {
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

function readBool(value: unknown): boolean {
  const word = typeof value === 'string' ? value.trim().toLowerCase() : value;
  if (word === true || word === 1 || word === 'yes' || word === 'true' || word === 'on' || word === '1') return true;
  if (word === false || word === 0 || word === 'no' || word === 'false' || word === 'off' || word === '0') return false;
  throw notA(value, 'yes or no');
}

function readFlag(value: unknown): true {
  if (readBool(value)) return true;
  throw malformed('flag', `${show(value)} cannot be said by an option without a value: leave the option out instead`);
}

function readBootServers(value: unknown): PxeBootServer[] {
  return items(value).map((item) => {
    const [type, ...addresses] = words(item);
    return { type: whole(0, 0xffff)(type), addresses: addresses.map(readIp) };
  });
}

function readMenu(value: unknown): PxeMenuLine[] {
  return items(value).map((item) => {
    const { number, rest } = readNumbered(item, 0xffff, 'a menu line like "0 Local disk"');
    return { type: number, text: rest };
  });
}

function readPrompt(value: unknown): PxePrompt {
  const { number, rest } = readNumbered(value, 0xff, 'seconds (255: wait) and a text, like "10 Press F8 for a menu"');
  return { timeout: number, text: rest };
}

function readNumbered(value: unknown, max: number, what: string): { number: number; rest: string } {
  const [, digits, rest = ''] = /^(\d{1,5})(?: (.*))?$/s.exec(typeof value === 'string' ? value : '') ?? [];
  if (digits === undefined || Number(digits) > max || /[^\x01-\xff]/.test(rest)) throw notA(value, what);
  return { number: Number(digits), rest };
}

const emptyHint = 'is empty: leave the option out instead';

function trimmed(value: unknown): unknown {
  return typeof value === 'string' ? value.trim() : value;
}

function same<T extends OptionText>(value: T): T {
  return value;
}

/** The same result; a WireError on the way says of which part it speaks. */
function within<T>(part: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) throw malformed(error.field, `${part}: ${error.message}`);
    throw error;
  }
}

function asOptionText<T>(option: string, value: unknown, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) throw new OptionTextError(option, value, error.message);
    throw error;
  }
}

function notA(value: unknown, what: string): WireError {
  return malformed('option', `${show(value)} is not ${what}`);
}

function malformed(field: string, problem: string): WireError {
  return new WireError('malformed', field, 0, problem);
}

/** A value of whatever kind for a message: one line, not too long, without control characters. */
function show(value: unknown): string {
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

function kebab(camel: string): string {
  return camel.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
