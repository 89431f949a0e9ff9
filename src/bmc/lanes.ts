import { setTimeout as wait } from 'node:timers/promises';
import type { Stagger } from '../model/bmc.ts';
import type { KeptLink } from '../store/bmcs.ts';

/** Waits, unless `signal` ends it: then it fails with the signal's reason. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<unknown>;
export const sleepFor: Sleep = (ms, signal) => wait(ms, undefined, signal ? { signal } : {});

export type LaneOptions = {
  /** From the end of a call to the beginning of the next on the same BMC: some crash when they are asked faster (B7). */
  spacingMs: number;
  /** Calls at once in all, by what they are for: BMCs that hang fill their own share and nobody else's. */
  caps: Readonly<Record<Pool, number>>;
  /** A call that takes longer leaves its place in the pool to others: whoever hangs for the first time is not known yet. */
  lateMs?: number;
  steady: () => number;
  sleep?: Sleep;
};

/** `order`: what somebody waits for. `poll`: looks of our own. `silent`: calls to a BMC that did not answer the last time. */
export type Pool = 'order' | 'poll' | 'silent';

/** One BMC has one lane, whoever has business with it: one call at a time, and a pause after each. */
export type Lanes = {
  run<T>(key: string, pool: Pool, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Whether a call is under way or waits. */
  isBusy(key: string): boolean;
};

const LATE_MS = 1500;
/** So many calls may have left their place: each still holds a socket. */
const MOST_LATE = 256;

type Lane = { tail: Promise<void>; waiting: number; freeAt: number };

export function createLanes({ spacingMs, caps, lateMs = LATE_MS, steady, sleep = sleepFor }: LaneOptions): Lanes {
  const lanes = new Map<string, Lane>();
  const pools = { order: createCap(caps.order), poll: createCap(caps.poll), silent: createCap(caps.silent) };
  let late = 0;

  /** Gives what is called when a call has ended: its place is given back then, or was already because it was late. */
  function holdPlace(give: () => void, pool: Pool): () => void {
    let isLate = false;
    const leaveEarly = (): void => {
      if (late >= MOST_LATE) return;
      isLate = true;
      late++;
      give();
    };
    const timer = pool === 'silent' ? undefined : setTimeout(leaveEarly, lateMs).unref();
    return () => {
      clearTimeout(timer);
      if (isLate) late--;
      else give();
    };
  }

  return {
    async run(key, pool, work, signal) {
      const lane = lanes.get(key) ?? { tail: Promise.resolve(), waiting: 0, freeAt: 0 };
      lanes.set(key, lane);
      const before = lane.tail;
      const { promise, resolve: leave } = Promise.withResolvers<void>();
      lane.tail = promise;
      lane.waiting++;
      try {
        await before;
        const pauseMs = lane.freeAt - steady();
        if (pauseMs > 0) await sleep(pauseMs, signal);
        signal?.throwIfAborted();
        const end = holdPlace(await pools[pool](), pool);
        try {
          signal?.throwIfAborted(); // that may have taken a while too
          return await work().finally(() => {
            lane.freeAt = steady() + spacingMs;
          });
        } finally {
          end();
        }
      } finally {
        lane.waiting--;
        leave();
      }
    },
    isBusy: (key) => (lanes.get(key)?.waiting ?? 0) > 0,
  };
}

/** At most so many at once, in the order in which they came. What it gives back is called when done. */
function createCap(most: number): () => Promise<() => void> {
  let running = 0;
  const queue: (() => void)[] = [];
  const give = (): void => {
    const next = queue.shift();
    if (next) next();
    else running--;
  };
  return async () => {
    if (running < most) running++;
    else await new Promise<void>((resolve) => queue.push(resolve));
    return give;
  };
}

/** Gives how long the next switching-on waits: a batch goes at once, the next one `pauseMs` after it began. */
export function createStagger({ batch, pauseMs }: Stagger, steady: () => number): () => number {
  let began = Number.NEGATIVE_INFINITY;
  let inBatch = 0;
  return () => {
    const now = steady();
    if (now >= began + pauseMs) {
      began = now;
      inBatch = 0;
    } else if (inBatch >= batch) {
      began += pauseMs;
      inBatch = 0;
    }
    inBatch++;
    return Math.max(0, began - now);
  };
}

/** What one BMC is known by, however it is spoken to: two drivers of one chain, or two blades of one chassis, share it. */
export function laneOf({ driver, address, machineId }: KeptLink): string {
  return address === '' ? `${driver} ${machineId}` : address;
}
