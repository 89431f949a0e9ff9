/** The thread of checkpoints.ts: on each message one checkpoint, answered when it is made. */
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const sql = new Database(workerData as string);
sql.pragma('synchronous = NORMAL'); // the log is synced before its pages are copied, and the database after
sql.pragma('busy_timeout = 0');

/** Pages of the log, 4 KiB each. Shorter, it begins anew by itself when nobody happens to write while the last page is copied. */
const LONG = 8192;

parentPort?.on('message', () => {
  // beside those who write
  const [state] = sql.pragma('wal_checkpoint(PASSIVE)') as { log: number }[];
  // with nobody writing, for as long as the rest takes: else it would grow for as long as it is written to without a pause. When
  // somebody writes just now, the next time will do
  if (state && state.log > LONG) sql.pragma('wal_checkpoint(RESTART)');
  parentPort?.postMessage('done');
});
