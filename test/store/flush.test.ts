import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFlush } from '../../src/store/flush.ts';

/** A disk that does what it is told when the test says so. */
function slowDisk() {
  const asked: ((error: Error | null) => void)[] = [];
  const flush = createFlush((done) => asked.push(done));
  const told: string[] = [];
  const ask = (name: string): Promise<void> =>
    flush().then(
      () => void told.push(name),
      (error: Error) => void told.push(`${name}: ${error.message}`),
    );
  return { asked, ask, told };
}

test('who asks while the disk is at work waits for its next turn, which is one for all of them', async () => {
  const { asked, ask, told } = slowDisk();
  const first = ask('first');
  const others = [ask('second'), ask('third')];
  assert.equal(asked.length, 1);
  asked[0]?.(null);
  await first;
  assert.deepEqual([told, asked.length], [['first'], 2]);
  asked[1]?.(null);
  await Promise.all(others);
  assert.deepEqual([told, asked.length], [['first', 'second', 'third'], 2]);
});

test('what the disk refuses is refused to those who waited for it, and the next are asked for anew', async () => {
  const { asked, ask, told } = slowDisk();
  const all = [ask('first'), ask('second')];
  asked[0]?.(new Error('EIO'));
  asked[1]?.(null);
  await Promise.all(all);
  assert.deepEqual(told, ['first: EIO', 'second']);
});
