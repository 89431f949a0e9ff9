import { BOOT_SELECTOR } from '../wire/ipmi-boot.ts';
import type { DeviceId } from '../wire/ipmi-device.ts';
import { BmcError, type BmcTarget, type QuirkNote } from './driver.ts';

/** IANA private enterprise numbers of BMC makers. */
export const MAKER = {
  ibm: 2,
  hp: 11,
  fujitsu: 10368,
  intel: 343,
  dell: 674,
  cisco: 5771,
  supermicro: 10876,
  gigabyte: 15370,
  lenovo: 19046,
  hpe: 47196,
};

/** What they are called; a maker without a name here is told by its number. */
export const MAKER_NAMES: Readonly<Record<number, string>> = {
  [MAKER.ibm]: 'IBM',
  [MAKER.hp]: 'HP',
  [MAKER.fujitsu]: 'Fujitsu',
  [MAKER.intel]: 'Intel',
  [MAKER.dell]: 'Dell',
  [MAKER.cisco]: 'Cisco',
  [MAKER.supermicro]: 'Supermicro',
  [MAKER.gigabyte]: 'Gigabyte',
  [MAKER.lenovo]: 'Lenovo',
  [MAKER.hpe]: 'HPE',
};

/** What differs from BMC to BMC. What is the same for all is simply done, and its quirk's row says so. */
export type IpmiHabits = {
  /** The selector that means the disk to UEFI firmware. */
  uefiDiskSelector: number;
  /** Boot flags are read back with their first byte: whether they are valid, persistent, and for UEFI firmware. */
  marksValid: boolean;
};

const USUAL: IpmiHabits = { uefiDiskSelector: BOOT_SELECTOR.disk, marksValid: true };

/** A way in which BMCs are not as the specification has them. `habits`: what differs where it is in force. */
export type IpmiQuirk = {
  id: string;
  who: string;
  what: string;
  effect: string;
  source: string;
  /** Which BMCs have it, by what they say they are. A row with `habits` and without this is in force where a setting says so. */
  devices?: readonly { manufacturer: number; product?: number }[];
  habits?: Partial<IpmiHabits>;
};

/** B1 to B15 are numbered as in section 5.1 of the study of protocols. */
export const IPMI_QUIRKS: readonly IpmiQuirk[] = [
  {
    id: 'B1',
    who: 'any BMC',
    what: 'boot flags are forgotten 60 seconds after they were set',
    effect: 'parameter 3 bit 3 is written each time; a BMC that refuses it is told of',
    source: 'IPMI 2.0 28.14; ironic set_boot_device; pyghmi',
  },
  {
    id: 'B2',
    who: 'many BMCs',
    what: 'a power command for what is already so, or a cycle while off, is an error or nothing',
    effect: 'the state is read: a cycle while off turns on, a refusal of what is so counts as done',
    source: 'ironic reboot; IPMI 2.0 28.3',
  },
  {
    id: 'B3',
    who: 'many BMCs',
    what: 'the power state follows 5 to 60 seconds late and wavers in between',
    effect: 'setPower resolves when the command was taken; an order believes two equal reads',
    source: 'pyghmi',
  },
  {
    id: 'B4',
    who: 'Supermicro X11 and others',
    what: 'the EFI bit or persistence of boot flags is dropped',
    effect: 'flags are read back once they are set, and a difference is told of',
    source: 'bmclib #209; ironic',
  },
  {
    id: 'B5',
    who: 'Supermicro',
    what: 'UEFI firmware knows the disk by the selector 24h',
    effect: '24h is written for the disk in UEFI mode, and read as the disk',
    source: 'ironic; metal-core #19',
    devices: [{ manufacturer: MAKER.supermicro }],
    habits: { uefiDiskSelector: 0x24 >> 2 },
  },
  {
    id: 'B6',
    who: 'several BMCs',
    what: 'old boot flags stay, marked invalid',
    effect: 'flags without their valid bit are read as none',
    source: 'os-autoinst #17794; ipmitool #304',
  },
  {
    id: 'B7',
    who: 'some BMCs',
    what: 'they crash when asked fast, or two things at once',
    effect: 'one session and one command at a time; time between two commands is for the queue to leave',
    source: 'ironic min_command_interval; pyghmi',
  },
  {
    id: 'B8',
    who: 'any BMC',
    what: 'it says busy, timeout, no space or initializing for a while',
    effect: 'the command is asked again up to five times; after that the error is `busy`',
    source: 'ironic command_retry_timeout',
  },
  {
    id: 'B9',
    who: 'Intel BMCs and the Intel 82571 network chip',
    what: 'the proofs of a login leave out the "name only" bit of the role',
    effect:
      'seen at RAKP 2 or RAKP 3 and done likewise; RAKP 4 by the integrity algorithm is the same in suites 3 and 17',
    source: 'ipmitool -o intelplus and -o i82571spt',
  },
  {
    id: 'B10',
    who: 'ASUS',
    what: 'an IPMI 1.5 session is confirmed with another authentication type',
    effect: 'none: IPMI 1.5 logins are not safe and not spoken',
    source: 'go-ipmi',
  },
  {
    id: 'B11',
    who: 'any machine',
    what: 'soft off does nothing while no operating system listens to the power button',
    effect: 'soft resolves when the BMC took it; its grace and the hard off after it are for the caller',
    source: 'IPMI 2.0 28.3',
  },
  {
    id: 'B12',
    who: 'BMCs that share a port with the host',
    what: 'the link goes down when the power changes, and the answer with it',
    effect: 'after a power command without an answer the state is read in a new session',
    source: 'pyghmi',
  },
  {
    id: 'B13',
    who: 'some BMCs',
    what: 'the user has no name, or no password',
    effect: 'both may be empty',
    source: 'ironic',
  },
  {
    id: 'B14',
    who: 'every BMC of IPMI 2.0',
    what: 'RAKP 2 gives anybody a hash of a password to guess at (CVE-2013-4786)',
    effect: 'none here: keep BMCs on a network of their own, with long passwords',
    source: 'IPMI 2.0 13.31',
  },
  {
    id: 'B15',
    who: 'any firmware',
    what: 'a network boot says nothing of which network port',
    effect: 'none: the order of ports is set in the firmware, or by Redfish',
    source: 'IPMI 2.0 table 28-14',
  },
  {
    id: 'B16',
    who: 'ipmi_sim of OpenIPMI',
    what: 'boot flags are read back without their first byte: nothing says whether they are valid, nor for which firmware',
    effect: 'the device counts without it; also once flags that were just set are seen to be read so, in that driver',
    source: 'OpenIPMI 2.0.33, seen in test/bmc/compare.test.ts',
    // what its own examples of a configuration say that it is
    devices: [{ manufacturer: 0x1291, product: 0x0f02 }],
    habits: { marksValid: false },
  },
];

/** The quirks that change habits and are in force. `setting` puts them in force, or out of it with a minus: `B5`, `-B5 B16`. */
export function chooseQuirks(
  device: Pick<DeviceId, 'manufacturer' | 'product'>,
  setting: string | undefined,
  target: BmcTarget,
): IpmiQuirk[] {
  const words = (setting ?? '').split(/[\s,]+/).filter((word) => word !== '');
  const unknown = words.find((word) => !IPMI_QUIRKS.some(({ id }) => id === word.replace(/^-/, '')));
  if (unknown !== undefined) {
    const next = `Name quirks ${IPMI_QUIRKS[0]!.id} to ${IPMI_QUIRKS.at(-1)!.id} in its setting "quirks"`;
    throw new BmcError('refused', target, `has the quirk ${unknown} in its settings, which is none of IPMI`, next);
  }
  const isSuch = ({ manufacturer, product = device.product }: { manufacturer: number; product?: number }) =>
    manufacturer === device.manufacturer && product === device.product;
  return IPMI_QUIRKS.filter(({ id, devices = [], habits }) => {
    const isInForce = words.includes(id) || (!words.includes(`-${id}`) && devices.some(isSuch));
    return habits !== undefined && isInForce;
  });
}

/** The habits of a BMC with these quirks. */
export function habitsOf(quirks: readonly IpmiQuirk[]): IpmiHabits {
  return Object.assign({}, USUAL, ...quirks.map(({ habits }) => habits));
}

/** Quirks that were met or are in force, each once, in the order they were. */
export class QuirkNotes {
  readonly #notes = new Map<string, QuirkNote>();

  /** A quirk that was told before stays as it was told. */
  add(id: string, text: string): void {
    if (!this.#notes.has(id)) this.#notes.set(id, { id, text });
  }

  list(): readonly QuirkNote[] {
    return [...this.#notes.values()];
  }
}
