import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { runCli } from './rig.ts';

/** What `firstlight machines` says where nothing answers, with this credentials file and these variables. */
async function told(saved: string | undefined, env: Record<string, string | undefined> = {}): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'firstlight-cli-'));
  const file = join(home, '.config/firstlight/credentials.json');
  mkdirSync(dirname(file), { recursive: true });
  if (saved !== undefined) writeFileSync(file, saved);
  try {
    const nothing = { FIRSTLIGHT_URL: undefined, FIRSTLIGHT_TOKEN: undefined };
    const { out, err, code } = await runCli(['machines'], { HOME: home, ...nothing, ...env });
    assert.deepEqual([out, code], ['', 1]);
    return err.replaceAll(file, 'FILE').trimEnd();
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** Port 1 is nobody's. */
const SAVED = JSON.stringify({ url: 'http://127.0.0.1:1/', token: 't' });
const NO_TOKEN = /^firstlight: no token: set FIRSTLIGHT_TOKEN \(and FIRSTLIGHT_URL\), or start .* leaves one in FILE$/;
const CASES: [string, string | undefined, Record<string, string>, RegExp][] = [
  ['neither file nor variable', undefined, {}, NO_TOKEN],
  ['an empty variable', undefined, { FIRSTLIGHT_TOKEN: '' }, NO_TOKEN],
  ['a file', SAVED, {}, /^firstlight: no Firstlight answers at http:\/\/127\.0\.0\.1:1 \(.*\): start one with/],
  [
    'a file cut short',
    '{"url":',
    {},
    /^firstlight: FILE holds no URL and token: remove it, and set FIRSTLIGHT_URL and/,
  ],
  ['a file of something else', '{"url":7}', {}, /^firstlight: FILE holds no URL and token: /],
  [
    'a URL that is none',
    SAVED,
    { FIRSTLIGHT_URL: 'localhost:7070' },
    /^firstlight: localhost:7070 is not where a Firstlight can be: write its URL like http:\/\/127\.0\.0\.1:7070 \(FIRSTLIGHT_URL\)$/,
  ],
  [
    'a token that is none',
    undefined,
    { FIRSTLIGHT_TOKEN: 'a\nb' },
    /^firstlight: the token has blanks or signs that no token has: copy it once more$/,
  ],
];
for (const [what, saved, env, wanted] of CASES)
  test(`with ${what} the CLI tells in one line what to do`, async () => assert.match(await told(saved, env), wanted));
