// What a sensor data record says. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader, WireError } from './bytes.ts';
import { decodeTypedText, encodeTypedText } from './ipmi-text.ts';

/** Which sensor of which controller: events name the same three. `owner` is an address as on the bus: 20h is the BMC. */
export type SensorKey = { owner: number; lun: number; number: number };

/** What a record says of every sensor. */
export type SensorCommon = SensorKey & {
  entity: number;
  /** Table 42-3: 01h temperature, 04h fan, .. */
  sensorType: number;
  /** Table 42-1: 01h has thresholds, 02h to 0Ch states that are the same for all types, 6Fh those of its own type. */
  eventType: number;
  name: string;
};

/** How a reading's byte becomes a number: y = L[(M x + B 10^b) 10^r] (36.3). */
export type Factors = { m: number; b: number; bExponent: number; rExponent: number };

/** What its numbers count (43.1, bytes 21 to 23). */
export type Units = { isPercentage: boolean; rate: number; modifierUse: number; base: number; modifier: number };

/** `onesComplement` is as old as it sounds. `none`: a reading is no number. */
export type AnalogFormat = 'unsigned' | 'onesComplement' | 'twosComplement' | 'none';
const FORMATS: readonly AnalogFormat[] = ['unsigned', 'onesComplement', 'twosComplement', 'none'];

/** Thresholds as raw readings; undefined where there is none. */
export type Thresholds = Partial<Record<(typeof THRESHOLD_NAMES)[number], number>>;
/** In the order of the bits of a reading's comparison (35.14) and of the readable mask (43.1, byte 19). */
export const THRESHOLD_NAMES = [
  'lowerNonCritical',
  'lowerCritical',
  'lowerNonRecoverable',
  'upperNonCritical',
  'upperCritical',
  'upperNonRecoverable',
] as const;

/** A sensor with all that is known of it (43.1). */
export type FullRecord = SensorCommon & {
  kind: 'full';
  format: AnalogFormat;
  units: Units;
  /** Table 43-1, byte 24: 0 linear, 1 to 11 a function, 70h and above: factors are asked for each reading. */
  linearization: number;
  factors: Factors;
  thresholds: Thresholds;
};
/** A sensor of states, which may stand for several alike (43.2). */
export type CompactRecord = SensorCommon & { kind: 'compact'; units: Units; format: AnalogFormat };
/** A sensor that cannot be read and only makes events (43.3). */
export type EventOnlyRecord = SensorCommon & { kind: 'event-only' };
/** A part with an inventory of its own (43.8): `fru` is its number when `isLogical` and on the BMC itself. */
export type FruRecord = { kind: 'fru'; address: number; fru: number; lun: number; isLogical: boolean; name: string };
/** Another management controller and its address on the bus (43.9). */
export type ControllerRecord = { kind: 'controller'; address: number; channel: number; name: string };
/** A record that we do not read. */
export type OtherRecord = { kind: 'other'; type: number };

/** Any record of the repository. */
export type SdrRecord = FullRecord | CompactRecord | EventOnlyRecord | FruRecord | ControllerRecord | OtherRecord;
/** The records that stand for a sensor. */
export type SensorRecord = FullRecord | CompactRecord | EventOnlyRecord;

const SDR_TYPE = { full: 0x01, compact: 0x02, eventOnly: 0x03, fru: 0x11, controller: 0x12 };

/** The length of a whole record, header included, from its first 5 bytes (43). */
export function sdrLength(header: Buffer): number {
  return 5 + new Reader(header, 4).u8('record length');
}

/**
 * The sensors (or other things) that one record describes. A compact record may stand for several alike, which get their
 * number and name in turn (43.2, bytes 24 and 25).
 */
export function decodeSdr(bytes: Buffer): SdrRecord[] {
  const reader = new Reader(bytes, 3);
  const type = reader.u8('record type');
  const length = reader.u8('record length');
  const body = new Reader(bytes.subarray(0, 5 + length), 5);
  if (type === SDR_TYPE.full) return [decodeFull(body)];
  if (type === SDR_TYPE.compact) return decodeShared(body, 23, decodeCompact(body));
  if (type === SDR_TYPE.eventOnly) return decodeShared(body, 12, decodeEventOnly(body));
  if (type === SDR_TYPE.fru) return [decodeFruLocator(body)];
  if (type === SDR_TYPE.controller) return [decodeControllerLocator(body)];
  return [{ kind: 'other', type }];
}

function decodeKey(reader: Reader): SensorKey & { entity: number } {
  const owner = reader.u8('sensor owner');
  const lun = reader.u8('sensor owner unit') & 0x03;
  const number = reader.u8('sensor number');
  const entity = reader.u8('entity id');
  reader.skip(1, 'entity instance');
  return { owner, lun, number, entity };
}

function decodeFull(reader: Reader): FullRecord {
  const key = decodeKey(reader);
  reader.skip(2, 'sensor initialization');
  const [sensorType, eventType] = reader.take(2, 'sensor type');
  reader.skip(4, 'event masks');
  const [readable] = reader.take(2, 'threshold masks');
  const { format, units } = decodeUnits(reader.take(3, 'units'));
  const linearization = reader.u8('linearization') & 0x7f;
  const factors = decodeFactors(reader.take(6, 'factors'));
  reader.skip(6, 'nominal reading');
  const levels = reader.take(6, 'thresholds'); // from upper non-recoverable down to lower non-critical
  reader.skip(5, 'hysteresis');
  const order = ['upperNonRecoverable', 'upperCritical', 'upperNonCritical'] as const;
  const lower = ['lowerNonRecoverable', 'lowerCritical', 'lowerNonCritical'] as const;
  const thresholds: Thresholds = {};
  for (const [index, name] of [...order, ...lower].entries()) {
    const isReadable = (readable! >> THRESHOLD_NAMES.indexOf(name)) & 1;
    if (eventType === 0x01 && isReadable) thresholds[name] = levels[index]!;
  }
  const name = decodeName(reader);
  const common = { ...key, sensorType: sensorType!, eventType: eventType!, name };
  return { kind: 'full', ...common, format, units, linearization, factors, thresholds };
}

function decodeCompact(reader: Reader): CompactRecord {
  const key = decodeKey(reader);
  reader.skip(2, 'sensor initialization');
  const [sensorType, eventType] = reader.take(2, 'sensor type');
  reader.skip(6, 'event masks');
  const { format, units } = decodeUnits(reader.take(3, 'units'));
  reader.skip(8, 'record sharing');
  return {
    kind: 'compact',
    ...key,
    sensorType: sensorType!,
    eventType: eventType!,
    name: decodeName(reader),
    format,
    units,
  };
}

function decodeEventOnly(reader: Reader): EventOnlyRecord {
  const key = decodeKey(reader);
  const [sensorType, eventType] = reader.take(2, 'sensor type');
  reader.skip(4, 'record sharing');
  return { kind: 'event-only', ...key, sensorType: sensorType!, eventType: eventType!, name: decodeName(reader) };
}

function decodeShared<T extends SensorCommon>(reader: Reader, at: number, record: T): T[] {
  const [sharing, modifier] = reader.bytes.subarray(at, at + 2);
  const count = sharing! & 0x0f;
  if (count < 2) return [record];
  const isAlphabetic = ((sharing! >> 4) & 0x03) === 1;
  const offset = modifier! & 0x7f;
  return Array.from({ length: count }, (_, index) => {
    const place = offset + index;
    // 43.2: numeric counts from the offset, alphabetic A to Z and then AA.
    const suffix = isAlphabetic ? alphabetic(place) : `${place}`;
    return { ...record, number: (record.number + index) & 0xff, name: `${record.name}${suffix}` };
  });
}

function alphabetic(place: number): string {
  const last = String.fromCharCode(0x41 + (place % 26));
  return place < 26 ? last : alphabetic(Math.floor(place / 26) - 1) + last;
}

function decodeFruLocator(reader: Reader): FruRecord {
  const address = reader.u8('device address');
  const fru = reader.u8('FRU device id');
  const access = reader.u8('access');
  reader.skip(7, 'device type');
  const [isLogical, lun] = [(access & 0x80) !== 0, (access >> 3) & 0x03];
  return { kind: 'fru', address, fru, lun, isLogical, name: decodeName(reader) };
}

function decodeControllerLocator(reader: Reader): ControllerRecord {
  const address = reader.u8('device address');
  const channel = reader.u8('channel') & 0x0f;
  reader.skip(8, 'capabilities');
  return { kind: 'controller', address, channel, name: decodeName(reader) };
}

/** A name's type and length, and as much of it as the record holds: some records count a byte too many. */
function decodeName(reader: Reader): string {
  const head = reader.u8('id string length');
  const bytes = reader.take(Math.min(head & 0x1f, reader.remaining), 'id string');
  // 43.15: type 0 is Unicode, which records of today write as UTF-8.
  return head >> 6 === 0 ? bytes.toString('utf8').replace(/\0+$/, '') : decodeTypedText(head >> 6, bytes);
}

function decodeUnits(bytes: Buffer): { format: AnalogFormat; units: Units } {
  const [head, base, modifier] = bytes;
  const units = {
    isPercentage: (head! & 0x01) !== 0,
    rate: (head! >> 3) & 0x07,
    modifierUse: (head! >> 1) & 0x03,
    base: base!,
    modifier: modifier!,
  };
  return { format: FORMATS[head! >> 6]!, units };
}

/** M, tolerance, B, accuracy, exponents: 6 bytes of a full record (43.1, bytes 25 to 30). */
export function decodeFactors(bytes: Buffer): Factors {
  const [m, mTop, b, bTop, , exponents] = new Reader(bytes).take(6, 'factors');
  return {
    m: signed(m! | ((mTop! & 0xc0) << 2), 10),
    b: signed(b! | ((bTop! & 0xc0) << 2), 10),
    bExponent: signed(exponents! & 0x0f, 4),
    rExponent: signed(exponents! >> 4, 4),
  };
}

/** A two's complement number of so many bits. */
export function signed(value: number, bits: number): number {
  return value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
}

// ------------------------------------------------------------------------------------------------- for a BMC of ours

/** A record as a BMC gives it; `id` is its place in the list. */
export function encodeSdr(id: number, record: Exclude<SdrRecord, OtherRecord>): Buffer {
  const body = encodeBody(record);
  const header = Buffer.of(id & 0xff, id >> 8, 0x51, SDR_TYPE[typeName(record)], body.length);
  if (body.length > 0xff) throw new WireError('oversized', 'record length', 4, `${body.length} is more than 255`);
  return Buffer.concat([header, body]);
}

function typeName(record: Exclude<SdrRecord, OtherRecord>): keyof typeof SDR_TYPE {
  return record.kind === 'event-only' ? 'eventOnly' : record.kind;
}

function encodeBody(record: Exclude<SdrRecord, OtherRecord>): Buffer {
  const name = encodeTypedText(record.name, 16);
  if (record.kind === 'fru') {
    const access = (record.isLogical ? 0x80 : 0) | (record.lun << 3);
    return Buffer.concat([Buffer.of(record.address, record.fru, access, 0, 0, 0x10, 0, 0x0b, 1, 0), name]);
  }
  if (record.kind === 'controller') {
    return Buffer.concat([Buffer.of(record.address, record.channel, 0, 0xbf, 0, 0, 0, 0x06, 1, 0), name]);
  }
  const key = Buffer.of(record.owner, record.lun, record.number, record.entity, 1);
  const type = Buffer.of(record.sensorType, record.eventType);
  if (record.kind === 'event-only') return Buffer.concat([key, type, Buffer.of(1, 0, 0, 0), name]);
  const units = encodeUnits(record.format, record.units);
  const hasThresholds = record.eventType === 0x01;
  const initialization = Buffer.of(0x7f, hasThresholds ? 0x68 : 0x40); // scanned, events on; thresholds are read-only
  if (record.kind === 'compact') {
    const masks = Buffer.of(0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f);
    return Buffer.concat([key, initialization, type, masks, units, Buffer.of(1, 0, 0, 0, 0, 0, 0, 0), name]);
  }
  const names = THRESHOLD_NAMES.filter((one) => record.thresholds[one] !== undefined);
  const mask = names.reduce((bits, one) => bits | (1 << THRESHOLD_NAMES.indexOf(one)), 0);
  const masks = hasThresholds
    ? Buffer.of(0xff, 0x0f, 0xff, 0x0f, mask, 0)
    : Buffer.of(0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f);
  const { upperNonRecoverable = 0, upperCritical = 0, upperNonCritical = 0 } = record.thresholds;
  const { lowerNonRecoverable = 0, lowerCritical = 0, lowerNonCritical = 0 } = record.thresholds;
  return Buffer.concat([
    key,
    initialization,
    type,
    masks,
    units,
    Buffer.of(record.linearization),
    encodeFactors(record.factors),
    Buffer.of(0, 0, 0, 0, 0xff, 0),
    Buffer.of(upperNonRecoverable, upperCritical, upperNonCritical),
    Buffer.of(lowerNonRecoverable, lowerCritical, lowerNonCritical),
    Buffer.of(1, 1, 0, 0, 0),
    name,
  ]);
}

function encodeUnits(format: AnalogFormat, units: Units): Buffer {
  const head = (FORMATS.indexOf(format) << 6) | (units.rate << 3) | (units.modifierUse << 1);
  return Buffer.of(head | (units.isPercentage ? 1 : 0), units.base, units.modifier);
}

/** Factors in the 6 bytes that they have in a full record (43.1, bytes 25 to 30; 35.5), with tolerance and accuracy 0. */
export function encodeFactors({ m, b, bExponent, rExponent }: Factors): Buffer {
  const exponents = ((rExponent & 0x0f) << 4) | (bExponent & 0x0f);
  return Buffer.of(m & 0xff, (m >> 2) & 0xc0, b & 0xff, (b >> 2) & 0xc0, 0, exponents);
}
