import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Sleep } from '../../src/bmc/lanes.ts';
import type { Instant } from '../../src/model/time.ts';

/** A time that only waiting moves: orders of minutes end within a test. `onWait` is called after each wait. */
export function waitingTime(onWait: (ms: number) => void = () => undefined) {
  let now = Date.UTC(2026, 0, 1, 12) as Instant;
  const clock = (): Instant => now;
  const pass = (ms: number): void => {
    now = (now + ms) as Instant;
  };
  const sleep: Sleep = async (ms, signal) => {
    await nextTurn();
    signal?.throwIfAborted();
    pass(ms);
    onWait(ms);
  };
  return { clock, steady: clock, sleep, pass };
}
