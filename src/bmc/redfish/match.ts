import { type Resource, textAt } from './json.ts';

/** What tells a machine from others: the UUID and the serial number that SMBIOS has. */
export type MachineFacts = { uuid?: string; serial?: string };

/** Which System a machine is: what the settings say of it, and what else is known of the machine, for want of that. */
export type Wanted = MachineFacts & { system?: string; known?: MachineFacts };

/** The System of a machine among those of its BMC, or why none can be told. */
export type SystemChoice = { system: Resource } | { refused: string; next: string };

/**
 * One System is that of the machine, unless the settings say another UUID or serial number. Among several, the one with the wanted
 * Id or path, UUID (in either byte order, for SMBIOS stores its first three fields little endian since 2.6 and many BMCs do not turn
 * them round) or serial number decides.
 */
export function chooseSystem(systems: readonly Resource[], wanted: Wanted): SystemChoice {
  const [first] = systems;
  if (!first) return { refused: 'has no System behind it', next: 'Use the address of the BMC of a machine' };
  if (wanted.system !== undefined) {
    const named = systems.find((system) => isNamed(system, wanted.system as string));
    if (named) return { system: named };
    const refused = `has no System "${wanted.system}" behind it, but ${describeSystems(systems)}`;
    return { refused, next: 'Correct the setting system of this BMC' };
  }
  if (systems.length === 1) {
    if (!isAnother(first, wanted)) return { system: first };
    const refused = `is of another machine than the one with ${describeFacts(wanted)}: ${describeSystems(systems)}`;
    return { refused, next: 'Correct the address of this BMC, or its settings uuid and serial' };
  }

  const isSet = wanted.uuid !== undefined || wanted.serial !== undefined;
  const facts = isSet ? wanted : (wanted.known ?? {});
  const fitting = fittingSystems(systems, facts);
  const [fit] = fitting;
  if (fit && fitting.length === 1) return { system: fit };
  const asked = describeFacts(facts);
  const which = asked === '' ? 'it is not known which one is meant' : `${fit ? 'several have' : 'none has'} ${asked}`;
  const refused = `has ${systems.length} Systems behind it and ${which}: ${describeSystems(systems)}`;
  const next = isSet
    ? 'Correct the settings uuid and serial of this BMC, or give it the setting system'
    : 'Give this BMC the setting uuid, serial or system, or let the scout look at the machine';
  return { refused, next };
}

function isNamed(system: Resource, name: string): boolean {
  const path = textAt(system, '@odata.id').replace(/\/$/, '');
  return textAt(system, 'Id') === name || path === name.replace(/\/$/, '');
}

/** Those of the UUID; else those of the serial number, which the nodes of one chassis may share. */
function fittingSystems(systems: readonly Resource[], { uuid, serial }: MachineFacts): Resource[] {
  const same = uuid === undefined ? [] : systems.filter((system) => isSameUuid(uuid, textAt(system, 'UUID')));
  if (same.length > 0 || serial === undefined) return same;
  return systems.filter((system) => serialsOf(system).includes(serial.trim().toLowerCase()));
}

/** Whether a System says of itself what none of the facts fits. One that tells nothing, or that nothing is asked of, is not another. */
function isAnother(system: Resource, { uuid, serial }: MachineFacts): boolean {
  const tellsUuid = uuid !== undefined && isUuid(uuid) && isUuid(textAt(system, 'UUID'));
  const tellsSerial = serial !== undefined && serialsOf(system).length > 0;
  if (!tellsUuid && !tellsSerial) return false;
  return fittingSystems([system], { ...(uuid && { uuid }), ...(serial && { serial }) }).length === 0;
}

/** Dell has the serial number that is printed on the machine, and that SMBIOS has, as SKU. */
function serialsOf(system: Resource): string[] {
  const serials = [textAt(system, 'SerialNumber'), textAt(system, 'SKU')];
  return serials.map((one) => one.trim().toLowerCase()).filter((one) => one !== '');
}

function describeFacts({ uuid, serial }: MachineFacts): string {
  return [uuid && `UUID ${uuid}`, serial && `serial ${serial}`].filter((one) => one).join(' or ');
}

/** At most eight of them, as a technician can tell them apart. */
function describeSystems(systems: readonly Resource[]): string {
  const names = systems.slice(0, 8).map((system) => {
    const uuid = textAt(system, 'UUID') || 'none';
    return `${textAt(system, 'Id') || textAt(system, '@odata.id')} (UUID ${uuid}, serial ${textAt(system, 'SerialNumber') || 'none'})`;
  });
  return names.join(', ') + (systems.length > names.length ? ` and ${systems.length - names.length} more` : '');
}

/** Whether two UUIDs are the same, or are when the first three fields of one are turned round. */
export function isSameUuid(one: string, other: string): boolean {
  const [left, right] = [normalizeUuid(one), normalizeUuid(other)];
  if (left === undefined || right === undefined || !isUuid(left)) return false;
  return left === right || left === swapUuid(right);
}

/** Whether a text is a UUID that tells something: SMBIOS 7.2.1 has all zeros for none, and all ones for none yet. */
export function isUuid(text: string): boolean {
  const uuid = normalizeUuid(text);
  return uuid !== undefined && !/^(0+|f+)$/.test(uuid.replaceAll('-', ''));
}

/** Lower case with its dashes; undefined for what is none. */
export function normalizeUuid(text: string): string | undefined {
  const digits = text
    .trim()
    .toLowerCase()
    .replace(/^\{|\}$|-/g, '');
  if (!/^[0-9a-f]{32}$/.test(digits)) return undefined;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** The other byte order of a normalized UUID (SMBIOS 7.2.1). */
function swapUuid(uuid: string): string {
  const turn = (hex: string) => (hex.match(/../g) ?? []).reverse().join('');
  const [low = '', mid = '', high = '', ...rest] = uuid.split('-');
  return [turn(low), turn(mid), turn(high), ...rest].join('-');
}
