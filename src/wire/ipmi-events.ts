// What events and sensor states say: tables 42-1 to 42-3 of the IPMI 2.0 specification, revision 1.1.
import { FIRMWARE_PROGRESS, GENERIC_STATES, SENSOR_STATES, SENSOR_TYPES } from './ipmi-event-tables.ts';
import { THRESHOLD_NAMES } from './ipmi-sdr-record.ts';

/** How bad a state is: to be known, to be looked at, to be acted on. */
export type EventSeverity = 'info' | 'warning' | 'critical';

/** One state of a sensor: `processor hot` and how bad it is. */
export type EventState = { text: string; severity: EventSeverity };

/** Event/reading types that decide which table a state is of. */
export const EVENT_TYPE = { threshold: 0x01, sensorSpecific: 0x6f };

/** Table 42-2, type 01h: two offsets for each threshold, going low and going high. */
const THRESHOLD_EVENTS: readonly string[] = THRESHOLD_NAMES.flatMap((name) => {
  const mark = name.endsWith('NonCritical') ? '?' : '!';
  const words = name.replace(
    /(Non)?(Critical|Recoverable)/,
    (_, non, level) => ` ${non ? 'non-' : ''}${level.toLowerCase()}`,
  );
  return [`${mark}${words}, going low`, `${mark}${words}, going high`];
});

/** What kind of sensor it is, in words; for one that the table does not name `sensor type C0h`. */
export function describeSensorType(type: number): string {
  return SENSOR_TYPES[type] ?? `sensor type ${type.toString(16).toUpperCase().padStart(2, '0')}h`;
}

/** The state at an offset; undefined where no table names it (the maker's own types, and new ones). */
export function eventState(eventType: number, sensorType: number, offset: number): EventState | undefined {
  const words = statesOf(eventType, sensorType)?.[offset];
  if (words === undefined || words === '') return undefined;
  const severity = words.startsWith('!') ? 'critical' : words.startsWith('?') ? 'warning' : 'info';
  return { text: severity === 'info' ? words : words.slice(1), severity };
}

function statesOf(eventType: number, sensorType: number): readonly string[] | undefined {
  if (eventType === EVENT_TYPE.threshold) return THRESHOLD_EVENTS;
  if (eventType === EVENT_TYPE.sensorSpecific) return SENSOR_STATES[sensorType];
  return GENERIC_STATES[eventType];
}

/** What the second byte of an event adds for firmware progress; '' for other events. */
export function describeProgress(sensorType: number, offset: number, details: Buffer): string {
  const isProgress = sensorType === 0x0f && offset === 0x02 && details[0]! >> 6 === 3;
  return isProgress ? (FIRMWARE_PROGRESS[details[1]! & 0x7f] ?? '') : '';
}
