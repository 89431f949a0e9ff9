import type { Action } from './index.ts';

/** The next boot, and only that one, is from the network, in the mode the machine's firmware was last seen in. */
export const bootNetwork: Action = async ({ machine, bmc }) => {
  const mode = machine.firmware ?? 'uefi';
  await bmc.setBoot({ device: 'network', firmware: mode, isPersistent: false });
  return `boots from the network next time (${mode})`;
};
