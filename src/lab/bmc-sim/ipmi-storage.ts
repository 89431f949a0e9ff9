import { COMPLETION } from '../../wire/ipmi.ts';
import { getFruAreaInfo, readFru } from '../../wire/ipmi-fru.ts';
import {
  getDeviceSdr,
  getSdr,
  getSdrRepositoryInfo,
  RECORD,
  reserveDeviceSdr,
  reserveSdr,
} from '../../wire/ipmi-sdr.ts';
import { signed, THRESHOLD_NAMES } from '../../wire/ipmi-sdr-record.ts';
import { clearSel, getSelEntry, getSelInfo, getSelTime, reserveSel } from '../../wire/ipmi-sel.ts';
import { getReadingFactors, getSensorReading } from '../../wire/ipmi-sensor.ts';
import { LIMITED, PUMP_FACTORS } from './ipmi-contents.ts';
import { type Handler, handler, type SimContext, type SimStorage } from './ipmi-handler.ts';
import type { SimReading } from './ipmi-machine.ts';

/** Bytes of a SEL of a usual size. */
const LOG_BYTES = 16 * 512;

export const STORAGE_HANDLERS: readonly Handler[] = [
  handler(getSdrRepositoryInfo, (_, { storage }) => ({ records: storage.records.length, addedAt: 1, erasedAt: 1 })),
  handler(reserveSdr, (_, { storage }) => reserveRecords(storage)),
  handler(getSdr, (request, context) => readRecordPiece(request, context)),
  handler(reserveDeviceSdr, (_, { storage }) => reserveRecords(storage)),
  handler(getDeviceSdr, (request, context) => readRecordPiece(request, context)),
  handler(getSensorReading, ({ number }, { machine }) => {
    const reading = machine.readings.get(number);
    if (!reading) return COMPLETION.noSuchRecord;
    return {
      raw: reading.raw,
      isAvailable: reading.isAvailable ?? true,
      states: reading.states ?? thresholdStates(number, reading),
    };
  }),
  handler(getReadingFactors, () => PUMP_FACTORS),

  handler(getSelInfo, (_, { machine }) => ({
    entries: machine.log.length,
    freeBytes: LOG_BYTES - machine.log.length * 16,
    addedAt: Math.floor(machine.logChangedAt / 1000),
    erasedAt: 0,
    hasOverflowed: false,
  })),
  handler(reserveSel, (_, { storage }) => {
    storage.selReservation = nextReservation(storage.selReservation);
    return { reservation: storage.selReservation };
  }),
  handler(getSelEntry, ({ record, offset, count }, { machine }) =>
    readPiece(machine.log, record === RECORD.end ? machine.log.length : record, offset, count, undefined),
  ),
  handler(clearSel, ({ reservation, starts }, { machine, storage }) => {
    if (reservation !== storage.selReservation) return COMPLETION.reservationGone;
    if (starts) machine.clearLog();
    return { isDone: true };
  }),
  handler(getSelTime, (_, { machine }) => ({ seconds: Math.floor(machine.logChangedAt / 1000) })),

  handler(getFruAreaInfo, ({ fru }, { storage, faults }) => {
    const inventory = storage.inventories[fru];
    return inventory ? { bytes: inventory.length, inWords: faults.has('words') } : COMPLETION.noSuchRecord;
  }),
  handler(readFru, ({ fru, offset, count }, { storage, faults }) => {
    const inventory = storage.inventories[fru];
    const unit = faults.has('words') ? 2 : 1;
    if (!inventory) return COMPLETION.noSuchRecord;
    if (offset * unit > inventory.length) return COMPLETION.outOfRange;
    if (count * unit > (faults.get('small-reads') ?? 0xff)) return COMPLETION.cannotReturnSoMany;
    const data = inventory.subarray(offset * unit, (offset + count) * unit);
    return { count: data.length / unit, data };
  }),
];

function reserveRecords(storage: SimStorage): { reservation: number } {
  storage.sdrReservation = nextReservation(storage.sdrReservation);
  return { reservation: storage.sdrReservation };
}

type Piece = { reservation: number; record: number; offset: number; count: number };

function readRecordPiece({ reservation, record, offset, count }: Piece, { storage, faults }: SimContext) {
  const every = faults.get('forgets-reservation');
  storage.reads += 1;
  if (every !== undefined && storage.reads % every === 0) reserveRecords(storage);
  if (offset > 0 && reservation !== storage.sdrReservation) return COMPLETION.reservationGone;
  return readPiece(storage.records, record, offset, count, faults.get('small-reads'));
}

/** A reservation is never 0 (33.11). */
function nextReservation(before: number): number {
  return (before % 0xffff) + 1;
}

/** Ids are places from 1 on; 0 asks for the first one. */
function readPiece(list: readonly Buffer[], id: number, offset: number, count: number, most: number | undefined) {
  const place = id === RECORD.first ? 1 : id;
  const record = list[place - 1];
  if (!record) return COMPLETION.noSuchRecord;
  if (offset > record.length) return COMPLETION.outOfRange;
  const data = record.subarray(offset, count === 0xff ? record.length : offset + count);
  if (most !== undefined && data.length > most) return COMPLETION.cannotReturnSoMany;
  return { next: place === list.length ? RECORD.end : place + 1, data };
}

/** Which thresholds a byte is beyond, a bit for each. */
function thresholdStates(number: number, { raw }: SimReading): number {
  const record = LIMITED.get(number);
  if (!record) return 0;
  const value = (byte: number) => (record.format === 'twosComplement' ? signed(byte, 8) : byte);
  return THRESHOLD_NAMES.reduce((states, name, bit) => {
    const limit = record.thresholds[name];
    if (limit === undefined) return states;
    const isBeyond = name.startsWith('lower') ? value(raw) <= value(limit) : value(raw) >= value(limit);
    return isBeyond ? states | (1 << bit) : states;
  }, 0);
}
