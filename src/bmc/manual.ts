import {
  type BmcDriver,
  BmcError,
  type BmcTarget,
  type BootDevice,
  type BootWish,
  type PowerAction,
} from './driver.ts';
import { createInTurn } from './in-turn.ts';

/** What a person does about the power of a machine; `%` is its name. ACPI 4.8.3.1.1: four seconds on the button force it off. */
const POWER_TEXT: Record<PowerAction, string> = {
  on: 'Press the power button of %.',
  off: 'Hold the power button of % for five seconds, until it is off.',
  cycle: 'Hold the power button of % until it is off, wait ten seconds and press it once more.',
  reset: 'Press the reset button of %; if it has none, hold its power button until it is off and press it once more.',
  soft: 'Shut % down in its operating system, or press its power button once and wait until it is off.',
};

const DEVICE_TEXT: Record<BootDevice, string> = {
  network: 'the network (PXE)',
  http: 'the network by HTTP',
  disk: 'its own disk',
  cd: 'the CD or its virtual drive',
  setup: 'its firmware setup',
};

/** The sentence for the technician who stands before the machine: what to do now, in place of a BMC. */
export function manualText(wanted: PowerAction | BootWish, machine: string): string {
  if (typeof wanted === 'string') return POWER_TEXT[wanted].replace('%', () => machine);
  const { device, firmware, isPersistent, httpUri } = wanted;
  if (device === 'setup') return `When ${machine} starts, open its firmware setup (on most machines with F2 or Del).`;
  const mode = firmware === 'uefi' ? 'UEFI' : 'legacy BIOS';
  const what = `${DEVICE_TEXT[device]}${device === 'http' && httpUri ? ` (${httpUri})` : ''} in ${mode} mode`;
  return isPersistent
    ? `In the firmware setup of ${machine}, put ${what} first in the boot order.`
    : `When ${machine} starts, open its boot menu (on most machines with F12 or F11) and choose ${what}.`;
}

/**
 * A machine without a BMC: a person is the driver. What is to be done is taken at once, for whoever gave the command shows
 * `manualText` and sees by the machine's DHCP that it happened; what only a BMC could tell is `unsupported`.
 */
export function openManual(_target: BmcTarget): BmcDriver {
  const inTurn = createInTurn(PERSON);
  const takeNote = (): Promise<void> => inTurn.call(() => undefined);

  const cannot = (what: string) => () =>
    inTurn.call((): never => {
      throw new BmcError('unsupported', PERSON, `cannot ${what}: nothing but a person reaches this machine`, NEXT);
    });

  return {
    powerState: cannot('tell the power state'),
    setPower: takeNote,
    setBoot: takeNote,
    boot: cannot('tell what the next boot will be'),
    identity: cannot('say what it is'),
    close: inTurn.close,
  };
}

const PERSON = { address: '', port: 0 };
const NEXT = 'Look at the machine, or give it a BMC';
