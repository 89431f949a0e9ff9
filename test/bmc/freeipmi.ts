import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

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
    return await new Promise((resolve, reject) => {
      const all = [`--config-file=${configuration}`, '-h', `127.0.0.1:${port}`, ...cache, ...args];
      const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TZ: 'UTC' } });
      let text = '';
      child.stdout.on('data', (data) => {
        text += data;
      });
      child.stderr.on('data', (data) => {
        text += data;
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, text: text.trim() }));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
