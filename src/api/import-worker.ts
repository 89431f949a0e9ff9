/** The thread of import-reader.ts: reads one file, and hands over what it holds in pieces that are quickly unpacked. */
import { serialize } from 'node:v8';
import { parentPort, workerData } from 'node:worker_threads';
import { importDhcp } from '../dhcp/import/index.ts';
import type { Packed, Task } from './import-reader.ts';

/** What one turn of the event loop unpacks in some milliseconds. */
const PIECE = 2000;

const { format, text, now } = workerData as Task;
const { subnets, reservations, leases, problems } = importDhcp(format, text, now);
const packed: Packed = {
  subnets: pack(subnets),
  reservations: pack(reservations),
  leases: pack(leases),
  problems: pack(problems),
};
parentPort?.postMessage(
  packed,
  Object.values(packed)
    .flat()
    .map((piece) => piece.buffer),
);

/** By `serialize`, which knows a Buffer from other bytes; what is posted as it is comes out without. */
function pack(list: readonly unknown[]): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0; at < list.length; at += PIECE) pieces.push(Uint8Array.from(serialize(list.slice(at, at + PIECE))));
  return pieces;
}
