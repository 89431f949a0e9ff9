// IPv4 packets for sockets that give and take them whole: an ICMP echo, and DHCP where UDP sockets do not reach.
import { type Ipv4, ipv4FromBytes, type Mac } from './address.ts';

/** A DHCP message that was sent to clients: its bytes, the address it came from, and who put it on our wire. */
export type OverheardDhcp = { bytes: Buffer; address: Ipv4; mac: Mac };

/** IANA's numbers: protocols in the IP header, types of ICMP, UDP ports. */
export const IPPROTO_ICMP = 1;
export const IPPROTO_UDP = 17;
export const ICMP_ECHO_REPLY = 0;
const ICMP_ECHO_REQUEST = 8;
export const DHCP_CLIENT_PORT = 68;
const DHCP_SERVER_PORT = 67;

/** RFC 792; the kernel adds the IP header, and no checksum. */
export function encodeEchoRequest(id: number, sequence: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = ICMP_ECHO_REQUEST;
  bytes.writeUInt16BE(id, 4);
  bytes.writeUInt16BE(sequence, 6);
  bytes.writeUInt16BE(checksum(bytes), 2);
  return bytes;
}

/** Who answered. Whose request it was does not matter: an address that answers is in use. */
export function decodeEchoReply(packet: Buffer): Ipv4 | undefined {
  const body = ipBody(packet, IPPROTO_ICMP);
  return body && body.length >= 8 && body[0] === ICMP_ECHO_REPLY ? ipv4FromBytes(packet, 12) : undefined;
}

/** The IP packet of a client without an address: 0.0.0.0:68 to 255.255.255.255:67. */
export function encodeClientDatagram(message: Buffer): Buffer {
  const packet = Buffer.alloc(28 + message.length);
  packet[0] = 0x45;
  packet.writeUInt16BE(packet.length, 2);
  packet[8] = 64;
  packet[9] = IPPROTO_UDP;
  packet.fill(0xff, 16, 20);
  packet.writeUInt16BE(checksum(packet.subarray(0, 20)), 10);
  packet.writeUInt16BE(DHCP_CLIENT_PORT, 20);
  packet.writeUInt16BE(DHCP_SERVER_PORT, 22);
  packet.writeUInt16BE(8 + message.length, 24);
  message.copy(packet, 28);
  // RFC 768: over a header of addresses, protocol and length too
  const pseudo = Buffer.from([0, 0, 0, 0, 255, 255, 255, 255, 0, IPPROTO_UDP, 0, 0]);
  pseudo.writeUInt16BE(8 + message.length, 10);
  packet.writeUInt16BE(checksum(Buffer.concat([pseudo, packet.subarray(20)])) || 0xffff, 26);
  return packet;
}

/**
 * The DHCP message in an IP packet for clients. The UDP checksum is not looked at: one from a neighbour on the same host has not
 * been filled in yet, because no wire was passed.
 */
export function decodeServerDatagram(packet: Buffer, mac: Mac): OverheardDhcp | undefined {
  const body = ipBody(packet, IPPROTO_UDP);
  if (!body || body.length < 8 || body.readUInt16BE(2) !== DHCP_CLIENT_PORT) return undefined;
  const length = body.readUInt16BE(4);
  if (length < 8 || length > body.length) return undefined;
  return { bytes: Buffer.from(body.subarray(8, length)), address: ipv4FromBytes(packet, 12), mac };
}

/** What an unfragmented IPv4 packet of this protocol carries. */
function ipBody(packet: Buffer, protocol: number): Buffer | undefined {
  const start = ((packet[0] ?? 0) & 0xf) * 4;
  if ((packet[0] ?? 0) >> 4 !== 4 || start < 20 || packet.length < start) return undefined;
  const end = packet.readUInt16BE(2);
  if (packet[9] !== protocol || (packet.readUInt16BE(6) & 0x3fff) !== 0 || end < start || end > packet.length)
    return undefined;
  return packet.subarray(start, end);
}

/** RFC 1071: the complement of the sum of 16-bit words in one's complement. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] as number) << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
