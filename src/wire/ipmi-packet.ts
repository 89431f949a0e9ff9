// How a session's packets are kept secret and whole. Sections are those of the IPMI 2.0 specification, revision 1.1.
// Pure: every random value is an input.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { WireError } from './bytes.ts';
import { ALGORITHMS, hmac, isSameCode, type SessionKeys } from './rakp.ts';
import { decodeIpmi, encodeIpmi20, PAYLOAD } from './rmcp.ts';

/** One packet of a session; `payloadType` is PAYLOAD.ipmi or PAYLOAD.sol, `message` what it carries. */
export type SessionPacket = { payloadType: number; sessionId: number; sequence: number; message: Buffer };

/** An encrypted and signed packet. `iv` is 16 random bytes, never used twice. */
export function encodeSessionPacket(keys: SessionKeys, packet: SessionPacket, iv: Buffer): Buffer {
  const { payloadType, sessionId, sequence } = packet;
  const payload = encrypt(keys, packet.message, iv);
  return encodeIpmi20({ payloadType, encrypted: true, sessionId, sequence, payload }, (signed) =>
    authCode(keys, signed),
  );
}

/** What a packet carries. One that is not encrypted, not signed or signed wrongly is a WireError. */
export function decodeSessionPacket(keys: SessionKeys, body: Buffer): SessionPacket {
  const packet = decodeIpmi(body, ALGORITHMS[keys.suite].icvBytes);
  if (packet.version !== '2.0' || !packet.authenticated || !packet.encrypted) {
    throw new WireError('malformed', 'payload type', 1, 'is not both encrypted and authenticated');
  }
  if (!isSameCode(packet.authCode, authCode(keys, packet.signed))) {
    throw new WireError('malformed', 'AuthCode', packet.signed.length, 'does not match');
  }
  const { payloadType, sessionId, sequence } = packet;
  if (payloadType !== PAYLOAD.ipmi && payloadType !== PAYLOAD.sol) {
    throw new WireError('unsupported', 'payload type', 1, `${payloadType} is neither IPMI nor serial over LAN`);
  }
  return { payloadType, sessionId, sequence, message: decrypt(keys, packet.payload) };
}

/** 13.28.4: the signature of a packet, with K1. */
function authCode(keys: SessionKeys, signed: Buffer): Buffer {
  return hmac(keys.suite, keys.k1, [signed]).subarray(0, ALGORITHMS[keys.suite].icvBytes);
}

/** 13.29: AES-CBC-128 under the first 16 bytes of K2; the pad is 01h 02h 03h .. and then its length. */
function encrypt(keys: SessionKeys, message: Buffer, iv: Buffer): Buffer {
  const padBytes = (16 - ((message.length + 1) % 16)) % 16;
  const pad = Buffer.from(Array.from({ length: padBytes }, (_, index) => index + 1));
  const cipher = createCipheriv('aes-128-cbc', keys.k2.subarray(0, 16), iv).setAutoPadding(false);
  return Buffer.concat([iv, cipher.update(Buffer.concat([message, pad, Buffer.of(padBytes)])), cipher.final()]);
}

function decrypt(keys: SessionKeys, payload: Buffer): Buffer {
  if (payload.length < 32 || payload.length % 16 !== 0) {
    throw new WireError('malformed', 'encrypted payload', 12, `${payload.length} bytes are no IV and whole blocks`);
  }
  const decipher = createDecipheriv('aes-128-cbc', keys.k2.subarray(0, 16), payload.subarray(0, 16));
  decipher.setAutoPadding(false);
  const plain = Buffer.concat([decipher.update(payload.subarray(16)), decipher.final()]);
  const padBytes = plain.readUInt8(plain.length - 1);
  const messageBytes = plain.length - 1 - padBytes;
  const pad = plain.subarray(Math.max(0, messageBytes), plain.length - 1);
  if (padBytes > 15 || !pad.every((value, index) => value === index + 1)) {
    throw new WireError('malformed', 'confidentiality pad', 12, 'is not 01h 02h 03h ..');
  }
  return plain.subarray(0, messageBytes);
}
