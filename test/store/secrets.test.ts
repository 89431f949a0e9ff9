import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Instant } from '../../src/model/time.ts';
import { openBmcs } from '../../src/store/bmcs.ts';
import { openDb } from '../../src/store/db.ts';
import { newToken, openSecrets } from '../../src/store/secrets.ts';
import { openTokens } from '../../src/store/tokens.ts';
import { MAC, startHarness, withHarness } from '../harness.ts';

const PASSWORD = 'correct horse battery';

function withFolder(check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-secrets-'));
  try {
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('opens what it sealed, after a restart too, and never seals alike twice', () =>
  withFolder((folder) => {
    const sealed = openSecrets(folder).seal(PASSWORD);
    assert.equal(openSecrets(folder).open(sealed), PASSWORD);
    assert.ok(!sealed.equals(openSecrets(folder).seal(PASSWORD)));
    assert.ok(!sealed.includes(PASSWORD));
    assert.equal(openSecrets(folder).open(openSecrets(folder).seal('')), '');
    assert.equal(statSync(join(folder, 'secret.key')).mode & 0o777, 0o600);
  }));

test('a wrong key, a changed byte and a cut are refused with what to do', () =>
  withFolder((folder) => {
    const sealed = openSecrets(folder).seal(PASSWORD);
    for (let at = 0; at < sealed.length; at++) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ 1;
      assert.throws(() => openSecrets(folder).open(changed), /secret\.key/, `byte ${at}`);
    }
    for (const length of [0, 5, 12, 20, 28])
      assert.throws(() => openSecrets(folder).open(sealed.subarray(0, length)), /secret\.key/);
    writeFileSync(join(folder, 'secret.key'), 'ab'.repeat(32));
    assert.throws(
      () => openSecrets(folder).open(sealed),
      /cannot be opened with .*secret\.key: restore that file from your backup/,
    );
  }));

test('a key file that others may read is refused, and taken again when they may not', () =>
  withFolder((folder) => {
    const path = join(folder, 'secret.key');
    const sealed = openSecrets(folder).seal(PASSWORD);
    for (const [mode, shown] of [
      [0o644, '0644'],
      [0o640, '0640'],
      [0o602, '0602'],
    ] as const) {
      chmodSync(path, mode);
      assert.throws(() => openSecrets(folder), {
        name: 'AppError',
        message: `${path} has the mode ${shown}: others may read or change the key of all BMC passwords. Take that away with: chmod 600 ${path}`,
      });
    }
    chmodSync(path, 0o400);
    assert.equal(openSecrets(folder).open(sealed), PASSWORD);
  }));

test('a key that is none is refused at the start', () =>
  withFolder((folder) => {
    for (const key of ['', 'ab'.repeat(31), 'hello']) {
      writeFileSync(join(folder, 'secret.key'), key, { mode: 0o600 });
      assert.throws(() => openSecrets(folder), {
        name: 'StartError',
        message: /secret\.key holds \d+ bytes of key, 32 are needed: restore it from your backup$/,
      });
    }
  }));

test('no password and no token can be read in any file of the database', async () => {
  const harness = await startHarness();
  const { bmcs, tokens, addMachine, clock, folder, jobs } = harness;
  const machine = addMachine('vm-01');
  harness.setBmc(machine.id, { user: 'readable-user', password: PASSWORD });
  bmcs.putCredential('racks', 'readable-user', PASSWORD);
  const token = tokens.issue('ada', clock());
  const run = jobs.newRun({
    machineId: machine.id,
    purpose: 'scout',
    mac: MAC,
    bootenv: 'scout',
    boot: 1,
    expiresAt: clock(),
  });
  assert.equal(bmcs.password(machine.id, 0), PASSWORD);
  for (const closed of [false, true]) {
    if (closed) await harness.close('keep');
    const data = join(folder, 'data');
    const bytes = Buffer.concat(
      readdirSync(data)
        .filter((name) => name.startsWith('firstlight.db'))
        .map((name) => readFileSync(join(data, name))),
    );
    assert.ok(bytes.includes('readable-user'), 'what is not secret is there');
    for (const secret of [PASSWORD, token, run]) assert.ok(!bytes.includes(secret), secret);
  }
  rmSync(folder, { recursive: true });
});

test('a password that was sealed with another key is told, and does not come out wrong', () =>
  withHarness({}, ({ setBmc, machines, addMachine, folder }) => {
    const machine = addMachine('vm-01');
    setBmc(machine.id, { password: PASSWORD });
    writeFileSync(join(folder, 'data/secret.key'), 'cd'.repeat(32));
    const db = openDb(join(folder, 'data'));
    const other = openBmcs(db, openSecrets(join(folder, 'data')), machines);
    assert.throws(() => other.password(machine.id, 0), /secret\.key/);
    db.close();
  }));

test('an API token is known by its owner until a new one is made', () =>
  withHarness({}, ({ db }) => {
    const tokens = openTokens(db);
    assert.equal(tokens.isEmpty(), true);
    const first = tokens.issue('ada', 1 as Instant);
    assert.deepEqual([tokens.isEmpty(), tokens.owner(first), tokens.owner('x')], [false, 'ada', undefined]);
    const second = tokens.issue('ada', 2 as Instant);
    assert.deepEqual([tokens.owner(first), tokens.owner(second)], [undefined, 'ada']);
  }));

test('tokens are 22 signs that a URL takes as they are, and never the same', () => {
  const tokens = Array.from({ length: 200 }, newToken);
  for (const token of tokens) assert.equal(encodeURIComponent(token), token);
  assert.ok(tokens.every((token) => token.length === 22));
  assert.equal(new Set(tokens).size, 200);
});
