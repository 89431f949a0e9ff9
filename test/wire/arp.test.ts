import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { decodeArpClaim, encodeArpProbe } from '../../src/wire/arp.ts';

const MAC = '52:54:00:aa:bb:01' as Mac;
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** An ARP reply: 10.77.0.9 is at 52:54:00:aa:bb:09, told to a prober. */
const ARP_REPLY = '0001 0800 06 04 0002 525400aabb09 0a4d0009 525400aabb01 00000000';

test('an ARP probe asks for an address and claims none', () => {
  assert.deepEqual(
    encodeArpProbe(MAC, '10.77.0.9' as Ipv4),
    hex('0001 0800 06 04 0001 525400aabb01 00000000 000000000000 0a4d0009'),
  );
});

test('an ARP reply and a request are claims of their sender, padded or not', () => {
  const claim = { address: '10.77.0.9', mac: '52:54:00:aa:bb:09' };
  assert.deepEqual(decodeArpClaim(hex(ARP_REPLY)), claim);
  assert.deepEqual(decodeArpClaim(hex(`${ARP_REPLY} ${'00'.repeat(18)}`)), claim);
  assert.deepEqual(decodeArpClaim(hex(ARP_REPLY.replace('0002', '0001'))), claim);
});

test('a probe of somebody else claims nothing, and broken ARP is passed over', () => {
  for (const [what, text] of [
    ['a probe', '0001 0800 06 04 0001 525400aabb09 00000000 000000000000 0a4d0009'],
    ['cut short', ARP_REPLY.slice(0, -3)],
    ['hardware that is not Ethernet', ARP_REPLY.replace('0001 0800', '0006 0800')],
    ['a protocol that is not IPv4', ARP_REPLY.replace('0001 0800', '0001 86dd')],
    ['long hardware addresses', ARP_REPLY.replace('06 04', '08 04')],
    ['reverse ARP', ARP_REPLY.replace('04 0002', '04 0004')],
  ] as const)
    assert.equal(decodeArpClaim(hex(text)), undefined, what);
});

test('random bytes are read or passed over, and never throw', () => {
  let claims = 0;
  for (let round = 0; round < 20_000; round++) {
    const bytes = randomBytes(round % 64);
    if (round % 2) bytes.set(hex('0001 0800 06 04 0002').subarray(0, bytes.length));
    if (decodeArpClaim(bytes)) claims++;
  }
  assert.ok(claims > 1000, `${claims} claims`);
});
