import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import {
  decodeEchoReply,
  decodeServerDatagram,
  encodeClientDatagram,
  encodeEchoRequest,
} from '../../src/wire/ipv4-packet.ts';

const MAC = '52:54:00:aa:bb:01' as Mac;
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** 10.77.0.9 answers a ping of 10.77.0.1: 20 bytes of IP, 8 of ICMP. */
const ECHO_REPLY = '4500001c 00000000 4001 0000 0a4d0009 0a4d0001 0000 ffff 0000 0000';

test('an echo request has the checksum of RFC 1071', () => {
  assert.deepEqual(encodeEchoRequest(0x1234, 7), hex('0800 e5c4 1234 0007'));
});

test('an echo reply names its sender, behind IP options too; everything else is passed over', () => {
  assert.equal(decodeEchoReply(hex(ECHO_REPLY)), '10.77.0.9');
  const withOptions = ECHO_REPLY.replace('4500001c', '46000020').replace('0a4d0001', '0a4d0001 01010101');
  assert.equal(decodeEchoReply(hex(withOptions)), '10.77.0.9');
  for (const [what, text] of [
    ['an echo request', ECHO_REPLY.replace('0000 ffff', '0800 f7ff')],
    ['not ICMP', ECHO_REPLY.replace('4001', '4011')],
    ['IPv6', ECHO_REPLY.replace('4500', '6500')],
    ['a fragment', ECHO_REPLY.replace('001c 00000000', '001c 00002000')],
    ['a length that is more than there is', ECHO_REPLY.replace('4500001c', '4500001d')],
    ['a header longer than the packet', ECHO_REPLY.replace('4500', '4f00')],
    ['no ICMP in it', ECHO_REPLY.replace('4500001c', '45000014')],
  ] as const)
    assert.equal(decodeEchoReply(hex(text)), undefined, what);
});

test('a DHCP message leaves as RFC 2131 4.1 wants it from a client without an address', () => {
  const packet = encodeClientDatagram(Buffer.from('odd'));
  assert.deepEqual(packet.subarray(0, 10), hex('4500001f 00000000 4011'));
  assert.deepEqual(packet.subarray(12, 26), hex('00000000 ffffffff 0044 0043 000b'));
  assert.equal(packet.toString('latin1', 28), 'odd');
  // a receiver adds up everything, checksum and all, and gets all ones (RFC 1071)
  assert.equal(onesSum(packet.subarray(0, 20)), 0xffff);
  const pseudo = hex('00000000 ffffffff 0011 000b');
  assert.equal(onesSum(Buffer.concat([pseudo, packet.subarray(20), Buffer.of(0)])), 0xffff);
});

test('what is sent to clients is read with its sender, whatever its checksum, and nothing else is', () => {
  const toClients = (bytes: Buffer): Buffer => {
    const packet = encodeClientDatagram(bytes);
    packet.writeUInt16BE(67, 20);
    packet.writeUInt16BE(68, 22);
    packet.set([10, 77, 0, 2], 12);
    return packet;
  };
  const packet = toClients(Buffer.from('offer'));
  const padded = Buffer.concat([packet, Buffer.alloc(10)]);
  for (const one of [packet, padded])
    assert.deepEqual(decodeServerDatagram(one, MAC), { bytes: Buffer.from('offer'), address: '10.77.0.2', mac: MAC });
  const broken = (change: (packet: Buffer) => void): Buffer => {
    const copy = Buffer.from(packet);
    change(copy);
    return copy;
  };
  for (const [what, bytes] of [
    ['a request of a client', encodeClientDatagram(Buffer.from('discover'))],
    ['TCP', broken((one) => one.writeUInt8(6, 9))],
    ['a UDP length that is more than there is', broken((one) => one.writeUInt16BE(14, 24))],
    ['a UDP length without its header', broken((one) => one.writeUInt16BE(7, 24))],
    ['cut in the UDP header', broken((one) => one.writeUInt16BE(27, 2)).subarray(0, 27)],
  ] as const)
    assert.equal(decodeServerDatagram(bytes, MAC), undefined, what);
});

test('a copy is given, so that what comes next does not overwrite it', () => {
  const packet = encodeClientDatagram(Buffer.from('offer'));
  packet.writeUInt16BE(68, 22);
  const heard = decodeServerDatagram(packet, MAC);
  packet.fill(0);
  assert.deepEqual(heard?.bytes, Buffer.from('offer'));
});

test('random bytes are read or passed over, and never throw', () => {
  for (let round = 0; round < 20_000; round++) {
    const bytes = randomBytes(round % 64);
    if (round % 2) bytes.set([0x45, 0, 0, bytes.length].slice(0, bytes.length));
    if (round % 3 && bytes.length > 9) bytes[9] = round % 2 ? 17 : 1;
    decodeEchoReply(bytes);
    decodeServerDatagram(bytes, MAC);
  }
});

function onesSum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
