import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHostTime, shareOfOthers } from '../../bench/host.ts';

test('reads the time that programs took and the time that the host below took away', () => {
  const stat = 'cpu  2078343 8528 188341 1500250 11220 7 4667 8600 1 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n';
  assert.deepEqual(parseHostTime(stat), { busy: 22752.12, stolen: 86 });
});

test('text that is no /proc/stat is refused', () => {
  assert.throws(() => parseHostTime('Name:\tnode\n'), { name: 'BenchError' });
});

test('others took what neither the server nor we did, and what the host below took away', () => {
  const before = { host: { busy: 100, stolen: 10 }, ours: 50, at: 1000 };
  assert.equal(shareOfOthers(before, { host: { busy: 108, stolen: 11 }, ours: 57, at: 1005 }, 2), 0.2);
});

test('processes are counted in coarser steps than the host: less than nothing is nothing', () => {
  const before = { host: { busy: 100, stolen: 10 }, ours: 50, at: 1000 };
  assert.equal(shareOfOthers(before, { host: { busy: 108, stolen: 10 }, ours: 58.01, at: 1005 }, 2), 0);
});
