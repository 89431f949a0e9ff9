import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockRange,
  startTransfer,
  stepTransfer,
  type Transfer,
  type TransferEnd,
  type TransferInput,
  type TransferPacket,
  type TransferStep,
} from '../../src/boot/tftp-transfer.ts';
import type { TftpAgreement } from '../../src/wire/tftp.ts';
import { seededRandom } from '../wire/mutate.ts';

function agreement(blockSize: number, windowSize = 1, options = true): TftpAgreement {
  return { blockSize, windowSize, accepted: new Map(options ? [['blksize', String(blockSize)]] : []) };
}

/** A transfer that is told one thing after the other, and what it does about each. */
function play(first: TransferStep) {
  const run = { state: first.state, last: first, now: 0 };
  const tell = (input: TransferInput): string => {
    run.last = stepTransfer(run.state, input);
    run.state = run.last.state;
    return said(run.last);
  };
  const later = (ms: number) => {
    run.now += ms;
    return run.now;
  };
  return {
    run,
    first: said(first),
    ack: (block: number, afterMs = 1) => tell({ kind: 'ack', block, at: later(afterMs) }),
    timeout: () => tell({ kind: 'timeout', at: later(run.last.timerMs ?? 0) }),
    repeat: () => tell({ kind: 'repeat', at: run.now }),
    readable: (bytes: number) => tell({ kind: 'readable', bytes, at: run.now }),
    error: (code: number, text = '') => tell({ kind: 'error', code, text }),
    broken: (text: string) => tell({ kind: 'broken', text }),
  };
}

function said({ send, ended }: TransferStep): string {
  const packets = send.map((packet) => (packet.kind === 'data' ? String(packet.block) : packet.kind));
  return [...packets, ...(ended ? [endText(ended)] : [])].join(' ');
}

function endText(ended: TransferEnd): string {
  if (ended.kind === 'failed') return `failed: ${ended.reason}`;
  return ended.kind;
}

test('greets, sends block by block and is done with the last ACK', () => {
  const { first, ack, run } = play(startTransfer(agreement(512), 1300, 1300, 0));
  assert.equal(first, 'oack');
  assert.deepEqual([ack(0), ack(1), ack(2), ack(3)], ['1', '2', '3', 'done']);
  assert.equal(run.state.retransmits, 0);
  assert.equal(ack(3), '', 'an ended transfer stays ended');
});

test('without options the first block is the greeting', () => {
  assert.equal(play(startTransfer(agreement(512, 1, false), 10, 10, 0)).first, '1');
});

test('N20 a size that is a multiple of the block size ends with an empty block', () => {
  for (const [size, last, bytes] of [
    [0, 1, 0],
    [511, 1, 511],
    [512, 2, 0],
    [513, 2, 1],
    [65535 * 512, 65536, 0],
    [65535 * 512 + 1, 65536, 1],
    [5_000_000_000, 9_765_626, 5_000_000_000 % 512],
  ] as const) {
    const { state } = startTransfer(agreement(512), size, size, 0);
    assert.equal(state.last, last, `${size}`);
    const { start, end } = blockRange(state, last);
    assert.equal(end - start, bytes, `${size}`);
  }
});

test('Q19 T-8 block numbers go from 65535 to 0 on the wire and on without it here', () => {
  const size = 512 * 65540;
  const begun = startTransfer(agreement(512, 1, false), size, size, 0);
  const near: Transfer = { ...begun.state, base: 65535, next: 65536, highest: 65535, heard: true };
  const { ack } = play({ state: near, send: [] });
  assert.deepEqual([ack(65535), ack(0), ack(1), ack(65535)], ['65536', '65537', '65538', '']);
});

test('Q19 T-9 N15 N24 a duplicate, an old or a never sent ACK is not answered and does not hold up the clock', () => {
  const { ack, run } = play(startTransfer(agreement(512), 5000, 5000, 0));
  assert.equal(ack(1), '', 'the OACK wants ACK 0');
  assert.equal(ack(0), '1');
  for (const block of [0, 0, 2, 3, 9, 65535, 40000]) {
    assert.equal(ack(block), '', `ACK ${block}`);
    assert.equal(run.last.timerMs, undefined);
  }
  assert.equal(ack(1), '2');
  assert.equal(ack(1, 5000), '', 'however late it is');
});

test('T-7 a window is sent at once, and a short ACK goes back to what was lost', () => {
  const { ack, run } = play(startTransfer(agreement(512, 4), 512 * 11, 512 * 11, 0));
  assert.equal(ack(0), '1 2 3 4');
  assert.equal(ack(2), '3 4 5 6');
  assert.equal(run.state.retransmits, 2);
  assert.equal(ack(6), '7 8 9 10');
  assert.equal(ack(10), '11 12');
  assert.equal(ack(12), 'done');
});

test('a lost first block of a window is sent again once, and not before a round trip', () => {
  const { ack } = play(startTransfer(agreement(512, 4), 512 * 40, 512 * 40, 0));
  assert.equal(ack(0, 10), '1 2 3 4');
  assert.equal(ack(4, 10), '5 6 7 8');
  assert.equal(ack(4, 1), '', 'this cannot be about blocks that were sent 1 ms ago');
  assert.equal(ack(4, 9), '5 6 7 8');
  assert.equal(ack(4, 50), '', 'once is enough');
  assert.equal(ack(8), '9 10 11 12');
});

test('N18 silence: five repetitions, slower and slower, then the end', () => {
  const { timeout, run } = play(startTransfer(agreement(512), 5000, 5000, 0));
  const waits = [run.last.timerMs];
  const answers = [];
  while (run.state.phase !== 'ended') {
    answers.push(timeout());
    waits.push(run.last.timerMs);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 8000, 8000, undefined]);
  assert.deepEqual(answers, [
    'oack',
    'oack',
    'oack',
    'oack',
    'oack',
    'failed: the client never answered (31 s of silence)',
  ]);
});

test('a client that stops in the middle is told from one that leaves before its last ACK', () => {
  const middle = play(startTransfer(agreement(512), 5000, 5000, 0));
  middle.ack(0);
  middle.ack(1);
  let answer = '';
  while (middle.run.state.phase !== 'ended') answer = middle.timeout();
  assert.equal(answer, 'failed: the client stopped at block 2 of 10 (31 s of silence)');

  const end = play(startTransfer(agreement(512), 700, 700, 0));
  end.ack(0);
  assert.equal(end.ack(1), '2');
  assert.equal(end.timeout(), '2');
  while (end.run.state.phase !== 'ended') answer = end.timeout();
  assert.equal(answer, 'done');
});

test('T-6 the timeout that was agreed is the first wait', () => {
  const { timeout, run } = play(startTransfer({ ...agreement(512), timeoutSeconds: 3 }, 10, 10, 0));
  assert.equal(run.last.timerMs, 3000);
  timeout();
  assert.equal(run.last.timerMs, 6000);
});

test('Q33 a client that asks for a timeout of 30 s may be silent for two minutes, others for half a minute', () => {
  for (const [timeoutSeconds, told] of [
    [30, 'failed: the client stopped at block 2 of 10 (120 s of silence)'],
    [undefined, 'failed: the client stopped at block 2 of 10 (31 s of silence)'],
  ] as const) {
    const { ack, timeout, run } = play(startTransfer({ ...agreement(512), timeoutSeconds }, 5000, 5000, 0));
    ack(0);
    ack(1);
    let answer = '';
    while (run.state.phase !== 'ended') answer = timeout();
    assert.equal(answer, told);
  }
});

test('an ACK makes the next wait short again', () => {
  const { ack, timeout, run } = play(startTransfer(agreement(512), 5000, 5000, 0));
  timeout();
  timeout();
  ack(0);
  assert.equal(run.last.timerMs, 1000);
});

test('T-13 an error behind the OACK is a probe; any other and any later one is a failure', () => {
  const begin = () => play(startTransfer(agreement(512), 5000, 5000, 0));
  assert.equal(begin().error(8, 'User aborted the transfer'), 'probe');
  assert.equal(begin().error(0, 'TFTP Aborted'), 'probe');
  assert.equal(begin().error(3, 'full'), 'failed: the client ended the transfer at block 1 of 10: error 3, full');
  const { ack, error } = begin();
  ack(0);
  ack(1);
  assert.equal(error(0), 'failed: the client ended the transfer at block 2 of 10: error 0');
});

test('T-12 a request that comes again is answered again, three times, while the client has not answered', () => {
  const greeting = play(startTransfer(agreement(512), 5000, 5000, 0));
  assert.deepEqual([1, 2, 3, 4].map(greeting.repeat), ['oack', 'oack', 'oack', '']);
  assert.equal(greeting.run.last.timerMs, undefined, 'the clock runs on');
  const plain = play(startTransfer(agreement(512, 1, false), 5000, 5000, 0));
  assert.equal(plain.repeat(), '1');
  plain.ack(1);
  assert.equal(plain.repeat(), '');
});

test('sends only what the disk has given, and goes on when it gives more', () => {
  const { ack, readable, timeout, run } = play(startTransfer(agreement(512, 4), 5000, 0, 0));
  assert.equal(readable(1100), '', 'the greeting comes first');
  assert.equal(ack(0), '1 2');
  assert.equal(readable(1600), '3');
  assert.equal(ack(3), '');
  assert.equal(readable(5000), '4 5 6 7');
  assert.equal(run.last.timerMs, 1000);
  assert.equal(timeout(), '4 5 6 7');
  assert.equal(ack(7), '8 9 10');
});

test('N21 a file that breaks off ends the transfer with an error for the client', () => {
  const { ack, broken } = play(startTransfer(agreement(512), 5000, 512, 0));
  ack(0);
  assert.equal(broken('x cannot be read'), 'error failed: x cannot be read');
});

/** A correct RFC 7440 client at the end of a line that loses, doubles and reorders. Gives what it received. */
function transferOverBadLine(size: number, blockSize: number, windowSize: number, options: boolean, seed: number) {
  const random = seededRandom(seed);
  type Flying = { at: number; packet: TransferPacket | { kind: 'ack'; block: number } };
  const line: Flying[] = [];
  let now = 0;
  const put = (packet: Flying['packet']) => {
    if (random(100) < 8) return;
    for (let copies = random(100) < 8 ? 2 : 1; copies > 0; copies--) line.push({ at: now + 1 + random(6), packet });
  };

  let readable = Math.min(size, random(3 * blockSize));
  const step = startTransfer(agreement(blockSize, windowSize, options), size, readable, now);
  let state = step.state;
  let ended: TransferEnd | undefined;
  let timerAt = 0;
  const follow = (next: TransferStep) => {
    state = next.state;
    for (const packet of next.send) put(packet);
    if (next.timerMs !== undefined) timerAt = now + next.timerMs;
    ended ??= next.ended;
  };
  follow(step);

  const received: number[] = [];
  let complete = false;
  let sinceAck = 0;
  let clientTimerAt = now + 900;
  const clientAck = () => {
    sinceAck = 0;
    clientTimerAt = now + 900;
    put({ kind: 'ack', block: received.length & 0xffff });
  };
  const clientTakes = (packet: TransferPacket) => {
    if (packet.kind === 'oack') {
      if (received.length === 0) clientAck();
    } else if (packet.kind === 'data') {
      const block = packet.block & 0xffff;
      if (block !== ((received.length + 1) & 0xffff)) {
        clientAck(); // A gap or a doublet: say what is there (RFC 7440 4).
        return;
      }
      assert.equal(packet.block, received.length + 1, 'the right one of all blocks with this number');
      const { start, end } = blockRange(state, packet.block);
      received.push(end - start);
      complete = end - start < blockSize;
      if (++sinceAck === windowSize || complete) clientAck();
    }
  };

  for (let events = 0; ended === undefined; events++) {
    assert.ok(events < 1_000_000, 'it comes to an end');
    line.sort((a, b) => a.at - b.at);
    const next = Math.min(
      line[0]?.at ?? Number.POSITIVE_INFINITY,
      timerAt,
      complete ? Number.POSITIVE_INFINITY : clientTimerAt,
    );
    now = Math.max(now, next);
    const arrived = line[0] !== undefined && line[0].at <= now ? line.shift() : undefined;
    if (arrived?.packet.kind === 'ack') {
      follow(stepTransfer(state, { kind: 'ack', block: arrived.packet.block, at: now }));
    } else if (arrived) {
      clientTakes(arrived.packet as TransferPacket);
    } else if (timerAt <= now) {
      timerAt = Number.POSITIVE_INFINITY;
      follow(stepTransfer(state, { kind: 'timeout', at: now }));
    } else {
      clientAck();
    }
    if (readable < size && random(3) === 0) {
      readable = Math.min(size, readable + random(4 * blockSize));
      follow(stepTransfer(state, { kind: 'readable', bytes: readable, at: now }));
    }
  }
  return { ended, complete, bytes: received.reduce((sum, length) => sum + length, 0), retransmits: state.retransmits };
}

test('over a line that loses, doubles and reorders, the file received is the file sent', () => {
  const size = fc.oneof(
    fc.nat(4000),
    fc.nat(60).map((blocks) => blocks * 16),
  );
  fc.assert(
    fc.property(
      size,
      fc.constantFrom(1, 2, 4, 16),
      fc.boolean(),
      fc.nat(0xffffffff),
      (bytes, windowSize, options, seed) => {
        const result = transferOverBadLine(bytes, 16, windowSize, options, seed);
        assert.equal(result.ended.kind, 'done');
        assert.ok(result.complete);
        assert.equal(result.bytes, bytes);
      },
    ),
    { numRuns: 300 },
  );
});

test('over a bad line the block numbers may pass 65535', () => {
  const result = transferOverBadLine(8 * 65_600, 8, 2, true, 7);
  assert.deepEqual([result.ended.kind, result.complete, result.bytes], ['done', true, 8 * 65_600]);
  assert.ok(result.retransmits > 0, 'the line was bad');
});
