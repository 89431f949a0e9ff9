import { type Ipv4, ipv4FromBytes, ipv4ToBytes, type Mac, macFromBytes, macToBytes } from './address.ts';

/** Says that `address` is `mac`'s. */
export type ArpClaim = { address: Ipv4; mac: Mac };

/** Hardware and protocol type (RFC 826). */
const ETHERNET = 1;
const IPV4 = 0x0800;

/** RFC 5227 1.1: who has `wanted`, asked with 0.0.0.0 as the sender's address, so that no cache is changed by it. */
export function encodeArpProbe(mac: Mac, wanted: Ipv4): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16BE(ETHERNET, 0);
  bytes.writeUInt16BE(IPV4, 2);
  bytes[4] = 6;
  bytes[5] = 4;
  bytes.writeUInt16BE(1, 6); // request
  macToBytes(mac).copy(bytes, 8);
  ipv4ToBytes(wanted).copy(bytes, 24);
  return bytes;
}

/**
 * The claim of an ARP packet, request or reply: its sender has its address. A probe claims nothing. RFC 5227 2.1.1 has a host take
 * a probe for its own address as a conflict too; here it would be another server asking what we ask, and both would run away.
 */
export function decodeArpClaim(bytes: Buffer): ArpClaim | undefined {
  if (bytes.length < 28 || bytes.readUInt32BE(0) !== 0x00010800 || bytes.readUInt16BE(4) !== 0x0604) return undefined;
  const operation = bytes.readUInt16BE(6);
  if ((operation !== 1 && operation !== 2) || bytes.readUInt32BE(14) === 0) return undefined;
  return { address: ipv4FromBytes(bytes, 14), mac: macFromBytes(bytes.subarray(8, 14)) };
}
