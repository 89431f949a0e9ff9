import { escapeText, Reader, textToBytes, WireError, Writer } from './bytes.ts';

export type TftpRequest = {
  kind: 'read' | 'write';
  /** As the client wrote it, one character per byte: neither cleaned nor trusted. */
  name: string;
  mode: 'octet' | 'netascii';
  /** Names in lower case, values as written; of two with one name the first (RFC 2347 leaves it open). */
  options: Map<string, string>;
};

export type TftpPacket =
  | TftpRequest
  | { kind: 'data'; block: number; data: Buffer }
  | { kind: 'ack'; block: number }
  | { kind: 'error'; code: number; text: string }
  | { kind: 'options'; options: Map<string, string> };

/** RFC 1350 5 and, the last, RFC 2347. */
export const tftpErrors = {
  undefined: 0,
  notFound: 1,
  accessViolation: 2,
  diskFull: 3,
  illegalOperation: 4,
  unknownTransfer: 5,
  fileExists: 6,
  noSuchUser: 7,
  optionsRefused: 8,
} as const;

const opcodes = { read: 1, write: 2, data: 3, ack: 4, error: 5, options: 6 } as const;
/** No client asks for more options; the walk ends here. */
const mostOptions = 20;
const longestErrorText = 500;

/** The packet, or WireError and nothing else thrown, for any bytes. 'truncated' and 'unsupported' deserve silence: any
 *  answer could be reflected at a third party. 'malformed' is a request that a client meant: it deserves an ERROR 4. */
export function decodeTftp(bytes: Buffer): TftpPacket {
  if (bytes.length < 4) {
    throw new WireError('truncated', 'packet', bytes.length, `a TFTP packet has 4 bytes or more, not ${bytes.length}`);
  }
  const reader = new Reader(bytes);
  const opcode = reader.u16('opcode');
  switch (opcode) {
    case opcodes.read:
    case opcodes.write:
      return decodeRequest(opcode === opcodes.read ? 'read' : 'write', bytes);
    case opcodes.data:
      return { kind: 'data', block: reader.u16('block'), data: reader.rest() };
    case opcodes.ack:
      return { kind: 'ack', block: reader.u16('block') };
    case opcodes.error:
      return { kind: 'error', code: reader.u16('code'), text: stringAt(bytes, 4).text };
    case opcodes.options:
      return { kind: 'options', options: decodeOptions(bytes, 2) };
    default:
      throw new WireError('unsupported', 'opcode', 0, `opcode ${opcode} is not one of TFTP's six`);
  }
}

/** The bytes of a packet. The text of an ERROR is made printable ASCII and cut at 500 bytes, whatever it was. */
export function encodeTftp(packet: TftpPacket): Buffer {
  switch (packet.kind) {
    case 'read':
    case 'write':
      return encodeStrings(opcodes[packet.kind], [packet.name, packet.mode, ...[...packet.options].flat()]);
    case 'data':
      return Buffer.concat([encodeDataHeader(packet.block), packet.data]);
    case 'ack':
      return new Writer(4).u16(opcodes.ack, 'opcode').u16(packet.block, 'block').done();
    case 'error': {
      const text = Buffer.from(escapeText(packet.text).slice(0, longestErrorText), 'latin1');
      const out = new Writer(5 + text.length).u16(opcodes.error, 'opcode').u16(packet.code, 'code');
      return out.put(text, 'text').u8(0, 'end').done();
    }
    case 'options':
      return encodeStrings(opcodes.options, [...packet.options].flat());
  }
}

/** The four bytes before the data of a DATA packet, for senders that do not want to copy the data. */
export function encodeDataHeader(block: number): Buffer {
  return new Writer(4).u16(opcodes.data, 'opcode').u16(block, 'block').done();
}

export type TftpLimits = {
  /** The size of the file in bytes, for `tsize`. */
  size: number;
  /** The largest block that we send: what fits the path's MTU without fragments (many ROMs cannot join them). */
  maxBlockSize: number;
  maxWindow: number;
};

export type TftpAgreement = {
  blockSize: number;
  /** How many blocks are sent before an ACK is waited for (RFC 7440). */
  windowSize: number;
  /** What the client asked for with `timeout`, when we agreed. */
  timeoutSeconds?: number;
  /** The options to acknowledge with an OACK. Empty: none, the transfer starts with DATA 1. */
  accepted: Map<string, string>;
};

/** Longer is left out, so that a client cannot make us hold a dead transfer for hours. */
const longestTimeoutSeconds = 30;

/** What is agreed with the client. Unknown options and bad values are left out in silence, never refused: EDK2 takes any
 *  ERROR for the end, and any option in the OACK that it did not ask for as well. */
export function negotiate(request: TftpRequest, limits: TftpLimits): TftpAgreement {
  const agreement: TftpAgreement = { blockSize: 512, windowSize: 1, accepted: new Map() };
  for (const [name, text] of request.options) {
    const asked = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
    if (name === 'blksize' && asked >= 8 && asked <= 65464) {
      // RFC 2348: what we answer must not be more than what was asked.
      agreement.blockSize = Math.min(asked, Math.max(limits.maxBlockSize, 8));
      agreement.accepted.set(name, String(agreement.blockSize));
    } else if (name === 'windowsize' && asked >= 1 && asked <= 65535 && request.mode === 'octet') {
      agreement.windowSize = Math.min(asked, Math.max(limits.maxWindow, 1));
      agreement.accepted.set(name, String(agreement.windowSize));
    } else if (name === 'timeout' && asked >= 1 && asked <= longestTimeoutSeconds) {
      // RFC 2349: exactly the value asked for. U-Boot and EDK2 give up on any other.
      agreement.timeoutSeconds = asked;
      agreement.accepted.set(name, String(asked));
    } else if (name === 'tsize' && asked >= 0 && request.mode === 'octet') {
      agreement.accepted.set(name, String(limits.size));
    }
  }
  return agreement;
}

function decodeRequest(kind: 'read' | 'write', bytes: Buffer): TftpRequest {
  const name = stringAt(bytes, 2);
  if (name.text === '') throw new WireError('malformed', 'name', 2, 'the request names no file');
  const mode = stringAt(bytes, name.next);
  const lower = mode.text.toLowerCase();
  if (lower !== 'octet' && lower !== 'netascii') {
    throw new WireError(
      'malformed',
      'mode',
      name.next,
      `mode "${escapeText(mode.text)}" is neither octet nor netascii`,
    );
  }
  return { kind, name: name.text, mode: lower, options: decodeOptions(bytes, mode.next) };
}

function decodeOptions(bytes: Buffer, start: number): Map<string, string> {
  const options = new Map<string, string>();
  for (let at = start, seen = 0; at < bytes.length && seen < mostOptions; seen++) {
    const name = stringAt(bytes, at);
    if (name.next >= bytes.length) break; // A name without a value: as if it had not been sent.
    const value = stringAt(bytes, name.next);
    const key = name.text.toLowerCase();
    if (key !== '' && !options.has(key)) options.set(key, value.text);
    at = value.next;
  }
  return options;
}

/** The text up to the next NUL, or to the end: some clients forget the last NUL. */
function stringAt(bytes: Buffer, start: number): { text: string; next: number } {
  const nul = bytes.indexOf(0, start);
  const end = nul < 0 || start >= bytes.length ? bytes.length : nul;
  return { text: bytes.toString('latin1', start, end), next: end + 1 };
}

function encodeStrings(opcode: number, strings: string[]): Buffer {
  const parts = strings.map((text) => textToBytes(text, 'string'));
  const out = new Writer(parts.reduce((sum, part) => sum + part.length + 1, 2)).u16(opcode, 'opcode');
  for (const part of parts) out.put(part, 'string').u8(0, 'end');
  return out.done();
}
