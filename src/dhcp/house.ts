import type { Clock, Instant } from '../model/time.ts';
import type { Leases } from '../store/leases.ts';
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

/** What is looked after. */
export type HouseParts = {
  clock: Clock;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  leases: Leases;
  offers: Offers;
  strangers: Strangers;
  /** Told of a step of the clock, in milliseconds, for what else is kept by the time of day. */
  onStep: (ms: number) => void;
  log: (line: string) => void;
};

/** Looks once a second after what no datagram does: the host's clock, offers and leases that ended, strangers that were not told of. */
export function createHouse({ clock, steady, leases, offers, strangers, onStep, log }: HouseParts) {
  let lastWall = clock();
  let lastSteady = steady();

  function keep(): void {
    const wall = clock();
    followClock(wall, steady());
    offers.sweep(wall, OFFERS_A_ROUND);
    leases.dropEnded((wall - FORGET_MS) as Instant, LEASES_A_ROUND);
    const untold = strangers.takeUntold(wall);
    if (untold > 0) log(`${untold} leases of clients that are no machines were not written into the history`);
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
