import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BmcHealth, newHealth } from '../../src/bmc/health.ts';
import { nextPollMs, POLL_PLAN } from '../../src/bmc/polling.ts';
import type { Instant } from '../../src/model/time.ts';

const QUIET = newHealth();
const AWAY: BmcHealth = { ...QUIET, silences: 2, unreachableSince: 1 as Instant };

/** So many waits one after the other, in seconds, without chance. */
function waits(count: number, health: BmcHealth, first: number | undefined): number[] {
  const all: number[] = [];
  for (let lastWaitMs = first; all.length < count; lastWaitMs = (all.at(-1) as number) * 1000)
    all.push(nextPollMs({ health, lastWaitMs, chance: 0.5 }) / 1000);
  return all;
}

test('the first looks are spread over the idle wait, none of them at once', () => {
  const first = [0, 0.25, 0.5, 1].map((chance) => nextPollMs({ health: QUIET, chance }) / 1000);
  assert.deepEqual(first, [5, 33.75, 62.5, 120]);
});

test('looks become fewer while nothing changes, down to one in two minutes', () => {
  assert.deepEqual(waits(9, QUIET, 5000), [7.5, 11.25, 16.875, 25.3125, 37.96875, 56.953125, 85.4296875, 120, 120]);
});

test('a BMC that is not there is asked ever less, down to once in ten minutes', () => {
  assert.deepEqual(waits(5, AWAY, 5000), [10, 20, 40, 80, 160]);
  assert.deepEqual(waits(2, AWAY, 400_000), [600, 600]);
  assert.deepEqual(waits(1, AWAY, undefined), [120]);
});

const FAST: [string, Parameters<typeof nextPollMs>[0]][] = [
  ['after a command', { health: QUIET, sinceOrderMs: 119_999, lastWaitMs: 120_000, chance: 0.5 }],
  ['while a reading is doubted', { health: { ...QUIET, doubt: 'on' }, lastWaitMs: 120_000, chance: 0.5 }],
  ['after one silence', { health: { ...QUIET, silences: 1 }, lastWaitMs: 120_000, chance: 0.5 }],
];
for (const [when, view] of FAST)
  test(`looks are quick ${when}`, () => assert.equal(nextPollMs(view), POLL_PLAN.fastMs));

test('two minutes after a command looks become fewer again', () => {
  assert.equal(nextPollMs({ health: QUIET, sinceOrderMs: 120_000, lastWaitMs: 5000, chance: 0.5 }), 7500);
});

test('each wait is off by up to a fifth, either way', () => {
  const at = (chance: number) => nextPollMs({ health: QUIET, lastWaitMs: 120_000, chance });
  assert.deepEqual([at(0), at(0.5), at(1)].map(Math.round), [96_000, 120_000, 144_000]);
});
