import type { Instant } from '../model/time.ts';

/** Clients that are no machine of ours get so many lines of history a second; their leases are all kept. */
const LINES_A_SECOND = 20;

/** How much the history tells of clients that are no machine of ours: they may come by the thousand. */
export function createStrangers() {
  let second = 0;
  let told = 0;
  let untold = 0;

  return {
    /** Whether there is a line left for one more; counts it among the untold when there is none. */
    mayTell(now: Instant): boolean {
      const present = secondOf(now);
      if (present !== second) {
        second = present;
        told = 0;
      }
      if (++told <= LINES_A_SECOND) return true;
      untold++;
      return false;
    },

    /** How many have found no line since this was last asked; 0 as long as their last second lasts. */
    takeUntold(now: Instant): number {
      if (second === secondOf(now)) return 0;
      const count = untold;
      untold = 0;
      return count;
    },
  };
}

/** What createStrangers gives. */
export type Strangers = ReturnType<typeof createStrangers>;

const secondOf = (now: Instant): number => Math.floor(now / 1000);
