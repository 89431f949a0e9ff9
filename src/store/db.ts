import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

const SCHEMA_FOLDER = join(import.meta.dirname, 'schema');

/**
 * The one open database. Everything is synchronous: read, decide and commit are one turn of the event loop, and that is
 * the only lock there is.
 */
export type Db = {
  sql: Database.Database;
  /** Run `work` in one immediate transaction, durable when this returns. Inside another one it joins that. */
  transact<T>(work: () => T): T;
  /** Told when a transaction was taken back: what others hold in memory of the database may not be true. */
  onRollback(listener: () => void): void;
  close(): void;
};

/** Open (and make or migrate) `FOLDER/firstlight.db`. Throws when the file was written by a newer Firstlight. */
export function openDb(folder: string): Db {
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const sql = new Database(join(folder, 'firstlight.db'));
  sql.pragma('journal_mode = WAL');
  sql.pragma('synchronous = FULL'); // an ACK or a ticket that was told to the world survives a power cut
  sql.pragma('foreign_keys = ON');
  sql.pragma('busy_timeout = 5000');
  migrate(sql);
  const rollbackListeners: (() => void)[] = [];
  return {
    sql,
    transact(work) {
      if (sql.inTransaction) return work();
      try {
        return sql.transaction(work).immediate();
      } catch (error) {
        if (sql.open) for (const listener of rollbackListeners) listener();
        throw error;
      }
    },
    onRollback: (listener) => void rollbackListeners.push(listener),
    close: () => sql.close(),
  };
}

/** Bring the file to the newest schema: `schema/NNNN-name.sql` in order, each in one transaction with its number. */
function migrate(sql: Database.Database): void {
  const steps = readdirSync(SCHEMA_FOLDER)
    .filter((name) => /^\d{4}-.*\.sql$/.test(name))
    .sort();
  const present = sql.pragma('user_version', { simple: true }) as number;
  if (present > steps.length)
    throw new Error(`firstlight.db has schema ${present}, this Firstlight knows ${steps.length}: run the newer one`);
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
