import type { BootDevice, BootWish, DriverName, PowerAction, PowerState } from '../model/bmc.ts';
import type { FirmwareMode } from '../model/machine.ts';
import type { Instant } from '../model/time.ts';
import type { BootOrder } from './boot-order.ts';

export type { BootDevice, BootWish, DriverName, PowerAction, PowerState };

/**
 * Where a machine's BMC is and how to log in to it. `driver` picks the file that speaks its protocol; `settings` are that
 * driver's own: a verb's URL or program, a certificate's fingerprint, the System among several, a quirk to be put in force.
 */
export type BmcTarget = {
  driver: DriverName;
  /** A host's name or address; '' for a driver that has none. */
  address: string;
  port: number;
  user: string;
  password: string;
  settings?: Readonly<Record<string, string>>;
};

/** What a BMC says that the next boot will be. `none`: what the firmware is set to; `other`: something that we have no word for. */
export type BootSetting = { device: BootDevice | 'none' | 'other'; firmware?: FirmwareMode; isPersistent: boolean };

/** What a BMC says it is. What it does not say is ''. */
export type BmcIdentity = {
  /** As people write it: `Supermicro`. */
  manufacturer: string;
  model: string;
  firmware: string;
  /** `IPMI 2.0`, `Redfish 1.15.0`. */
  protocol: string;
  /** Of the machine, as SMBIOS has it, lower case; '' when it says none. */
  uuid: string;
  serial: string;
};

export type SensorState = 'ok' | 'warning' | 'critical' | 'absent';
/** One reading: `CPU1 Temp`, 41, `C`. Without a value it is a state only, told in `text`. */
export type Sensor = { name: string; value?: number; unit: string; state: SensorState; text: string };

/** One entry of the BMC's event log. `at` is of its own clock, which is often wrong. */
export type BmcLogEntry = { id: string; at?: Instant; severity: 'info' | 'warning' | 'critical'; text: string };

/** What is built in, as its FRU or its Redfish resources tell: `board serial` and its value. */
export type InventoryField = { part: string; name: string; value: string };

/** A running console: bytes both ways until `close`, or until `ended` resolves with a sentence. */
export type BmcConsole = {
  onData(listener: (bytes: Buffer) => void): void;
  write(bytes: Buffer): void;
  /** A serial break, where the BMC has one. */
  sendBreak?(): void;
  ended: Promise<string>;
  close(): Promise<void>;
};

/** What a driver met that is worth telling in the BMC's health record: `B1`, `R3`, and a sentence. */
export type QuirkNote = { id: string; text: string };

/**
 * One BMC. Every call is whole: it logs in, does one thing and logs out; a driver may keep one session for polls until `close`. Calls
 * on one driver run one after the other, which
 * the queue relies on. A promise that fails, fails with a BmcError; `unsupported` for what the protocol or this BMC has not.
 * What not every protocol has is optional.
 */
export interface BmcDriver {
  powerState(): Promise<PowerState>;
  /** Resolves when the BMC took the command. Whether the machine followed is for `verifyPower` to see. */
  setPower(action: PowerAction): Promise<void>;
  setBoot(wish: BootWish): Promise<void>;
  boot(): Promise<BootSetting>;
  /** The firmware's own order, which is in force when nothing else was set. */
  bootOrder?(): Promise<BootOrder>;
  identity(): Promise<BmcIdentity>;
  /** Lights the machine's lamp for so many seconds; 0 puts it out. */
  identify?(seconds: number): Promise<void>;
  /** Why the machine started the last time, in the BMC's words. */
  restartCause?(): Promise<string>;
  sensors?(): Promise<Sensor[]>;
  /** Drawn now, watts. */
  powerReading?(): Promise<number>;
  log?(): Promise<BmcLogEntry[]>;
  clearLog?(): Promise<void>;
  inventory?(): Promise<InventoryField[]>;
  /** Boots this ISO image once it is powered on; `undefined` takes out what is in. */
  insertMedia?(url: string | undefined): Promise<void>;
  console?(): Promise<BmcConsole>;
  /** Whether nobody answers what it sends, as a magic packet: then it tells nothing of the BMC. */
  isUnheard?: boolean;
  /** Quirks met so far, each once. */
  quirks?(): readonly QuirkNote[];
  /** Waits for the running call; later calls are refused. */
  close(): Promise<void>;
}

/** What can be wrong with a BMC, and what a technician does next. */
const NEXT = {
  unreachable: 'Check its address, its cable and VLAN, and that IPMI over LAN is turned on',
  'no-such-user': 'Check the user name, and that this user is enabled for the LAN channel',
  'wrong-password':
    'Give Firstlight the password that is set in the BMC; many BMCs keep only 16 or 20 characters of it',
  'no-session-slot':
    'Close other sessions (web page, console) or wait a few minutes until they expire; else restart the BMC',
  'wrong-cipher-suite': 'Turn on cipher suite 17 or 3 for the LAN channel of the BMC',
  privilege: 'Give this user the privilege OPERATOR or ADMINISTRATOR on the LAN channel',
  busy: 'Try again in a minute',
  unsupported: 'Use another driver for this, or do it by hand',
  certificate: 'If the BMC was given a new certificate, accept it; if not, somebody may stand between it and us',
  refused: 'Look at the machine: the BMC understood the command and did not do it',
  protocol: 'Update the firmware of the BMC, or report this answer',
} as const;

export type BmcErrorKind = keyof typeof NEXT;

/** A BMC that did not do what it was told. `text` names the BMC, what happened and what to do next. */
export class BmcError extends Error {
  override readonly name = 'BmcError';
  readonly kind: BmcErrorKind;
  readonly text: string;

  constructor(
    kind: BmcErrorKind,
    target: Pick<BmcTarget, 'address' | 'port'>,
    what: string,
    next: string = NEXT[kind],
  ) {
    const who = target.address === '' ? 'The driver' : `BMC ${target.address} port ${target.port}`;
    const text = `${who} ${what}. ${next}.`;
    super(text);
    this.kind = kind;
    this.text = text;
  }
}
