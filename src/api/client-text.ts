import { readHex } from '../dhcp/import/client.ts';
import { AppError } from '../model/errors.ts';
import { isHostname } from '../model/host-name.ts';
import { isTellingUuid } from '../model/machine.ts';
import { type Ipv4, isIpv4 } from '../wire/address.ts';

export { isHostname };

/** What names a client by bytes has 1 to 255 of them. RFC 2132 9.14, RFC 3046 2.0. */
const MAX_BYTES = 255;
/** The bytes of a circuit id or remote id as people write it: `Gi1/0/7`, or `0x000a07` where it is not printable. */
export function readPortId(field: string, text: string): Buffer {
  const hex = /^0x/i.test(text) ? readHex(text) : Buffer.from(text, 'latin1');
  if (!hex || hex.length === 0 || hex.length > MAX_BYTES || /[^\x20-\xff]/.test(text))
    throw notA(field, text, 'a text of 1 to 255 characters, or bytes like 0x000a07');
  return hex;
}

/** The other way: what readPortId reads back to the same bytes. */
export function portIdText(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  return /^[\x21-\x7e]+$/.test(text) && !/^0x/i.test(text) ? text : `0x${bytes.toString('hex')}`;
}

/** Option 61 in hex: `0152540aabb01`, with or without colons. */
export function readClientId(text: string): Buffer {
  const bytes = readHex(text);
  if (!bytes) throw notA('clientId', text, 'bytes in hex, like 01:52:54:00:aa:bb:01');
  return bytes;
}

/** In lower case. Throws `bad-request` for one that does not tell machines apart, as all zeros. */
export function readUuid(text: string): string {
  if (!isTellingUuid(text)) throw notA('uuid', text, 'a UUID that tells machines apart');
  return text.toLowerCase();
}

/** Letters, digits, hyphens and dots; '' is none. Throws `bad-request`. */
export function readHostname(text: string): string {
  if (text !== '' && !isHostname(text)) throw notA('hostname', text, 'a host name (letters, digits, hyphens, dots)');
  return text;
}

export function readAddress(field: string, text: string): Ipv4 {
  if (!isIpv4(text)) throw notA(field, text, 'an IPv4 address');
  return text;
}

function notA(field: string, text: string, what: string): AppError {
  return new AppError('bad-request', `${field}: ${JSON.stringify(text)} is not ${what}`);
}
