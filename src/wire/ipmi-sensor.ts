// A sensor's reading and what it means. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, NET_FN, PRIVILEGE } from './ipmi.ts';
import {
  type AnalogFormat,
  decodeFactors,
  encodeFactors,
  type Factors,
  signed,
  type Units,
} from './ipmi-sdr-record.ts';

/**
 * A reading. `isAvailable` is false while the sensor's part is absent, off or not scanned. `states`: for a sensor with
 * thresholds a bit for each that it is beyond, in the order of THRESHOLD_NAMES; for another one a bit for each state.
 */
export type SensorReading = { raw: number; isAvailable: boolean; states: number };

/** 35.14 */
export const getSensorReading: Command<{ number: number }, SensorReading> = {
  name: 'Get Sensor Reading',
  netFn: NET_FN.sensor,
  command: 0x2d,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.number),
  decodeRequest: (data) => ({ number: new Reader(data).u8('sensor number') }),
  encodeResponse: (response) =>
    Buffer.of(
      response.raw,
      response.isAvailable ? 0xc0 : 0xe0,
      response.states & 0xff,
      ((response.states >> 8) & 0x7f) | 0x80,
    ),
  decodeResponse(data) {
    const [raw, flags] = new Reader(data).take(2, this.name);
    // Bytes 3 and 4 are left out where a sensor has nothing to say in them.
    const states = (data[2] ?? 0) | (((data[3] ?? 0) & 0x7f) << 8);
    return { raw: raw!, isAvailable: (flags! & 0x20) === 0 && (flags! & 0x40) !== 0, states };
  },
};

/** 35.5: the factors of a non-linear sensor, which differ from reading to reading. */
export const getReadingFactors: Command<{ number: number; raw: number }, Factors> = {
  name: 'Get Sensor Reading Factors',
  netFn: NET_FN.sensor,
  command: 0x23,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.number, request.raw),
  decodeRequest(data) {
    const [number, raw] = new Reader(data).take(2, this.name);
    return { number: number!, raw: raw! };
  },
  encodeResponse: (response) => Buffer.concat([Buffer.of(0xff), encodeFactors(response)]),
  decodeResponse(data) {
    const reader = new Reader(data);
    reader.skip(1, 'next reading');
    return decodeFactors(reader.rest());
  },
};

/** L of 36.3, by the number of a record's linearization; 0 is no function at all. */
const FUNCTIONS: readonly ((x: number) => number)[] = [
  (x) => x,
  Math.log,
  Math.log10,
  Math.log2,
  Math.exp,
  (x) => 10 ** x,
  (x) => 2 ** x,
  (x) => 1 / x,
  (x) => x ** 2,
  (x) => x ** 3,
  Math.sqrt,
  Math.cbrt,
];

/** Whether each reading has factors of its own, which `getReadingFactors` asks for (43.1, byte 24). */
export function isNonLinear(linearization: number): boolean {
  return linearization >= 0x70;
}

/** The number that a raw reading stands for (36.3); undefined for one that stands for none. */
export function convertReading(
  raw: number,
  format: AnalogFormat,
  { m, b, bExponent, rExponent }: Factors,
  linearization: number,
): number | undefined {
  if (format === 'none') return undefined;
  const x = format === 'unsigned' ? raw : format === 'twosComplement' ? signed(raw, 8) : raw < 128 ? raw : raw - 255;
  const linear = (m * x + b * 10 ** bExponent) * 10 ** rExponent;
  const apply = isNonLinear(linearization) ? FUNCTIONS[0]! : FUNCTIONS[linearization];
  const value = apply?.(linear) ?? Number.NaN;
  // Twelve digits are more than any sensor has, and drop what binary fractions add.
  return Number.isFinite(value) ? Number(value.toPrecision(12)) : undefined;
}

/** Table 43-15 in the signs of the field. */
const UNITS: readonly string[] =
  ` C F K V A W J C VA cd/m² lm lx cd kPa psi N CFM RPM Hz µs ms s min h d wk mil in ft in³ ft³ mm cm m cm³ m³ l fl.oz rad sr rev cycles g oz lb ft·lb oz·in G Gb H mH F µF Ω S mol Bq ppm  dB dB(A) dB(C) Gy Sv K bit kbit Mbit Gbit B KB MB GB word dword qword lines hits misses retries resets overruns underruns collisions packets messages characters errors correctable_errors uncorrectable_errors fatal_errors g`
    .split(' ')
    .map((unit) => unit.replace('_', ' '));
const RATES: readonly string[] = ['', '/µs', '/ms', '/s', '/min', '/h', '/d', ''];

/** What a sensor's numbers count: `C`, `RPM`, `%`; '' for nothing that has a name. */
export function describeUnits({ isPercentage, rate, modifierUse, base, modifier }: Units): string {
  const name = (unit: number) => UNITS[unit] ?? '';
  if (isPercentage) return `%${base === 0 ? '' : ` ${name(base)}`}`;
  const joint = modifierUse === 1 ? '/' : modifierUse === 2 ? '·' : '';
  return `${name(base)}${joint}${joint === '' ? '' : name(modifier)}${RATES[rate]}`;
}
