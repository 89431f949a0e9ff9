import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurns } from '../../src/model/turns.ts';

test('things are done one after the other, in their order, also after one that fails', async () => {
  const turns = createTurns();
  const said: string[] = [];
  const take = (name: string, work: () => Promise<unknown>) =>
    turns.take(async () => {
      said.push(`${name} begins`);
      await work();
      said.push(`${name} ends`);
      return name;
    });
  const gate = Promise.withResolvers<void>();
  const fail = () => Promise.reject(new Error('no'));
  const results = Promise.allSettled([
    take('a', () => gate.promise),
    take('b', fail),
    take('c', async () => undefined),
  ]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(said, ['a begins']);
  gate.resolve();
  await turns.ended();
  assert.deepEqual(said, ['a begins', 'a ends', 'b begins', 'c begins', 'c ends']);
  assert.deepEqual(
    (await results).map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason))),
    ['a', 'Error: no', 'c'],
  );
});

test('what has ended is ended, until something else is asked for', async () => {
  const turns = createTurns();
  const before = turns.ended();
  await before;
  assert.equal(turns.ended(), before);
  const taken = turns.take(() => 'at once');
  assert.notEqual(turns.ended(), before);
  assert.equal(await taken, 'at once');
});
