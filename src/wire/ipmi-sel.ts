// A BMC's event log. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';
import { readRecord } from './ipmi-sdr.ts';

/** How full the event log is, and when it was last changed: seconds since 1970 by the BMC's clock. */
export type SelInfo = { entries: number; freeBytes: number; addedAt: number; erasedAt: number; hasOverflowed: boolean };

/** 31.2 */
export const getSelInfo: Command<void, SelInfo> = {
  name: 'Get SEL Info',
  netFn: NET_FN.storage,
  command: 0x40,
  privilege: PRIVILEGE.user,
  completions: { 129: 'its event log is being erased' },
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const data = Buffer.alloc(14);
    data[0] = 0x51;
    data.writeUInt16LE(response.entries, 1);
    data.writeUInt16LE(response.freeBytes, 3);
    data.writeUInt32LE(response.addedAt, 5);
    data.writeUInt32LE(response.erasedAt, 9);
    data[13] = 0x02 | (response.hasOverflowed ? 0x80 : 0); // it takes reservations
    return data;
  },
  decodeResponse(data) {
    const bytes = new Reader(data).take(14, this.name);
    return {
      entries: bytes.readUInt16LE(1),
      freeBytes: bytes.readUInt16LE(3),
      addedAt: bytes.readUInt32LE(5),
      erasedAt: bytes.readUInt32LE(9),
      hasOverflowed: (bytes[13]! & 0x80) !== 0,
    };
  },
};

/** 31.4 */
export const reserveSel: Command<void, { reservation: number }> = {
  name: 'Reserve SEL',
  netFn: NET_FN.storage,
  command: 0x42,
  privilege: PRIVILEGE.user,
  completions: { 129: 'its event log is being erased' },
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse: (response) => Buffer.of(response.reservation & 0xff, response.reservation >> 8),
  decodeResponse: (data) => ({ reservation: new Reader(data).u16le('reservation id') }),
};

/** 31.5 */
export const getSelEntry: ReturnType<typeof readRecord> = {
  ...readRecord('Get SEL Entry', NET_FN.storage, 0x43),
  completions: { 129: 'its event log is being erased' },
};

/** 31.9. `starts` erases; without it the answer only tells how far an erasure is. */
export const clearSel: Command<{ reservation: number; starts: boolean }, { isDone: boolean }> = {
  name: 'Clear SEL',
  netFn: NET_FN.storage,
  command: 0x47,
  privilege: PRIVILEGE.operator,
  completions: {},
  encodeRequest: ({ reservation, starts }) =>
    Buffer.concat([
      Buffer.of(reservation & 0xff, reservation >> 8),
      Buffer.from('CLR', 'latin1'),
      Buffer.of(starts ? 0xaa : 0x00),
    ]),
  decodeRequest(data) {
    const reader = new Reader(data);
    const reservation = reader.u16le('reservation id');
    reader.skip(3, 'CLR');
    return { reservation, starts: reader.u8('erase') === 0xaa };
  },
  encodeResponse: (response) => Buffer.of(response.isDone ? 1 : 0),
  decodeResponse: (data) => ({ isDone: (new Reader(data).u8('erasure') & 0x0f) === 1 }),
};

/** 31.10. Seconds since 1970, as the BMC believes. */
export const getSelTime: Command<void, { seconds: number }> = {
  name: 'Get SEL Time',
  netFn: NET_FN.storage,
  command: 0x48,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(response.seconds);
    return data;
  },
  decodeResponse: (data) => ({ seconds: new Reader(data).u32le('time') }),
};

// ------------------------------------------------------------------------------------------------- entries

/**
 * One entry (32.1 to 32.3). `seconds` since 1970 by the BMC's clock; undefined where it had none or did not know the time.
 * An event's sensor is its generator's: `generator` is two bytes as they came, `details` the event's three.
 */
export type SelEntry =
  | {
      kind: 'event';
      id: number;
      seconds: number | undefined;
      generator: number;
      sensorType: number;
      sensorNumber: number;
      isAssertion: boolean;
      eventType: number;
      details: Buffer;
    }
  | { kind: 'oem'; id: number; seconds: number | undefined; type: number; manufacturer?: number; data: Buffer };

/** 37: below this a stamp counts from the BMC's start; all ones is "unknown". */
const FIRST_REAL_STAMP = 0x20000000;
const NO_STAMP = 0xffffffff;

/** An entry from its 16 bytes (32.1 to 32.3). WireError 'truncated' when there are fewer. */
export function decodeSelEntry(bytes: Buffer): SelEntry {
  const entry = new Reader(bytes).take(16, 'SEL entry');
  const [id, type] = [entry.readUInt16LE(0), entry[2]!];
  const stamp = entry.readUInt32LE(3);
  const seconds = stamp < FIRST_REAL_STAMP || stamp === NO_STAMP ? undefined : stamp;
  // 32.3: types from E0h on are the maker's own and have no stamp.
  if (type >= 0xe0) return { kind: 'oem', id, seconds: undefined, type, data: entry.subarray(3) };
  if (type >= 0xc0) {
    return { kind: 'oem', id, seconds, type, manufacturer: entry.readUIntLE(7, 3), data: entry.subarray(10) };
  }
  return {
    kind: 'event',
    id,
    seconds,
    generator: entry.readUInt16LE(7),
    sensorType: entry[10]!,
    sensorNumber: entry[11]!,
    isAssertion: (entry[12]! & 0x80) === 0,
    eventType: entry[12]! & 0x7f,
    details: entry.subarray(13),
  };
}

/** The 16 bytes of an entry (32.1 to 32.3); data beyond its place in them is left out. */
export function encodeSelEntry(entry: SelEntry): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(entry.id);
  bytes.writeUInt32LE(entry.seconds ?? 0, 3);
  if (entry.kind === 'oem') {
    bytes[2] = entry.type;
    if (entry.type >= 0xe0) bytes.set(entry.data.subarray(0, 13), 3);
    else {
      bytes.writeUIntLE(entry.manufacturer ?? 0, 7, 3);
      bytes.set(entry.data.subarray(0, 6), 10);
    }
    return bytes;
  }
  bytes[2] = 0x02;
  bytes.writeUInt16LE(entry.generator, 7);
  bytes[9] = 0x04; // 29.7: the revision of event messages
  bytes.set([entry.sensorType, entry.sensorNumber, entry.eventType | (entry.isAssertion ? 0 : 0x80)], 10);
  bytes.set(entry.details.subarray(0, 3), 13);
  return bytes;
}
