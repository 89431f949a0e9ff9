import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bmcsOf } from '../../bench/bmc-plan.ts';

test('each BMC has an address of its own, none of which ends in 0 or 255', () => {
  const addresses = bmcsOf({ ipmi: 1000, redfish: 0, hanging: 0 }).map(({ address }) => address as string);
  assert.equal(new Set(addresses).size, 1000);
  assert.deepEqual(addresses.slice(248, 252), ['10.98.0.249', '10.98.0.250', '10.98.1.1', '10.98.1.2']);
  assert.deepEqual(
    addresses.filter((address) => /\.(0|255)$/.test(address)),
    [],
  );
});

test('kinds and hanging BMCs are spread evenly, and are as many as asked for', () => {
  const bmcs = bmcsOf({ ipmi: 6, redfish: 6, hanging: 3 });
  const shown = bmcs.map(({ driver, hangs }) => `${driver[0]}${hangs ? '!' : ''}`).join(' ');
  assert.equal(shown, 'r i r i! r i r i! r i r i!');
  const hundred = bmcsOf({ ipmi: 1000, redfish: 0, hanging: 100 });
  assert.equal(hundred.filter(({ hangs }) => hangs).length, 100);
  assert.equal(
    hundred.every(({ driver }) => driver === 'ipmi'),
    true,
  );
});
