// The envelopes of IPMI over LAN. Sections are those of the IPMI 2.0 specification, revision 1.1.
import { Reader, WireError, Writer } from './bytes.ts';

/** RMCP: which protocol a datagram carries (13.1.3). */
export type RmcpPacket = { class: 'asf' | 'ipmi'; body: Buffer };

/** ASF messages: "is a BMC there?" and "yes" (13.2.3, 13.2.4). */
export type AsfMessage = { type: 'ping'; tag: number } | { type: 'pong'; tag: number; speaksIpmi: boolean };

/** IPMI 1.5 session wrapper, outside of any session or with authentication type none (13.6). */
export type Ipmi15Packet = { version: '1.5'; sessionId: number; sequence: number; payload: Buffer };

/**
 * IPMI 2.0 (RMCP+) session wrapper (13.6). `payload` is as on the wire: still encrypted when `encrypted`.
 * `signed` and `authCode` are what an authenticated packet signs and its signature; both empty otherwise.
 */
export type Ipmi20Packet = {
  version: '2.0';
  payloadType: number;
  encrypted: boolean;
  sessionId: number;
  sequence: number;
  payload: Buffer;
  authenticated: boolean;
  signed: Buffer;
  authCode: Buffer;
};

/** Payload types that we speak (13.27.3). */
export const PAYLOAD = {
  ipmi: 0x00,
  sol: 0x01,
  openRequest: 0x10,
  openResponse: 0x11,
  rakp1: 0x12,
  rakp2: 0x13,
  rakp3: 0x14,
  rakp4: 0x15,
};

const RMCP_VERSION = 0x06;
const NO_RMCP_ACK = 0xff;
const CLASSES = { asf: 0x06, ipmi: 0x07 } as const;
const ASF_IANA = 4542;
const ASF_PING = 0x80;
const ASF_PONG = 0x40;
const AUTH_NONE = 0x00;
const AUTH_RMCP_PLUS = 0x06;
const ENCRYPTED = 0x80;
const AUTHENTICATED = 0x40;
const NEXT_HEADER = 0x07;

/** A datagram for UDP port 623. */
export function encodeRmcp(packet: RmcpPacket): Buffer {
  return Buffer.concat([Buffer.of(RMCP_VERSION, 0, NO_RMCP_ACK, CLASSES[packet.class]), packet.body]);
}

/** The protocol and body of a datagram; an RMCP ACK or another class is a WireError. */
export function decodeRmcp(datagram: Buffer): RmcpPacket {
  const reader = new Reader(datagram);
  const version = reader.u8('RMCP version');
  if (version !== RMCP_VERSION) throw new WireError('unsupported', 'RMCP version', 0, `is ${version}, not 6`);
  reader.skip(2, 'RMCP sequence');
  const number = reader.u8('RMCP class');
  const body = reader.rest();
  if (number === CLASSES.asf) return { class: 'asf', body };
  if (number === CLASSES.ipmi) return { class: 'ipmi', body };
  throw new WireError('unsupported', 'RMCP class', 3, `${number} is neither ASF nor IPMI`);
}

/** The body of an ASF presence ping or pong. */
export function encodeAsf(message: AsfMessage): Buffer {
  const isPong = message.type === 'pong';
  const header = new Writer(24).u32(ASF_IANA, 'enterprise').u8(isPong ? ASF_PONG : ASF_PING, 'ASF type');
  header.u8(message.tag, 'ASF tag').skip(1, 'reserved');
  if (!isPong) return header.u8(0, 'ASF length').done();
  header.u8(16, 'ASF length').u32(ASF_IANA, 'enterprise').skip(4, 'OEM');
  // Supported entities: bit 7 IPMI, bits 3:0 ASF 1.0.
  return header
    .u8(message.speaksIpmi ? 0x81 : 0x01, 'entities')
    .skip(7, 'interactions')
    .done();
}

export function decodeAsf(body: Buffer): AsfMessage {
  const reader = new Reader(body);
  const enterprise = reader.u32('ASF enterprise');
  if (enterprise !== ASF_IANA) throw new WireError('unsupported', 'ASF enterprise', 0, `${enterprise} is not ASF`);
  const type = reader.u8('ASF type');
  const tag = reader.u8('ASF tag');
  reader.skip(2, 'ASF length');
  if (type === ASF_PING) return { type: 'ping', tag };
  if (type !== ASF_PONG) throw new WireError('unsupported', 'ASF type', 4, `${type} is neither ping nor pong`);
  reader.skip(8, 'ASF pong OEM');
  const entities = reader.u8('ASF supported entities');
  return { type: 'pong', tag, speaksIpmi: (entities & 0x80) !== 0 };
}

/** An IPMI 1.5 packet without authentication: how the first question reaches every BMC. */
export function encodeIpmi15(packet: Omit<Ipmi15Packet, 'version'>): Buffer {
  const header = new Writer(10).u8(AUTH_NONE, 'authentication type');
  header.u32le(packet.sequence, 'session sequence').u32le(packet.sessionId, 'session id');
  return Buffer.concat([header.u8(packet.payload.length, 'payload length').done(), packet.payload]);
}

/** An RMCP+ packet. With `sign` it is authenticated: `sign` gets the bytes to sign and returns the whole AuthCode. */
export function encodeIpmi20(
  packet: Pick<Ipmi20Packet, 'payloadType' | 'encrypted' | 'sessionId' | 'sequence' | 'payload'>,
  sign?: (signed: Buffer) => Buffer,
): Buffer {
  const flags = (packet.encrypted ? ENCRYPTED : 0) | (sign ? AUTHENTICATED : 0);
  const header = new Writer(12)
    .u8(AUTH_RMCP_PLUS, 'authentication type')
    .u8(packet.payloadType | flags, 'payload type');
  header.u32le(packet.sessionId, 'session id').u32le(packet.sequence, 'session sequence');
  header.u16le(packet.payload.length, 'payload length');
  const unsigned = Buffer.concat([header.done(), packet.payload]);
  if (!sign) return unsigned;

  // 13.6: pad with FFh so that everything from the authentication type to the next header is a multiple of 4.
  const padBytes = (4 - ((unsigned.length + 2) % 4)) % 4;
  const signed = Buffer.concat([unsigned, Buffer.alloc(padBytes, 0xff), Buffer.of(padBytes, NEXT_HEADER)]);
  return Buffer.concat([signed, sign(signed)]);
}

/** Either session wrapper. `authCodeBytes` is what the session's cipher suite signs with; 0 outside of a session. */
export function decodeIpmi(body: Buffer, authCodeBytes: number): Ipmi15Packet | Ipmi20Packet {
  const authType = new Reader(body).u8('authentication type');
  if (authType === AUTH_NONE) return decodeIpmi15(body);
  if (authType === AUTH_RMCP_PLUS) return decodeIpmi20(body, authCodeBytes);
  throw new WireError('unsupported', 'authentication type', 0, `${authType} is neither none nor RMCP+`);
}

function decodeIpmi15(body: Buffer): Ipmi15Packet {
  const reader = new Reader(body, 1);
  const sequence = reader.u32le('session sequence');
  const sessionId = reader.u32le('session id');
  const payload = reader.take(reader.u8('payload length'), 'payload');
  return { version: '1.5', sequence, sessionId, payload };
}

function decodeIpmi20(body: Buffer, authCodeBytes: number): Ipmi20Packet {
  const reader = new Reader(body, 1);
  const flags = reader.u8('payload type');
  const sessionId = reader.u32le('session id');
  const sequence = reader.u32le('session sequence');
  const payload = reader.take(reader.u16le('payload length'), 'payload');
  const packet = {
    version: '2.0' as const,
    payloadType: flags & 0x3f,
    encrypted: (flags & ENCRYPTED) !== 0,
    sessionId,
    sequence,
    payload,
  };
  if ((flags & AUTHENTICATED) === 0) {
    return { ...packet, authenticated: false, signed: Buffer.alloc(0), authCode: Buffer.alloc(0) };
  }
  if (authCodeBytes === 0) throw new WireError('malformed', 'payload type', 1, 'is authenticated outside of a session');

  // The trailer is found from the end, since not every BMC pads to 4 bytes.
  const trailer = reader.take(Math.max(0, reader.remaining - authCodeBytes), 'session trailer');
  const padBytes = trailer.at(-2);
  if (padBytes !== trailer.length - 2 || trailer.at(-1) !== NEXT_HEADER) {
    throw new WireError('malformed', 'session trailer', reader.offset, 'pad length or next header is wrong');
  }
  return { ...packet, authenticated: true, signed: body.subarray(0, reader.offset), authCode: reader.rest() };
}
