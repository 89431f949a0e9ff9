import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BatchDatagram, BatchUdp } from '../../src/batch-udp.ts';
import { type Answer, createOutbox } from '../../src/dhcp/outbox.ts';
import type { SyncFile } from '../../src/store/flush.ts';
import type { Ipv4 } from '../../src/wire/address.ts';
import { ARRIVAL, buildRequest, withHarness } from '../harness.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A socket that keeps what it is given, or cannot be spoken to. */
function openSocket(fault?: Error) {
  const batches: (readonly BatchDatagram[])[] = [];
  let listener: ((batch: BatchDatagram[]) => void) | undefined;
  return {
    batches,
    hear: (bytes: Buffer) => listener?.([{ bytes, address: '0.0.0.0' as Ipv4, port: 68 }]),
    listen: (wanted: (batch: BatchDatagram[]) => void) => {
      listener = wanted;
    },
    send: (batch: readonly BatchDatagram[]) => {
      if (fault) throw fault;
      batches.push(batch);
      return { sent: batch.length, waiting: 0, failed: [] };
    },
    onError: () => undefined,
    close: () => undefined,
    plainBecause: undefined,
  };
}

function openOutbox() {
  const counts = { sent: 0, unsent: 0 };
  const lines: string[] = [];
  return { counts, lines, outbox: createOutbox(counts, (line) => lines.push(line)) };
}

function answer(via: BatchUdp, delayMs = 0): Answer {
  return { datagram: { bytes: Buffer.of(1), address: '10.77.0.5' as Ipv4, port: 67 }, via, delayMs };
}

test('what a relay cannot take in one go leaves in the next turns', async () => {
  const { outbox, counts } = openOutbox();
  const socket = openSocket();
  outbox.send(Array.from({ length: 200 }, () => answer(socket)));
  outbox.send([answer(socket)]);
  assert.deepEqual(
    socket.batches.map(({ length }) => length),
    [96],
  );
  await turn();
  await turn();
  assert.deepEqual(
    socket.batches.map(({ length }) => length),
    [96, 96, 9],
  );
  assert.deepEqual(counts, { sent: 201, unsent: 0 });
});

test('an answer that is held back keeps no other one waiting', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { outbox } = openOutbox();
  const socket = openSocket();
  const late = answer(socket, 500);
  outbox.send([late, answer(socket)]);
  assert.equal(socket.batches.length, 1);
  t.mock.timers.tick(500);
  assert.deepEqual(socket.batches[1], [late.datagram]);
});

test('a socket that cannot be spoken to is told of and counted, and the others get their answers', async () => {
  const { outbox, counts, lines } = openOutbox();
  const socket = openSocket();
  const broken = openSocket(new Error('EBADF: bad file descriptor'));
  outbox.send([answer(broken), answer(broken), answer(socket)]);
  assert.equal(socket.batches.length, 1);
  assert.deepEqual(counts, { sent: 1, unsent: 2 });
  assert.match(lines.join('\n'), /^2 replies could not be sent: Error: EBADF/);
});

const atOnce: SyncFile = (_fd, done) => done(null);
for (const [type, when] of [
  ['request', 'after its lease was written'],
  ['discover', 'with nothing to write'],
] as const)
  test(`an answer that cannot be sent, ${when}, is not told of as one that could not be recorded`, (t) =>
    withHarness({ sync: atOnce }, async ({ dhcp, leases }) => {
      const told = t.mock.method(console, 'error', () => undefined);
      const [dhcpBroadcast, broken] = [openSocket(), openSocket(new Error('EBADF: bad file descriptor'))];
      dhcp.serve({ dhcp: broken, dhcpBroadcast }, ARRIVAL);
      dhcpBroadcast.hear(buildRequest({ type, asks: '10.77.0.105' as Ipv4 }));
      await turn();
      assert.deepEqual(
        told.mock.calls.map(({ arguments: [line] }) => String(line).split('\n')[0]),
        ['DHCP: 1 replies could not be sent: Error: EBADF: bad file descriptor'],
      );
      assert.equal(leases.all().length, type === 'request' ? 1 : 0);
      assert.equal(dhcp.counts.unsent, 1);
    }));
