import type { FirmwareMode } from '../model/machine.ts';

/** Where a machine's BMC is and how to log in to it. `driver` picks the file that speaks its protocol. */
export type BmcTarget = { driver: 'ipmi'; address: string; port: number; user: string; password: string };

export type PowerState = 'on' | 'off';

/** `soft` asks the operating system to shut down; the others do not ask. */
export type PowerAction = 'on' | 'off' | 'cycle' | 'reset' | 'soft';

export type BootDevice = 'network' | 'disk';

/** What a BMC says it is. `manufacturer` is an IANA enterprise number, `guid` 32 hex digits in the order they came. */
export type BmcIdentity = {
  manufacturer: number;
  manufacturerName: string;
  product: number;
  firmware: string;
  ipmiVersion: string;
  guid: string;
};

/**
 * One BMC. Every call is whole: it logs in, does one thing and logs out. Calls on one driver run one after the other.
 * A promise that fails, fails with a BmcError.
 */
export interface BmcDriver {
  powerState(): Promise<PowerState>;
  /** Resolves when the BMC took the command. Whether the machine followed is for `verifyPower` to see. */
  setPower(action: PowerAction): Promise<void>;
  /** The next boot, and only that one, is from `device`. */
  bootOnce(device: BootDevice, firmware: FirmwareMode): Promise<void>;
  identity(): Promise<BmcIdentity>;
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
    const text = `BMC ${target.address} port ${target.port} ${what}. ${next}.`;
    super(text);
    this.kind = kind;
    this.text = text;
  }
}
