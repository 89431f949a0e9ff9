import type { Events } from '../events.ts';
import type { Inventory } from '../model/inventory.ts';
import type { Machine } from '../model/machine.ts';
import { describeHardware } from '../model/size.ts';
import type { Clock } from '../model/time.ts';
import type { Workflow } from '../model/workflow.ts';
import type { Machines } from '../store/machines.ts';
import { isMac, type Mac } from '../wire/address.ts';
import type { Runner } from './runner.ts';

/** What discovery works with; `workflow` finds one by its name. */
export type DiscoveryOptions = {
  machines: Machines;
  events: Events;
  runner: Runner;
  clock: Clock;
  settings: { unknownBoots: 'scout' | 'local'; acceptAutomatically: boolean };
  workflow: (name: string) => Workflow | undefined;
};

/** How machines come to be known: first by their MAC, then by what the scout finds in them. */
export function createDiscovery(options: DiscoveryOptions) {
  const { machines, events, runner, clock, settings } = options;

  /** A MAC that nobody knew takes a lease or asks for a file: it is a new machine, and the scout is to look at it. */
  function record(mac: Mac): Machine {
    return events.settle(() => {
      const machine = machines.create({ macs: [mac], state: 'new' }, clock());
      events.emit({ kind: 'machine.created', text: `${machine.name} was seen for the first time`, mac });
      beginDiscovery(machine, 'the network');
      return machine;
    });
  }

  /** Have the scout look at a machine the next time it boots. */
  function beginDiscovery(machine: Machine, createdBy: string): void {
    const workflow = options.workflow('discover');
    if (settings.unknownBoots !== 'scout' || !workflow) return;
    runner.start(
      { machineId: machine.id, workflow: workflow.name, params: {}, plan: workflow.stages, createdBy },
      { opensTicket: false, restart: false },
    );
  }

  /** Keep an inventory; a machine that was never discovered becomes ready when the setting says so. */
  function saveInventory(machineId: number, inventory: Inventory): Machine | undefined {
    return events.settle(() => {
      const before = machines.byId(machineId);
      if (!before) return undefined;
      const macs = inventory.nics.map((nic) => nic.mac.toLowerCase()).filter(isMac);
      const machine = machines.saveInventory(before, inventory, macs, clock());
      events.emit({
        kind: 'machine.discovered',
        text: `${machine.name} is ${describeInventory(inventory)}`,
        machineId,
      });
      if (machine.state === 'new' && settings.acceptAutomatically) accept(machine, 'the setting accept=automatic');
      runner.happened(machineId, { kind: 'milestone', milestone: 'inventoried' });
      return machines.byId(machineId);
    });
  }

  function accept(machine: Machine, by: string): void {
    events.settle(() => {
      machines.setState(machine.id, 'ready');
      machines.setStatus(machine.id, 'ready');
      events.emit({ kind: 'machine.accepted', text: `${machine.name} was accepted by ${by}`, machineId: machine.id });
    });
  }

  return { record, beginDiscovery, saveInventory, accept };
}

/** Made by createDiscovery. */
export type Discovery = ReturnType<typeof createDiscovery>;

/** `Dell Inc. PowerEdge R640, 32 threads, 256 GiB memory, 3 disks (1.9 TB), UEFI`, for people. */
function describeInventory(inventory: Inventory): string {
  return [
    [inventory.vendor, inventory.model].filter((part) => part !== '').join(' ') || 'a machine of unknown make',
    describeHardware(inventory),
    inventory.firmware.toUpperCase(),
  ].join(', ');
}
