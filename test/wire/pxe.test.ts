import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpv4 } from '../../src/wire/address.ts';
import { decodePxe, discoveryControl, encodePxe, type PxeOptions } from '../../src/wire/pxe.ts';

const cases: [what: string, value: PxeOptions, hex: string][] = [
  ['boot what this packet names', { discoveryControl: discoveryControl.useThisBootFile }, '060108ff'],
  [
    "the Raspberry Pi's menu",
    { menu: [{ type: 0, text: 'Raspberry Pi Boot' }], prompt: { timeout: 0, text: 'PXE' } },
    '091400001152617370626572727920506920426f6f740a0400505845ff',
  ],
  [
    'boot servers and discovery',
    {
      discoveryControl: 7,
      multicastAddress: parseIpv4('224.0.1.2'),
      bootServers: [{ type: 1, addresses: [parseIpv4('10.77.0.1'), parseIpv4('10.77.0.2')] }],
    },
    '0601070704e0000102080b0001020a4d00010a4d0002ff',
  ],
  ['a chosen item', { bootItem: { type: 2, layer: 0, credentials: false } }, '470400020000ff'],
  ['M54 a chosen item with BIS', { bootItem: { type: 2, layer: 1, credentials: true } }, '470400028001ff'],
  ['what we do not know', { others: new Map([[200, Buffer.of(1, 2)]]) }, 'c8020102ff'],
];
for (const [what, value, hex] of cases) {
  test(`option 43: ${what}`, () => {
    assert.equal(encodePxe(value).toString('hex'), hex);
    assert.deepEqual(decodePxe(Buffer.from(hex, 'hex')), value);
  });
}

test('M43 broken sub-options of 43 count as absent, and the others live', () => {
  const read = (hex: string) => decodePxe(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  assert.deepEqual(read('4702 0002 060108 ff'), { discoveryControl: 8 });
  assert.deepEqual(read('00 060108 00 ff 470400020000'), { discoveryControl: 8 }, 'pads, and bytes behind the end');
  assert.deepEqual(read('060108 08ff00'), { discoveryControl: 8 }, 'one that runs past the end');
  assert.deepEqual(read('0803 0001 02'), {}, 'two servers promised, none there');
  assert.deepEqual(read('0904 0000 05 61'), {}, 'a menu text past its end');
  assert.deepEqual(read(''), {});
});

test('any bytes decode to an object that stays itself', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200, max: 80 }), (bytes) => {
      const value = decodePxe(Buffer.from(bytes));
      assert.deepEqual(decodePxe(encodePxe(value)), value);
    }),
    { numRuns: 2000 },
  );
});
