import { deserialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { Imported, ImportFormat } from '../dhcp/import/index.ts';
import type { Instant } from '../model/time.ts';
import { forEachInTurns } from './turns.ts';

/** What the thread is given; for `now` see importDhcp. */
export type Task = { format: ImportFormat; text: string; now: Instant };

/** The lists of an import, each in pieces that `serialize` made. */
export type Packed = Record<keyof Omit<Imported, 'format'>, Uint8Array<ArrayBuffer>[]>;

/** What a file holds. It is read in a thread of its own: a large one takes seconds, in which DHCP has to be answered. */
export async function readImport(task: Task): Promise<Imported> {
  const packed = await readAside(task);
  return {
    format: task.format,
    subnets: await unpack(packed.subnets),
    reservations: await unpack(packed.reservations),
    leases: await unpack(packed.leases),
    problems: await unpack(packed.problems),
  };
}

function readAside(task: Task): Promise<Packed> {
  const worker = new Worker(new URL('import-worker.ts', import.meta.url), { workerData: task });
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread that reads an import ended with code ${code}`)));
  });
}

async function unpack<T>(pieces: readonly Uint8Array[]): Promise<T[]> {
  const list: T[] = [];
  await forEachInTurns(pieces, (piece) => {
    for (const one of deserialize(piece) as T[]) list.push(one);
  });
  return list;
}
