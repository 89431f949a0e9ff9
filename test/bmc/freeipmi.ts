import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from './program.ts';

/** What a program of freeipmi says on a BMC of 127.0.0.1. The password goes by a configuration file, never in argv. */
export async function freeipmi(
  target: { port: number; suite: number; user: string; password: string; workaround?: string },
  program: string,
  ...args: string[]
): Promise<{ code: number | null; text: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-freeipmi-'));
  const configuration = join(folder, 'freeipmi.conf');
  const { port, suite, user, password, workaround } = target;
  const lines = [`username ${user}`, `password ${password}`, 'driver-type LAN_2_0', `cipher-suite-id ${suite}`];
  if (workaround) lines.push(`workaround-flags ${workaround}`);
  writeFileSync(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
  const cache = ['ipmi-sel', 'ipmi-sensors', 'ipmi-fru'].includes(program)
    ? [`--sdr-cache-directory=${folder}`, '--quiet-cache']
    : [];
  try {
    return await runProgram(program, [`--config-file=${configuration}`, '-h', `127.0.0.1:${port}`, ...cache, ...args]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
