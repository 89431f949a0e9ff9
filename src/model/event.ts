import type { Mac } from '../wire/address.ts';
import type { Reason } from './reason.ts';
import type { Instant } from './time.ts';

/** Every kind of event that can happen. */
export const EVENT_KINDS = [
  'dhcp.offered',
  'dhcp.acked',
  'dhcp.naked',
  'dhcp.silent',
  'dhcp.declined',
  'dhcp.released',
  'dhcp.informed',
  'dhcp.conflict',
  'dhcp.refused',
  'dhcp.server',
  'boot.started',
  'file.served',
  'file.probed',
  'file.refused',
  'file.declined',
  'file.failed',
  'machine.created',
  'machine.discovered',
  'machine.accepted',
  'machine.changed',
  'machine.removed',
  'machine.log',
  'machine.progress',
  'ticket.opened',
  'ticket.used',
  'ticket.closed',
  'job.created',
  'job.stage',
  'job.finished',
  'job.failed',
  'job.cancelled',
  'task.started',
  'task.finished',
  'task.failed',
  'power.command',
  'power.failed',
  'power.asked',
  'power.changed',
  'power.cancelled',
  'boot.missing',
  'bmc.unreachable',
  'bmc.answers',
  'bmc.refuses',
  'bmc.changed',
  'bmc.console',
  'credentials.changed',
  'install.done',
  'install.failed',
  'machine.alive',
  'network.changed',
  'mirror.fetched',
  'mirror.failed',
  'appliance.started',
  'appliance.stopped',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What happens to the appliance and its network. Each package that the mirror fetches would drown the rest. */
export const APPLIANCE_KINDS: readonly EventKind[] = [
  'appliance.started',
  'appliance.stopped',
  'network.changed',
  'credentials.changed',
  'machine.removed',
  'dhcp.server',
  'dhcp.conflict',
  'dhcp.refused',
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
