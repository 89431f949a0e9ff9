import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SyncFile } from '../../src/store/flush.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { decodeDhcp } from '../../src/wire/dhcp-packet.ts';
import { type Ask, buildRequest, type Harness, withHarness } from '../harness.ts';

const OTHER = '52:54:00:aa:bb:02' as Mac;
const ADDRESS = '10.77.0.105' as Ipv4;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A disk that is done when the test says so. */
function slowDisk() {
  const asked: ((error: Error | null) => void)[] = [];
  const sync: SyncFile = (_fd, done) => void asked.push(done);
  return { asked, sync };
}

/** The types of what has been sent so far. */
function sent(harness: Harness): (string | undefined)[] {
  return harness.sent().map(({ bytes }) => getOption(decodeDhcp(bytes), 'messageType'));
}

async function hear(harness: Harness, ...asks: Ask[]): Promise<void> {
  harness.hear(asks.map(buildRequest));
  await turn();
}

const take = (mac?: Mac): Ask => ({ type: 'request', ...(mac ? { mac } : {}), asks: ADDRESS });

test('an ACK leaves when its lease is on the disk, and an OFFER, of which nothing is written, at once', async () => {
  const disk = slowDisk();
  await withHarness({ sync: disk.sync }, async (harness) => {
    await hear(harness, take());
    assert.deepEqual([sent(harness), disk.asked.length], [[], 1]);
    await hear(harness, { type: 'discover', mac: OTHER });
    assert.deepEqual(sent(harness), ['offer'], 'the disk keeps no other client waiting');
    assert.ok(!harness.told.some(({ kind }) => kind === 'dhcp.acked'), 'nor is anybody told of it yet');
    disk.asked[0]?.(null);
    await turn();
    assert.deepEqual(sent(harness), ['offer', 'ack']);
    assert.ok(harness.told.some(({ kind }) => kind === 'dhcp.acked'));
  });
});

test('what arrives while the disk is at work goes to it together', async () => {
  const disk = slowDisk();
  await withHarness({ sync: disk.sync }, async (harness) => {
    await hear(harness, take());
    for (const last of [2, 3, 4])
      await hear(harness, { ...take(`52:54:00:aa:bb:0${last}` as Mac), asks: `10.77.0.10${last + 4}` as Ipv4 });
    assert.deepEqual([sent(harness), disk.asked.length], [[], 1]);
    disk.asked[0]?.(null);
    await turn();
    assert.deepEqual([sent(harness), disk.asked.length], [['ack'], 2]);
    disk.asked[1]?.(null);
    await turn();
    assert.deepEqual([sent(harness).length, disk.asked.length], [4, 2]);
  });
});

test('a disk that fails answers nobody, and the client has its address when it asks again', async (t) => {
  const disk = slowDisk();
  await withHarness({ sync: disk.sync }, async (harness) => {
    const told = t.mock.method(console, 'error', () => undefined);
    await hear(harness, take());
    disk.asked[0]?.(new Error('EIO: i/o error, fdatasync'));
    await turn();
    assert.deepEqual(sent(harness), []);
    assert.match(String(told.mock.calls[0]?.arguments[0]), /^DHCP: 1 requests could not be recorded: Error: EIO/);
    await hear(harness, take());
    disk.asked[1]?.(null);
    await turn();
    assert.deepEqual(sent(harness), ['ack']);
  });
});

test('a transaction that does wait for the disk makes what was written before it durable too', async () => {
  const disk = slowDisk();
  await withHarness({ sync: disk.sync }, async (harness) => {
    await hear(harness, take());
    harness.events.settle(() => harness.addMachine('vm-01', { mac: OTHER }));
    assert.ok(
      harness.told.some(({ kind }) => kind === 'dhcp.acked'),
      'it may be told of',
    );
  });
});
