import type { FirmwareMode } from './machine.ts';
import type { Instant } from './time.ts';

/** Every way to power a machine. `ipmitool` is the fallback where our own IPMI is not understood; `manual` asks a person. */
export const DRIVER_NAMES = ['redfish', 'ipmi', 'ipmitool', 'wol', 'webhook', 'exec', 'manual'] as const;
export type DriverName = (typeof DRIVER_NAMES)[number];

/** The port a driver speaks to when nobody names another; 0 where there is none. */
export const DRIVER_PORTS: Readonly<Record<DriverName, number>> = {
  redfish: 443,
  ipmi: 623,
  ipmitool: 623,
  wol: 9,
  webhook: 0,
  exec: 0,
  manual: 0,
};

/** Whether a driver speaks to the BMC itself, at its address and with its login; the others do without, or have their own. */
export function speaksToBmc(driver: DriverName): boolean {
  return driver === 'redfish' || driver === 'ipmi' || driver === 'ipmitool';
}

export type PowerState = 'on' | 'off';

/** `soft` asks the operating system to shut down; the others do not ask. */
export const POWER_ACTIONS = ['on', 'off', 'cycle', 'reset', 'soft'] as const;
export type PowerAction = (typeof POWER_ACTIONS)[number];

/** Whether the machine runs afterwards, from its firmware on. */
export function startsMachine(action: PowerAction): boolean {
  return action === 'on' || action === 'cycle' || action === 'reset';
}

/** `network` is PXE, `http` UEFI HTTP boot, `setup` the firmware's own menus. */
export const BOOT_DEVICES = ['network', 'http', 'disk', 'cd', 'setup'] as const;
export type BootDevice = (typeof BOOT_DEVICES)[number];

/** What the next boot is to be, and only that one unless it is persistent. `httpUri`: what `http` loads, where a BMC can be told. */
export type BootWish = { device: BootDevice; firmware: FirmwareMode; isPersistent: boolean; httpUri?: string };

/**
 * One way to a machine's BMC; a machine has an ordered chain of them. `settings` are the driver's own: a verb's URL or program,
 * the System among several. Either it has a user and password of its own, or the `credential` of that name has.
 */
export type BmcLink = {
  driver: DriverName;
  /** A host's name or address; '' for a driver that has none. */
  address: string;
  port: number;
  credential?: string;
  user: string;
  settings: Readonly<Record<string, string>>;
};

/** What was found out about a link and is used the next time: the cipher suite that worked, the certificate seen first. */
export type Learned = { cipherSuite?: 3 | 17; fingerprint?: string };

/** Why a link is not used any more until somebody changes something: a wrong password is not tried until the account is locked. */
export type Refusal = { kind: string; text: string; at: Instant };

/**
 * What somebody wants of one machine. `graceSeconds`: how long a soft off may take; `isHardAfter`: what is on then is switched off;
 * `needs`: the order that has to be done before, or this one is not.
 */
export type Order =
  | { kind: 'power'; action: PowerAction; graceSeconds?: number; isHardAfter?: boolean; needs?: number }
  /** `via`: the driver that is tried first. */
  | { kind: 'boot'; wish: BootWish; via?: DriverName; needs?: number }
  /** The lamp on for so many seconds; 0 puts it out. */
  | { kind: 'identify'; seconds: number }
  /** An ISO image in the virtual drive, booted next; without one the drive is emptied. */
  | { kind: 'media'; url?: string };

/** What is said of an order in lists and on the timeline: `power cycle`, `boot network`. */
export function describeOrder(order: Order): string {
  switch (order.kind) {
    case 'power':
      return `power ${order.action}`;
    case 'boot':
      return `boot ${order.wish.device} ${order.wish.isPersistent ? 'from now on' : 'next'} (${order.wish.firmware})`;
    case 'identify':
      return order.seconds > 0 ? `identify for ${order.seconds} s` : 'identify off';
    case 'media':
      return order.url === undefined ? 'eject media' : `insert media ${order.url}`;
  }
}

/** Whether an order can disturb what runs on the machine, or what it boots next: a locked machine refuses it. */
export function isDisturbing(order: Order): boolean {
  return order.kind !== 'identify' && !(order.kind === 'power' && order.action === 'on');
}

/**
 * How far an order has come. `stage` is what it waits for, since `since`; `equalReads` of the power state were what it waits for,
 * one after the other; `sends` is how often the command of this stage was given.
 */
export type Progress = { stage: OrderStage; since: Instant; equalReads: number; sends: number };

/** `begin`: nothing was done yet. `resting`: off between two halves of a cycle. */
export type OrderStage = 'begin' | 'turning-off' | 'shutting-down' | 'resting' | 'turning-on' | 'resetting' | 'set';

export const ORDER_STATES = ['waiting', 'running', 'done', 'failed', 'cancelled'] as const;
export type OrderState = (typeof ORDER_STATES)[number];

/** An order as it is kept. `driver` is the one it is or was carried out with, `result` a sentence once it has ended. */
export type KeptOrder = {
  id: number;
  machineId: number;
  order: Order;
  state: OrderState;
  askedBy: string;
  progress?: Progress;
  driver?: DriverName;
  result: string;
  createdAt: Instant;
  startedAt?: Instant;
  endedAt?: Instant;
};

/** Machines that are switched on together draw more than a rack's fuse gives: so many of them, then a pause. */
export type Stagger = { batch: number; pauseMs: number };
export const DEFAULT_STAGGER: Stagger = { batch: 10, pauseMs: 5000 };
