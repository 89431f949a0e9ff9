import assert from 'node:assert/strict';
import { test } from 'node:test';
import { median, spreadOf } from '../../bench/spread.ts';

const HUNDRED = Array.from({ length: 100 }, (_, index) => 100 - index);

test('percentiles are the nearest rank of what was measured, in any order', () => {
  assert.deepEqual(spreadOf(HUNDRED, 0), { count: 100, lost: 0, p50: 50, p90: 90, p99: 99, max: 100 });
});

test('lost exchanges count as the slowest: a percentile among them has no time', () => {
  assert.deepEqual(spreadOf(HUNDRED, 10), { count: 110, lost: 10, p50: 55, p90: 99, max: 100 });
});

test('nothing measured has no percentiles', () => {
  assert.deepEqual(spreadOf([], 5), { count: 5, lost: 5 });
});

test('the median is the middle, or the mean of the middle two', () => {
  assert.equal(median([30, 1, 2]), 2);
  assert.equal(median([10, 1, 2, 4]), 3);
  assert.equal(median([]), undefined);
});
