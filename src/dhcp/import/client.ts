import { isIpv4, isMac, type Mac, macFromBytes, parseMac } from '../../wire/address.ts';
import { guid } from '../../wire/dhcp-shapes.ts';

/** RFC 2132 9.14 counts the bytes of a client id in one byte. */
const MAX_BYTES = 255;
const octetsWithSeparator = /^[0-9a-f]{1,2}(?:([:-])[0-9a-f]{1,2}(?:\1[0-9a-f]{1,2})*)?$/i;
const ciscoDotted = /^(?:[0-9a-f]{4}\.)+(?:[0-9a-f]{4}|[0-9a-f]{2})$/i;

/** The bytes of hexadecimal text as servers write it: `1:5:ab`, `01-05-ab`, `0152.5400.aabb.01`, `0x0105ab`, `0105ab`.
 *  Undefined for anything else, for nothing, and for more than 255 bytes. */
export function readHex(text: string): Buffer | undefined {
  if (text.length > MAX_BYTES * 3 + 2) return undefined;
  let digits: string;
  if (octetsWithSeparator.test(text))
    digits = text
      .split(/[:-]/)
      .map((octet) => octet.padStart(2, '0'))
      .join('');
  else if (ciscoDotted.test(text)) digits = text.replaceAll('.', '');
  else digits = text.replace(/^0x/i, '');
  if (digits === '' || digits.length % 2 !== 0 || digits.length > MAX_BYTES * 2 || /[^0-9a-f]/i.test(digits))
    return undefined;
  return Buffer.from(digits, 'hex');
}

/** The MAC in any usual spelling, also with single digits (`8:0:20:1:2:3`); undefined for anything else. */
export function readMac(text: string): Mac | undefined {
  const octets = /^[0-9a-f]{1,2}(?:[:-][0-9a-f]{1,2}){5}$/i.test(text) ? readHex(text) : undefined;
  if (octets) return macFromBytes(octets);
  return /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$|^[0-9a-f]{12}$/i.test(text) ? parseMac(text) : undefined;
}

/** The MAC inside a client id of the kind 01 and six bytes. RFC 2132 9.14: 1 is the hardware type Ethernet. */
export function macOfClientId(clientId: Buffer | undefined): Mac | undefined {
  return clientId?.length === 7 && clientId[0] === 1 ? macFromBytes(clientId.subarray(1)) : undefined;
}

/** The bytes of a text between single quotes, else of hexadecimal text, else of the text itself (UTF-8). Undefined for
 *  nothing and for more than 255 bytes. */
export function readIdentifier(text: string): Buffer | undefined {
  if (text.length > MAX_BYTES * 3 + 2) return undefined;
  const inner = /^'(.*)'$/s.exec(text)?.[1];
  const bytes = inner === undefined ? (readHex(text) ?? Buffer.from(text)) : Buffer.from(inner);
  return bytes.length > 0 && bytes.length <= MAX_BYTES ? bytes : undefined;
}

/** The SMBIOS UUID in lower case with hyphens, from that or from 32 digits; undefined for anything else, also for the
 *  all-zero and all-one ones, which tell no machine from another. */
export function readUuid(text: string): string | undefined {
  const digits = /^[0-9a-f]{8}(-?)[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{4}\1[0-9a-f]{12}$/i.test(text)
    ? text.toLowerCase().replaceAll('-', '')
    : '';
  if (digits === '' || /^(0+|f+)$/.test(digits)) return undefined;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** The UUID in the bytes of option 97, with or without the type byte before it. RFC 4578 2.3. */
export function uuidOfOption97(bytes: Buffer): string | undefined {
  return guid.decode(bytes.length === 16 ? Buffer.concat([Buffer.of(0), bytes]) : bytes);
}

/** Does it look like an address and is none (10.0.0.300, 10.0.0)? */
export function isBrokenIpv4(text: string): boolean {
  return text.includes('.') && /^[0-9.]+$/.test(text) && !isIpv4(text);
}

/** `aa:bb:..`, else `client id 01:..` and so on: what names the client in a sentence. */
export function describeClient(client: {
  mac?: Mac | undefined;
  clientId?: Buffer | undefined;
  uuid?: string | undefined;
  circuitId?: Buffer | undefined;
  remoteId?: Buffer | undefined;
}): string {
  if (isMac(client.mac)) return client.mac;
  if (client.clientId) return `client id ${colonHex(client.clientId)}`;
  if (client.uuid) return `UUID ${client.uuid}`;
  if (client.circuitId) return `circuit id ${colonHex(client.circuitId)}`;
  return client.remoteId ? `remote id ${colonHex(client.remoteId)}` : 'an unnamed client';
}

/** `01:52:54`: bytes as every format here reads them. A single byte is `0x01`, which no format takes for a text. */
export function colonHex(bytes: Buffer): string {
  return bytes.length === 1 ? `0x${bytes.toString('hex')}` : bytes.toString('hex').replace(/..(?=.)/g, '$&:');
}
