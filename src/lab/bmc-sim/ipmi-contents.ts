import { BMC_ADDRESS } from '../../wire/ipmi.ts';
import { encodeFru } from '../../wire/ipmi-fru.ts';
import {
  encodeSdr,
  type FullRecord,
  type OtherRecord,
  type SdrRecord,
  type SensorRecord,
  type Units,
} from '../../wire/ipmi-sdr-record.ts';
import type { SimMachine, SimReading } from './ipmi-machine.ts';

type Known = Exclude<SdrRecord, OtherRecord>;

const units = (base: number): Units => ({ isPercentage: false, rate: 0, modifierUse: 0, base, modifier: 0 });
const PLAIN = { m: 1, b: 0, bExponent: 0, rExponent: 0 };
const key = (number: number, entity: number) => ({ owner: BMC_ADDRESS, lun: 0, number, entity });

function full(number: number, name: string, more: Partial<FullRecord>): FullRecord {
  return {
    kind: 'full',
    ...key(number, 7),
    name,
    sensorType: 0x01,
    eventType: 0x01,
    format: 'unsigned',
    units: units(1),
    linearization: 0,
    factors: PLAIN,
    thresholds: {},
    ...more,
  };
}

function discrete(number: number, name: string, sensorType: number, eventType: number): SensorRecord {
  return { kind: 'compact', ...key(number, 7), name, sensorType, eventType, format: 'none', units: units(0) };
}

/** A small server's sensors: of every kind that a record can describe, with what they read. */
export const SENSORS: readonly { record: Known; reading?: SimReading }[] = [
  {
    record: full(1, 'CPU1 Temp', { thresholds: { upperNonCritical: 80, upperCritical: 90, upperNonRecoverable: 95 } }),
    reading: { raw: 41 },
  },
  {
    record: full(2, 'Inlet Temp', { format: 'twosComplement', thresholds: { lowerCritical: 0xfb, upperCritical: 45 } }),
    reading: { raw: 0xfe },
  },
  {
    // y = 63 x / 1000: 12.096 V at 192
    record: full(3, '12V', {
      sensorType: 0x02,
      units: units(4),
      factors: { ...PLAIN, m: 63, rExponent: -3 },
      thresholds: { lowerCritical: 170, upperCritical: 210 },
    }),
    reading: { raw: 192 },
  },
  {
    record: full(4, 'FAN1', {
      sensorType: 0x04,
      units: units(18),
      factors: { ...PLAIN, m: 100 },
      thresholds: { lowerNonCritical: 20, lowerCritical: 10 },
    }),
    reading: { raw: 8 },
  },
  {
    // y = (x + 5 * 10)^2
    record: full(5, 'Flow', {
      sensorType: 0x0b,
      units: units(17),
      linearization: 8,
      factors: { ...PLAIN, b: 5, bExponent: 1 },
    }),
    reading: { raw: 10 },
  },
  {
    record: full(6, 'Pump', { sensorType: 0x0b, units: units(18), linearization: 0x70 }),
    reading: { raw: 30 },
  },
  {
    record: full(7, 'Load', { sensorType: 0x0b, units: { ...units(0), isPercentage: true } }),
    reading: { raw: 37 },
  },
  { record: full(8, 'CPU2 Temp', {}), reading: { raw: 0, isAvailable: false } },
  { record: discrete(9, 'PS1 Status', 0x08, 0x6f), reading: { raw: 0, states: 0x01 } },
  { record: discrete(10, 'PS2 Status', 0x08, 0x6f), reading: { raw: 0, states: 0x0b } },
  { record: discrete(11, 'PS Redundancy', 0x09, 0x0b), reading: { raw: 0, states: 0x02 } },
  { record: discrete(12, 'Intrusion', 0x05, 0x6f), reading: { raw: 0, states: 0x00 } },
  { record: { kind: 'event-only', ...key(13, 34), name: 'POST', sensorType: 0x0f, eventType: 0x6f } },
  { record: { kind: 'fru', address: BMC_ADDRESS, fru: 1, lun: 0, isLogical: true, name: 'PS1' } },
  { record: { kind: 'controller', address: BMC_ADDRESS, channel: 0, name: 'BMC' } },
];

/** Factors of the non-linear sensor, which give 1.5 times its byte wherever it stands. */
export const PUMP_FACTORS = { m: 15, b: 0, bExponent: 0, rExponent: -1 };

/** Encoded, in the order of their ids. */
export const RECORDS: readonly Buffer[] = SENSORS.map(({ record }, index) => encodeSdr(index + 1, record));

/** The ones whose numbers have limits, by sensor number. */
export const LIMITED: ReadonlyMap<number, FullRecord> = new Map(
  SENSORS.flatMap(({ record }) => (record.kind === 'full' ? [[record.number, record] as const] : [])),
);

/** What parts say of themselves, by FRU number. */
export const INVENTORIES: readonly Buffer[] = [
  encodeFru({
    chassis: { type: 23, fields: ['CSE-813', 'C8130-0042'] },
    board: { minutes: 14_727_000, fields: ['Firstlight', 'FL-Board', 'B0042', 'FLB-1', ''] },
    product: { fields: ['Firstlight', 'FL-Server 1', 'FLS-1', 'rev 2', 'S0042', 'asset-7', ''] },
  }),
  encodeFru({ product: { fields: ['Firstlight', 'FL-Power 800', 'FLP-800', '', 'P0042', '', ''] } }),
];

/** Readings and a log such as a machine has after a while. */
export function fillMachine(machine: SimMachine): void {
  for (const { record, reading } of SENSORS) {
    if (reading && 'number' in record) machine.readings.set(record.number, reading);
  }
  const event = { generator: BMC_ADDRESS, isAssertion: true };
  const logCleared = {
    ...event,
    sensorType: 0x10,
    sensorNumber: 14,
    eventType: 0x6f,
    details: Buffer.of(2, 0xff, 0xff),
  };
  // 57h: the reading and the limit follow; upper non-critical, going high.
  const hot = { ...event, sensorType: 0x01, sensorNumber: 1, eventType: 0x01, details: Buffer.of(0x57, 82, 80) };
  machine.addEvent(logCleared);
  machine.addEvent(hot);
  machine.addEvent({ ...hot, isAssertion: false });
  machine.addEvent({
    ...event,
    sensorType: 0x08,
    sensorNumber: 10,
    eventType: 0x6f,
    details: Buffer.of(3, 0xff, 0xff),
  });
}
