import type { Instant } from '../model/time.ts';

const MINUTE_MS = 60_000;

/** The DECLINEs that were believed on each subnet in the last minute. */
export function createDeclines() {
  const bySubnet = new Map<number, Instant[]>();

  function lately(subnetId: number, now: Instant): Instant[] {
    return (bySubnet.get(subnetId) ?? []).filter((at) => now - at < MINUTE_MS);
  }

  return {
    note(subnetId: number, now: Instant): void {
      bySubnet.set(subnetId, [...lately(subnetId, now), now]);
    },
    /** How many there were in the minute before `now`. */
    count: (subnetId: number, now: Instant): number => lately(subnetId, now).length,
  };
}

/** What createDeclines gives. */
export type Declines = ReturnType<typeof createDeclines>;
