import type { PeerResult } from './bmc-peer.ts';
import type { OrdersResult, PollsResult } from './bmc-side.ts';

/** What a row of a table is of. `others`: how much of the processors something else on this host took meanwhile, 0 to 1. */
type Row<Result> = { title: string; bmcs: number; others: number; result: Result };

export type PollsRow = Row<PollsResult>;
export type OrdersRow = Row<OrdersResult>;
export type PeerRow = Row<PeerResult>;

const POLLS_HEAD = [
  ...['POLLS', 'BMCS', 'DONE', 'PER S', 'FAILED', 'p50/p99/max ms', 'CPU s', '% OF A CORE', 'CPU ms/POLL'],
  ...['UDP/POLL', 'TCP/POLL', 'PEAK RSS MiB', 'LONGEST PAUSE ms', 'OTHERS %'],
];
const ORDERS_HEAD = [
  ...[
    'POWER ON, ALL AT ONCE',
    'BMCS',
    'DONE',
    'FAILED',
    'PLACED s',
    'FIRST..LAST VERIFIED s',
    'EACH p50/p99 s',
    'COMMANDS/BMC',
    'LOOKS/BMC',
  ],
  ...['CPU s', 'CPU ms/BMC', 'PACKETS/BMC', 'PEAK RSS MiB', 'LONGEST PAUSE ms', 'OTHERS %'],
];

/** The polls of Firstlight, and under them one round of each peer. */
export function describePolls(rows: readonly PollsRow[], peers: readonly PeerRow[]): string {
  return describeTable([POLLS_HEAD, ...rows.map(pollsCells), ...peers.map(peerCells)]);
}

export function describeOrders(rows: readonly OrdersRow[]): string {
  return describeTable([ORDERS_HEAD, ...rows.map(ordersCells)]);
}

function pollsCells({ title, bmcs, others, result }: PollsRow): string[] {
  const { done, failed, times, meter } = result;
  const { cpuSeconds, seconds, packets } = meter;
  return [
    ...[title, `${bmcs}`, `${done}`, said(done / seconds, 0), `${failed}`],
    [times.p50, times.p99, times.max].map((ms) => said(ms, 0)).join('/'),
    ...[said(cpuSeconds, 2), said((cpuSeconds / seconds) * 100, 1), said(per(cpuSeconds * 1000, done), 2)],
    ...[said(per(packets.udp, done), 1), said(per(packets.tcp, done), 1)],
    ...[said(meter.peakRssMiB, 0), said(meter.longestPauseMs, 0), said(others * 100, 0)],
  ];
}

function peerCells({ title, bmcs, others, result }: PeerRow): string[] {
  const { done, failed, seconds, cpuSeconds, packets } = result;
  return [
    ...[title, `${bmcs}`, `${done}`, said(done / seconds, 0), `${failed}`, '-'],
    ...[said(cpuSeconds, 2), said((cpuSeconds / seconds) * 100, 1), said(per(cpuSeconds * 1000, done), 2)],
    ...[said(per(packets, done), 1), '-', '-', '-', said(others * 100, 0)],
  ];
}

function ordersCells({ title, bmcs, others, result }: OrdersRow): string[] {
  const { done, failed, meter } = result;
  const { cpuSeconds, packets } = meter;
  return [
    ...[title, `${bmcs}`, `${done}`, `${failed}`, said(result.placedSeconds, 1)],
    `${said(result.firstSeconds, 1)}..${said(result.lastSeconds, 1)}`,
    [result.times.p50, result.times.p99].map((ms) => said(ms && ms / 1000, 1)).join('/'),
    ...[said(result.commands, 2), said(result.looks, 2), said(cpuSeconds, 2), said(per(cpuSeconds * 1000, done), 2)],
    said(per(packets.udp + packets.tcp, done), 1),
    ...[said(meter.peakRssMiB, 0), said(meter.longestPauseMs, 0), said(others * 100, 0)],
  ];
}

function describeTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return rows.map((cells) => line(cells).trimEnd()).join('\n');
}

/** Undefined of nothing: not a number of any use. */
function per(amount: number, count: number): number | undefined {
  return count > 0 ? amount / count : undefined;
}

function said(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(digits);
}
