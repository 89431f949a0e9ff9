// What events and sensor states say: tables 42-1 to 42-3 of the IPMI 2.0 specification, revision 1.1.
import { THRESHOLD_NAMES } from './ipmi-sdr-record.ts';

export type EventSeverity = 'info' | 'warning' | 'critical';

/** One state of a sensor: `processor hot` and how bad it is. */
export type EventState = { text: string; severity: EventSeverity };

/** Event/reading types that decide which table a state is of. */
export const EVENT_TYPE = { threshold: 0x01, sensorSpecific: 0x6f };

/** States of a sensor type, by their offset: `!` is critical, `?` a warning. */
const SENSOR_STATES: Readonly<Record<number, readonly string[]>> = {
  5: [
    '?chassis opened',
    '?drive bay opened',
    '?I/O card area opened',
    '?processor area opened',
    '?network cable unplugged',
    '?undocked without permission',
    '?fan area opened',
  ],
  6: [
    '?secure mode violated',
    '?wrong user password before boot',
    '?wrong setup password before boot',
    '?wrong network boot password',
    '?wrong password before boot',
    '?wrong password out of band',
  ],
  7: [
    '!internal error (IERR)',
    '!thermal trip',
    '!self-test failed (FRB1)',
    '!hung in POST (FRB2)',
    '!did not start (FRB3)',
    '!configuration error',
    '!uncorrectable processor error',
    'present',
    '?disabled',
    'terminator present',
    '?throttled',
    '!uncorrectable machine check',
    '?correctable machine check',
  ],
  8: [
    'present',
    '!failed',
    '?failure predicted',
    '!input lost',
    '!input lost or out of range',
    '?input out of range',
    '!configuration error',
    'standby',
  ],
  9: [
    'off',
    'power cycle',
    '!240 VA limit, powered down',
    '!interlock, powered down',
    '!AC lost',
    '!soft power control failed',
    '!power unit failed',
    '?failure predicted',
  ],
  12: [
    '?correctable ECC error',
    '!uncorrectable ECC error',
    '!parity error',
    '!memory scrub failed',
    '?memory device disabled',
    '?too many correctable ECC errors to log',
    'present',
    '!configuration error',
    'spare',
    '?throttled',
    '!critical overtemperature',
  ],
  13: [
    'drive present',
    '!drive fault',
    '?failure predicted',
    'hot spare',
    'consistency check in progress',
    '!in a critical array',
    '!in a failed array',
    '?rebuild in progress',
    '?rebuild aborted',
  ],
  15: ['!POST error', '!firmware hang', 'firmware progress'],
  16: [
    '?correctable memory errors no longer logged',
    '?an event type is no longer logged',
    'event log cleared',
    '?no event is logged any more',
    '?event log full',
    '?event log almost full',
    '?correctable machine checks no longer logged',
  ],
  17: [
    '!watchdog reset by firmware',
    '!watchdog reset',
    '!watchdog shutdown',
    '!watchdog power down',
    '!watchdog power cycle',
    '!watchdog NMI',
    '?watchdog expired',
    '?watchdog about to expire',
  ],
  18: [
    'system reconfigured',
    'system boot (OEM)',
    '!undetermined hardware failure',
    'auxiliary log entry added',
    'platform event filter acted',
    'clock set',
  ],
  19: [
    '!front panel NMI',
    '!bus timeout',
    '!I/O channel check NMI',
    '!software NMI',
    '!PCI PERR',
    '!PCI SERR',
    '!EISA fail safe timeout',
    '?bus correctable error',
    '!bus uncorrectable error',
    '!fatal NMI',
    '!bus fatal error',
    '?bus degraded',
  ],
  20: [
    'power button pressed',
    'sleep button pressed',
    'reset button pressed',
    'FRU latch open',
    'FRU service requested',
  ],
  25: ['!soft power control failed', '!thermal trip'],
  27: ['connected', '!configuration error'],
  29: [
    'power up',
    'hard reset',
    'warm reset',
    'PXE boot requested',
    'boot to diagnostics',
    'hard reset by software',
    'warm reset by software',
    'system restart',
  ],
  30: [
    '!no bootable media',
    '!disk not bootable',
    '!PXE server not found',
    '!invalid boot sector',
    '?timeout at boot selection',
  ],
  31: [
    'booted from A:',
    'booted from C:',
    'booted by PXE',
    'booted diagnostics',
    'booted from CD',
    'booted from ROM',
    'boot completed',
    'installation started',
    'installation completed',
    '!installation aborted',
    '!installation failed',
  ],
  32: [
    '!stopped while loading the OS',
    '!OS stopped (panic)',
    'OS stopped gracefully',
    'OS shut down',
    'soft shutdown by platform event filter',
    '?agent does not answer',
  ],
  33: [
    '!slot fault',
    'slot identified',
    'device installed',
    'ready for installation',
    'ready for removal',
    'slot power off',
    'removal requested',
    'interlock',
    'slot disabled',
    'spare device',
  ],
  34: [
    'working (S0)',
    'sleeping (S1)',
    'sleeping (S2)',
    'sleeping (S3)',
    'suspended to disk (S4)',
    'soft off (S5)',
    'soft off (S4 or S5)',
    'mechanical off (G3)',
    'sleeping',
    'sleeping (G1)',
    'off by override (S5)',
    'on (legacy)',
    'off (legacy)',
    '',
    'unknown',
  ],
  35: [
    '?watchdog expired',
    '!watchdog reset',
    '!watchdog power down',
    '!watchdog power cycle',
    '',
    '',
    '',
    '',
    '?watchdog interrupt',
  ],
  36: ['alert page sent', 'alert sent', 'event trap sent', 'OEM event trap sent'],
  37: ['present', 'absent', '?disabled'],
  39: ['?LAN heartbeat lost', 'LAN heartbeat'],
  40: [
    '?sensor access degraded',
    '?controller access degraded',
    '!controller off-line',
    '!controller unavailable',
    '?sensor failed',
    '?FRU failed',
  ],
  41: ['?battery low', '!battery failed', 'battery present'],
  42: ['session opened', 'session closed', '?wrong user or password', '?user disabled after wrong passwords'],
  43: [
    'hardware changed',
    'firmware or software changed',
    '!hardware incompatible',
    '!firmware or software incompatible',
    '!hardware version invalid',
    '!firmware or software version invalid',
    'hardware change done',
    'firmware or software change done',
  ],
  44: [
    'not installed',
    'inactive',
    'activation requested',
    'activation in progress',
    'active',
    'deactivation requested',
    'deactivation in progress',
    '!communication lost',
  ],
};

/** States that are the same for every sensor type, by event/reading type and offset (table 42-2). */
const GENERIC_STATES: Readonly<Record<number, readonly string[]>> = {
  2: ['idle', 'active', 'busy'],
  3: ['state deasserted', 'state asserted'],
  4: ['no failure predicted', '?failure predicted'],
  5: ['limit not exceeded', '?limit exceeded'],
  6: ['performance met', '?performance lags'],
  7: [
    'OK',
    '?non-critical',
    '!critical',
    '!non-recoverable',
    '?back to non-critical',
    '!back to critical',
    '!non-recoverable',
    'monitor',
    'informational',
  ],
  8: ['absent', 'present'],
  9: ['disabled', 'enabled'],
  10: [
    'running',
    'in test',
    'power off',
    'on-line',
    '?off-line',
    'off duty',
    '?degraded',
    'power save',
    '!installation error',
  ],
  11: [
    'fully redundant',
    '?redundancy lost',
    '?redundancy degraded',
    '?not redundant, resources suffice',
    '?not redundant, resources suffice again',
    '!not redundant, resources do not suffice',
    '?redundancy degraded',
    '?redundancy degraded',
  ],
  12: ['D0', 'D1', 'D2', 'D3'],
};

/** Table 42-2, type 01h: two offsets for each threshold, going low and going high. */
const THRESHOLD_EVENTS: readonly string[] = THRESHOLD_NAMES.flatMap((name) => {
  const mark = name.endsWith('NonCritical') ? '?' : '!';
  const words = name.replace(
    /(Non)?(Critical|Recoverable)/,
    (_, non, level) => ` ${non ? 'non-' : ''}${level.toLowerCase()}`,
  );
  return [`${mark}${words}, going low`, `${mark}${words}, going high`];
});

/** Table 42-3. */
const SENSOR_TYPES: readonly string[] = [
  'sensor',
  'temperature',
  'voltage',
  'current',
  'fan',
  'physical security',
  'platform security',
  'processor',
  'power supply',
  'power unit',
  'cooling device',
  'sensor',
  'memory',
  'drive bay',
  'POST memory resize',
  'system firmware',
  'event logging',
  'watchdog 1',
  'system event',
  'critical interrupt',
  'button',
  'module or board',
  'microcontroller',
  'add-in card',
  'chassis',
  'chip set',
  'other FRU',
  'cable',
  'terminator',
  'system boot',
  'boot error',
  'OS boot',
  'OS stop',
  'slot',
  'ACPI power state',
  'watchdog',
  'platform alert',
  'entity presence',
  'monitor ASIC',
  'LAN',
  'management subsystem',
  'battery',
  'session audit',
  'version change',
  'FRU state',
];

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

/** Table 42-3, sensor type 0Fh, offset 02h: where the firmware is. */
const FIRMWARE_PROGRESS: readonly string[] = [
  'unspecified',
  'memory initialization',
  'hard disk initialization',
  'secondary processor initialization',
  'user authentication',
  'in system setup',
  'USB configuration',
  'PCI configuration',
  'option ROM initialization',
  'video initialization',
  'cache initialization',
  'SM bus initialization',
  'keyboard controller initialization',
  'management controller initialization',
  'docking station attachment',
  'enabling docking station',
  'docking station ejection',
  'disabling docking station',
  'calling OS wake-up vector',
  'starting OS boot',
  'baseboard initialization',
  '',
  'floppy initialization',
  'keyboard test',
  'pointing device test',
  'primary processor initialization',
];

/** What the second byte of an event adds for firmware progress; '' for other events. */
export function describeProgress(sensorType: number, offset: number, details: Buffer): string {
  const isProgress = sensorType === 0x0f && offset === 0x02 && details[0]! >> 6 === 3;
  return isProgress ? (FIRMWARE_PROGRESS[details[1]! & 0x7f] ?? '') : '';
}
