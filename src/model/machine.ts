import type { Ipv4, Mac } from '../wire/address.ts';
import { AppError } from './errors.ts';
import type { Inventory } from './inventory.ts';
import type { Instant } from './time.ts';
import type { Job } from './workflow.ts';

/** The states of a machine that a technician says aloud. Power, lock and health are axes of their own. */
export const MACHINE_STATES = ['new', 'ready', 'installing', 'installed', 'failed', 'ignored'] as const;
export type MachineState = (typeof MACHINE_STATES)[number];

/** How a machine starts: what its firmware speaks before any loader of ours runs. */
export type FirmwareMode = 'bios' | 'uefi';

/**
 * How a boot client on TFTP is told its file (boot-protocols 2.4): `direct` with options 60 and 43 (A), `plain` without (B), `header`
 * in the header's field alone, `binl` on port 4011 (C), `none` not at all. `auto` is direct, or what has worked beside a foreign server.
 */
export const PXE_STYLES = ['auto', 'direct', 'plain', 'header', 'binl', 'none'] as const;
export type PxeStyle = (typeof PXE_STYLES)[number];

/** One machine. What is not known of it is absent. */
export type Machine = {
  id: number;
  name: string;
  state: MachineState;
  locked: boolean;
  macs: Mac[];
  uuid?: string;
  serial?: string;
  firmware?: FirmwareMode;
  inventory?: Inventory;
  params: Record<string, unknown>;
  /** Names of option sets that it takes part in, see store/options.ts. */
  profiles: string[];
  pxeStyle: PxeStyle;
  /** Beside a foreign DHCP server: which way of answering led to a download. */
  pxeLearned?: 'direct' | 'binl';
  /** Some firmware misses an answer that comes at once. */
  replyDelayMs: number;
  hasBmc: boolean;
  bmcAddress?: string;
  address?: Ipv4;
  /** Number of the boot the machine is in; every event of that boot carries it. */
  boot: number;
  /** Last word about where the machine stands, for lists. */
  status: string;
  createdAt: Instant;
  seenAt?: Instant;
};

/** A machine's name: a host label of RFC 1123, lower case, so that it can be a host name everywhere. */
export function isMachineName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** The name a machine is given when it is first seen: its serial number when that makes a host name, else its MAC. */
export function proposeName(mac: Mac, serial?: string): string {
  const fromSerial = (serial ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  const saysNothing = /^(none|not-specified|to-be-filled.*|default-string|system-serial-number|0+|)$/.test(fromSerial);
  return saysNothing ? `m-${mac.replaceAll(':', '')}` : fromSerial;
}

/** Whether a SMBIOS UUID tells machines apart: all-zero and all-one ones do not (OVMF without -uuid sends zeros). */
export function isTellingUuid(uuid: string | undefined): uuid is string {
  return uuid !== undefined && /^[0-9a-f-]{36}$/i.test(uuid) && !/^[0-]+$/.test(uuid) && !/^[f-]+$/i.test(uuid);
}

/** The mode its firmware was last seen in; `uefi` where nobody has seen it, because modern servers come set so. */
export function firmwareModeOf(machine: Pick<Machine, 'firmware'>): FirmwareMode {
  return machine.firmware ?? 'uefi';
}

/** Throws `machine-locked` for a locked machine: it refuses whatever would disturb it. `unless` says what may still be done. */
export function refuseLocked({ name, locked }: Pick<Machine, 'name' | 'locked'>, unless = ''): void {
  if (locked)
    throw new AppError(
      'machine-locked',
      `${name} is locked${unless && `: ${unless}`}`,
      `unlock it with: firstlight unlock ${name}`,
    );
}

/** Throws `job-running` when the machine has a job: one runs at a time. */
export function refuseBusy(
  { name }: Pick<Machine, 'name'>,
  running: Pick<Job, 'id' | 'workflow' | 'bootenv'> | undefined,
): void {
  if (running)
    throw new AppError(
      'job-running',
      `job ${running.id} (${[running.workflow, running.bootenv].filter(Boolean).join(' ')}) is running on ${name}`,
      `wait for it, or end it with: firstlight cancel ${name}`,
    );
}
