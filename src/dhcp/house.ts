import type { Clock, Instant } from '../model/time.ts';
import type { Db } from '../store/db.ts';
import type { Leases } from '../store/leases.ts';
import type { Newcomers } from './newcomers.ts';
import type { Offers } from './offers.ts';
import type { Strangers } from './strangers.ts';

const HOUSEKEEPING_MS = 1000;
/** A lease that ended so long ago is forgotten with its client. */
const FORGET_MS = 30 * 24 * 3600 * 1000;
/** The most offers and leases that one round lets go of, so that no datagram waits for it: offers end by the thousand. */
const OFFERS_A_ROUND = 500;
const LEASES_A_ROUND = 100;
/** The clock of the host may drift by this much between two looks; more is a step. */
const STEP_MS = 2000;

/** What could not be done is tried again, and told of, when this has passed: a full disk stays full for a while. */
const RETRY_MS = 60_000;

/** What is looked after. */
export type HouseParts = {
  db: Db;
  clock: Clock;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  leases: Leases;
  offers: Offers;
  strangers: Strangers;
  newcomers: Newcomers;
  /** Told of a step of the clock, in milliseconds, for what else is kept by the time of day. */
  onStep: (ms: number) => void;
  log: (line: string) => void;
};

/** Looks once a second after what no datagram does: the host's clock, offers and leases that ended, strangers that were not told of. */
export function createHouse({ db, clock, steady, leases, offers, strangers, newcomers, onStep, log }: HouseParts) {
  let lastWall = clock();
  let lastSteady = steady();

  const retryAt = new Map<string, number>();

  function keep(): void {
    const wall = clock();
    const even = steady();
    attempt('the leases could not follow the clock', even, () => followClock(wall, even));
    offers.sweep(wall, OFFERS_A_ROUND);
    attempt('ended leases could not be forgotten', even, () =>
      // one transaction: the disk is waited for once, not for each of them
      db.transact(() => leases.dropEnded((wall - FORGET_MS) as Instant, LEASES_A_ROUND)),
    );
    const untold = strangers.takeUntold(wall);
    if (untold > 0) log(`${untold} exchanges of clients that are no machines were not written into the history`);
    const unrecorded = newcomers.takeUnrecorded();
    if (unrecorded > 0)
      log(
        `${unrecorded} new cards that boot were not recorded as machines, since too many came: they are when they boot again`,
      );
  }

  /** The disk may take nothing: that ends neither the program nor the rest of the work. */
  function attempt(failure: string, even: number, work: () => void): void {
    if (even < (retryAt.get(failure) ?? even)) return;
    try {
      work();
    } catch (error) {
      retryAt.set(failure, even + RETRY_MS);
      log(`${failure}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /**
   * Somebody set the clock: what ends at a time of day ends as much later or earlier. To be called before anything is decided at
   * `wall`, which is `even` by the steady clock. Throws when the leases cannot be written; the next look tries again.
   */
  function followClock(wall: Instant, even: number): void {
    const step = Math.round(wall - lastWall - (even - lastSteady));
    if (Math.abs(step) > STEP_MS) follow(step);
    lastWall = wall;
    lastSteady = even;
  }

  function follow(step: number): void {
    leases.shift(step);
    offers.shift(step);
    onStep(step);
    const way = step > 0 ? 'forward' : 'back';
    log(`the clock of this host was set ${way} by ${Math.abs(step)} ms: leases keep the time they had left`);
  }

  const timer = setInterval(keep, HOUSEKEEPING_MS);
  timer.unref();
  return { keep, followClock, close: (): void => clearInterval(timer) };
}
