import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BmcHealth, newHealth, noteAnswer, noteFailure, noteReading } from '../../src/bmc/health.ts';
import type { PowerState } from '../../src/model/bmc.ts';
import type { Instant } from '../../src/model/time.ts';

/** What happens to a BMC, one second after the other: an answer, a failure of that kind, or a reading of the power. */
function live(happenings: readonly string[]): { health: BmcHealth; told: string[] } {
  let health = newHealth();
  const told: string[] = [];
  for (const [index, happening] of happenings.entries()) {
    const now = ((index + 1) * 1000) as Instant;
    const next =
      happening === 'on' || happening === 'off'
        ? noteReading(health, happening satisfies PowerState, now)
        : happening === 'answer'
          ? noteAnswer(health, 'ipmi', 10, now)
          : noteFailure(health, { kind: happening, text: `it is ${happening}` }, now);
    health = next.health;
    const { change } = next;
    if (change?.kind === 'power') told.push(`${now / 1000}: ${change.was} to ${change.state}`);
    if (change?.kind === 'unreachable') told.push(`${now / 1000}: unreachable`);
    if (change?.kind === 'answers') told.push(`${now / 1000}: answers after ${change.afterMs / 1000}`);
  }
  return { health, told };
}

const CASES: [string, string[], string[], Partial<BmcHealth>][] = [
  ['one silence is no loss', ['answer', 'unreachable', 'answer'], [], { silences: 0, failures: 1, calls: 3 }],
  [
    'two silences in a row are, since the first of them, and are told once',
    ['answer', 'unreachable', 'unreachable', 'unreachable'],
    ['3: unreachable'],
    { silences: 3, unreachableSince: 2000 as Instant },
  ],
  [
    'a BMC that comes back is told of',
    ['unreachable', 'unreachable', 'unreachable', 'answer'],
    ['2: unreachable', '4: answers after 3'],
    { silences: 0 },
  ],
  [
    'a BMC that comes back to say no is there',
    ['unreachable', 'unreachable', 'wrong-password', 'unreachable'],
    ['2: unreachable', '3: answers after 2'],
    { silences: 1, silentSince: 4000 as Instant },
  ],
  [
    'what says no in between is no silence',
    ['unreachable', 'busy', 'unreachable', 'busy'],
    [],
    { silences: 0, failures: 4, lastProblem: { at: 4000 as Instant, kind: 'busy', text: 'it is busy' } },
  ],
  ['the first reading counts', ['on'], [], { power: { state: 'on', since: 1000 as Instant, at: 1000 as Instant } }],
  [
    'a state that flips once is not believed',
    ['on', 'off', 'on', 'off', 'on'],
    [],
    { power: { state: 'on', since: 1000 as Instant, at: 5000 as Instant } },
  ],
  [
    'a state that is read twice is',
    ['on', 'off', 'off'],
    ['3: on to off'],
    { power: { state: 'off', since: 3000 as Instant, at: 3000 as Instant } },
  ],
];
for (const [what, happenings, told, part] of CASES)
  test(what, () => {
    const result = live(happenings);
    assert.deepEqual(result.told, told);
    assert.partialDeepStrictEqual(result.health, part);
    assert.equal(result.health.unreachableSince, part.unreachableSince);
    assert.equal(result.health.silentSince, part.unreachableSince ?? part.silentSince);
  });

test('the power of a BMC that is not there is not known', () => {
  const { health } = live(['on', 'off', 'unreachable', 'unreachable']);
  assert.deepEqual([health.power, health.doubt], [undefined, undefined]);
  assert.equal(live(['on', 'unreachable']).health.power?.state, 'on');
});

test('later calls weigh more in how long it takes to answer', () => {
  let health = newHealth();
  for (const ms of [100, 100, 200]) health = noteAnswer(health, 'ipmi', ms, 0 as Instant).health;
  assert.equal(health.latencyMs, 120);
});
