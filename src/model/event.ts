import type { Mac } from '../wire/address.ts';
import type { Reason } from './reason.ts';
import type { Instant } from './time.ts';

/** Every kind of event that can happen, with the word the timeline shows for it. */
export const EVENT_KINDS = {
  'dhcp.offered': 'DHCP offer',
  'dhcp.acked': 'DHCP lease',
  'dhcp.naked': 'DHCP refusal',
  'dhcp.silent': 'DHCP silence',
  'dhcp.declined': 'DHCP decline',
  'dhcp.released': 'DHCP release',
  'dhcp.informed': 'DHCP inform',
  'dhcp.malformed': 'DHCP malformed',
  'dhcp.conflict': 'address conflict',
  'dhcp.server': 'other DHCP server',
  'boot.started': 'boot',
  'file.served': 'file',
  'file.probed': 'file probe',
  'file.refused': 'file refused',
  'file.declined': 'local boot',
  'file.failed': 'file failed',
  'machine.created': 'new machine',
  'machine.discovered': 'discovered',
  'machine.accepted': 'accepted',
  'machine.changed': 'changed',
  'machine.log': 'log',
  'machine.progress': 'progress',
  'ticket.opened': 'ticket opened',
  'ticket.used': 'ticket used',
  'ticket.closed': 'ticket closed',
  'job.created': 'job',
  'job.stage': 'stage',
  'job.finished': 'job finished',
  'job.failed': 'job failed',
  'job.cancelled': 'job cancelled',
  'task.started': 'task',
  'task.finished': 'task finished',
  'task.failed': 'task failed',
  'power.command': 'power',
  'power.failed': 'power failed',
  'power.asked': 'power by hand',
  'power.changed': 'power changed',
  'power.cancelled': 'power cancelled',
  'boot.missing': 'no boot',
  'bmc.unreachable': 'BMC silent',
  'bmc.answers': 'BMC answers',
  'bmc.refuses': 'BMC refuses',
  'bmc.changed': 'BMC set',
  'bmc.console': 'console',
  'credentials.changed': 'credentials',
  'install.done': 'install done',
  'install.failed': 'install failed',
  'machine.alive': 'first boot',
  'network.changed': 'network',
  'mirror.fetched': 'mirror',
  'mirror.failed': 'mirror failed',
  'content.loaded': 'content',
  'appliance.started': 'appliance started',
  'appliance.stopped': 'appliance stopped',
} as const;
export type EventKind = keyof typeof EVENT_KINDS;

/** What happens to the appliance and its network. Each package that the mirror fetches would drown the rest. */
export const APPLIANCE_KINDS: readonly EventKind[] = [
  'appliance.started',
  'appliance.stopped',
  'network.changed',
  'credentials.changed',
  'dhcp.server',
  'dhcp.conflict',
  'content.loaded',
  'mirror.failed',
];

/** What an engine tells: no id, time or boot yet; the hub adds those. */
export type NewEvent = {
  kind: EventKind;
  text: string;
  machineId?: number | undefined;
  mac?: Mac | undefined;
  because?: Reason[] | undefined;
  data?: Record<string, unknown> | undefined;
};

/** An event as kept in history and shown on the timeline. `boot` numbers the machine's boots. */
export type Event = NewEvent & { id: number; at: Instant; boot?: number | undefined; machine?: string | undefined };

/** Whether an event stands on the appliance's own timeline: one of its kinds, and no machine's. */
export function isOfAppliance({ kind, machineId, mac }: Pick<Event, 'kind' | 'machineId' | 'mac'>): boolean {
  return machineId === undefined && mac === undefined && APPLIANCE_KINDS.includes(kind);
}
