import { type Resource, textAt } from './json.ts';

/** Which System a machine is: what the settings say of it. */
export type Wanted = { system?: string; uuid?: string; serial?: string };

/** The System of a machine among those of its BMC, or why none can be told. */
export type SystemChoice = { system: Resource } | { refused: string; next: string };

/**
 * One System is that of the machine. Among several, the one with the wanted Id or path, UUID (in either byte order, for SMBIOS
 * stores its first three fields little endian since 2.6 and many BMCs do not turn them round) or serial number decides.
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
  if (systems.length === 1) return { system: first };

  const fitting = systems.filter((system) => isSameMachine(system, wanted));
  const [fit] = fitting;
  if (fit && fitting.length === 1) return { system: fit };
  const asked = [wanted.uuid && `UUID ${wanted.uuid}`, wanted.serial && `serial ${wanted.serial}`].filter((one) => one);
  const which = asked.length === 0 ? 'it is not known which one is meant' : `${fit ? 'several have' : 'none has'} `;
  const refused = `has ${systems.length} Systems behind it and ${which}${asked.join(' or ')}: ${describeSystems(systems)}`;
  return { refused, next: 'Set the UUID or the serial number of the machine, or the setting system of this BMC' };
}

function isNamed(system: Resource, name: string): boolean {
  const path = textAt(system, '@odata.id').replace(/\/$/, '');
  return textAt(system, 'Id') === name || path === name.replace(/\/$/, '');
}

function isSameMachine(system: Resource, { uuid, serial }: Wanted): boolean {
  if (uuid !== undefined && isSameUuid(uuid, textAt(system, 'UUID'))) return true;
  // Dell has the serial number that is printed on the machine, and that SMBIOS has, as SKU.
  const serials = [textAt(system, 'SerialNumber'), textAt(system, 'SKU')].map((one) => one.toLowerCase());
  return serial !== undefined && serial.trim() !== '' && serials.includes(serial.trim().toLowerCase());
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
