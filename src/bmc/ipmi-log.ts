import { setTimeout as sleep } from 'node:timers/promises';
import type { Instant } from '../model/time.ts';
import { describeProgress, describeSensorType, EVENT_TYPE, eventState } from '../wire/ipmi-events.ts';
import { RECORD } from '../wire/ipmi-sdr.ts';
import type { SdrRecord, SensorRecord } from '../wire/ipmi-sdr-record.ts';
import { clearSel, decodeSelEntry, getSelEntry, getSelInfo, reserveSel, type SelEntry } from '../wire/ipmi-sel.ts';
import { convertReading, describeUnits, isNonLinear } from '../wire/ipmi-sensor.ts';
import { BmcError, type BmcLogEntry } from './driver.ts';
import { type IpmiPath, run } from './ipmi-path.ts';
import { withUnit } from './ipmi-sensors.ts';

/** 31.5 counts entries with 16 bits. */
const MOST_ENTRIES = 65_535;
const WHOLE = 0xff;
/** How often an erasure is asked after, and how far apart. */
const ERASE_CHECKS = 30;
const ERASE_CHECK_MS = 1000;

/** The whole event log, oldest first. `records` name the sensors. */
export async function readLog(path: IpmiPath, records: readonly SdrRecord[]): Promise<BmcLogEntry[]> {
  const { entries } = await run(path, getSelInfo, undefined);
  const log: BmcLogEntry[] = [];
  if (entries === 0) return log; // asking an empty log is an error (CBh)
  let id = RECORD.first;
  while (id !== RECORD.end && log.length < MOST_ENTRIES) {
    const { next, data } = await run(path, getSelEntry, { reservation: 0, record: id, offset: 0, count: WHOLE });
    log.push(describeEntry(decodeSelEntry(data), records));
    if (next === id) break;
    id = next;
  }
  return log;
}

/** Empties the event log and waits until that is done; `busy` when it takes too long. */
export async function performClearLog(path: IpmiPath): Promise<void> {
  const { reservation } = await run(path, reserveSel, undefined);
  let { isDone } = await run(path, clearSel, { reservation, starts: true });
  for (let checks = 0; !isDone; checks++) {
    if (checks === ERASE_CHECKS) throw new BmcError('busy', path.target, 'is still erasing its event log');
    await sleep(ERASE_CHECK_MS);
    isDone = (await run(path, clearSel, { reservation, starts: false })).isDone;
  }
}

/** An entry in words: `CPU1 Temp: upper critical, going high (95 C, limit 90 C)`. */
function describeEntry(entry: SelEntry, records: readonly SdrRecord[]): BmcLogEntry {
  const id = `${entry.id}`;
  const at = entry.seconds === undefined ? {} : { at: (entry.seconds * 1000) as Instant };
  if (entry.kind === 'oem') {
    const maker = entry.manufacturer === undefined ? '' : ` of enterprise ${entry.manufacturer}`;
    const text = `entry of the maker's own type ${hex(entry.type)}${maker}: ${entry.data.toString('hex')}`;
    return { id, ...at, severity: 'info', text };
  }

  const record = findSensor(entry, records);
  const name = record?.name ?? `${describeSensorType(entry.sensorType)} ${hex(entry.sensorNumber)}`;
  const offset = entry.details[0]! & 0x0f;
  const state = eventState(entry.eventType, entry.sensorType, offset);
  const words = state?.text ?? `state ${offset} of event type ${hex(entry.eventType)}`;
  const extra = [describeTrigger(entry, record), describeProgress(entry.sensorType, offset, entry.details)];
  const details = extra.filter((part) => part !== '').join(', ');
  const text = `${name}: ${words}${details === '' ? '' : ` (${details})`}${entry.isAssertion ? '' : ', no longer'}`;
  return { id, ...at, severity: entry.isAssertion ? (state?.severity ?? 'info') : 'info', text };
}

type Event = Extract<SelEntry, { kind: 'event' }>;

/** The record of an event's sensor; where a BMC logs in another's name, the one of that number and type. */
function findSensor(event: Event, records: readonly SdrRecord[]): SensorRecord | undefined {
  const sensors = records.filter((record) => 'sensorType' in record);
  const isSensor = (record: SensorRecord) =>
    record.number === event.sensorNumber && record.sensorType === event.sensorType;
  const [owner, lun] = [event.generator & 0xff, (event.generator >> 8) & 0x03];
  return (
    sensors.find((record) => isSensor(record) && record.owner === owner && record.lun === lun) ?? sensors.find(isSensor)
  );
}

/** 29.7: a threshold event says what was read and what the limit was, as raw readings. */
function describeTrigger(event: Event, record: SensorRecord | undefined): string {
  if (event.eventType !== EVENT_TYPE.threshold || record?.kind !== 'full' || isNonLinear(record.linearization))
    return '';
  const [head, trigger, limit] = event.details;
  const convert = (raw: number) => {
    const value = convertReading(raw, record.format, record.factors, record.linearization);
    return value === undefined ? undefined : withUnit(value, describeUnits(record.units));
  };
  const read = head! >> 6 === 1 ? convert(trigger!) : undefined;
  const beyond = ((head! >> 4) & 0x03) === 1 ? convert(limit!) : undefined;
  return [read, beyond === undefined ? undefined : `limit ${beyond}`].filter((part) => part !== undefined).join(', ');
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0').toUpperCase()}h`;
}
