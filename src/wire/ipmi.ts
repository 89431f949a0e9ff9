// IPMI messages and the few commands that provisioning needs. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader, WireError } from './bytes.ts';

/** One message from a console to the BMC; `sequence` is 6 bit and pairs it with its response. */
export type IpmiRequest = { netFn: number; command: number; sequence: number; data: Buffer };

/** The BMC's answer; `netFn` is the request's. */
export type IpmiResponse = IpmiRequest & { completion: number };

const BMC_ADDRESS = 0x20;
const CONSOLE_ADDRESS = 0x81; // 5.5: software id 40h of a remote console

/** A request as a LAN message (13.8). */
export function encodeRequest(request: IpmiRequest): Buffer {
  const { netFn, command, sequence, data } = request;
  return encodeMessage(BMC_ADDRESS, netFn, CONSOLE_ADDRESS, sequence, Buffer.concat([Buffer.of(command), data]));
}

export function decodeRequest(bytes: Buffer): IpmiRequest {
  const { netFn, sequence, reader } = decodeMessage(bytes);
  const command = reader.u8('command');
  return { netFn, command, sequence, data: reader.rest() };
}

export function encodeResponse(response: IpmiResponse): Buffer {
  const { netFn, command, sequence, completion, data } = response;
  const body = Buffer.concat([Buffer.of(command, completion), data]);
  return encodeMessage(CONSOLE_ADDRESS, netFn | 1, BMC_ADDRESS, sequence, body);
}

export function decodeResponse(bytes: Buffer): IpmiResponse {
  const { netFn, sequence, reader } = decodeMessage(bytes);
  if ((netFn & 1) === 0) throw new WireError('malformed', 'network function', 1, `${netFn} is not of a response`);
  const command = reader.u8('command');
  const completion = reader.u8('completion code');
  return { netFn: netFn & ~1, command, sequence, completion, data: reader.rest() };
}

function encodeMessage(to: number, netFn: number, from: number, sequence: number, body: Buffer): Buffer {
  const first = Buffer.of(to, netFn << 2);
  const second = Buffer.concat([Buffer.of(from, sequence << 2), body]);
  return Buffer.concat([first, Buffer.of(checksum(first)), second, Buffer.of(checksum(second))]);
}

function decodeMessage(bytes: Buffer) {
  const reader = new Reader(bytes);
  const header = reader.take(3, 'message header');
  const body = reader.take(Math.max(reader.remaining, 3), 'message body');
  if (checksum(header) !== 0) throw new WireError('malformed', 'header checksum', 2, 'does not match');
  if (checksum(body) !== 0) throw new WireError('malformed', 'data checksum', bytes.length - 1, 'does not match');
  const [, netFn] = header;
  const [, sequence] = body;
  // The body's first two bytes are the sender and the sequence, its last one is the checksum.
  return { netFn: netFn! >> 2, sequence: sequence! >> 2, reader: new Reader(body.subarray(2, -1)) };
}

/** 13.8: the value that makes the 8-bit sum zero. */
function checksum(bytes: Buffer): number {
  return -bytes.reduce((sum, value) => sum + value, 0) & 0xff;
}

// ------------------------------------------------------------------------------------------------- completion codes

/** Completion codes that we decide on by name (table 5-2). */
export const COMPLETION = {
  ok: 0x00,
  nodeBusy: 0xc0,
  invalidCommand: 0xc1,
  timeout: 0xc3,
  outOfSpace: 0xc4,
  invalidField: 0xcc,
  initializing: 0xd2,
  insufficientPrivilege: 0xd4,
  notInThisState: 0xd5,
};

const COMPLETION_TEXT: Record<number, string> = {
  0: 'done',
  192: 'it is busy',
  193: 'it does not know this command',
  194: 'it does not know this command for this logical unit',
  195: 'it took too long over this command',
  196: 'it has no space left for this command',
  197: 'the reservation is gone',
  198: 'the request was cut short',
  199: 'the request has a wrong length',
  200: 'the request is too long',
  201: 'a parameter is out of range',
  202: 'it cannot return that many bytes',
  203: 'it has no such record',
  204: 'the request has an invalid field',
  205: 'this command is not allowed for this record',
  206: 'it could not make up an answer',
  207: 'it had this request before',
  208: 'its sensor repository is being updated',
  209: 'its firmware is being updated',
  210: 'it is still starting',
  211: 'the part asked for does not answer',
  212: 'this user does not have the privilege for it',
  213: 'it cannot do that in its present state',
  214: 'the part asked for is turned off',
  255: 'it failed without saying why',
};

/** What a completion code says, as the rest of a sentence; `command` knows its own codes too. */
export function describeCompletion(completion: number, command?: AnyCommand): string {
  const code = `${completion.toString(16).padStart(2, '0').toUpperCase()}h`;
  const text = command?.completions[completion] ?? COMPLETION_TEXT[completion];
  return text === undefined ? `completion code ${code}, which no standard names` : `${text} (completion code ${code})`;
}

// ------------------------------------------------------------------------------------------------- commands

/** One command, both directions of both sides, so that a console and a BMC can be made of the same table. */
export type Command<Request, Response> = {
  name: string;
  netFn: number;
  command: number;
  /** Completion codes that mean something else here than in table 5-2. */
  completions: Record<number, string>;
  encodeRequest(request: Request): Buffer;
  decodeRequest(data: Buffer): Request;
  encodeResponse(response: Response): Buffer;
  decodeResponse(data: Buffer): Response;
};
// biome-ignore lint/suspicious/noExplicitAny: a command of whatever types; `unknown` is not assignable both ways.
export type AnyCommand = Command<any, any>;

const CHASSIS = 0x00;
const APP = 0x06;
const nothing = () => Buffer.alloc(0);
const ignore = () => undefined;

/** 22.13. Channel 14 is "the one this came in on". Flags that only an IPMI 2.0 BMC gives are false on others. */
export const getChannelAuthCapabilities: Command<
  { channel: number; privilege: number; asks20: boolean },
  { channel: number; speaks20: boolean; needsBmcKey: boolean; allowsAnonymous: boolean }
> = {
  name: 'Get Channel Authentication Capabilities',
  netFn: APP,
  command: 0x38,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.channel | (request.asks20 ? 0x80 : 0), request.privilege),
  decodeRequest(data) {
    const [channel, privilege] = new Reader(data).take(2, this.name);
    return { channel: channel! & 0x0f, privilege: privilege! & 0x0f, asks20: (channel! & 0x80) !== 0 };
  },
  encodeResponse: (response) =>
    Buffer.of(
      response.channel,
      response.speaks20 ? 0x80 : 0x00,
      (response.needsBmcKey ? 0x20 : 0) | 0x04 | (response.allowsAnonymous ? 0x01 : 0),
      response.speaks20 ? 0x03 : 0x01,
      ...[0, 0, 0, 0],
    ),
  decodeResponse(data) {
    const [channel, types, status, extended] = new Reader(data).take(8, this.name);
    const speaks20 = (types! & 0x80) !== 0 && (extended! & 0x02) !== 0;
    return {
      channel: channel! & 0x0f,
      speaks20,
      needsBmcKey: speaks20 && (status! & 0x20) !== 0,
      allowsAnonymous: (status! & 0x01) !== 0,
    };
  },
};

/** 22.15. One block of 16 bytes at a time; `records` is a piece of the list that `decodeCipherSuites` reads. */
export const getChannelCipherSuites: Command<
  { channel: number; listIndex: number },
  { channel: number; records: Buffer }
> = {
  name: 'Get Channel Cipher Suites',
  netFn: APP,
  command: 0x54,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.channel, 0x00, 0x80 | request.listIndex),
  decodeRequest(data) {
    const [channel, , index] = new Reader(data).take(3, this.name);
    return { channel: channel! & 0x0f, listIndex: index! & 0x3f };
  },
  encodeResponse: (response) => Buffer.concat([Buffer.of(response.channel), response.records]),
  decodeResponse(data) {
    const channel = new Reader(data).u8('channel') & 0x0f;
    return { channel, records: data.subarray(1, 17) };
  },
};

/** The standard cipher suites in a joined list of records (22.15.1); OEM suites are left out. */
export function decodeCipherSuites(records: Buffer): number[] {
  const suites: number[] = [];
  for (let at = 0; at < records.length; at++) {
    const start = records[at];
    if (start === 0xc0) suites.push(new Reader(records, at + 1).u8('cipher suite'));
    if (start === 0xc0) at += 1;
    if (start === 0xc1) at += 4; // OEM suite: its number and 3 bytes of enterprise number
  }
  return suites;
}

export const PRIVILEGE = { user: 0x02, operator: 0x03, administrator: 0x04 };

/** 22.18 */
export const setSessionPrivilege: Command<{ privilege: number }, { privilege: number }> = {
  name: 'Set Session Privilege Level',
  netFn: APP,
  command: 0x3b,
  completions: {
    128: 'this user does not have that privilege',
    129: 'that privilege is above the limit of the user or the LAN channel',
    130: 'it cannot turn off user level authentication',
  },
  encodeRequest: (request) => Buffer.of(request.privilege),
  decodeRequest(data) {
    return { privilege: new Reader(data).u8('privilege') & 0x0f };
  },
  encodeResponse: (response) => Buffer.of(response.privilege),
  decodeResponse(data) {
    return { privilege: new Reader(data).u8('privilege') & 0x0f };
  },
};

/** 22.19 */
export const closeSession: Command<{ sessionId: number }, void> = {
  name: 'Close Session',
  netFn: APP,
  command: 0x3c,
  completions: { 135: 'it does not know this session' },
  encodeRequest(request) {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(request.sessionId);
    return data;
  },
  decodeRequest(data) {
    return { sessionId: new Reader(data).u32le('session id') };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

export type DeviceId = {
  /** IANA private enterprise number: 343 Intel, 674 Dell, 11 HP, 47196 HPE, 19046 Lenovo, 10876 Supermicro. */
  manufacturer: number;
  product: number;
  firmware: string;
  ipmiVersion: string;
  isUpdating: boolean;
};

/** 20.1 */
export const getDeviceId: Command<void, DeviceId> = {
  name: 'Get Device ID',
  netFn: APP,
  command: 0x01,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const data = Buffer.alloc(11);
    const [major, minor] = response.firmware.split('.').map(Number);
    const [ipmiMajor, ipmiMinor] = response.ipmiVersion.split('.').map(Number);
    data[0] = 0x20;
    data[2] = major! | (response.isUpdating ? 0x80 : 0);
    data[3] = (Math.floor(minor! / 10) << 4) | (minor! % 10);
    data[4] = (ipmiMinor! << 4) | ipmiMajor!;
    data.writeUIntLE(response.manufacturer, 6, 3);
    data.writeUInt16LE(response.product, 9);
    return data;
  },
  decodeResponse(data) {
    const bytes = new Reader(data).take(11, this.name);
    const [, , major, minor, version] = bytes;
    return {
      manufacturer: bytes.readUIntLE(6, 3) & 0x0fffff, // 20 bits; the rest is reserved
      product: bytes.readUInt16LE(9),
      firmware: `${major! & 0x7f}.${minor!.toString(16).padStart(2, '0')}`, // the minor number is BCD
      ipmiVersion: `${version! & 0x0f}.${version! >> 4}`,
      isUpdating: (major! & 0x80) !== 0,
    };
  },
};

export type RestorePolicy = 'stay-off' | 'as-before' | 'power-on' | 'unknown';
const RESTORE_POLICIES: readonly RestorePolicy[] = ['stay-off', 'as-before', 'power-on', 'unknown'];

export type ChassisStatus = { isOn: boolean; hasPowerFault: boolean; restorePolicy: RestorePolicy };

/** 28.2 */
export const getChassisStatus: Command<void, ChassisStatus> = {
  name: 'Get Chassis Status',
  netFn: CHASSIS,
  command: 0x01,
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

export type ChassisAction = 'off' | 'on' | 'cycle' | 'reset' | 'nmi' | 'soft';
const CHASSIS_ACTIONS: readonly ChassisAction[] = ['off', 'on', 'cycle', 'reset', 'nmi', 'soft'];

/** 28.3 */
export const chassisControl: Command<{ action: ChassisAction }, void> = {
  name: 'Chassis Control',
  netFn: CHASSIS,
  command: 0x02,
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

/** Parameters of the boot options (table 28-14). */
export const BOOT_OPTION = { setInProgress: 0, validBitClearing: 3, infoAcknowledge: 4, flags: 5 };

const BOOT_OPTION_COMPLETIONS = {
  128: 'it does not have this boot option',
  129: 'somebody else is setting the boot options',
  130: 'this boot option can only be read',
};

/** 28.12 */
export const setBootOption: Command<{ parameter: number; data: Buffer }, void> = {
  name: 'Set System Boot Options',
  netFn: CHASSIS,
  command: 0x08,
  completions: BOOT_OPTION_COMPLETIONS,
  encodeRequest: (request) => Buffer.concat([Buffer.of(request.parameter), request.data]),
  decodeRequest(data) {
    return { parameter: new Reader(data).u8('boot option parameter') & 0x7f, data: data.subarray(1) };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

/** 28.13 */
export const getBootOption: Command<{ parameter: number }, { parameter: number; isValid: boolean; data: Buffer }> = {
  name: 'Get System Boot Options',
  netFn: CHASSIS,
  command: 0x09,
  completions: BOOT_OPTION_COMPLETIONS,
  encodeRequest: (request) => Buffer.of(request.parameter, 0, 0),
  decodeRequest(data) {
    return { parameter: new Reader(data).u8('boot option parameter') & 0x7f };
  },
  encodeResponse(response) {
    return Buffer.concat([Buffer.of(0x01, response.parameter | (response.isValid ? 0 : 0x80)), response.data]);
  },
  decodeResponse(data) {
    const parameter = new Reader(data).take(2, this.name).readUInt8(1);
    return { parameter: parameter & 0x7f, isValid: (parameter & 0x80) === 0, data: data.subarray(2) };
  },
};

export type BootDevice = 'network' | 'disk';
const BOOT_DEVICES: Record<BootDevice, number> = { network: 0x04, disk: 0x08 };

/** Boot flags (table 28-14, parameter 5): from where, how the firmware starts, and for how long. */
export type BootFlags = { isValid: boolean; isPersistent: boolean; isEfi: boolean; device: BootDevice | undefined };

export function encodeBootFlags(flags: BootFlags): Buffer {
  const mode = (flags.isValid ? 0x80 : 0) | (flags.isPersistent ? 0x40 : 0) | (flags.isEfi ? 0x20 : 0);
  return Buffer.of(mode, flags.device === undefined ? 0 : BOOT_DEVICES[flags.device], 0, 0, 0);
}

/** `device` is undefined for "no override" and for devices we do not set. */
export function decodeBootFlags(data: Buffer): BootFlags {
  const [mode, selector] = new Reader(data).take(5, 'boot flags');
  const device = (['network', 'disk'] as const).find((name) => BOOT_DEVICES[name] === (selector! & 0x3c));
  return {
    isValid: (mode! & 0x80) !== 0,
    isPersistent: (mode! & 0x40) !== 0,
    isEfi: (mode! & 0x20) !== 0,
    device,
  };
}

/** Every command above: what a simulated BMC dispatches on and what tests walk over. */
export const COMMANDS: readonly AnyCommand[] = [
  getChannelAuthCapabilities,
  getChannelCipherSuites,
  setSessionPrivilege,
  closeSession,
  getDeviceId,
  getChassisStatus,
  chassisControl,
  setBootOption,
  getBootOption,
];
