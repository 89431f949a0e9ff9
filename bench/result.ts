import type { Probe } from './probe.ts';
import type { Server, ServerName } from './servers.ts';
import { median, type Spread } from './spread.ts';

/** What one round found of one server. `best` is the probe with the highest rate that it kept; none when it kept none. */
export type Finding = { best?: Probe; spread: Spread };
export type Findings = Record<ServerName, Finding[]>;

export type Summary = {
  rounds: number;
  /** Completed exchanges per second at under 1 % drop, median of the rounds; 0 where no rate was kept. */
  rates: Record<ServerName, number>;
  ratios: { toKea: number; toDnsmasq: number; with10000: number; withMachines: number };
  /** Of the whole exchange, milliseconds, median of the rounds; null where more than 1 % never ended. */
  p99Ms: Record<ServerName, number | null>;
};

/** Medians and ratios of all rounds. */
export function summarize(findings: Findings): Summary {
  const names = Object.keys(findings) as ServerName[];
  const each = <T>(of: (rounds: Finding[]) => T) =>
    Object.fromEntries(names.map((name) => [name, of(findings[name])])) as Record<ServerName, T>;
  const rates = each((rounds) => Math.round(median(rounds.map(({ best }) => best?.completed ?? 0)) ?? 0));
  const p99Ms = each((rounds) => {
    const middle = median(rounds.map(({ spread }) => spread.p99 ?? Number.POSITIVE_INFINITY));
    return middle !== undefined && Number.isFinite(middle) ? round(middle) : null;
  });
  return {
    rounds: findings.firstlight.length,
    rates,
    ratios: {
      toKea: round(rates.firstlight / Math.max(rates.keaSingle, rates.keaMulti)),
      toDnsmasq: round(rates.firstlight / rates.dnsmasq),
      with10000: round(rates.firstlight10000 / rates.firstlight),
      withMachines: round(rates.firstlightMachines / rates.firstlight),
    },
    p99Ms,
  };
}

/** The aims, each with what was reached: `yes` or `NO` first. */
export function judgeAims({ ratios, p99Ms }: Summary): string[] {
  const p99 = p99Ms.firstlight;
  const aims: [boolean, string][] = [
    [ratios.toKea >= 1.5, `${ratios.toKea} times the better Kea; aim: at least 1.5`],
    [ratios.toDnsmasq >= 10, `${ratios.toDnsmasq} times dnsmasq with its lease file; aim: at least 10`],
    [p99 !== null && p99 < 10, `p99 of the whole exchange at 1,000/s is ${p99 ?? 'no'} ms; aim: under 10`],
    [
      ratios.with10000 > 0.9 && ratios.with10000 < 1.1,
      `with 10,000 machines and reservations it is ${ratios.with10000} times as fast; aim: 0.9 to 1.1`,
    ],
  ];
  return aims.map(([isReached, text]) => `${isReached ? 'yes' : 'NO '} ${text}`);
}

const HEAD = [
  ...['SERVER', 'OFFERED/S', 'COMPLETED/S', 'DROP %', 'OFFER avg/max ms', 'ACK avg/max ms'],
  ...['CPU s', 'CPU us/exchange', 'PEAK RSS MiB', 'OTHERS %', 'EXCHANGE AT 1,000/S p50/p90/p99/max ms', 'LOST'],
];

/** The table: a row for each server, medians of the rounds, and what each has on disk when its ACK leaves. */
export function describeFindings(servers: readonly Server[], findings: Findings, seconds: number): string {
  const rows = servers.map((server) => [server.title, ...describeRow(findings[server.name], seconds)]);
  const widths = HEAD.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] as number))
      .join('  ')
      .trimEnd();
  const persists = servers.map((server) => `  ${server.title}: ${server.persists}`);
  return [line(HEAD), ...rows.map(line), '', 'On disk when an ACK leaves:', ...new Set(persists)].join('\n');
}

function describeRow(rounds: readonly Finding[], seconds: number): string[] {
  const bests = rounds.flatMap(({ best }) => (best ? [best] : []));
  const middle = (of: (best: Probe) => number | undefined, digits: number): string =>
    said(median(bests.flatMap((best) => of(best) ?? [])), digits);
  const time = (of: (spread: Spread) => number | undefined): string =>
    said(median(rounds.flatMap(({ spread }) => of(spread) ?? [])), 2);
  return [
    middle((best) => best.offered, 0),
    middle((best) => best.completed, 0),
    middle((best) => Math.max(best.discoverDrop, best.requestDrop) * 100, 2),
    `${middle((best) => best.discoverDelay?.average, 2)}/${middle((best) => best.discoverDelay?.max, 0)}`,
    `${middle((best) => best.requestDelay?.average, 2)}/${middle((best) => best.requestDelay?.max, 0)}`,
    middle((best) => best.usage.cpuSeconds, 2),
    middle((best) => (best.usage.cpuSeconds / (best.completed * seconds)) * 1e6, 0),
    middle((best) => best.usage.peakRssMiB, 0),
    middle((best) => best.others * 100, 0),
    [time((one) => one.p50), time((one) => one.p90), time((one) => one.p99), time((one) => one.max)].join('/'),
    said(median(rounds.map(({ spread }) => spread.lost)), 0),
  ];
}

function said(value: number | undefined, digits: number): string {
  return value === undefined ? '-' : value.toFixed(digits);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
