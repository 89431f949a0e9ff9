import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { createApi } from '../../src/api/server.ts';
import { type Harness, type Options, REPOSITORY, withHarness } from '../harness.ts';

export type Ran = { out: string; err: string; code: number };
export type Run = (...words: string[]) => Promise<Ran>;

/** The CLI as a process of its own, with `env` beside what this one has; a variable that is undefined is taken away. */
export function runCli(words: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Ran> {
  const node = ['--disable-warning=ExperimentalWarning', join(REPOSITORY, 'src/cli/main.ts')];
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...node, ...words],
      { env: { ...process.env, ...env } },
      (error, out, err) => resolve({ out, err, code: error ? Number(error.code) : 0 }),
    );
    child.stdin?.end();
  });
}

/** The CLI against an API that listens on loopback. */
export function withCli(check: (run: Run, harness: Harness) => Promise<void>, options: Options = {}): Promise<void> {
  return withHarness(options, async (harness) => {
    const api = await createApi({
      ...harness,
      version: '0.0.0',
      problems: () => [],
      foreignServers: () => [
        {
          serverId: '10.77.0.66',
          interface: 'rack1',
          mac: '52:54:00:00:00:66',
          isFirstlight: false,
          isGone: false,
          lastSeen: Date.now(),
          offers: { address: '10.77.0.200' },
          spoils: [{ rule: 'file', text: 'it names a boot file of its own' }],
        } as never,
      ],
    });
    const port = await listen(api);
    const env = {
      FIRSTLIGHT_URL: `http://127.0.0.1:${port}`,
      FIRSTLIGHT_TOKEN: harness.tokens.issue('ada', harness.clock()),
    };
    try {
      await check((...words) => runCli(words, env), harness);
    } finally {
      await api.close();
    }
  });
}

async function listen(api: Awaited<ReturnType<typeof createApi>>): Promise<number> {
  for (let port = 20_000 + Math.floor(Math.random() * 20_000); ; port++)
    try {
      await api.listen({ host: '127.0.0.1', port });
      return port;
    } catch (error) {
      if (!/port is taken/.test((error as Error).message)) throw error;
    }
}

/** What it says, without the blanks that only align. */
export async function said(run: Promise<Ran>): Promise<string> {
  const { out, err, code } = await run;
  assert.deepEqual([code, err], [0, ''], out);
  return out.replace(/ {2,}/g, '  ').trimEnd();
}

/** What it says on standard output before it refuses with these words. */
export async function refused(run: Promise<Ran>, what: RegExp): Promise<string> {
  const { out, err, code } = await run;
  assert.notEqual(code, 0, out);
  assert.match(err, what);
  return out;
}
