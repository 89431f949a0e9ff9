import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePower, type ShownPower } from '../../src/cli/power.ts';

const NOW = 1_000_000_000;
const CASES: [Partial<ShownPower>, string][] = [
  [{ power: 'on' }, 'r1 is on'],
  [{ power: 'on', readAt: NOW - 12_000 }, 'r1 is on (read 12s ago)'],
  [{ power: 'off', since: NOW - 200_000, readAt: NOW - 12_000 }, 'r1 is off (for 3m20s; read 12s ago)'],
  [
    { power: 'unknown', readAt: NOW - 700_000_000, unreachableSince: NOW - 600_000 },
    'the power of r1 is unknown (read 8d02h ago; its BMC has not answered for 10m00s)',
  ],
  [{ power: 'unknown', asked: 'press it' }, 'the power of r1 is unknown (a person is asked: press it)'],
];
for (const [shown, wanted] of CASES)
  test(wanted, () => assert.equal(describePower('r1', { power: 'unknown', orders: [], ...shown }, NOW), wanted));
