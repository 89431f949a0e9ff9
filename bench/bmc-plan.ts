import type { DriverName } from '../src/model/bmc.ts';
import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from '../src/wire/address.ts';

/** The BMCs of one measurement. Those that hang take every packet and answer none. */
export type BmcMix = { ipmi: number; redfish: number; hanging: number };

/** One simulated BMC, and the driver that its machine has. */
export type BenchBmc = { address: Ipv4; driver: Extract<DriverName, 'ipmi' | 'redfish'>; hangs: boolean };

/** What the measured process does with them. All times in milliseconds. */
export type BmcTask = BmcMix &
  (
    | { kind: 'polls'; everyMs: number; measureMs: number }
    /** `isKnown`: polls have shown which ones hang before the machines are switched on; otherwise nobody knows. */
    | { kind: 'orders'; isKnown: boolean }
  );

/** Where the simulated BMCs are, all behind one address of the bench's wire. */
export const BMC_NETWORK = '10.98.0.0/16';
const FIRST = ipv4ToNumber('10.98.0.1' as Ipv4);
/** No address of them ends in 0 or 255, as no BMC's does. */
const IN_A_ROW = 250;

export const BMC_USER = 'bench';
export const BMC_PASSWORD = 'calvin-0815-s3cret';

/** The BMCs of a mix, the kinds and the hanging ones spread evenly among them. */
export function bmcsOf({ ipmi, redfish, hanging }: BmcMix): BenchBmc[] {
  const count = ipmi + redfish;
  return Array.from({ length: count }, (_, place) => ({
    address: ipv4FromNumber(FIRST + Math.floor(place / IN_A_ROW) * 256 + (place % IN_A_ROW)),
    driver: isNth(place, ipmi, count) ? 'ipmi' : 'redfish',
    hangs: isNth(place, hanging, count),
  }));
}

/** Whether the one at this place is one of `some` that are spread over `all`. */
function isNth(place: number, some: number, all: number): boolean {
  return Math.floor(((place + 1) * some) / all) > Math.floor((place * some) / all);
}
