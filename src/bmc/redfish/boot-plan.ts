import type { FirmwareMode } from '../../model/machine.ts';
import type { BootDevice, BootSetting } from '../driver.ts';
import { type Resource, textAt, textsAt } from './json.ts';
import type { Rules } from './quirks.ts';

/** A boot wish; without `firmware` the mode stays as it is. `none` takes the override away. */
export type BootRequest = {
  device: BootDevice | 'none';
  firmware?: FirmwareMode;
  isPersistent: boolean;
  httpUri?: string;
};

/** A PATCH of Boot, and what it must read afterwards; '' for what may read anything. `quirks`: what this form of it makes allowance for. */
export type BootPatch = {
  boot: Record<string, unknown>;
  target: string;
  enabled: string;
  /** '' where the mode need not, or cannot, be seen. */
  mode: string;
  quirks: string[];
};

type BootPlan = { patches: BootPatch[] } | { refused: string };

/** DSP0268 ComputerSystem.BootSource. */
const TARGETS: Readonly<Record<BootDevice, readonly string[]>> = {
  network: ['Pxe'],
  http: ['UefiHttp'],
  disk: ['Hdd'],
  cd: ['Cd', 'UsbCd'],
  setup: ['BiosSetup'],
};
/** Why a boot device cannot be set for good where only one boot can (R5): another driver may. */
export const ONCE_ONLY = 'sets a boot device for the next boot only';
const MODES = { uefi: 'UEFI', bios: 'Legacy' } as const;

/**
 * The ways to ask for a boot, best first, given what Boot reads now: each is to be tried when the BMC refuses the one before.
 * Refused where the BMC says itself that it has no such target.
 */
export function planBoot(boot: Resource, request: BootRequest, rules: Rules): BootPlan {
  const { device, isPersistent } = request;
  if (device === 'http' && request.firmware === 'bios') return { refused: 'cannot boot by HTTP in BIOS mode' };
  if (device === 'none') return { patches: [takeAway(boot, rules)] };
  const wanted = device === 'cd' ? rules.cdTargets : TARGETS[device];
  const allowedTargets = textsAt(boot, 'BootSourceOverrideTarget@Redfish.AllowableValues') ?? [];
  const targets = wanted.filter((target) => allowedTargets.length === 0 || allowedTargets.includes(target));
  if (targets.length === 0)
    return {
      refused: `cannot boot from ${device}: it takes ${allowedTargets.join(', ')}, and not ${wanted.join(' or ')}`,
    };

  const allowedEnabled = textsAt(boot, 'BootSourceOverrideEnabled@Redfish.AllowableValues') ?? [];
  if (isPersistent && allowedEnabled.length > 0 && !allowedEnabled.includes('Continuous'))
    return { refused: ONCE_ONLY };
  const enabled = isPersistent ? 'Continuous' : 'Once';
  return { patches: targets.map((target) => patchOf(boot, request, rules, target, enabled)) };
}

function takeAway(boot: Resource, rules: Rules): BootPatch {
  const change: Record<string, unknown> = { BootSourceOverrideEnabled: 'Disabled' };
  const mode = textAt(boot, 'BootSourceOverrideMode');
  if (rules.bootRequest === 'whole') {
    change.BootSourceOverrideTarget = 'None';
    if (mode !== '') change.BootSourceOverrideMode = mode;
  }
  return { boot: change, target: '', enabled: 'Disabled', mode: '', quirks: [] };
}

function patchOf(boot: Resource, request: BootRequest, rules: Rules, target: string, enabled: string): BootPatch {
  const { device, firmware, httpUri } = request;
  const isWhole = rules.bootRequest === 'whole';
  const quirks: string[] = [];
  const change: Record<string, unknown> = { BootSourceOverrideTarget: target };
  if (isWhole || rules.sendsEnabled === 'always' || textAt(boot, 'BootSourceOverrideEnabled') !== enabled)
    change.BootSourceOverrideEnabled = enabled;

  const current = textAt(boot, 'BootSourceOverrideMode');
  const hasMode = current !== '' || textsAt(boot, 'BootSourceOverrideMode@Redfish.AllowableValues') !== undefined;
  const mode = firmware === undefined ? current : MODES[firmware];
  if (firmware !== undefined && !hasMode) quirks.push('R12');
  else if (firmware !== undefined && mode !== current && rules.modeNeedsReset) quirks.push('R11');
  if (hasMode && mode !== '' && (isWhole || mode !== current)) change.BootSourceOverrideMode = mode;
  const isModeSeen = hasMode && firmware !== undefined && !(rules.modeNeedsReset && mode !== current);

  if (device === 'http' && rules.httpUriIn === 'boot') {
    if (httpUri !== undefined) change.HttpBootUri = httpUri;
    else if (textAt(boot, 'HttpBootUri') !== '') change.HttpBootUri = null; // then DHCP tells it
  }
  return { boot: change, target, enabled, mode: isModeSeen ? mode : '', quirks };
}

/** What is not as it was asked for, as `what: wanted X, reads Y`; undefined when all is. */
export function chooseDifference(
  boot: Resource,
  patch: BootPatch,
): { what: 'target' | 'enabled' | 'mode' | 'uri'; text: string } | undefined {
  const compare = (what: 'target' | 'enabled' | 'mode', name: string, wanted: string) => {
    const reads = textAt(boot, name);
    return wanted === '' || reads === wanted ? undefined : { what, text: `${name} ${wanted} and reads "${reads}"` };
  };
  const uri = patch.boot.HttpBootUri;
  const isUriKept = typeof uri !== 'string' || boot.HttpBootUri === uri;
  return (
    compare('enabled', 'BootSourceOverrideEnabled', patch.enabled) ??
    compare('target', 'BootSourceOverrideTarget', patch.target) ??
    compare('mode', 'BootSourceOverrideMode', patch.mode) ??
    (isUriKept
      ? undefined
      : { what: 'uri', text: `the HttpBootUri and reads ${boot.HttpBootUri ? 'another' : 'none'}` })
  );
}

const DEVICES: Readonly<Record<string, BootSetting['device']>> = {
  '': 'none',
  None: 'none',
  Pxe: 'network',
  UefiHttp: 'http',
  Hdd: 'disk',
  Cd: 'cd',
  UsbCd: 'cd',
  BiosSetup: 'setup',
};

/** What a Boot object says that the next boot will be. */
export function bootSettingOf(boot: Resource): BootSetting {
  const enabled = textAt(boot, 'BootSourceOverrideEnabled');
  const mode = textAt(boot, 'BootSourceOverrideMode');
  const isOn = enabled === 'Once' || enabled === 'Continuous';
  const device = isOn ? (DEVICES[textAt(boot, 'BootSourceOverrideTarget')] ?? 'other') : 'none';
  const setting: BootSetting = { device, isPersistent: isOn && enabled === 'Continuous' };
  if (mode === 'UEFI') setting.firmware = 'uefi';
  if (mode === 'Legacy') setting.firmware = 'bios';
  return setting;
}
