import { type Harness, startHarness } from '../harness.ts';
import { startWireBmc, type WireBmcOptions } from './wire-bmc.ts';

export type WireBmc = Awaited<ReturnType<typeof startWireBmc>>;

/** The machine `vm-01` of a harness, and its BMC, which speaks the wire. */
export type MachineWithBmc = { harness: Harness; bmc: WireBmc; machineId: number };

/** Runs `check` with a machine and its BMC; options may be made of the harness, for one that has its clock. The BMC ends last. */
export async function withMachineAndBmc(
  options: WireBmcOptions | ((harness: Harness) => WireBmcOptions),
  check: (rig: MachineWithBmc) => Promise<void>,
): Promise<void> {
  const harness = await startHarness();
  const bmc = await startWireBmc(typeof options === 'function' ? options(harness) : options);
  try {
    const { id: machineId } = harness.addMachine('vm-01');
    harness.setBmc(machineId, { port: bmc.port });
    await check({ harness, bmc, machineId });
  } finally {
    await harness.close();
    await bmc.stop();
  }
}
