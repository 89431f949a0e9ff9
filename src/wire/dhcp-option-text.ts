import { WireError } from './bytes.ts';
import {
  type Form,
  kebab,
  type OptionText,
  rawText,
  says,
  scalarForms,
  show,
  toBytes,
  toText,
} from './dhcp-option-forms.ts';
import { dhcpOptions, type OptionName, optionCode, optionName } from './dhcp-options.ts';
import { subOptionForms } from './dhcp-sub-option-text.ts';

export type { OptionText } from './dhcp-option-forms.ts';

/** The names of the shapes that a custom option can have. */
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

/** Shapes by the name that a custom option gives them. */
const forms = { ...scalarForms, ...subOptionForms } satisfies Record<string, Form>;

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

function asOptionText<T>(option: string, value: unknown, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) throw new OptionTextError(option, value, error.message);
    throw error;
  }
}

/** A value of JSON in one line, for which the readers have an ear. */
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
