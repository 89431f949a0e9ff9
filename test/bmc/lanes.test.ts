import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createLanes, createStagger, laneOf } from '../../src/bmc/lanes.ts';
import type { DriverName } from '../../src/model/bmc.ts';
import type { KeptLink } from '../../src/store/bmcs.ts';

/** Lanes with a clock that only sleeping moves, and a call that lasts until it is ended; `log` tells what happened in its order. */
function makeLanes(caps: Partial<Record<'order' | 'poll' | 'silent', number>> = {}, spacingMs = 1000) {
  let now = 0;
  const log: string[] = [];
  const endings = new Map<string, () => void>();
  const lanes = createLanes({
    spacingMs,
    caps: { order: 10, poll: 10, silent: 10, ...caps },
    steady: () => now,
    sleep: async (ms, signal) => {
      log.push(`pause ${ms}`);
      await nextTurn();
      signal?.throwIfAborted();
      now += ms;
    },
  });
  return {
    lanes,
    log,
    pass: (ms: number): void => {
      now += ms;
    },
    /** A call named `name`, under way until `end(name)`. */
    call(
      key: string,
      name: string,
      pool: 'order' | 'poll' | 'silent' = 'order',
      signal?: AbortSignal,
    ): Promise<string> {
      const work = async () => {
        log.push(`${name} begins`);
        await new Promise<void>((resolve) => endings.set(name, resolve));
        log.push(`${name} ends`);
        return name;
      };
      const result = lanes.run(key, pool, work, signal);
      result.catch(() => undefined);
      return result;
    },
    async end(name: string): Promise<void> {
      endings.get(name)?.();
      await settled();
    },
  };
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await nextTurn();
};

test('a BMC is asked one thing at a time, with a pause after each; another BMC does not wait for it', async () => {
  const { call, end, log } = makeLanes();
  void call('bmc1', 'first');
  void call('bmc1', 'second');
  void call('bmc2', 'other');
  await settled();
  assert.deepEqual(log, ['first begins', 'other begins']);
  await end('first');
  assert.deepEqual(log.slice(2), ['first ends', 'pause 1000', 'second begins']);
});

test('the pause is counted from the end of the call, and is none where that was long ago', async () => {
  const { call, end, log, pass } = makeLanes();
  void call('bmc1', 'first');
  await settled();
  await end('first');
  pass(400);
  void call('bmc1', 'second');
  await settled();
  await end('second');
  pass(5000);
  void call('bmc1', 'third');
  await settled();
  assert.deepEqual(
    log.filter((line) => !line.endsWith('ends')),
    ['first begins', 'pause 600', 'second begins', 'third begins'],
  );
});

test('a call that fails leaves its lane, and the pause comes all the same', async () => {
  const { lanes, call, log } = makeLanes();
  await assert.rejects(
    lanes.run('bmc1', 'order', () => Promise.reject(new Error('lost'))),
    /lost/,
  );
  assert.equal(lanes.isBusy('bmc1'), false);
  void call('bmc1', 'next');
  await settled();
  assert.deepEqual(log, ['pause 1000', 'next begins']);
  assert.equal(lanes.isBusy('bmc1'), true);
});

test('calls that hang fill their own pool and no other', async () => {
  const { call, end, log } = makeLanes({ silent: 2, poll: 1 });
  for (const number of [1, 2, 3]) void call(`dead${number}`, `hanging ${number}`, 'silent');
  void call('bmc1', 'poll 1', 'poll');
  void call('bmc2', 'poll 2', 'poll');
  void call('bmc3', 'order', 'order');
  await settled();
  assert.deepEqual(log, ['hanging 1 begins', 'hanging 2 begins', 'poll 1 begins', 'order begins']);
  await end('poll 1');
  await end('hanging 1');
  assert.deepEqual(log.slice(4), ['poll 1 ends', 'poll 2 begins', 'hanging 1 ends', 'hanging 3 begins']);
});

const WAITS: [string, (made: ReturnType<typeof makeLanes>, signal: AbortSignal) => Promise<string>][] = [
  [
    'for the call before it',
    ({ call }, signal) => {
      void call('bmc1', 'first');
      return call('bmc1', 'cancelled', 'order', signal);
    },
  ],
  [
    'for a place in its pool',
    ({ call }, signal) => {
      void call('bmc2', 'first');
      return call('bmc1', 'cancelled', 'order', signal);
    },
  ],
];
for (const [what, begin] of WAITS)
  test(`a call that is cancelled while it waits ${what} is never made, and whoever comes after it is`, async () => {
    const made = makeLanes({ order: 1 });
    const abort = new AbortController();
    const ended: string[] = [];
    begin(made, abort.signal).then(
      () => ended.push('made'),
      (error: Error) => ended.push(error.message),
    );
    void made.call('bmc1', 'after');
    await settled();
    abort.abort(new Error('cancelled by ada'));
    await made.end('first');
    assert.deepEqual(ended, ['cancelled by ada']);
    assert.deepEqual(
      made.log.filter((line) => line.endsWith('begins')),
      ['first begins', 'after begins'],
    );
  });

test('machines that are switched on together go in batches; after a pause the next ones go at once again', () => {
  let now = 0;
  const turn = createStagger({ batch: 2, pauseMs: 5000 }, () => now);
  assert.deepEqual([turn(), turn(), turn(), turn(), turn()], [0, 0, 5000, 5000, 10_000]);
  now = 7000;
  assert.deepEqual([turn(), turn()], [3000, 8000]);
  now = 60_000;
  assert.deepEqual([turn(), turn(), turn()], [0, 0, 5000]);
});

test('two drivers of one address share a lane; drivers without an address have one for each machine', () => {
  const lane = (driver: DriverName, address: string, machineId: number): string =>
    laneOf({ driver, address, machineId } as KeptLink);
  assert.equal(lane('redfish', '10.0.0.5', 1), lane('ipmi', '10.0.0.5', 1));
  assert.equal(lane('ipmi', '10.0.0.5', 1), lane('ipmi', '10.0.0.5', 2), 'two blades of one chassis');
  assert.notEqual(lane('ipmi', '10.0.0.5', 1), lane('ipmi', '10.0.0.6', 1));
  assert.notEqual(lane('webhook', '', 1), lane('webhook', '', 2));
});
