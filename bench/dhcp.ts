/** `scripts/bench dhcp`: how many exchanges Firstlight, Kea and dnsmasq complete, one after the other on the same wire. */
import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { MACHINES } from './clients.ts';
import { BenchError } from './error.ts';
import { enterMachines, firstlight, firstlightWith } from './firstlight.ts';
import { openBench, say } from './frame.ts';
import { awaitCalm } from './host.ts';
import { closeNet, openNet } from './net.ts';
import { isDisturbed, isKept, isShort, MOST_OTHERS, type Probe, probe, probeSpread } from './probe.ts';
import { describeFindings, type Finding, type Findings, judgeAims, summarize } from './result.ts';
import { chooseRate, type SearchPlan } from './search.ts';
import { dnsmasq, kea, type Server, type ServerName } from './servers.ts';
import type { Spread } from './spread.ts';

/** `patience`: how many disturbed probes of a round are made again. */
type Plan = {
  rounds: number;
  seconds: number;
  spreadSeconds: number;
  precision: number;
  triesToMiss: number;
  patience: number;
};

const FULL: Plan = { rounds: 3, seconds: 5, spreadSeconds: 10, precision: 1.05, triesToMiss: 2, patience: 20 };
const QUICK: Plan = { rounds: 1, seconds: 2, spreadSeconds: 3, precision: 1.15, triesToMiss: 1, patience: 5 };
const SPREAD_RATE = 1000;
const FIRST_RATE = 4000;
/** After a disturbed probe, the host is given this long to become quiet. */
const CALM_MS = 300_000;
const VOID = ', does not count';
/** statfs(2): file systems in memory, on which nothing costs what it costs on a disk. */
const IN_MEMORY = [0x01021994, 0x858458f6];

const bench = openBench('dhcp');
const { processes } = bench;
const plan = bench.isQuick ? QUICK : FULL;
await bench.run(run, closeNet);

async function run(place: string): Promise<void> {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true, mode: 0o700 });
  if (IN_MEMORY.includes(statfsSync(place).type))
    throw new BenchError(`${place} is in memory: an ACK would wait for no disk; name a folder on one with --folder`);
  openNet();
  const full = join(place, 'full');
  say(`enters ${MACHINES.count} machines and reservations over the API`);
  await enterMachines(processes, full, MACHINES);
  const stored = [firstlightWith(full, 'strangers'), firstlightWith(full, 'machines')];
  const servers = [firstlight, ...stored, kea('single'), kea('multi'), dnsmasq];
  const findings = Object.fromEntries(servers.map(({ name }) => [name, [] as Finding[]])) as Findings;
  for (let round = 1; round <= plan.rounds; round++) {
    const bests = await searchAll(servers, findings, round, join(place, 'run'));
    for (const server of servers) {
      const spread = await measureSpread(server, round, join(place, 'run'));
      const best = bests.get(server.name);
      findings[server.name].push({ spread, ...(best ? { best } : {}) });
    }
  }
  const summary = summarize(findings);
  console.log(`\n${describeFindings(servers, findings, plan.seconds)}\n`);
  for (const aim of judgeAims(summary)) console.log(aim);
  console.log(JSON.stringify(summary));
}

/** The highest rate that each server keeps. They take turns after each probe, so that a noisy moment of the host hits all alike. */
async function searchAll(servers: readonly Server[], found: Findings, round: number, place: string) {
  const searches = servers.map((server) => ({
    server,
    probes: [] as Probe[],
    plan: searchPlan(server, found[server.name]),
  }));
  let patience = plan.patience;
  for (let isOpen = true; isOpen; ) {
    isOpen = false;
    for (const { server, probes, plan: search } of searches) {
      const rate = chooseRate(
        probes.map((one) => ({ rate: one.rate, kept: isKept(one) })),
        search,
      );
      if (rate === undefined) continue;
      isOpen = true;
      const one = await probe(processes, server, place, rate, plan.seconds);
      // what was missed while the host did something else is asked again, as long as there is hope that this ends
      const isVoid = !isKept(one) && isDisturbed(one) && patience-- > 0;
      if (!isVoid) probes.push(one);
      say(`round ${round}: ${server.title}: ${describeProbe(one)}${isVoid ? VOID : ''}`);
      if (isVoid) await awaitCalm(MOST_OTHERS, CALM_MS);
    }
  }
  return new Map<ServerName, Probe | undefined>(
    searches.map(({ server, probes }) => [
      server.name,
      probes
        .filter(isKept)
        .reduce<Probe | undefined>((most, one) => (most && most.rate >= one.rate ? most : one), undefined),
    ]),
  );
}

async function measureSpread(server: Server, round: number, place: string): Promise<Spread> {
  for (let patience = plan.patience; ; patience--) {
    const { spread, others } = await probeSpread(processes, server, place, SPREAD_RATE, plan.spreadSeconds);
    const isVoid = isDisturbed({ others }) && patience > 0;
    const p99 = spread.p99?.toFixed(2) ?? '-';
    say(
      `round ${round}: ${server.title} at ${SPREAD_RATE}/s: p99 ${p99} ms, ${spread.lost} lost, ${describeOthers(others)}${isVoid ? VOID : ''}`,
    );
    if (!isVoid) return spread;
    await awaitCalm(MOST_OTHERS, CALM_MS);
  }
}

/** A later round looks around what the one before found. */
function searchPlan(server: Server, before: readonly Finding[]): SearchPlan {
  const best = before.at(-1)?.best?.rate;
  const { precision, triesToMiss } = plan;
  return best === undefined
    ? { start: server.about ?? FIRST_RATE, step: 2, precision, triesToMiss }
    : { start: best, step: 1.2, precision, triesToMiss };
}

function describeProbe(one: Probe): string {
  const percent = (drop: number) => `${(drop * 100).toFixed(2)} %`;
  const verdict = isKept(one)
    ? 'kept'
    : isShort(one)
      ? `missed, perfdhcp itself began only ${one.offered.toFixed(0)}/s`
      : 'missed';
  return `${one.rate}/s asked, ${one.completed.toFixed(0)}/s completed, drop ${percent(one.discoverDrop)} and ${percent(one.requestDrop)}, ${describeOthers(one.others)}: ${verdict}`;
}

function describeOthers(others: number): string {
  return `others took ${(others * 100).toFixed(0)} % of the processors`;
}
