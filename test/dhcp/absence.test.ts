import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchDatagram, BatchUdp } from '../../src/batch-udp.ts';
import { createAbsence } from '../../src/dhcp/absence.ts';
import { createDhcpServer } from '../../src/dhcp/server.ts';
import type { Ipv4 } from '../../src/wire/address.ts';
import { ARRIVAL, buildRequest, withHarness } from '../harness.ts';

/** The loop of a process, in milliseconds: `runs` has it look at its timers, `stops` has time go by without. */
function openLoop() {
  let now = 5000;
  const absence = createAbsence(() => now);
  return {
    absence,
    runs(ms: number): void {
      for (const end = now + ms; now < end; absence.beat()) now += 250;
    },
    stops(ms: number): void {
      now += ms;
    },
  };
}

test('what is read after the process was stopped for more than two seconds lay in the kernel meanwhile', () => {
  const { absence, runs, stops } = openLoop();
  runs(60_000);
  assert.equal(absence.wasLong(), false);
  stops(2500);
  assert.equal(absence.wasLong(), true, 'before a timer has had its turn');
  absence.beat();
  assert.equal(absence.wasLong(), true, 'and after it, while the queue is read');
  stops(49);
  assert.equal(absence.wasLong(), true);
  stops(1);
  assert.equal(absence.wasLong(), false);
  runs(10_000);
  assert.equal(absence.wasLong(), false);
  absence.close();
});

test('a loop that is late by less keeps what has come', () => {
  const { absence, runs, stops } = openLoop();
  runs(1000);
  for (let time = 0; time < 10; time++) {
    stops(1900);
    assert.equal(absence.wasLong(), false);
    absence.beat();
    assert.equal(absence.wasLong(), false);
  }
  absence.close();
});

test('a request that lay in the kernel while the process was stopped is not answered, and counted', () =>
  withHarness({}, async (harness) => {
    let now = 0;
    const dhcp = createDhcpServer({
      ...harness,
      steady: () => now,
      loopTime: () => now,
      instance: 'stopped',
      failJob: harness.runner.fail,
      recordMachine: harness.discovery.record,
    });
    const wire = openSocket();
    const broadcasts = openSocket();
    dhcp.serve({ dhcp: wire, dhcpBroadcast: broadcasts }, ARRIVAL);
    const hear = async (count: number): Promise<void> => {
      const bytes = buildRequest({ type: 'discover' });
      broadcasts.hear(Array.from({ length: count }, () => ({ bytes, address: '0.0.0.0' as Ipv4, port: 68 })));
      await new Promise((resolve) => setImmediate(resolve));
    };
    await hear(1);
    assert.deepEqual([dhcp.counts.sent, dhcp.counts.stale], [1, 0]);
    now += 10_000;
    await hear(3);
    assert.deepEqual([dhcp.counts.sent, dhcp.counts.stale, dhcp.counts.received], [1, 3, 4]);
    await new Promise((resolve) => setTimeout(resolve, 300)); // a beat
    now += 50;
    await hear(1);
    assert.deepEqual([dhcp.counts.sent, dhcp.counts.stale], [2, 3]);
    dhcp.close();
  }));

function openSocket() {
  let listener: ((batch: BatchDatagram[]) => void) | undefined;
  return {
    hear: (batch: BatchDatagram[]) => listener?.(batch),
    listen: (wanted: typeof listener) => {
      listener = wanted;
    },
    send: (batch: readonly BatchDatagram[]) => ({ sent: batch.length, waiting: 0, failed: [] }),
    onError: () => undefined,
    close: () => undefined,
    plainBecause: undefined,
  } satisfies BatchUdp & { hear(batch: BatchDatagram[]): void };
}
