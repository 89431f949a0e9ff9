import { BMC_ADDRESS, COMPLETION } from '../wire/ipmi.ts';
import { EVENT_TYPE, type EventState, eventState } from '../wire/ipmi-events.ts';
import {
  type CompactRecord,
  type Factors,
  type FullRecord,
  type SdrRecord,
  THRESHOLD_NAMES,
} from '../wire/ipmi-sdr-record.ts';
import {
  convertReading,
  describeUnits,
  getReadingFactors,
  getSensorReading,
  isNonLinear,
  type SensorReading,
} from '../wire/ipmi-sensor.ts';
import type { Sensor, SensorState } from './driver.ts';
import { answerTo, type IpmiPath } from './ipmi-path.ts';

type Readable = FullRecord | CompactRecord;

/** What every sensor of the records reads now. One that the BMC cannot ask is `absent`, with a word why. */
export async function readSensors(path: IpmiPath, records: readonly SdrRecord[]): Promise<Sensor[]> {
  const sensors: Sensor[] = [];
  for (const record of records) {
    if (record.kind !== 'full' && record.kind !== 'compact') continue;
    sensors.push(await readSensor(path, record));
  }
  return sensors;
}

async function readSensor(path: IpmiPath, record: Readable): Promise<Sensor> {
  // Other controllers are on a bus behind the BMC, and have to be asked through it.
  if (record.owner !== BMC_ADDRESS) return absent(record, `of the controller ${hex(record.owner)}, which is not asked`);
  const { completion, value: reading } = await answerTo(path, getSensorReading, { number: record.number }, record.lun);
  // CBh and the like say that the part is not there; nothing else may end the whole list either.
  if (!reading) return absent(record, completion === COMPLETION.noSuchRecord ? 'not there' : 'no reading');
  if (!reading.isAvailable) return absent(record, 'no reading');
  if (record.kind === 'compact') return describeSensor(record, reading, undefined);
  const factors = await chooseFactors(path, record, reading.raw);
  return factors ? describeSensor(record, reading, factors) : absent(record, 'no factors for this reading');
}

/** The factors for this reading: a non-linear sensor has others for each. */
async function chooseFactors(path: IpmiPath, record: FullRecord, raw: number): Promise<Factors | undefined> {
  if (!isNonLinear(record.linearization)) return record.factors;
  return (await answerTo(path, getReadingFactors, { number: record.number, raw }, record.lun)).value;
}

function absent({ name }: Readable, text: string): Sensor {
  return { name, unit: '', state: 'absent', text };
}

/** A reading in words. `factors` are those of this reading; without them it has no number. */
function describeSensor(record: Readable, reading: SensorReading, factors: Factors | undefined): Sensor {
  const { name } = record;
  const unit = describeUnits(record.units);
  const convert = (raw: number) =>
    record.kind === 'full' && factors ? convertReading(raw, record.format, factors, record.linearization) : undefined;
  const value = convert(reading.raw);
  const states = listStates(record, reading.states);
  const isThreshold = record.eventType === EVENT_TYPE.threshold;
  const state = isThreshold ? thresholdState(reading.states) : worstState(states);
  const words = isThreshold ? thresholdWords(record, reading.states, convert) : states.map(({ text }) => text);
  const text = [...(value === undefined ? [] : [withUnit(value, unit)]), ...words].join(', ');
  return { name, ...(value === undefined ? {} : { value }), unit: value === undefined ? '' : unit, state, text };
}

function thresholdState(states: number): SensorState {
  if ((states & 0x36) !== 0) return 'critical';
  return (states & 0x09) !== 0 ? 'warning' : 'ok';
}

/** The worst threshold on each side that a reading is beyond: the milder ones are then passed too. */
function thresholdWords(record: Readable, states: number, convert: (raw: number) => number | undefined): string[] {
  const worst = [states & 0x07, (states >> 3) & 0x07].map((side) => 31 - Math.clz32(side));
  return worst.flatMap((level, side) => {
    if (level < 0) return [];
    const name = THRESHOLD_NAMES[side * 3 + level]!;
    const raw = record.kind === 'full' ? record.thresholds[name] : undefined;
    const limit = raw === undefined ? undefined : convert(raw);
    const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replace('non ', 'non-');
    return [`beyond ${words}${limit === undefined ? '' : ` ${withUnit(limit, describeUnits(record.units))}`}`];
  });
}

function listStates({ eventType, sensorType }: Readable, states: number): EventState[] {
  const offsets = Array.from({ length: 15 }, (_, offset) => offset).filter((offset) => (states >> offset) & 1);
  return offsets.map(
    (offset) => eventState(eventType, sensorType, offset) ?? { text: `state ${offset}`, severity: 'info' },
  );
}

function worstState(states: readonly EventState[]): SensorState {
  if (states.some(({ severity }) => severity === 'critical')) return 'critical';
  if (states.some(({ severity }) => severity === 'warning')) return 'warning';
  return states.length === 1 && states[0]!.text === 'absent' ? 'absent' : 'ok';
}

/** A number as a person writes it: three digits after the point at most. */
export function withUnit(value: number, unit: string): string {
  return `${Number(value.toFixed(3))}${unit === '' ? '' : ` ${unit}`}`;
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0').toUpperCase()}h`;
}
