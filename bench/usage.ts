import { readFileSync } from 'node:fs';
import { BenchError } from './error.ts';

/** What a process, with all its threads, has used since its start. */
export type Usage = { cpuSeconds: number; peakRssMiB: number };

/** USER_HZ, the unit of times in /proc on every architecture that Linux shows to programs. proc(5), sysconf(_SC_CLK_TCK). */
const TICKS_PER_SECOND = 100;

/** What this process has used. Throws BenchError when it is gone. */
export function readUsage(pid: number): Usage {
  try {
    return parseUsage(readFileSync(`/proc/${pid}/stat`, 'utf8'), readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    if (error instanceof BenchError) throw error;
    throw new BenchError(`process ${pid} is gone: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** proc(5): utime and stime are fields 14 and 15 of `stat`; VmHWM of `status` is the peak resident set in kB. */
export function parseUsage(stat: string, status: string): Usage {
  // the command's name stands in brackets and may have spaces and brackets of its own
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  const peak = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  if (!Number.isInteger(ticks)) throw new BenchError(`/proc/PID/stat has no times: ${stat.trim()}`);
  if (peak === undefined) throw new BenchError('/proc/PID/status has no VmHWM: the process has ended');
  return { cpuSeconds: ticks / TICKS_PER_SECOND, peakRssMiB: Number(peak) / 1024 };
}
