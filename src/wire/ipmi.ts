// IPMI messages, and what a command is. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader, WireError } from './bytes.ts';

/** One message from a console to the BMC; `sequence` is 6 bit and pairs it with its response, `lun` is one of four units. */
export type IpmiRequest = { netFn: number; lun: number; command: number; sequence: number; data: Buffer };

/** The BMC's answer; `netFn` is the request's. */
export type IpmiResponse = IpmiRequest & { completion: number };

/** Where a BMC is on its own bus (5.5). Sensors of other controllers have other addresses. */
export const BMC_ADDRESS = 0x20;
const CONSOLE_ADDRESS = 0x81; // 5.5: software id 40h of a remote console

/** A request as a LAN message (13.8). */
export function encodeRequest(request: IpmiRequest): Buffer {
  const { netFn, lun, command, sequence, data } = request;
  return encodeMessage(BMC_ADDRESS, (netFn << 2) | lun, CONSOLE_ADDRESS, sequence << 2, [command], data);
}

/** A request from a LAN message (13.8). WireError 'truncated', or 'malformed' when a checksum does not match. */
export function decodeRequest(bytes: Buffer): IpmiRequest {
  const { netFn, receiverLun, sequence, reader } = decodeMessage(bytes);
  const command = reader.u8('command');
  return { netFn, lun: receiverLun, command, sequence, data: reader.rest() };
}

/** A response as a LAN message (13.8). */
export function encodeResponse(response: IpmiResponse): Buffer {
  const { netFn, lun, command, sequence, completion, data } = response;
  return encodeMessage(
    CONSOLE_ADDRESS,
    (netFn | 1) << 2,
    BMC_ADDRESS,
    (sequence << 2) | lun,
    [command, completion],
    data,
  );
}

/** A response from a LAN message (13.8). WireError 'truncated', or 'malformed' for a wrong checksum and for a request. */
export function decodeResponse(bytes: Buffer): IpmiResponse {
  const { netFn, senderLun, sequence, reader } = decodeMessage(bytes);
  if ((netFn & 1) === 0) throw new WireError('malformed', 'network function', 1, `${netFn} is not of a response`);
  const command = reader.u8('command');
  const completion = reader.u8('completion code');
  return { netFn: netFn & ~1, lun: senderLun, command, sequence, completion, data: reader.rest() };
}

function encodeMessage(to: number, function_: number, from: number, sequence: number, head: number[], data: Buffer) {
  const bytes = Buffer.alloc(6 + head.length + data.length);
  bytes.set([to, function_]);
  bytes[2] = checksum(bytes, 0, 2);
  bytes.set([from, sequence, ...head], 3);
  bytes.set(data, 5 + head.length);
  bytes[bytes.length - 1] = checksum(bytes, 3, bytes.length - 1);
  return bytes;
}

function decodeMessage(bytes: Buffer) {
  const reader = new Reader(bytes);
  const header = reader.take(3, 'message header');
  const body = reader.take(Math.max(reader.remaining, 3), 'message body');
  if (checksum(header, 0, 3) !== 0) throw new WireError('malformed', 'header checksum', 2, 'does not match');
  if (checksum(body, 0, body.length) !== 0) {
    throw new WireError('malformed', 'data checksum', bytes.length - 1, 'does not match');
  }
  const [, netFn] = header;
  const [, sequence] = body;
  // The body's first two bytes are the sender and the sequence, its last one is the checksum.
  return {
    netFn: netFn! >> 2,
    receiverLun: netFn! & 0x03,
    sequence: sequence! >> 2,
    senderLun: sequence! & 0x03,
    reader: new Reader(body.subarray(2, -1)),
  };
}

/** 13.8: the value that makes the 8-bit sum zero. */
export function checksum(bytes: Buffer, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += bytes[at]!;
  return -sum & 0xff;
}

// ------------------------------------------------------------------------------------------------- completion codes

/** Completion codes that we decide on by name (table 5-2). */
export const COMPLETION = {
  ok: 0x00,
  nodeBusy: 0xc0,
  invalidCommand: 0xc1,
  invalidCommandForUnit: 0xc2,
  timeout: 0xc3,
  outOfSpace: 0xc4,
  reservationGone: 0xc5,
  wrongLength: 0xc7,
  tooLong: 0xc8,
  outOfRange: 0xc9,
  cannotReturnSoMany: 0xca,
  noSuchRecord: 0xcb,
  invalidField: 0xcc,
  beingUpdated: 0xd0,
  initializing: 0xd2,
  insufficientPrivilege: 0xd4,
  notInThisState: 0xd5,
  unspecified: 0xff,
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

/** Privilege levels of a session (table 22-27, appendix G). `none`: a BMC answers that outside of a session too. */
export const PRIVILEGE = { none: 0x00, user: 0x02, operator: 0x03, administrator: 0x04 };

/** Network functions (table 5-1). DCMI has the one of groups, with its own number in the first byte. */
export const NET_FN = { chassis: 0x00, sensor: 0x04, app: 0x06, storage: 0x0a, transport: 0x0c, group: 0x2c };

/** One command, both directions of both sides, so that a console and a BMC can be made of the same table. */
export type Command<Request, Response> = {
  name: string;
  netFn: number;
  command: number;
  /** The least privilege that it needs (appendix G). */
  privilege: number;
  /** Completion codes that mean something else here than in table 5-2. */
  completions: Record<number, string>;
  encodeRequest(request: Request): Buffer;
  decodeRequest(data: Buffer): Request;
  encodeResponse(response: Response): Buffer;
  decodeResponse(data: Buffer): Response;
};
/** One of the commands, where it does not matter which. */
// biome-ignore lint/suspicious/noExplicitAny: a command of whatever types; `unknown` is not assignable both ways.
export type AnyCommand = Command<any, any>;

/** No data: what many requests and responses are. */
export const nothing = (): Buffer => Buffer.alloc(0);
/** Reads nothing from data that has to say nothing, whatever a BMC put there. */
export const ignore = (): undefined => undefined;
