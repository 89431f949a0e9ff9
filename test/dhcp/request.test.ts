import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { understandDhcp } from '../../src/dhcp/request.ts';
import { ARRIVAL, buildRequest } from '../harness.ts';

/** Under which key a client with this hardware address is known. */
function keyOf(htype: number, chaddr: Uint8Array, options: [number, Buffer][] = []): string | undefined {
  const bytes = buildRequest({ type: 'discover', options });
  bytes.fill(0, 28, 44);
  bytes.set([htype, chaddr.length], 1);
  bytes.set(chaddr, 28);
  const from = { address: '0.0.0.0', port: 68 };
  return understandDhcp({ bytes, arrival: ARRIVAL, door: 'server', unicast: false, from })?.client;
}

test('a client is known by its hardware address in the one spelling that leases are stored under', () => {
  const hardware = fc.uint8Array({ minLength: 1, maxLength: 16 }).filter((bytes) => bytes.some((byte) => byte !== 0));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 255 }), hardware, (htype, chaddr) =>
      assert.equal(keyOf(htype, chaddr), `hw:${htype}:${Buffer.from(chaddr).toString('hex')}`),
    ),
  );
  const ethernet = fc.uint8Array({ minLength: 6, maxLength: 6 }).filter((bytes) => bytes.some((byte) => byte !== 0));
  fc.assert(
    fc.property(ethernet, (chaddr) => assert.equal(keyOf(1, chaddr), `hw:1:${Buffer.from(chaddr).toString('hex')}`)),
  );
});

test('a client without a hardware address is known by its identifier, and one without either is none', () => {
  for (const chaddr of [Buffer.alloc(0), Buffer.alloc(6)]) {
    assert.equal(keyOf(1, chaddr, [[61, Buffer.of(0, 1, 0xab)]]), 'id:0001ab');
    assert.equal(keyOf(1, chaddr), undefined);
  }
});
