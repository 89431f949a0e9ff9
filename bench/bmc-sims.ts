/**
 * The simulated BMCs of one measurement: `node bench/bmc-sims.ts MIX`, a BmcMix as JSON, inside the BMCs' namespace. Prints
 * `ready` when all of them listen, and when it is ended how many of their machines are on, as JSON.
 */

import { startIpmiBmc } from '../src/lab/bmc-sim/ipmi.ts';
import { parseFaults } from '../src/lab/bmc-sim/ipmi-faults.ts';
import { openRedfishSim } from '../src/lab/bmc-sim/redfish.ts';
import { DRIVER_PORTS } from '../src/model/bmc.ts';
import { PRIVILEGE } from '../src/wire/ipmi.ts';
import { type BenchBmc, BMC_PASSWORD, BMC_USER, type BmcMix, bmcsOf } from './bmc-plan.ts';

/** What the machines behind the BMCs say at the end. */
export type SimsEnd = { on: number };

const machines = await Promise.all(bmcsOf(JSON.parse(process.argv[2] ?? '') as BmcMix).map(openBmc));
process.once('SIGTERM', () => {
  const end: SimsEnd = { on: machines.filter((isOn) => isOn()).length };
  console.log(JSON.stringify(end));
  process.exit(0);
});
console.log('ready');

/** Gives what tells whether its machine is on. */
async function openBmc({ address, driver, hangs }: BenchBmc): Promise<() => boolean> {
  const port = DRIVER_PORTS[driver];
  if (driver === 'redfish') {
    const users = { [BMC_USER]: BMC_PASSWORD };
    const { model } = await openRedfishSim({
      ...{ address, port, users, remember: 0 },
      faults: hangs ? [{ name: 'hang' }] : [],
    });
    return () => model.systems.some((system) => system.power === 'On');
  }
  const users = { [BMC_USER]: { password: BMC_PASSWORD, privilege: PRIVILEGE.administrator } };
  const { machine } = await startIpmiBmc({ address, port, users, faults: parseFaults(hangs ? 'hang' : '') });
  return () => machine.isOn;
}
