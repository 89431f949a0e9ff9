// The inventory that a part carries with it. Sections of areas: Platform Management FRU Information Storage Definition
// 1.0, revision 1.3; of commands: IPMI 2.0 specification, revision 1.1.
import { Reader, WireError } from './bytes.ts';
import { type Command, checksum, NET_FN, PRIVILEGE } from './ipmi.ts';
import { decodeTypedText, encodeTypedText } from './ipmi-text.ts';

/** 34.1. `bytes` in all; `inWords`: offsets and counts of the read command are of two bytes each. */
export const getFruAreaInfo: Command<{ fru: number }, { bytes: number; inWords: boolean }> = {
  name: 'Get FRU Inventory Area Info',
  netFn: NET_FN.storage,
  command: 0x10,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.fru),
  decodeRequest: (data) => ({ fru: new Reader(data).u8('FRU device id') }),
  encodeResponse: ({ bytes, inWords }) => Buffer.of(bytes & 0xff, bytes >> 8, inWords ? 1 : 0),
  decodeResponse(data) {
    const reader = new Reader(data);
    return { bytes: reader.u16le('area size'), inWords: (reader.u8('access') & 0x01) !== 0 };
  },
};

/** 34.2. Offset and count are in bytes or words, as the area's info says; the answer may be shorter than asked for. */
export const readFru: Command<{ fru: number; offset: number; count: number }, { count: number; data: Buffer }> = {
  name: 'Read FRU Data',
  netFn: NET_FN.storage,
  command: 0x11,
  privilege: PRIVILEGE.user,
  completions: { 129: 'that inventory is busy' },
  encodeRequest: ({ fru, offset, count }) => Buffer.of(fru, offset & 0xff, offset >> 8, count),
  decodeRequest(data) {
    const reader = new Reader(data);
    return { fru: reader.u8('FRU device id'), offset: reader.u16le('offset'), count: reader.u8('count') };
  },
  encodeResponse: ({ count, data }) => Buffer.concat([Buffer.of(count), data]),
  decodeResponse(data) {
    const reader = new Reader(data);
    return { count: reader.u8('count'), data: reader.rest() };
  },
};

/** One field: which area it is of, what it is called there, and its text. */
export type FruField = { area: 'chassis' | 'board' | 'product'; name: string; value: string };

/** What an inventory holds; `problems` says which area could not be read to its end. */
export type FruContent = { fields: FruField[]; problems: string[] };

/** Areas in the order of the common header, which holds their offset in units of 8 bytes (8). */
const AREAS = [
  { area: 'chassis', at: 2, fields: ['part number', 'serial'] }, // 10
  { area: 'board', at: 3, fields: ['manufacturer', 'name', 'serial', 'part number', 'FRU file'] }, // 11
  {
    area: 'product',
    at: 4,
    fields: ['manufacturer', 'name', 'part number', 'version', 'serial', 'asset tag', 'FRU file'],
  }, // 12
] as const;

const END_OF_FIELDS = 0xc1;
const ENGLISH = [0, 25];
/** 11: minutes are counted from here. */
const BOARD_EPOCH_MS = Date.UTC(1996, 0, 1);
const UNICODE = /^(?:[\s\S]\0)+$/;

/** Type of a chassis (SMBIOS 7.4.1) where it tells more than "other"; the rest is left out. */
const CHASSIS_TYPES: Readonly<Record<number, string>> = {
  3: 'desktop',
  6: 'mini tower',
  7: 'tower',
  17: 'main server chassis',
  23: 'rack mount chassis',
  25: 'multi-system chassis',
  28: 'blade',
  29: 'blade enclosure',
};

/** The fields of an inventory that are not empty. Throws for a header that is none: an area that is broken loses only its own. */
export function decodeFru(bytes: Buffer): FruContent {
  const header = new Reader(bytes).take(8, 'FRU header');
  if ((header[0]! & 0x0f) !== 1) throw new WireError('unsupported', 'FRU version', 0, `${header[0]} is not 1`);
  if (checksum(header, 0, 7) !== header[7]) {
    throw new WireError('malformed', 'FRU header checksum', 7, 'does not match');
  }
  const content: FruContent = { fields: [], problems: [] };
  for (const layout of AREAS) {
    const offset = header[layout.at]! * 8;
    if (offset === 0) continue;
    try {
      decodeArea(bytes, offset, layout, content.fields);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      content.problems.push(`the ${layout.area} area: ${error.message}`);
    }
  }
  return content;
}

function decodeArea(bytes: Buffer, offset: number, layout: (typeof AREAS)[number], fields: FruField[]): void {
  const { area } = layout;
  const reader = new Reader(bytes, offset);
  reader.skip(1, 'area version');
  const length = reader.u8('area length') * 8;
  const body = new Reader(bytes.subarray(0, offset + length), offset + 2);
  const add = (name: string, value: string) => {
    if (value !== '') fields.push({ area, name, value });
  };
  const second = body.u8(area === 'chassis' ? 'chassis type' : 'language');
  if (area === 'chassis') add('type', CHASSIS_TYPES[second] ?? '');
  if (area === 'board') {
    const minutes = body.take(3, 'date').readUIntLE(0, 3);
    if (minutes > 0) add('made', new Date(BOARD_EPOCH_MS + minutes * 60_000).toISOString().slice(0, 10));
  }
  const isEnglish = area === 'chassis' || ENGLISH.includes(second);
  for (let index = 0; ; index++) {
    const head = body.u8('field length');
    if (head === END_OF_FIELDS) return;
    const value = decodeField(head >> 6, body.take(head & 0x3f, 'field'), isEnglish);
    add(layout.fields[index] ?? `extra ${index + 1 - layout.fields.length}`, value);
  }
}

/** 13: 8-bit text is Latin-1 for English and two-byte Unicode for other languages, if its makers keep to that. */
function decodeField(type: number, bytes: Buffer, isEnglish: boolean): string {
  const isUnicode = type === 3 && !isEnglish && UNICODE.test(bytes.toString('latin1'));
  const text = isUnicode ? bytes.toString('utf16le') : decodeTypedText(type, bytes);
  return text.replace(/[\0-\x1f\x7f]/g, ' ').trim();
}

// ------------------------------------------------------------------------------------------------- for a BMC of ours

/** What an inventory is to say. A part that is left out has no area. */
export type FruPlan = {
  chassis?: { type: number; fields: readonly string[] };
  /** `minutes` since 1996. */
  board?: { minutes: number; fields: readonly string[] };
  product?: { fields: readonly string[] };
};

/** An inventory of 8-bit texts, in the order of the fields of `decodeFru`; fields after those are extra ones. */
export function encodeFru({ chassis, board, product }: FruPlan): Buffer {
  const minutes = Buffer.alloc(3);
  minutes.writeUIntLE(board?.minutes ?? 0, 0, 3);
  const areas = [
    chassis && encodeArea([chassis.type], chassis.fields),
    board && encodeArea([25, ...minutes], board.fields),
    product && encodeArea([25], product.fields),
  ];
  const header = Buffer.alloc(8);
  header[0] = 1;
  let at = 8;
  for (const [index, area] of areas.entries()) {
    if (!area) continue;
    header[index + 2] = at / 8;
    at += area.length;
  }
  header[7] = checksum(header, 0, 7);
  return Buffer.concat([header, ...areas.filter((area) => area !== undefined)]);
}

function encodeArea(head: number[], fields: readonly string[]): Buffer {
  // 13: one byte of 8-bit text would look like the end; it is written with a space.
  const texts = fields.map((field) => encodeTypedText(field.length === 1 ? `${field} ` : field, 0x3f));
  const body = Buffer.concat([Buffer.of(1, 0, ...head), ...texts, Buffer.of(END_OF_FIELDS)]);
  const area = Buffer.alloc(Math.ceil((body.length + 1) / 8) * 8);
  area.set(body);
  area[1] = area.length / 8;
  area[area.length - 1] = checksum(area, 0, area.length - 1);
  return area;
}
