import type { Mac } from '../src/wire/address.ts';
import { BenchError } from './error.ts';
import { CLIENT_NAMESPACE, RELAY, SERVER } from './net.ts';
import { type PerfdhcpReport, parsePerfdhcpReport } from './perfdhcp-report.ts';
import type { Processes } from './processes.ts';

/** `rate` exchanges per second for `seconds`, by clients whose MACs count up from `firstMac` and begin again after `clients`. */
export type Load = { rate: number; seconds: number; firstMac: Mac; clients: number };

/** After the last question, late answers are waited for this long: as long as perfdhcp waits for any answer. */
const LATE_ANSWERS_US = 1_000_000;
/** perfdhcp's exit status when some exchanges were not completed: a result, no failure. */
const SOME_DROPPED = 3;

/** Lets perfdhcp load the server, open loop: it asks on time, whatever comes back. Throws BenchError when it cannot. */
export async function runPerfdhcp(processes: Processes, load: Load): Promise<PerfdhcpReport> {
  const command = [
    ...['perfdhcp', '-4', '-l', RELAY, '-b', `mac=${load.firstMac}`, '-R', String(load.clients)],
    ...['-r', String(load.rate), '-p', String(load.seconds), '-W', String(LATE_ANSWERS_US), SERVER],
  ];
  const { status, output } = await processes.run(command, { namespace: CLIENT_NAMESPACE });
  if (status !== 0 && status !== SOME_DROPPED)
    throw new BenchError(`${command.join(' ')} failed (${status}): ${output.trim().slice(-500)}`);
  return parsePerfdhcpReport(output);
}
