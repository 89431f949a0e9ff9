import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseRate, highestKept, type SearchPlan, type Try } from '../../bench/search.ts';

const PLAN: SearchPlan = { start: 500, step: 2, precision: 1.03, triesToMiss: 2 };

/** Searches against a server that keeps every rate up to `limit`, except where `hiccup` says that this try goes wrong. */
function search(limit: number, plan = PLAN, hiccup: (count: number) => boolean = () => false): Try[] {
  const tries: Try[] = [];
  for (let rate = chooseRate(tries, plan); rate !== undefined; rate = chooseRate(tries, plan)) {
    tries.push({ rate, kept: rate <= limit && !hiccup(tries.length) });
    assert.ok(tries.length < 60, `no end after ${JSON.stringify(tries)}`);
  }
  return tries;
}

for (const limit of [37, 499, 500, 501, 3456, 12_000])
  test(`finds a limit of ${limit} to within 3 %`, () => {
    const found = highestKept(search(limit)) ?? 0;
    assert.ok(found <= limit && found >= limit / 1.05, String(found));
  });

test('doubles until a rate is missed, and only then goes into between', () => {
  assert.deepEqual(
    search(1700)
      .slice(0, 5)
      .map(({ rate }) => rate),
    [500, 1000, 2000, 2000, 1414],
  );
});

test('goes by smaller steps where the limit is about known, up and down', () => {
  const plan = { ...PLAN, start: 3400, step: 1.2 };
  for (const limit of [3300, 3400, 3500, 1700, 7000]) {
    const tries = search(limit, plan);
    const found = highestKept(tries) ?? 0;
    assert.ok(found <= limit && found >= limit / 1.05, `${limit}: ${found}`);
    assert.ok(limit < 3000 || limit > 4000 || tries.length <= 9, `${limit}: ${tries.length} tries`);
  }
});

test('one hiccup does not count as the limit: the rate is tried again', () => {
  for (let bad = 0; bad < 8; bad++) {
    const found = highestKept(search(3456, PLAN, (count) => count === bad)) ?? 0;
    assert.ok(found >= 3456 / 1.05, `hiccup ${bad}: ${found}`);
  }
});

test('a server that keeps nothing ends the search without a rate', () => {
  assert.equal(highestKept(search(0)), undefined);
});

test('a server without a limit ends the search as well', () => {
  assert.ok((highestKept(search(Number.POSITIVE_INFINITY)) ?? 0) > 50_000);
});
