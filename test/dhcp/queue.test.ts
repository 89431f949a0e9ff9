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

test('in a crowd a client that we know comes before the strangers, and its DISCOVER is never dropped for theirs', () => {
  const queue = newQueue();
  for (let index = 0; index < 300; index++) queue.push(entry('discover', 'stranger'));
  queue.push(entry('discover', 'known', KNOWN));
  for (let index = 0; index < 10_000; index++) queue.push(entry('discover', 'stranger'));
  assert.equal(names(queue.take(1))[0], 'known');
});

test('of strangers the oldest make room, and a bounded number waits', () => {
  const queue = newQueue();
  for (let index = 0; index < 100_000; index++) {
    queue.push(entry('discover', String(index)));
    assert.ok(queue.length() <= 2048);
  }
  const first = Number(names(queue.take(256))[0]);
  assert.ok(first >= 100_000 - 1024 - 1, `${first} is one of the last`);
  assert.equal(queue.dropped() + queue.length() + 256, 100_000);
});

test('a flood of REQUESTs is bounded too', () => {
  const queue = newQueue();
  for (let index = 0; index < 5000; index++) queue.push(entry('request', String(index)));
  assert.equal(queue.length(), 4096);
  assert.equal(queue.dropped(), 904);
  assert.equal(names(queue.take(1))[0], '0');
});

test('a datagram that is too short to say what it is waits with the others', () => {
  const queue = newQueue();
  for (const length of [0, 1, 240, 241, 242]) queue.push({ bytes: Buffer.alloc(length, 53), name: String(length) });
  assert.equal(queue.take(10).length, 5);
});
