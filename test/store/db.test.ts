import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import { openDb } from '../../src/store/db.ts';
import { REPOSITORY, withHarness } from '../harness.ts';

function withFolder(check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-db-'));
  try {
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NEWEST = readdirSync(join(REPOSITORY, 'src/store/schema')).filter((name) => name.endsWith('.sql')).length;

test('makes folder and schema from nothing, and opens what it made again', () =>
  withFolder((folder) => {
    const data = join(folder, 'a/b');
    const db = openDb(data);
    assert.equal(db.sql.pragma('user_version', { simple: true }), NEWEST);
    db.sql.prepare(`INSERT INTO api_token VALUES ('ada', 'x', 1)`).run();
    db.close();
    assert.equal(statSync(data).mode & 0o777, 0o700, 'only for its owner');
    const again = openDb(data);
    assert.deepEqual(again.sql.prepare('SELECT name FROM api_token').get(), { name: 'ada' });
    assert.equal(again.sql.pragma('journal_mode', { simple: true }), 'wal');
    assert.equal(
      again.sql.pragma('synchronous', { simple: true }),
      2,
      'what was told to the world survives a power cut',
    );
    assert.equal(again.sql.pragma('foreign_keys', { simple: true }), 1);
    again.close();
  }));

test('refuses a database that a newer Firstlight wrote, and says so', () =>
  withFolder((folder) => {
    openDb(folder).close();
    const sql = new Database(join(folder, 'firstlight.db'));
    sql.pragma(`user_version = ${NEWEST + 1}`);
    sql.close();
    assert.throws(() => openDb(folder), {
      name: 'StartError',
      message: `firstlight.db has schema ${NEWEST + 1}, this Firstlight knows ${NEWEST}: run the newer one`,
    });
  }));

test('a transaction is all or nothing, and one inside another is part of it', () =>
  withFolder((folder) => {
    const db = openDb(folder);
    const put = (name: string): void => void db.sql.prepare('INSERT INTO api_token VALUES (?, ?, 1)').run(name, name);
    assert.throws(() =>
      db.transact(() => {
        put('a');
        db.transact(() => put('b'));
        throw new Error('no');
      }),
    );
    assert.deepEqual(db.sql.prepare('SELECT count(*) AS n FROM api_token').get(), { n: 0 });
    db.close();
  }));

/** Two rows that must never be there at once: the keys of the schema refuse them, whatever the code does. */
const IMPOSSIBLE: [string, string, string, RegExp][] = [
  [
    'two reservations of one address',
    `INSERT INTO reservation (id, subnet_id, mac, address) VALUES (1, 1, 'a', 'x')`,
    `INSERT INTO reservation (id, subnet_id, mac, address) VALUES (2, 1, 'b', 'x')`,
    /UNIQUE/,
  ],
  ['two running jobs of one machine', job(1, 'running'), job(2, 'running'), /UNIQUE/],
  [
    'two open tickets of one machine',
    `${job(1, 'running')};${ticket(1, 1, 'NULL')}`,
    `${job(2, 'done')};${ticket(2, 2, 'NULL')}`,
    /UNIQUE/,
  ],
  ['two tickets of one job', `${job(1, 'running')};${ticket(1, 1, '1')}`, ticket(2, 1, 'NULL'), /UNIQUE/],
  ['one idempotency key of two jobs', job(1, 'done', `'key'`), job(2, 'done', `'key'`), /UNIQUE/],
  [
    'one MAC of two machines',
    `INSERT INTO machine_mac VALUES ('x', 1)`,
    `INSERT INTO machine_mac VALUES ('x', 2)`,
    /UNIQUE/,
  ],
  [
    'two machines of one name',
    '',
    `INSERT INTO machine (name, state, created_at) VALUES ('vm-01', 'new', 1)`,
    /UNIQUE/,
  ],
  ['a state that nobody knows', '', `INSERT INTO machine (name, state, created_at) VALUES ('x', 'happy', 1)`, /CHECK/],
  ['a job of no machine', '', job(1, 'done').replace(', 1,', ', 99,'), /FOREIGN KEY/],
];

function job(id: number, state: string, key = 'NULL'): string {
  return `INSERT INTO job (id, machine_id, workflow, params, plan, state, stage, stage_started_at, machine_was, created_by, idempotency_key, created_at)
    VALUES (${id}, 1, 'install', '{}', '[]', '${state}', 0, 1, 'ready', 'ada', ${key}, 1)`;
}

function ticket(id: number, jobId: number, closedAt: string): string {
  return `INSERT INTO ticket (id, machine_id, job_id, bootenv, opened_by, opened_at, expires_at, closed_at)
    VALUES (${id}, 1, ${jobId}, 'x', 'ada', 1, 2, ${closedAt})`;
}

for (const [what, first, second, problem] of IMPOSSIBLE)
  test(`${what}: impossible`, () =>
    withHarness({}, ({ db, addMachine }) => {
      addMachine('vm-01');
      addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as never });
      db.sql.exec('DELETE FROM machine_mac');
      db.sql.exec(first);
      assert.throws(() => db.sql.exec(second), problem);
    }));

test('what is allowed beside them: a closed ticket beside an open one, an ended job beside a running one', () =>
  withHarness({}, ({ db, addMachine }) => {
    addMachine('vm-01');
    for (const sql of [job(1, 'done'), ticket(1, 1, '1'), job(2, 'failed'), job(3, 'running'), ticket(3, 3, 'NULL')])
      db.sql.exec(sql);
  }));

const TOKEN = 'INSERT INTO api_token VALUES (?, ?, 1)';

test('a log that has its size from the start holds what was committed when the power fails', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-db-'));
  try {
    const db = openDb(join(folder, 'data'), { logBytes: 4 << 20 });
    const log = join(folder, 'data/firstlight.db-wal');
    assert.equal(statSync(log).size >= 4 << 20, true);
    const { durable } = db.transactEarly(() => db.sql.prepare(TOKEN).run('ada', 'x'));
    await durable;
    assert.equal(statSync(log).size < 5 << 20, true, 'it did not grow');
    cpSync(join(folder, 'data'), join(folder, 'after'), { recursive: true });
    db.close();
    const again = openDb(join(folder, 'after'), { logBytes: 4 << 20 });
    assert.deepEqual(again.sql.prepare('SELECT name FROM api_token').get(), { name: 'ada' });
    assert.equal(again.sql.pragma('integrity_check', { simple: true }), 'ok');
    again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a transaction that wrote nothing waits for no disk, and one that failed leaves nothing', () =>
  withFolder((folder) => {
    let synced = 0;
    const db = openDb(folder, { sync: () => synced++ });
    assert.equal(db.transactEarly(() => db.sql.prepare('SELECT * FROM api_token').all()).durable, undefined);
    assert.throws(() =>
      db.transactEarly(() => {
        db.sql.prepare(TOKEN).run('ada', 'x');
        throw new Error('no');
      }),
    );
    assert.equal(db.sql.prepare('SELECT * FROM api_token').get(), undefined);
    assert.equal(synced, 0);
    assert.equal(db.sql.pragma('synchronous', { simple: true }), 2, 'the next one is durable when it returns');
    db.close();
  }));

test('what was written is brought into the database beside the writing, and the log begins anew', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-db-'));
  const db = openDb(folder);
  try {
    const [file, log] = [join(folder, 'firstlight.db'), join(folder, 'firstlight.db-wal')];
    const put = db.sql.prepare(TOKEN);
    const write = (from: number): void =>
      db.transact(() => {
        for (let id = from; id < from + 1000; id++) put.run(`operator ${id}`, `hash ${id}`);
      });
    const before = statSync(file).size;
    for (let from = 0; from < 5000; from += 1000) write(from);
    while (statSync(file).size < before + 200_000) await new Promise((resolve) => setTimeout(resolve, 5));
    // the worker answers after that, and is asked again; then the log has all that it ever needed
    const size = statSync(log).size;
    for (let from = 5000; from < 25_000; from += 1000) {
      write(from);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(statSync(log).size < 3 * size, `the log grew from ${size} to ${statSync(log).size} bytes`);
    assert.equal(db.sql.pragma('integrity_check', { simple: true }), 'ok');
  } finally {
    db.close();
    rmSync(folder, { recursive: true });
  }
});
