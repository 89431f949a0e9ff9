import { describeOrder, type Order } from '../model/bmc.ts';
import type { Machine } from '../model/machine.ts';
import type { ActionName } from '../model/workflow.ts';

/** Something the server has done to a machine for a stage. */
export type Action = {
  order: (machine: Machine) => Order;
  /** The job goes on where it cannot be done: it only spares time. */
  isOptional?: boolean;
  /** Whatever runs on the machine is about to end. */
  endsRuns?: boolean;
};

/** The mode the machine's firmware was last seen in; modern servers come set to UEFI. */
const modeOf = (machine: Machine) => machine.firmware ?? 'uefi';

/** Every action. A new one is a line here. */
export const ACTION_TABLE: Readonly<Record<ActionName, Action>> = {
  'power-off': { order: () => ({ kind: 'power', action: 'off' }), endsRuns: true },
  'power-on': { order: () => ({ kind: 'power', action: 'on' }) },
  'boot-network': {
    order: (machine) => ({ kind: 'boot', wish: { device: 'network', firmware: modeOf(machine), isPersistent: false } }),
  },
  'boot-disk': {
    order: (machine) => ({ kind: 'boot', wish: { device: 'disk', firmware: modeOf(machine), isPersistent: false } }),
    isOptional: true,
  },
};

/** What a person does where no BMC is known: `power off`. */
export function describeAction(action: ActionName, machine: Machine): string {
  return describeOrder(ACTION_TABLE[action].order(machine));
}
