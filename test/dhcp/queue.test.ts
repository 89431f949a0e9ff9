import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequestQueue } from '../../src/dhcp/queue.ts';
import type { Mac } from '../../src/wire/address.ts';
import type { MessageType } from '../../src/wire/dhcp-shapes.ts';
import { buildRequest } from '../harness.ts';

const KNOWN = '52:54:00:aa:bb:01' as Mac;
type Entry = { bytes: Buffer; name: string };
const newQueue = () => createRequestQueue<Entry>((bytes) => bytes.subarray(28, 34).toString('hex') === '525400aabb01');

function entry(type: MessageType, name: string, mac = '02:00:00:00:00:01' as Mac): Entry {
  return { bytes: buildRequest({ type, mac }), name };
}
const names = (entries: Entry[]): string[] => entries.map(({ name }) => name);

test('what fits is given in the order of urgency, and each kind in the order in which it came', () => {
  const queue = newQueue();
  for (const [type, name] of [
    ['discover', 'a'],
    ['request', 'b'],
    ['discover', 'c'],
    ['release', 'd'],
  ] as const)
    queue.push(entry(type, name));
  assert.equal(queue.length(), 4);
  assert.deepEqual(names(queue.take(10)), ['b', 'd', 'a', 'c']);
  assert.deepEqual(queue.take(10), []);
});

test('a client in the middle of its exchange is served before any number of beginners', () => {
  const queue = newQueue();
  for (let index = 0; index < 1000; index++) queue.push(entry('discover', `stranger ${index}`));
  for (let index = 0; index < 3; index++) queue.push(entry('request', `request ${index}`));
  assert.deepEqual(names(queue.take(4)), ['request 0', 'request 1', 'request 2', 'stranger 0']);
  assert.equal(queue.length(), 999);
  assert.equal(queue.dropped(), 0);
});

test('beginners have their share of each turn, however many are in the middle of their exchange', () => {
  const queue = newQueue();
  for (let index = 0; index < 200; index++) queue.push(entry('request', 'request'));
  for (let index = 0; index < 20; index++) queue.push(entry('discover', `stranger ${index}`));
  const turn = names(queue.take(64));
  assert.equal(turn.length, 64);
  assert.deepEqual(
    turn.slice(-8),
    Array.from({ length: 8 }, (_, index) => `stranger ${index}`),
  );
  assert.equal(turn[55], 'request');
});

for (const type of ['discover', 'request'] as const)
  test(`in a crowd of ${type.toUpperCase()}s a client that we know comes first, and none of its messages is dropped for theirs`, () => {
    const queue = newQueue();
    for (let index = 0; index < 300; index++) queue.push(entry(type, 'stranger'));
    queue.push(entry('discover', 'known', KNOWN));
    queue.push(entry('request', 'known', KNOWN));
    for (let index = 0; index < 10_000; index++) queue.push(entry(type, 'stranger'));
    assert.deepEqual(names(queue.take(3)), ['known', 'known', 'stranger']);
  });

test('a flood under the name of a client that we know leaves the others their share of each turn', () => {
  const queue = newQueue();
  for (let index = 0; index < 300; index++) queue.push(entry('discover', 'stranger'));
  for (let index = 0; index < 300; index++) queue.push(entry('request', 'request'));
  for (let index = 0; index < 10_000; index++) queue.push(entry('request', 'known', KNOWN));
  const turn = names(queue.take(64));
  assert.equal(turn.filter((name) => name === 'known').length, 48);
  assert.equal(turn.filter((name) => name === 'request').length, 8);
  assert.equal(turn.filter((name) => name === 'stranger').length, 8);
});

test('a client that we know waits a turn or two in a flood of REQUESTs that goes on', () => {
  const queue = newQueue();
  for (let round = 0; round < 50; round++) {
    for (let index = 0; index < 200; index++) queue.push(entry('request', 'stranger'));
    queue.push(entry('discover', 'known', KNOWN));
    assert.ok(names(queue.take(64)).includes('known'), `round ${round}`);
  }
});

test('the oldest make room, and a bounded number waits', () => {
  for (const [type, most] of [
    ['discover', 1024],
    ['request', 2048],
  ] as const) {
    const queue = newQueue();
    for (let index = 0; index < 20_000; index++) {
      queue.push(entry(type, String(index)));
      assert.ok(queue.length() <= most);
    }
    assert.equal(names(queue.take(64))[0], String(20_000 - most));
    assert.equal(queue.dropped() + queue.length() + 64, 20_000);
  }
});

test('a DISCOVER that says so after other options waits among the beginners', () => {
  const queue = newQueue();
  const bytes = buildRequest({ type: 'discover' });
  const behind = (options: string): Entry => ({
    bytes: Buffer.concat([bytes.subarray(0, 240), Buffer.from(options, 'hex'), bytes.subarray(240)]),
    name: options,
  });
  for (const options of ['0000', '3d03ff0001', '00370203053904ffffffff']) queue.push(behind(options));
  queue.push(behind('ff')); // it says nothing
  queue.push(entry('request', 'request'));
  assert.equal(names(queue.take(10))[0], 'request');
});

test('a datagram that is too short to say what it is waits with the others', () => {
  const queue = newQueue();
  for (const length of [0, 1, 240, 241, 242]) queue.push({ bytes: Buffer.alloc(length, 53), name: String(length) });
  assert.equal(queue.take(10).length, 5);
});
