import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { BenchError } from './error.ts';

/** Processor seconds since the host's start: of all processes together, and those that the host below this one kept back. */
export type HostTime = { busy: number; stolen: number };

const TICKS_PER_SECOND = 100; // USER_HZ, as in usage.ts

/** Gives, when called later, the share that others took since now; `serverSeconds` tells the processor time of the server. */
export function watchOthers(serverSeconds: () => number): () => number {
  const read = () => ({
    host: parseHostTime(readFileSync('/proc/stat', 'utf8')),
    ours: ownSeconds() + serverSeconds(),
    at: performance.now() / 1000,
  });
  const before = read();
  return () => shareOfOthers(before, read(), availableParallelism());
}

/** Waits until others take less than `share` of the processors for two seconds, or until it has waited for `patienceMs`. */
export async function awaitCalm(share: number, patienceMs: number): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end; ) {
    const others = watchOthers(() => 0);
    await sleep(2000);
    if (others() < share) return;
  }
}

/** A moment: the host's times, of those what the server, we and what we have run took, and when it was, all in seconds. */
export type Moment = { host: HostTime; ours: number; at: number };

/** How much of the processors others took between two moments, 0 to 1: neither the server that is measured nor we. */
export function shareOfOthers(before: Moment, now: Moment, processors: number): number {
  const busy = now.host.busy - before.host.busy - (now.ours - before.ours);
  const stolen = now.host.stolen - before.host.stolen;
  return Math.max(0, busy + stolen) / ((now.at - before.at) * processors);
}

/** proc(5), /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Interrupts are left out: the packets make them. */
export function parseHostTime(stat: string): HostTime {
  const [user, nice, system, , , , , stolen] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? '').split(' ').map(Number);
  if (user === undefined || nice === undefined || system === undefined || stolen === undefined || Number.isNaN(user))
    throw new BenchError(`/proc/stat has no line of all processors: ${stat.slice(0, 80)}`);
  return { busy: (user + nice + system) / TICKS_PER_SECOND, stolen: stolen / TICKS_PER_SECOND };
}

/** Of this process and of its children that have ended. proc(5), /proc/PID/stat: utime, stime, cutime, cstime, fields 14 to 17. */
function ownSeconds(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
    .map(Number);
  return fields.reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND;
}
