import { WireError } from './bytes.ts';
import {
  type Form,
  form,
  items,
  kebab,
  malformed,
  notA,
  type OptionText,
  readBool,
  readHex,
  readIp,
  scalarForms,
  show,
  toBytes,
  toText,
  whole,
  words,
} from './dhcp-option-forms.ts';
import { decodeSubOptions, encodeSubOptions, vendorData } from './dhcp-shapes.ts';
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

/** Forms that occur inside options only. */
const innerForms: readonly (readonly [unknown, Form])[] = [
  [onOff, form(onOff, readBool, (value) => value, true)],
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

/** The forms of options that carry options, under the names that a custom option gives their shapes. */
export const subOptionForms = {
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
    subs.set(code, {
      bytes: within(key, () => toBytes(part?.form ?? scalarForms.hex, value)),
      named: part !== undefined,
    });
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
      return [name ?? String(code), toText(part?.form ?? scalarForms.hex, data)];
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
      const data = within(key, () => toBytes(scalarForms.text, one));
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
        classes.push(toText(scalarForms.text, data.subarray(at + 1, at + 1 + (data[at] as number))));
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

/** The same result; a WireError on the way says of which part it speaks. */
function within<T>(part: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WireError) throw malformed(error.field, `${part}: ${error.message}`);
    throw error;
  }
}
