import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { FIRST_WARM_UP_CLIENT, STRANGERS, WARM_UP_CLIENTS } from './clients.ts';
import { BenchError } from './error.ts';
import { watchOthers } from './host.ts';
import { CLIENT_NAMESPACE } from './net.ts';
import { runPerfdhcp } from './perfdhcp.ts';
import { type Delay, dropOf, type PerfdhcpReport } from './perfdhcp-report.ts';
import type { Processes, Running } from './processes.ts';
import type { Server } from './servers.ts';
import type { Spread } from './spread.ts';
import { readUsage, type Usage } from './usage.ts';

/** One load on one server. Rates in exchanges per second, drops from 0 to 1. */
export type Probe = {
  rate: number;
  /** How many of them perfdhcp began, and how many ended with an ACK. */
  offered: number;
  completed: number;
  discoverDrop: number;
  requestDrop: number;
  discoverDelay?: Delay;
  requestDelay?: Delay;
  /** Of the server during the load; the peak since its start. */
  usage: Usage;
  /** How much of all processors something else on this host took, 0 to 1. */
  others: number;
};

/** How long exchanges took, and how much of all processors something else on this host took meanwhile, 0 to 1. */
export type SpreadProbe = { spread: Spread; others: number };

/** Before it is measured, a server is asked this much: programs that are compiled while they run are slow at first. */
const WARM_UP = { rate: 1000, seconds: 4, firstMac: FIRST_WARM_UP_CLIENT, clients: WARM_UP_CLIENTS };
/** Less than this must be lost, of the DISCOVERs and of the REQUESTs, for a rate to count as kept. */
const MOST_DROP = 0.01;
/** perfdhcp itself must have begun this share of the exchanges. */
const LEAST_OFFERED = 0.98;
/** More than this share of the processors taken by others disturbs. The kernel's own work for the server's disk is among it. */
export const MOST_OTHERS = 0.1;

/** Starts the server with nothing leased, loads it for `seconds`, and stops it. */
export async function probe(
  processes: Processes,
  server: Server,
  folder: string,
  rate: number,
  seconds: number,
): Promise<Probe> {
  return withServer(processes, server, folder, async (running) => {
    const warmUp = await runPerfdhcp(processes, WARM_UP);
    if (warmUp.request.received === 0)
      throw new BenchError(`${server.title} answers no request that came through a relay`);
    const before = readUsage(running.pid);
    const others = watchOthers(() => readUsage(running.pid).cpuSeconds);
    const { firstMac, count } = server.clients ?? STRANGERS;
    const report = await runPerfdhcp(processes, { rate, seconds, firstMac, clients: count });
    running.checkAlive();
    const after = readUsage(running.pid);
    const usage = { cpuSeconds: after.cpuSeconds - before.cpuSeconds, peakRssMiB: after.peakRssMiB };
    return probeOf(rate, seconds, report, usage, others());
  });
}

/** Starts the server with nothing leased and measures how long whole exchanges take at this rate. */
export async function probeSpread(
  processes: Processes,
  server: Server,
  folder: string,
  rate: number,
  seconds: number,
): Promise<SpreadProbe> {
  return withServer(processes, server, folder, async (running) => {
    const client = [process.execPath, '--disable-warning=ExperimentalWarning', `${import.meta.dirname}/exchange.ts`];
    const { firstMac, count } = server.clients ?? STRANGERS;
    const command = [...client, String(rate), String(seconds), firstMac, String(count)];
    const others = watchOthers(() => readUsage(running.pid).cpuSeconds);
    const { status, output } = await processes.run(command, { namespace: CLIENT_NAMESPACE });
    if (status !== 0) throw new BenchError(`${command.join(' ')} failed (${status}): ${output.trim().slice(-500)}`);
    running.checkAlive();
    return { spread: JSON.parse(output) as Spread, others: others() };
  });
}

/** Whether the server kept up. */
export function isKept(one: Probe): boolean {
  return one.discoverDrop < MOST_DROP && one.requestDrop < MOST_DROP && !isShort(one);
}

/** Whether perfdhcp could not offer that much: then it is its limit that was met, and not the server's. */
export function isShort(one: Probe): boolean {
  return one.offered < one.rate * LEAST_OFFERED;
}

/** Whether something else on this host was so busy that a missed rate, or a long time, says nothing about the server. */
export function isDisturbed(one: { others: number }): boolean {
  return one.others > MOST_OTHERS;
}

export function probeOf(rate: number, seconds: number, report: PerfdhcpReport, usage: Usage, others: number): Probe {
  const { discover, request } = report;
  return {
    rate,
    offered: discover.sent / seconds,
    completed: request.received / seconds,
    discoverDrop: dropOf(discover),
    requestDrop: dropOf(request),
    ...(discover.delay ? { discoverDelay: discover.delay } : {}),
    ...(request.delay ? { requestDelay: request.delay } : {}),
    usage,
    others,
  };
}

async function withServer<T>(
  processes: Processes,
  server: Server,
  folder: string,
  work: (running: Running) => Promise<T>,
): Promise<T> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const running = await server.start(processes, folder);
  try {
    return await work(running);
  } finally {
    await running.stop();
    rmSync(folder, { recursive: true, force: true });
    execFileSync('sync'); // what this one left in the host's buffers is not to be written while the next one is measured
  }
}
