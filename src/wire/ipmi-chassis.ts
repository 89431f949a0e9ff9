// A machine's power, its lamp, and why it started. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader, WireError } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** What the machine does when power comes back (28.2, bits 6:5). */
export type RestorePolicy = 'stay-off' | 'as-before' | 'power-on' | 'unknown';
const RESTORE_POLICIES: readonly RestorePolicy[] = ['stay-off', 'as-before', 'power-on', 'unknown'];

/** Whether the machine runs, and what its power supply says (28.2). */
export type ChassisStatus = { isOn: boolean; hasPowerFault: boolean; restorePolicy: RestorePolicy };

/** 28.2 */
export const getChassisStatus: Command<void, ChassisStatus> = {
  name: 'Get Chassis Status',
  netFn: NET_FN.chassis,
  command: 0x01,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const policy = RESTORE_POLICIES.indexOf(response.restorePolicy) << 5;
    return Buffer.of(policy | (response.hasPowerFault ? 0x08 : 0) | (response.isOn ? 0x01 : 0), 0, 0);
  },
  decodeResponse(data) {
    const state = new Reader(data).take(3, this.name).readUInt8(0);
    return {
      isOn: (state & 0x01) !== 0,
      hasPowerFault: (state & 0x18) !== 0, // bit 3: power fault, bit 4: power control fault
      restorePolicy: RESTORE_POLICIES[(state >> 5) & 0x03]!,
    };
  },
};

/** What can be done to a machine's power (28.3). `soft` asks the system to shut down. */
export type ChassisAction = 'off' | 'on' | 'cycle' | 'reset' | 'nmi' | 'soft';
const CHASSIS_ACTIONS: readonly ChassisAction[] = ['off', 'on', 'cycle', 'reset', 'nmi', 'soft'];

/** 28.3 */
export const chassisControl: Command<{ action: ChassisAction }, void> = {
  name: 'Chassis Control',
  netFn: NET_FN.chassis,
  command: 0x02,
  privilege: PRIVILEGE.operator,
  completions: {},
  encodeRequest: (request) => Buffer.of(CHASSIS_ACTIONS.indexOf(request.action)),
  decodeRequest(data) {
    const action = CHASSIS_ACTIONS[new Reader(data).u8('chassis control') & 0x0f];
    if (action === undefined) throw new WireError('unsupported', 'chassis control', 0, 'is not one of the six actions');
    return { action };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

/** 28.5. Seconds from 0 (out at once) to 255. */
export const chassisIdentify: Command<{ seconds: number }, void> = {
  name: 'Chassis Identify',
  netFn: NET_FN.chassis,
  command: 0x04,
  privilege: PRIVILEGE.operator,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.seconds),
  // 28.5: without a byte it is 15 seconds; bit 0 of a second one turns the lamp on for good.
  decodeRequest(data) {
    const [seconds = 15, isForGood = 0] = data;
    return { seconds: isForGood & 0x01 ? 255 : seconds };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

/** Table 28-11, as the rest of "the machine was started ..". */
const RESTART_CAUSES: readonly string[] = [
  'for a reason that the BMC does not know',
  'by a chassis control command',
  'by the reset button',
  'by the power button',
  'by a watchdog that ran out',
  'by the maker (OEM)',
  'because power came back: it is set to turn on always',
  'because power came back: it was on before',
  'by a platform event filter, with a reset',
  'by a platform event filter, with a power cycle',
  'by a soft reset (for example CTRL-ALT-DEL)',
  'by its clock (RTC wake-up)',
];

/** What a restart cause says. */
export function describeRestartCause(cause: number): string {
  return `the machine was started ${RESTART_CAUSES[cause] ?? `for the reason number ${cause}, which IPMI does not name`}`;
}

/** 28.11 */
export const getRestartCause: Command<void, { cause: number }> = {
  name: 'Get System Restart Cause',
  netFn: NET_FN.chassis,
  command: 0x07,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse: (response) => Buffer.of(response.cause, 0x01),
  decodeResponse(data) {
    return { cause: new Reader(data).u8('restart cause') & 0x0f };
  },
};
