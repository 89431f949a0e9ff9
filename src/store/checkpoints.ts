import { Worker } from 'node:worker_threads';
import type Database from 'better-sqlite3';

/** So many rows are written ahead before their pages are brought into the database itself: at most some 40 MB of the log. */
const ROWS = 2000;
/** Should the worker fail, SQLite does it within a commit at this many pages (256 MB). */
const PAGES_WITHOUT_WORKER = 65_536;

/**
 * Brings what stands in the write-ahead log into the database, in a thread of its own: in the one that answers DHCP it would stop
 * everything for as long as the disk takes for some thousand scattered pages.
 */
export function createCheckpoints(path: string, sql: Database.Database) {
  sql.pragma(`wal_autocheckpoint = ${PAGES_WITHOUT_WORKER}`);
  const written = sql.prepare<[], number>('SELECT total_changes()').pluck();
  let worker: Worker | undefined;
  let done = written.get() as number;
  let isUnderWay = false;

  /** Started when there is something to do: a short run never needs it. */
  function start(): Worker {
    const started = new Worker(new URL('checkpoint-worker.ts', import.meta.url), { workerData: path });
    started.unref();
    started.on('message', () => {
      isUnderWay = false;
    });
    started.on('error', (error) => {
      console.error(`store: checkpoints stop (${error.message}); SQLite makes them within commits`);
    });
    return started;
  }

  return {
    /** A transaction has ended. */
    note(): void {
      if (!sql.open) return;
      const rows = written.get() as number;
      if (isUnderWay || rows - done < ROWS) return;
      done = rows;
      isUnderWay = true;
      worker ??= start();
      worker.postMessage('checkpoint');
    },
    close(): void {
      void worker?.terminate();
    },
  };
}
