import { COMPLETION } from '../../wire/ipmi.ts';
import { BOOT_OPTION, decodeBootFlags, getBootOption, setBootOption } from '../../wire/ipmi-boot.ts';
import { chassisControl, chassisIdentify, getChassisStatus, getRestartCause } from '../../wire/ipmi-chassis.ts';
import { getPowerReading } from '../../wire/ipmi-dcmi.ts';
import { getDeviceId, getSystemGuid } from '../../wire/ipmi-device.ts';
import {
  closeSession,
  getChannelAuthCapabilities,
  getChannelCipherSuites,
  setSessionPrivilege,
} from '../../wire/ipmi-session.ts';
import {
  activateSol,
  deactivateSol,
  getChannelPayloads,
  getPayloadActivation,
  getSolConfiguration,
} from '../../wire/ipmi-sol.ts';
import { ALGORITHMS, type CipherSuite } from '../../wire/rakp.ts';
import { type Handler, handler, SILENCE } from './ipmi-handler.ts';
import { SOL_BYTES } from './ipmi-serial.ts';
import { STORAGE_HANDLERS } from './ipmi-storage.ts';

const NO_SUCH_PARAMETER = 0x80;
const READ_ONLY_PARAMETER = 0x82;
const ABOVE_LIMIT = 0x81;
const NO_SUCH_SESSION = 0x87;
const IN_USE = 0x80;
const NOT_IN_USE = 0x80;
const TURNED_OFF = 0x81;

const SESSION_HANDLERS: readonly Handler[] = [
  handler(getChannelAuthCapabilities, (_, { faults }) => ({
    channel: 1,
    speaks20: !faults.has('only-1.5'),
    needsBmcKey: false,
    allowsAnonymous: false,
  })),
  handler(getChannelCipherSuites, ({ listIndex }, { suites }) => ({
    channel: 1,
    records: listIndex > 0 ? Buffer.alloc(0) : Buffer.from(suites.flatMap(cipherSuiteRecord)),
  })),
  handler(setSessionPrivilege, ({ privilege }, { session }) => {
    if (privilege > session!.limit) return ABOVE_LIMIT;
    if (privilege !== 0) session!.privilege = privilege; // 22.18: 0 only asks
    return { privilege: session!.privilege };
  }),
  handler(closeSession, ({ sessionId }, { sessions, serial, session }) => {
    if (!sessions.has(sessionId)) return NO_SUCH_SESSION;
    if (serial.session?.facts.bmcId === sessionId) serial.deactivate(session);
    // This one is closed once its answer is on its way.
    if (sessionId !== session!.facts.bmcId) sessions.close(sessionId);
    return undefined;
  }),
  handler(getDeviceId, (_, { device }) => device),
  handler(getSystemGuid, (_, { guid }) => ({ guid })),
];

const CHASSIS_HANDLERS: readonly Handler[] = [
  handler(getChassisStatus, (_, { machine }) => ({
    isOn: machine.readPower(),
    hasPowerFault: false,
    restorePolicy: 'as-before',
  })),
  handler(chassisControl, ({ action }, { machine, faults }) => {
    if (faults.has('lost-control')) return SILENCE;
    if (!machine.control(action)) return COMPLETION.notInThisState;
    return faults.has('mute-control') ? SILENCE : undefined;
  }),
  handler(chassisIdentify, ({ seconds }, { machine }) => {
    machine.identifySeconds = seconds;
    return undefined;
  }),
  handler(getRestartCause, (_, { machine }) => ({ cause: machine.restartCause })),
  handler(setBootOption, ({ parameter, data }, { machine, faults }) => {
    const isFlags = parameter === BOOT_OPTION.flags;
    if (faults.has('flags-only') && !isFlags) return NO_SUCH_PARAMETER;
    if (faults.has('forgets') && parameter === BOOT_OPTION.validBitClearing) return COMPLETION.invalidField;
    if (faults.has('flags-locked') && isFlags) return READ_ONLY_PARAMETER;
    if (faults.has('only-once') && isFlags && decodeBootFlags(data).isPersistent) return COMPLETION.invalidField;
    machine.setBootOption(parameter, data);
    return undefined;
  }),
  handler(getBootOption, ({ parameter }, { machine, faults }) => {
    if (parameter !== BOOT_OPTION.flags) return NO_SUCH_PARAMETER;
    const data = Buffer.from(machine.flags);
    if (faults.has('no-valid')) data[0] = 0;
    return { parameter, isValid: true, data };
  }),
  handler(getPowerReading, (_, { machine }) => ({
    now: machine.readPower() ? machine.watts : 0,
    least: 9,
    most: 310,
    average: 140,
    seconds: Math.floor(machine.logChangedAt / 1000),
    periodMs: 60_000,
    isMeasuring: true,
  })),
];

/** Table 26-5, for the ones that clients ask for: enabled, encrypted and signed, sent as soon as may be, 115.2 kbit/s. */
const SOL_PARAMETERS: Readonly<Record<number, readonly number[]>> = {
  0: [0],
  1: [1],
  2: [0xc2],
  3: [1, SOL_BYTES - 4],
  4: [7, 25],
  5: [0x0a],
  6: [0x0a],
  7: [1],
};

const SOL_HANDLERS: readonly Handler[] = [
  handler(activateSol, (_, { serial, session, faults, port }) => {
    if (faults.has('serial-off')) return TURNED_OFF;
    if (serial.session) return IN_USE;
    serial.activate(session!);
    return { inboundBytes: SOL_BYTES, outboundBytes: SOL_BYTES, port };
  }),
  handler(deactivateSol, (_, { serial, session }) => {
    if (!serial.session) return NOT_IN_USE;
    serial.deactivate(session);
    return undefined;
  }),
  handler(getPayloadActivation, (_, { serial }) => ({ capacity: 1, active: serial.session ? 1 : 0 })),
  // IPMI messages and serial over LAN; Open Session and RAKP 1 to 4 with their answers.
  handler(getChannelPayloads, () => ({ standard: 0x03, setup: 0x3f })),
  handler(getSolConfiguration, ({ parameter }, { port }) => {
    const data = parameter === 8 ? [port & 0xff, port >> 8] : SOL_PARAMETERS[parameter];
    return data === undefined ? NO_SUCH_PARAMETER : { data: Buffer.from(data) };
  }),
];

/** Every command that the simulator does. */
export const HANDLERS: ReadonlyMap<number, Handler> = new Map(
  [...SESSION_HANDLERS, ...CHASSIS_HANDLERS, ...STORAGE_HANDLERS, ...SOL_HANDLERS].map((row) => [
    handlerKey(row.command.netFn, row.command.command),
    row,
  ]),
);

export function handlerKey(netFn: number, command: number): number {
  return (netFn << 8) | command;
}

/** 22.15.1: C0h, the suite's number, its three algorithms with their kind in bits 7:6. */
function cipherSuiteRecord(suite: CipherSuite): number[] {
  const { authentication, integrity, confidentiality } = ALGORITHMS[suite];
  return [0xc0, suite, authentication, 0x40 | integrity, 0x80 | confidentiality];
}
