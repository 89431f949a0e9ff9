import assert from 'node:assert/strict';
import { test } from 'node:test';
import { duration, roughDuration, wholeDuration } from '../../src/model/duration.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Milliseconds, and how each of the three tells them. */
const CASES: [number, string, string, string][] = [
  [-5 * SECOND, '0.0s', '0s', '0s'],
  [0, '0.0s', '0s', '0s'],
  [449, '0.4s', '0s', '0s'],
  [9_999, '9.9s', '9s', '9s'],
  [10 * SECOND, '10s', '10s', '10s'],
  [12_900, '12s', '12s', '12s'],
  [MINUTE - 1, '59s', '59s', '59s'],
  [MINUTE, '1m00s', '1m00s', '1m'],
  [3 * MINUTE + 20 * SECOND, '3m20s', '3m20s', '3m'],
  [HOUR - 1, '59m59s', '59m59s', '59m'],
  [2 * HOUR + 5 * MINUTE, '2h05m', '2h05m', '2h'],
  [DAY, '24h00m', '24h00m', '24h'],
  [2 * DAY - 1, '47h59m', '47h59m', '47h'],
  [2 * DAY, '2d', '2d', '2d'],
  [2 * DAY + 5 * HOUR, '2d05h', '2d05h', '2d'],
  [6 * DAY + 59 * MINUTE, '6d', '6d', '6d'],
  [400 * DAY + 23 * HOUR, '400d23h', '400d23h', '400d'],
];

for (const [ms, exact, whole, rough] of CASES)
  test(`${ms} ms are ${exact}, ${whole} while they count up, and roughly ${rough}`, () =>
    assert.deepEqual([duration(ms), wholeDuration(ms), roughDuration(ms)], [exact, whole, rough]));
