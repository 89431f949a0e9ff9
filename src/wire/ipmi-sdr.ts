// How the list of a machine's sensors is read: the SDR repository, and a controller's own records.
// Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** Record ids of the list's two ends (33.12): ask for the first; the last one's `next` is the end. */
export const RECORD = { first: 0x0000, end: 0xffff };

/** How the list stands; when neither stamp nor count changed, what was read before still holds. Seconds, as in a SEL. */
export type RepositoryInfo = { records: number; addedAt: number; erasedAt: number };

/** 33.9 */
export const getSdrRepositoryInfo: Command<void, RepositoryInfo> = {
  name: 'Get SDR Repository Info',
  netFn: NET_FN.storage,
  command: 0x20,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const data = Buffer.alloc(14);
    data[0] = 0x51;
    data.writeUInt16LE(response.records, 1);
    data.writeUInt32LE(response.addedAt, 5);
    data.writeUInt32LE(response.erasedAt, 9);
    data[13] = 0x22; // it takes reservations, and is updated only while nobody reads
    return data;
  },
  decodeResponse(data) {
    const bytes = new Reader(data).take(14, this.name);
    return { records: bytes.readUInt16LE(1), addedAt: bytes.readUInt32LE(5), erasedAt: bytes.readUInt32LE(9) };
  },
};

type Reservation = Command<void, { reservation: number }>;
type ReadRecord = Command<
  { reservation: number; record: number; offset: number; count: number },
  { next: number; data: Buffer }
>;

const reservation = (name: string, netFn: number, command: number): Reservation => ({
  name,
  netFn,
  command,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse: (response) => uint16(response.reservation),
  decodeResponse: (data) => ({ reservation: new Reader(data).u16le('reservation id') }),
});

/** A piece of a record: `count` bytes from `offset`, FFh for all. A piece that is not the first one needs a reservation. */
export const readRecord = (name: string, netFn: number, command: number): ReadRecord => ({
  name,
  netFn,
  command,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: (request) =>
    Buffer.concat([
      uint16(request.reservation),
      uint16(request.record),
      Buffer.of(request.offset),
      Buffer.of(request.count),
    ]),
  decodeRequest(data) {
    const reader = new Reader(data);
    const [held, record] = [reader.u16le('reservation id'), reader.u16le('record id')];
    return { reservation: held, record, offset: reader.u8('offset'), count: reader.u8('count') };
  },
  encodeResponse: (response) => Buffer.concat([uint16(response.next), response.data]),
  decodeResponse(data) {
    const reader = new Reader(data);
    return { next: reader.u16le('next record id'), data: reader.rest() };
  },
});

/** 33.11 */
export const reserveSdr = reservation('Reserve SDR Repository', NET_FN.storage, 0x22);
/** 33.12 */
export const getSdr = readRecord('Get SDR', NET_FN.storage, 0x23);
/** 35.4 */
export const reserveDeviceSdr = reservation('Reserve Device SDR Repository', NET_FN.sensor, 0x22);
/** 35.3 */
export const getDeviceSdr = readRecord('Get Device SDR', NET_FN.sensor, 0x21);

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}
