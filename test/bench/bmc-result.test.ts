import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeOrders, describePolls, type PollsRow } from '../../bench/bmc-result.ts';
import { spreadOf } from '../../bench/spread.ts';

const meter = {
  seconds: 10,
  cpuSeconds: 2,
  packets: { udp: 10_000, tcp: 0 },
  peakRssMiB: 190.4,
  longestPauseMs: 24.3,
};
const POLLS: PollsRow = {
  ...{ title: 'IPMI', bmcs: 1000, others: 0.02 },
  result: { done: 1000, failed: 1, times: spreadOf([30, 10, 20], 0), meter },
};
const cellsOf = (table: string): string[][] => table.split('\n').map((line) => line.split(/ {2,}/));

test('a row of polls says what each poll took', () => {
  const [head, row] = cellsOf(describePolls([POLLS], []));
  assert.deepEqual(row, [
    ...['IPMI', '1000', '1000', '100', '1', '20/30/30', '2.00', '20.0', '2.00', '10.0', '0.0', '190', '24', '2'],
  ]);
  assert.equal(head?.length, row?.length);
});

test('what did nothing has no cost of one poll', () => {
  const [, row] = cellsOf(
    describePolls([{ ...POLLS, result: { ...POLLS.result, done: 0, times: spreadOf([], 0) } }], []),
  );
  assert.deepEqual(row?.slice(2, 11), ['0', '0', '1', '-/-/-', '2.00', '20.0', '-', '-', '-']);
});

test('a peer stands under the polls, in the same columns', () => {
  const result = { done: 998, failed: 2, seconds: 16, cpuSeconds: 28, packets: 21_956 };
  const [head, , row] = cellsOf(describePolls([POLLS], [{ title: 'ipmitool', bmcs: 1000, others: 0, result }]));
  assert.deepEqual(row, [
    ...['ipmitool', '1000', '998', '62', '2', '-', '28.00', '175.0', '28.06', '22.0', '-', '-', '-', '0'],
  ]);
  assert.equal(head?.length, row?.length);
});

test('a row of orders says when they were verified and what each took', () => {
  const times = spreadOf([3000, 3200, 4100], 0);
  const result = {
    done: 900,
    failed: 0,
    placedSeconds: 1.5,
    firstSeconds: 3.04,
    lastSeconds: 6.9,
    times,
    looks: 3,
    commands: 1,
  };
  const [head, row] = cellsOf(
    describeOrders([{ title: 'known', bmcs: 1000, others: 0.1, result: { ...result, meter } }]),
  );
  assert.deepEqual(row, [
    ...[
      'known',
      '1000',
      '900',
      '0',
      '1.5',
      '3.0..6.9',
      '3.2/4.1',
      '1.00',
      '3.00',
      '2.00',
      '2.22',
      '11.1',
      '190',
      '24',
      '10',
    ],
  ]);
  assert.equal(head?.length, row?.length);
});
