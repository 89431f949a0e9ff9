import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Packets, readPackets } from './bmc-packets.ts';

/** What this process took over some time, with all its threads; its packets are all those of its network namespace. */
export type Meter = {
  seconds: number;
  cpuSeconds: number;
  packets: Packets;
  /** Of its memory, since its start. */
  peakRssMiB: number;
  /** For so long it did nothing else at most, milliseconds. */
  longestPauseMs: number;
};

/** How often the event loop is looked at; a pause shorter than that is not seen. */
const LOOK_MS = 5;

/** Gives, when called later, what this process took since now. */
export async function startMeter(): Promise<() => Meter> {
  const delay = monitorEventLoopDelay({ resolution: LOOK_MS });
  delay.enable();
  await sleep(LOOK_MS * 4); // a pause counts from the look before it, of which there is none yet
  delay.reset();
  const cpu = process.cpuUsage();
  const packets = readPackets();
  const startedAt = performance.now();
  return () => {
    const { user, system } = process.cpuUsage(cpu);
    const now = readPackets();
    delay.disable();
    return {
      seconds: (performance.now() - startedAt) / 1000,
      cpuSeconds: (user + system) / 1e6,
      packets: { udp: now.udp - packets.udp, tcp: now.tcp - packets.tcp },
      peakRssMiB: process.resourceUsage().maxRSS / 1024, // getrusage(2): kilobytes
      // what is recorded is the time from one look to the next
      longestPauseMs: Math.max(0, delay.max / 1e6 - LOOK_MS),
    };
  };
}
