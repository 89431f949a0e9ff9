import { setImmediate } from 'node:timers/promises';

/** What long work may take of one turn of the event loop: DHCP is answered after it. */
const TURN_MS = 20;
/** So many rows are written in a few hundredths of a second. */
const SLICE = 1000;

/** Does it for each of them, in as many turns of the event loop as that takes. */
export async function forEachInTurns<T>(list: Iterable<T>, work: (one: T) => void): Promise<void> {
  let begun = performance.now();
  for (const one of list) {
    work(one);
    if (performance.now() - begun < TURN_MS) continue;
    await setImmediate();
    begun = performance.now();
  }
}

/** The list in pieces that are to be done as one each, with a turn of the event loop after every one of them. */
export async function* inSlices<T>(list: readonly T[], size = SLICE): AsyncGenerator<readonly T[]> {
  for (let at = 0; at < list.length; at += size) {
    yield list.slice(at, at + size);
    await setImmediate();
  }
}
