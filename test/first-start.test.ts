import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { giveFirstToken } from '../src/first-start.ts';
import type { Instant } from '../src/model/time.ts';
import { openDb } from '../src/store/db.ts';
import { openTokens, type Tokens } from '../src/store/tokens.ts';

const URL = 'http://127.0.0.1:7070';

function withTokens(check: (tokens: Tokens, folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-first-'));
  const db = openDb(join(folder, 'data'));
  try {
    check(openTokens(db), folder);
  } finally {
    db.close();
    rmSync(folder, { recursive: true });
  }
}

/** What a start says, and the token in it. */
function start(tokens: Tokens, credentials?: string): { lines: string[]; token: string | undefined } {
  const lines: string[] = [];
  giveFirstToken({ tokens, url: URL, credentials, now: 0 as Instant, log: (line) => void lines.push(line) });
  return { lines, token: /^admin token, told only this once: (\S+)$/.exec(lines[0] ?? '')?.[1] };
}

test('the first start tells an admin token that opens the API, and no later one tells any', () =>
  withTokens((tokens) => {
    const { lines, token } = start(tokens);
    assert.equal(lines.length, 1);
    assert.equal(tokens.owner(token ?? ''), 'admin');
    assert.deepEqual(start(tokens).lines, []);
    assert.equal(tokens.owner(token ?? ''), 'admin');
  }));

test('the token is left with the URL where --credentials says, for its owner alone', () =>
  withTokens((tokens, folder) => {
    const file = join(folder, 'home/.config/firstlight/credentials.json');
    const { token } = start(tokens, file);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { url: URL, token });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'home/.config')).mode & 0o777, 0o700);
  }));

test('a credentials file that was there for all to read is for its owner alone', () =>
  withTokens((tokens, folder) => {
    const file = join(folder, 'credentials.json');
    writeFileSync(file, '', { mode: 0o644 });
    start(tokens, file);
    assert.equal(statSync(file).mode & 0o777, 0o600);
  }));

test('a credentials file that cannot be written takes the token from nobody', () =>
  withTokens((tokens, folder) => {
    writeFileSync(join(folder, 'file'), '');
    const { lines, token } = start(tokens, join(folder, 'file/credentials.json'));
    assert.equal(tokens.owner(token ?? ''), 'admin');
    assert.match(lines[1] ?? '', /^the admin token is not in \S+credentials\.json: E[A-Z]+: /);
  }));
