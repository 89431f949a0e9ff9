/** The thread of checkpoints.ts: on each message one checkpoint, answered when it is made. */
import { parentPort, workerData } from 'node:worker_threads';
import Database from 'better-sqlite3';

const sql = new Database(workerData as string);
sql.pragma('synchronous = NORMAL'); // the log is synced before its pages are copied, and the database after
sql.pragma('busy_timeout = 0');

parentPort?.on('message', () => {
  // most of it while others go on writing
  sql.pragma('wal_checkpoint(PASSIVE)');
  // then the rest, with nobody writing, so that the log begins anew: else it would grow for as long as it is written to. When
  // somebody writes just now, the next time will do
  sql.pragma('wal_checkpoint(RESTART)');
  parentPort?.postMessage('done');
});
