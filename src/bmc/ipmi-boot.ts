import { COMPLETION } from '../wire/ipmi.ts';
import {
  BOOT_OPTION,
  BOOT_SELECTOR,
  type BootFlags,
  decodeBootFlags,
  encodeBootFlags,
  getBootOption,
  setBootOption,
} from '../wire/ipmi-boot.ts';
import { BmcError, type BootDevice, type BootSetting, type BootWish } from './driver.ts';
import { answerTo, type IpmiPath, refusal, run } from './ipmi-path.ts';
import type { IpmiHabits, QuirkNotes } from './ipmi-quirks.ts';

/** Table 28-14 has no selector for UEFI HTTP boot, and no maker's number for one is known. */
const SELECTORS: Readonly<Record<Exclude<BootDevice, 'http'>, number>> = {
  network: BOOT_SELECTOR.pxe,
  disk: BOOT_SELECTOR.disk,
  cd: BOOT_SELECTOR.cd,
  setup: BOOT_SELECTOR.setup,
};

type BootStep = { parameter: number; data: Buffer; mayFail: boolean };

/** The boot flags of a wish; undefined for what IPMI has no word for. */
export function chooseBootFlags(
  { device, firmware, isPersistent }: BootWish,
  habits: IpmiHabits,
): BootFlags | undefined {
  if (device === 'http') return undefined;
  const isEfi = firmware === 'uefi';
  const selector = device === 'disk' && isEfi ? habits.uefiDiskSelector : SELECTORS[device];
  return { isValid: true, isPersistent, isEfi, selector };
}

/** The writes that make the next boot as the flags say (28.12, table 28-14). */
export function bootSteps(flags: BootFlags): BootStep[] {
  return [
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x01), mayFail: true }, // optional, and often left out
    { parameter: BOOT_OPTION.infoAcknowledge, data: Buffer.of(0x01, 0x01), mayFail: true },
    // Flags are forgotten after 60 s, before a slow POST has read them; OpenBMC refuses to turn that off (ironic, pyghmi).
    { parameter: BOOT_OPTION.validBitClearing, data: Buffer.of(0x08), mayFail: true },
    { parameter: BOOT_OPTION.flags, data: encodeBootFlags(flags), mayFail: false },
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x02), mayFail: true }, // commit
    { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x00), mayFail: true }, // complete
  ];
}

/** What boot flags say the next boot will be. Flags that are not valid are old ones (B6). */
export function readSetting(flags: BootFlags, habits: IpmiHabits): BootSetting {
  const isInForce = flags.isValid || !habits.marksValid;
  if (!isInForce || flags.selector === BOOT_SELECTOR.none) return { device: 'none', isPersistent: false };
  const isDisk = flags.selector === habits.uefiDiskSelector;
  const known = Object.entries(SELECTORS).find(([, selector]) => selector === flags.selector);
  const device = isDisk ? 'disk' : ((known?.[0] as BootDevice | undefined) ?? 'other');
  if (!habits.marksValid) return { device, isPersistent: false };
  return { device, firmware: flags.isEfi ? 'uefi' : 'bios', isPersistent: flags.isPersistent };
}

/**
 * Sets what the machine boots next, and gives what was learned of the BMC's habits. `unsupported` for UEFI HTTP boot, and
 * for a persistent wish that a BMC refuses.
 */
export async function performSetBoot(
  path: IpmiPath,
  wish: BootWish,
  habits: IpmiHabits,
  notes: QuirkNotes,
): Promise<Partial<IpmiHabits>> {
  const flags = chooseBootFlags(wish, habits);
  if (!flags) {
    const next = 'Use Redfish for this BMC, or put HTTP boot first in the boot order of the firmware';
    throw new BmcError('unsupported', path.target, 'cannot be told to boot by HTTP: IPMI has no word for it', next);
  }
  for (const { parameter, data, mayFail } of bootSteps(flags)) {
    const { completion } = await answerTo(path, setBootOption, { parameter, data });
    if (completion === COMPLETION.ok) continue;
    const isForgotten = parameter === BOOT_OPTION.validBitClearing;
    if (isForgotten) notes.add('B1', 'forgets the boot device 60 seconds after it was set');
    if (mayFail) continue;
    // The BMC keeps "set in progress" for whoever comes next unless it is told that we are done.
    await path.ask(setBootOption, { parameter: BOOT_OPTION.setInProgress, data: Buffer.of(0x00) });
    throw refuseBoot(path, wish, completion);
  }
  return compareBoot(path, flags, notes);
}

function refuseBoot(path: IpmiPath, { isPersistent, device }: BootWish, completion: number): BmcError {
  if (!isPersistent || completion !== COMPLETION.invalidField) return refusal(path, setBootOption, completion);
  const next = 'Ask for it once, before each start';
  return new BmcError('unsupported', path.target, `refuses to boot from ${device} for good`, next);
}

/** What a BMC makes of flags that it took is worth knowing, and no reason to fail: whoever set them reads them back. */
async function compareBoot(path: IpmiPath, set: BootFlags, notes: QuirkNotes): Promise<Partial<IpmiHabits>> {
  const outcome = await path.ask(getBootOption, { parameter: BOOT_OPTION.flags });
  if (!outcome.answered || !outcome.value.value) return {};
  const { isValid, data } = outcome.value.value;
  if (data.length < 2 || !isValid) return {};
  const got = decodeBootFlags(data);
  const isSame = got.selector === set.selector;
  if (isSame && !got.isValid) {
    notes.add('B16', 'gives boot flags back without their first byte');
    return { marksValid: false };
  }
  const lost = [
    ...(set.isEfi && !got.isEfi ? ['the EFI bit'] : []),
    ...(set.isPersistent && !got.isPersistent ? ['that they are persistent'] : []),
    ...(isSame ? [] : ['the boot device']),
  ];
  if (lost.length > 0) notes.add('B4', `takes boot flags and drops ${lost.join(' and ')}`);
  return {};
}

/** What the next boot will be, as the BMC says. Fails as `run` does. */
export async function readBoot(path: IpmiPath, habits: IpmiHabits, notes: QuirkNotes): Promise<BootSetting> {
  const { isValid, data } = await run(path, getBootOption, { parameter: BOOT_OPTION.flags });
  if (!isValid) return { device: 'none', isPersistent: false };
  const flags = decodeBootFlags(data);
  if (!flags.isValid && habits.marksValid && flags.selector !== BOOT_SELECTOR.none) {
    notes.add('B6', 'keeps old boot flags, marked invalid');
  }
  return readSetting(flags, habits);
}
