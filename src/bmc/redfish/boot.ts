import type { BootSetting, BootWish } from '../driver.ts';
import { isSuccess } from './answer.ts';
import { type BootPatch, type BootRequest, bootSettingOf, chooseDifference, ONCE_ONLY, planBoot } from './boot-plan.ts';
import type { Read } from './client.ts';
import { writeDellHttpUri } from './dell-http.ts';
import { readSystem, type Talk } from './discover.ts';
import { linkAt, partAt, type Resource } from './json.ts';

/** How often and how long apart a change is looked for: some BMCs take it in a few seconds after they said yes. */
const READ_BACKS = 5;
const READ_BACK_MS = 2000;

/** What the next boot will be, as the System says. */
export async function readBoot(talk: Talk): Promise<BootSetting> {
  const { resource } = await findHolder(talk);
  const { firmware, ...setting } = bootSettingOf(partAt(resource, 'Boot'));
  // R11: the mode that it reads is that of the last boot.
  return firmware === undefined || talk.site.rules.modeNeedsReset ? setting : { ...setting, firmware };
}

/** Sets the next boot and reads it back. Fails with `refused` when the BMC took it and reads something else. */
export async function performBoot(talk: Talk, wish: BootWish): Promise<void> {
  const { client, site } = talk;
  if (wish.httpUri !== undefined) {
    client.keepSecret(wish.httpUri);
    if (wish.device === 'http' && site.rules.httpUriIn === 'dell-bios') await writeDellHttpUri(talk, wish.httpUri);
  }
  await requestBoot(talk, wish);
}

/** Sets the next boot by the first patch that the BMC takes, and reads it back. `unsupported` for what this BMC has not. */
export async function requestBoot(talk: Talk, request: BootRequest): Promise<void> {
  const { client, site } = talk;
  const holder = await findHolder(talk);
  const plan = planBoot(partAt(holder.resource, 'Boot'), request, site.rules);
  if ('refused' in plan) {
    if (plan.refused === ONCE_ONLY) client.note('R5');
    throw client.error('unsupported', plan.refused);
  }

  let current = holder;
  let refusal: Error | undefined;
  for (const patch of plan.patches) {
    const answer = await client.patch(current, { Boot: patch.boot });
    if (!isSuccess(answer)) {
      refusal ??= client.refusal(answer, `the boot setting ${patch.target || 'none'} ${patch.enabled}`);
      if (answer.status < 400 || answer.status >= 500) throw refusal;
      current = await client.get(holder.path); // with the ETag that it has now
      continue;
    }
    for (const quirk of patch.quirks) client.note(quirk);
    return confirmBoot(talk, holder.path, patch);
  }
  if (!request.isPersistent) throw refusal;
  // it lists Continuous and refuses it, whatever it names as the reason
  client.note('R5');
  throw client.error('unsupported', `${ONCE_ONLY}: ${refusal?.message}`);
}

/** Reads until it is as it was set; sets the mode once more when that alone was lost (R6). */
async function confirmBoot(talk: Talk, path: string, patch: BootPatch): Promise<void> {
  const { client } = talk;
  let isModeRepeated = false;
  for (let reads = 1; ; reads++) {
    const read = await client.get(path);
    const difference = chooseDifference(partAt(read.resource, 'Boot'), patch);
    if (!difference) return;
    if (difference.what === 'mode' && !isModeRepeated) {
      isModeRepeated = true;
      client.note('R6');
      const answer = await client.patch(read, { Boot: { BootSourceOverrideMode: patch.mode } });
      if (!isSuccess(answer)) throw client.refusal(answer, `the boot mode ${patch.mode}`);
      continue;
    }
    if (difference.what === 'uri' && !Object.hasOwn(partAt(read.resource, 'Boot'), 'HttpBootUri'))
      throw client.error('unsupported', 'cannot be told what to load by HTTP: its Boot has no HttpBootUri');
    if (reads === READ_BACKS || !(await client.pause(READ_BACK_MS)))
      throw client.error('refused', `said yes to the boot setting, but was told ${difference.text}`);
  }
}

/** The resource whose Boot is to be written: the System, or its settings where only they have the override (R14). */
async function findHolder(talk: Talk): Promise<Read> {
  const { client, site } = talk;
  const system = await readSystem(talk);
  const hasOverride = (resource: Resource) => Object.hasOwn(partAt(resource, 'Boot'), 'BootSourceOverrideTarget');
  if (hasOverride(system.resource) && site.rules.bootIn === 'system') return system;
  const settings = await client.find(linkAt(system.resource, '@Redfish.Settings', 'SettingsObject'));
  if (settings && hasOverride(settings.resource)) {
    client.note('R14');
    return settings;
  }
  if (hasOverride(system.resource)) return system;
  throw client.error('unsupported', 'has no boot override in its System');
}
