import type { ClientStage } from '../model/firmware.ts';
import type { Instant } from '../model/time.ts';
import type { BootView, OfferedBootenv } from '../model/view.ts';
import type { Mac } from '../wire/address.ts';
import type { Jobs } from './jobs.ts';
import type { BootStage, Machines } from './machines.ts';

/** A firmware that asks again within this time is still in the same boot: it retries, or tries its next boot option. */
const SAME_BOOT_MS = 120_000;

/** Where the view of a machine's boot is read from. */
export type BootSources = {
  machines: Machines;
  jobs: Jobs;
  settings: { unknownBoots: 'scout' | 'local' };
  bootenv: (name: string) => OfferedBootenv | undefined;
};

/** Whose boot is looked at. */
export type BootClient = {
  mac: Mac;
  /** The number of the boot it is in or about to begin, from the number of the present one; without, the present one. */
  boot?: (present: number, stage: BootStage, seenAt: Instant | undefined) => number;
  /** The machine to take it for when nobody knows the MAC. */
  standIn?: number | undefined;
};

/** What the boot decision reads of one machine, in one go. Changes nothing. */
export function bootView(sources: BootSources, { mac, boot, standIn }: BootClient): BootView {
  const { machines, jobs, settings, bootenv } = sources;
  const machine = machines.byMac(mac) ?? (standIn === undefined ? undefined : machines.byId(standIn));
  const job = machine ? jobs.runningOf(machine.id) : undefined;
  const ticket = job ? jobs.ticketOf(job.id) : undefined;
  const present = machine?.boot ?? 0;
  const progress = machine ? machines.bootStage(machine.id) : { stage: 'none' as const };
  return {
    mac,
    machine,
    job,
    ticket,
    boot: boot ? boot(present, progress.stage, progress.seenAt) : present,
    unknownBoots: settings.unknownBoots,
    bootenv,
  };
}

/** Whether a client of this stage begins a new boot: it is back at a stage that the present boot has left behind. */
export function beginsBoot(client: ClientStage, stage: BootStage, seenAt: Instant | undefined, now: Instant): boolean {
  if (client === 'os') return false;
  const isRecent = seenAt !== undefined && now - seenAt < SAME_BOOT_MS;
  if (stage === 'none') return true;
  if (client === 'firmware') return !(isRecent && (stage === 'firmware' || stage === 'local'));
  return !(isRecent && (stage === 'firmware' || stage === 'ipxe'));
}
