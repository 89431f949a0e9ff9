import { BmcError, type BmcTarget } from '../driver.ts';
import { isUuid, type MachineFacts, normalizeUuid } from './match.ts';
import { QUIRKS } from './quirks.ts';

/** What a BMC of the driver `redfish` can be told apart from its address and its login. */
export type RedfishSettings = {
  /** SHA-256 of the certificate that the BMC showed the first time: `AB:CD:…`. Without it, the next one is taken and told. */
  fingerprint?: string;
  /** The System among several: its Id or its path. */
  system?: string;
  /** Of the machine, as SMBIOS has it, as somebody set it: its System has one of them. */
  uuid?: string;
  serial?: string;
  /** What Firstlight knows of the machine, to find its System among several where nobody set what is above. */
  known: MachineFacts;
  /** `auto`: a session, and Basic where there are none. */
  auth: 'auto' | 'session' | 'basic';
  /** `old` allows TLS 1.0 and 1.1 and short keys, for firmware that has nothing better. */
  tls: 'modern' | 'old';
  /** Ids of quirks with rules, that are put in force whatever the BMC says it is: `R4b, R16`. */
  quirks: readonly string[];
};

const CHOICES = { auth: ['auto', 'session', 'basic'], tls: ['modern', 'old'] } as const;

/** SMBIOS fields that nobody filled in: they tell no machine from another. */
const FILLER =
  /^(none|n\/?a|unknown|not[ -]specified|to be filled.*|default string|system serial number|0?123456789|[0. x-]*)$/i;

/** What is known of a machine, as settings for `readSettings`, beside those that a person sets. */
export function settingsOfMachine({ uuid = '', serial = '' }: MachineFacts): Record<string, string> {
  return {
    ...(isUuid(uuid) ? { machineUuid: uuid } : {}),
    ...(FILLER.test(serial.trim()) ? {} : { machineSerial: serial }),
  };
}

/** The settings of a target. A value that cannot be meant is a BmcError that names it. Settings of other drivers are left alone. */
export function readSettings(target: BmcTarget): RedfishSettings {
  const given = target.settings ?? {};
  const refuse = (name: string, allowed: string): never => {
    const what = `has the setting ${name} "${given[name]}", which is not ${allowed}`;
    throw new BmcError('unsupported', target, what, `Correct the setting ${name} of this BMC`);
  };
  const choose = <Name extends keyof typeof CHOICES>(name: Name): (typeof CHOICES)[Name][number] => {
    const choices: readonly string[] = CHOICES[name];
    const value = given[name] ?? (choices[0] as string);
    return choices.includes(value) ? (value as never) : refuse(name, `one of ${choices.join(', ')}`);
  };

  const known: MachineFacts = {
    ...(given.machineUuid ? { uuid: given.machineUuid } : {}),
    ...(given.machineSerial ? { serial: given.machineSerial } : {}),
  };
  const settings: RedfishSettings = { auth: choose('auth'), tls: choose('tls'), quirks: listOf(given.quirks), known };
  for (const name of ['system', 'serial'] as const) if (given[name]) settings[name] = given[name];
  if (given.fingerprint) {
    if (!/^([0-9a-f]{2}:?){32}$/i.test(given.fingerprint)) refuse('fingerprint', 'a SHA-256 of 32 bytes in hex');
    settings.fingerprint = normalizeFingerprint(given.fingerprint);
  }
  if (given.uuid) settings.uuid = normalizeUuid(given.uuid) ?? refuse('uuid', 'a UUID');
  const ids = QUIRKS.filter((quirk) => quirk.rules).map((quirk) => quirk.id);
  if (settings.quirks.some((id) => !ids.includes(id))) refuse('quirks', `a list of ${ids.join(', ')}`);
  return settings;
}

/** A SHA-256 as pairs of capital hex digits with colons. */
export function normalizeFingerprint(text: string): string {
  const pairs = text.replaceAll(':', '').toUpperCase().match(/../g) ?? [];
  return pairs.join(':');
}

function listOf(text = ''): string[] {
  return text.split(/[\s,]+/).filter((id) => id !== '');
}
