import { createLately } from './lately.ts';

/** A rack that is switched on brings a thousand machines at once; more than ten a second for long are made up. */
const BURST = 1000;
const PER_SECOND = 10;
/** A port has its card replaced now and then. */
const CARDS_A_DAY = 4;
const DAY_MS = 24 * 3_600_000;
const MINUTE_MS = 60_000;

/** How many cards that nobody knew are written down for good: anybody can make up MACs. `steady` is milliseconds that go on evenly. */
export function createNewcomers(steady: () => number) {
  let tokens = BURST;
  let filledAt = steady();
  let unrecorded = 0;
  let toldAt = Number.NEGATIVE_INFINITY;
  /** Cards that the port of a machine, by its id, brought it. */
  const adopted = createLately(steady, DAY_MS);

  return {
    /** Whether one more may become a machine; counts it among the unrecorded when not. */
    mayRecord(): boolean {
      const now = steady();
      tokens = Math.min(BURST, tokens + ((now - filledAt) * PER_SECOND) / 1000);
      filledAt = now;
      if (tokens < 1) {
        unrecorded++;
        return false;
      }
      tokens--;
      return true;
    },

    /** How many were not recorded since this was last told; 0 while that is less than a minute ago. */
    takeUnrecorded(): number {
      const now = steady();
      if (unrecorded === 0 || now - toldAt < MINUTE_MS) return 0;
      const count = unrecorded;
      unrecorded = 0;
      toldAt = now;
      return count;
    },

    /** Whether the port of this machine may bring it one more card today; counts it when it may. */
    mayAdopt(machineId: number): boolean {
      if (adopted.count(machineId) >= CARDS_A_DAY) return false;
      adopted.note(machineId);
      return true;
    },
  };
}

/** What createNewcomers gives. */
export type Newcomers = ReturnType<typeof createNewcomers>;
