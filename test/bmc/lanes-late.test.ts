import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLanes, type Pool } from '../../src/bmc/lanes.ts';

/** Lanes with one place for each kind of call. A call that is late has left its place when the event loop comes round. */
function makeLanes() {
  const caps = { order: 1, poll: 1, silent: 1 };
  const lanes = createLanes({ spacingMs: 0, caps, lateMs: 1, steady: () => 0 });
  let underWay = 0;
  let most = 0;
  /** A call to a BMC of its own that lasts until `until` says so. */
  const call = (key: string, until: Promise<void>, pool: Pool = 'order') =>
    lanes.run(key, pool, async () => {
      underWay++;
      most = Math.max(most, underWay);
      await until;
      underWay--;
      return key;
    });
  return { lanes, call, most: () => most };
}

/** Until timers of a millisecond have fired. */
const aWhile = () => new Promise((resolve) => setTimeout(resolve, 20));

test('a BMC that hangs for the first time does not keep the others waiting', { timeout: 10_000 }, async () => {
  const { lanes, call } = makeLanes();
  const hang = Promise.withResolvers<void>();
  const first = call('hangs', hang.promise);
  assert.equal(await call('answers', Promise.resolve()), 'answers');
  assert.equal(lanes.isBusy('hangs'), true); // its lane stays its own
  hang.resolve();
  assert.equal(await first, 'hangs');
});

test('a call that left its place does not give it back once more when it ends', { timeout: 10_000 }, async () => {
  const { call, most } = makeLanes();
  const hang = Promise.withResolvers<void>();
  const late = call('late', hang.promise);
  await aWhile();
  hang.resolve();
  await late;
  const calls = ['a', 'b', 'c'].map((key) => call(key, Promise.resolve()));
  await Promise.all(calls);
  assert.equal(most(), 1);
});

test('calls to BMCs that are known to be silent keep their places, however late', { timeout: 10_000 }, async () => {
  const { lanes, call } = makeLanes();
  const hang = Promise.withResolvers<void>();
  const first = call('first', hang.promise, 'silent');
  let hasBegun = false;
  const second = lanes.run('second', 'silent', async () => {
    hasBegun = true;
  });
  await aWhile();
  assert.equal(hasBegun, false);
  hang.resolve();
  await Promise.all([first, second]);
  assert.equal(hasBegun, true);
});
