import {
  closeSync,
  existsSync,
  fdatasync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { StartError } from '../start-error.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createFlush, type SyncFile } from './flush.ts';

export type DbOptions = {
  /** Stands in for fdatasync(2) where a test plays the disk. */
  sync?: SyncFile;
  /** The write-ahead log is made that long at once: a sync of a file that grows waits for the file system's journal too. */
  logBytes?: number;
};

const SCHEMA_FOLDER = join(import.meta.dirname, 'schema');

/**
 * The one open database. Everything is synchronous: read, decide and commit are one turn of the event loop, and that is
 * the only lock there is.
 */
export type Db = {
  sql: Database.Database;
  /** Run `work` in one immediate transaction, durable when this returns. Inside another one it joins that. */
  transact<T>(work: () => T): T;
  /**
   * The same without waiting for the disk: `durable` resolves when what `work` wrote is on it, and rejects when the disk refuses;
   * undefined when it wrote nothing. Not for use inside another transaction.
   */
  transactEarly<T>(work: () => T): { result: T; durable: Promise<void> | undefined };
  /** Told when a transaction was taken back: what others hold in memory of the database may not be true. */
  onRollback(listener: () => void): void;
  close(): void;
};

/**
 * Open (and make or migrate) `FOLDER/firstlight.db`. Throws StartError when the file was written by a newer Firstlight.
 */
export function openDb(folder: string, { sync = fdatasync, logBytes = 0 }: DbOptions = {}): Db {
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'firstlight.db');
  const sql = new Database(path);
  sql.pragma('journal_mode = WAL');
  sql.pragma('synchronous = FULL'); // an ACK or a ticket that was told to the world survives a power cut
  sql.pragma('foreign_keys = ON');
  sql.pragma('busy_timeout = 5000');
  migrate(sql);
  const wal = openWal(folder, path, sql, logBytes);
  const flush = createFlush((done) => sync(wal, done));
  const checkpoints = createCheckpoints(path, sql);
  const changes = sql.prepare<[], number>('SELECT total_changes()').pluck();
  const rollbackListeners: (() => void)[] = [];
  // made once: better-sqlite3 makes four functions each time, which takes longer than a short transaction
  const run = sql.transaction((work: () => unknown) => work()).immediate;

  function transact<T>(work: () => T): T {
    try {
      return run(work) as T;
    } catch (error) {
      if (sql.open) for (const listener of rollbackListeners) listener();
      throw error;
    } finally {
      checkpoints.note();
    }
  }

  return {
    sql,
    transact: (work) => (sql.inTransaction ? work() : transact(work)),
    transactEarly(work) {
      const before = changes.get();
      sql.exec('PRAGMA synchronous = NORMAL'); // the commit is written, in its order, and not waited for
      try {
        const result = transact(work);
        return { result, durable: changes.get() === before ? undefined : flush() };
      } finally {
        sql.exec('PRAGMA synchronous = FULL');
      }
    },
    onRollback: (listener) => void rollbackListeners.push(listener),
    close() {
      checkpoints.close();
      sql.close();
      closeSync(wal);
    },
  };
}

/** The write-ahead log, which is one file as long as the database is open: what is synced here is what SQLite has written there. */
function openWal(folder: string, path: string, sql: Database.Database, bytes: number): number {
  // the first write makes the file; its name has to be on the disk as well
  sql.pragma(`user_version = ${sql.pragma('user_version', { simple: true })}`);
  const wal = openSync(`${path}-wal`, 'r+');
  // zeros are no frames: SQLite goes by their checksums, and keeps the size when it begins the log anew
  const zeros = Buffer.alloc(1 << 20);
  for (let at = fstatSync(wal).size; at < bytes; at += zeros.length) writeSync(wal, zeros, 0, zeros.length, at);
  fsyncSync(wal);
  const place = openSync(folder, 'r');
  fsyncSync(place);
  closeSync(place);
  return wal;
}

/** Bring the file to the newest schema: `schema/NNNN-name.sql` in order, each in one transaction with its number. */
function migrate(sql: Database.Database): void {
  const steps = readdirSync(SCHEMA_FOLDER)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort();
  const present = sql.pragma('user_version', { simple: true }) as number;
  if (present > steps.length)
    throw new StartError(
      `firstlight.db has schema ${present}, this Firstlight knows ${steps.length}: run the newer one`,
    );
  for (const [index, name] of steps.entries()) {
    if (index < present) continue;
    sql
      .transaction(() => {
        sql.exec(readFileSync(join(SCHEMA_FOLDER, name), 'utf8'));
        sql.pragma(`user_version = ${index + 1}`);
      })
      .immediate();
  }
}
