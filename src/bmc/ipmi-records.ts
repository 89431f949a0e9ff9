import { WireError } from '../wire/bytes.ts';
import { COMPLETION } from '../wire/ipmi.ts';
import type { DeviceId } from '../wire/ipmi-device.ts';
import { getDeviceSdr, getSdr, getSdrRepositoryInfo, RECORD, reserveDeviceSdr, reserveSdr } from '../wire/ipmi-sdr.ts';
import { decodeSdr, type SdrRecord, sdrLength } from '../wire/ipmi-sdr-record.ts';
import { BmcError } from './driver.ts';
import { answerTo, type IpmiPath, refusal, run } from './ipmi-path.ts';

/** The sensor records of a BMC, and what tells whether they are still the same ones. */
export type RecordList = { stamp: string; records: readonly SdrRecord[] };

/** No BMC has more; a list whose end never comes is broken. */
const MOST_RECORDS = 4096;
const RESERVE_TRIES = 5;
const WHOLE = 0xff;
const HEADER_BYTES = 5;
/** Pieces of a record that a BMC cannot give whole (33.12), tried from the greatest. */
const PIECES = [32, 16, 8];
const TOO_MUCH: readonly number[] = [
  COMPLETION.cannotReturnSoMany,
  COMPLETION.wrongLength,
  COMPLETION.tooLong,
  COMPLETION.outOfRange,
  COMPLETION.unspecified,
];

/** Reads every record, or gives `before` when nothing changed since. Records that cannot be read as such are left out. */
export async function readRecords(path: IpmiPath, device: DeviceId, before?: RecordList): Promise<RecordList> {
  if (!device.hasSdrRepository && !device.hasDeviceSdrs) return { stamp: '', records: [] };
  const commands = device.hasSdrRepository
    ? { reserve: reserveSdr, get: getSdr }
    : { reserve: reserveDeviceSdr, get: getDeviceSdr };
  const stamp = device.hasSdrRepository
    ? Object.values(await run(path, getSdrRepositoryInfo, undefined)).join(' ')
    : '';
  if (before && stamp !== '' && before.stamp === stamp) return before;

  const reader = new RecordReader(path, commands);
  const records: SdrRecord[] = [];
  let id = RECORD.first;
  for (let count = 0; id !== RECORD.end; count++) {
    if (count === MOST_RECORDS) {
      throw new BmcError('protocol', path.target, `has a list of sensor records with no end after ${MOST_RECORDS}`);
    }
    const record = await reader.read(id);
    if (record === undefined) break;
    const { next, bytes } = record;
    records.push(...decodeOrLeaveOut(bytes));
    if (next === id) break;
    id = next;
  }
  return { stamp, records };
}

function decodeOrLeaveOut(bytes: Buffer): SdrRecord[] {
  try {
    return decodeSdr(bytes);
  } catch (error) {
    if (error instanceof WireError) return [];
    throw error;
  }
}

/** Reads records whole, and in pieces from the first one on that a BMC cannot give whole. */
class RecordReader {
  readonly #path: IpmiPath;
  readonly #commands: { reserve: typeof reserveSdr; get: typeof getSdr };
  #reservation = 0;
  #piece = WHOLE;

  constructor(path: IpmiPath, commands: { reserve: typeof reserveSdr; get: typeof getSdr }) {
    this.#path = path;
    this.#commands = commands;
  }

  /** Undefined where the first record is asked for and there is none: an empty repository has no better answer (33.12). */
  async read(id: number): Promise<{ next: number; bytes: Buffer } | undefined> {
    for (let tries = 1; ; tries++) {
      const outcome = this.#piece === WHOLE ? await this.#readWhole(id) : await this.#readPieces(id);
      if (typeof outcome === 'object') return outcome;
      if (outcome === COMPLETION.noSuchRecord && id === RECORD.first) return undefined;
      if (outcome === COMPLETION.reservationGone && tries < RESERVE_TRIES) await this.#reserve();
      else if (TOO_MUCH.includes(outcome) && this.#piece !== PIECES.at(-1)) await this.#readSmaller();
      else throw refusal(this.#path, this.#commands.get, outcome);
    }
  }

  async #readSmaller(): Promise<void> {
    if (this.#piece === WHOLE) await this.#reserve();
    this.#piece = PIECES.find((piece) => piece < this.#piece)!;
  }

  async #reserve(): Promise<void> {
    this.#reservation = (await run(this.#path, this.#commands.reserve, undefined)).reservation;
  }

  /** The record, or the completion code that says why not. */
  async #readWhole(id: number) {
    const answer = await this.#ask(id, 0, WHOLE);
    if (typeof answer === 'number') return answer;
    const { next, data } = answer;
    const isWhole = data.length >= HEADER_BYTES && data.length >= sdrLength(data);
    return isWhole ? { next, bytes: data } : COMPLETION.cannotReturnSoMany;
  }

  async #readPieces(id: number) {
    const head = await this.#ask(id, 0, HEADER_BYTES);
    if (typeof head === 'number') return head;
    const bytes = [head.data];
    const length = head.data.length < HEADER_BYTES ? 0 : sdrLength(head.data);
    for (let at = HEADER_BYTES; at < length; ) {
      const piece = await this.#ask(id, at, Math.min(this.#piece, length - at));
      if (typeof piece === 'number') return piece;
      if (piece.data.length === 0) return COMPLETION.unspecified;
      bytes.push(piece.data);
      at += piece.data.length;
    }
    return { next: head.next, bytes: Buffer.concat(bytes) };
  }

  async #ask(record: number, offset: number, count: number): Promise<{ next: number; data: Buffer } | number> {
    const question = { reservation: this.#reservation, record, offset, count };
    const { completion, value } = await answerTo(this.#path, this.#commands.get, question);
    return value ?? completion;
  }
}
