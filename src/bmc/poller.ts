import type { Bmcs, KeptLink } from '../store/bmcs.ts';
import { BmcError } from './driver.ts';
import type { BmcHealth } from './health.ts';
import { nextPollMs, type PollPlan } from './polling.ts';
import { usableLinks } from './retry.ts';

/** What the poller asks, and of whom. */
export type PollerOptions = {
  bmcs: Pick<Bmcs, 'chains'>;
  health: (machineId: number) => BmcHealth;
  /** Whether an order, or somebody else, speaks to this BMC just now. */
  isBusy: (link: KeptLink) => boolean;
  /** Reads the power and remembers it. */
  read: (machineId: number) => Promise<unknown>;
  pollPlan: PollPlan;
  steady: () => number;
  /** From 0 to 1. */
  chance: () => number;
};

/** Drivers that can read the power. */
const POLLED: readonly string[] = ['redfish', 'ipmi', 'ipmitool', 'webhook', 'exec'];
/** Polls that are due are begun this often, some at a time: those of a second at once would wait for each other. */
const TICK_MS = 100;

type Poll = { dueAt: number; waitMs?: number; isRunning: boolean };

/** Reads the power of all machines by itself, each at its own pace (see polling.ts). */
export function createPoller({ bmcs, health, isBusy, read, pollPlan, steady, chance }: PollerOptions) {
  const polls = new Map<number, Poll>();
  const orderEndedAt = new Map<number, number>();
  let chains: Map<number, KeptLink[]> | undefined;
  let timer: NodeJS.Timeout | undefined;

  function plan(machineId: number, lastWaitMs: number | undefined): number {
    const endedAt = orderEndedAt.get(machineId);
    const view = {
      health: health(machineId),
      sinceOrderMs: endedAt === undefined ? undefined : steady() - endedAt,
      lastWaitMs,
      chance: chance(),
    };
    return nextPollMs(view, pollPlan);
  }

  function tick(): void {
    const now = steady();
    chains ??= bmcs.chains();
    for (const [machineId, chain] of chains) {
      const poll = polls.get(machineId) ?? { dueAt: now + plan(machineId, undefined), isRunning: false };
      polls.set(machineId, poll);
      if (poll.isRunning || now < poll.dueAt) continue;
      const link = usableLinks(chain).find(({ driver }) => POLLED.includes(driver));
      if (link && !isBusy(link)) void look(machineId, poll);
    }
  }

  async function look(machineId: number, poll: Poll): Promise<void> {
    poll.isRunning = true;
    try {
      await read(machineId);
    } catch (error) {
      // what a BMC does not do stands in its health record
      if (!(error instanceof BmcError)) console.error(`poll of machine ${machineId}: ${(error as Error).stack}`);
    } finally {
      poll.isRunning = false;
      poll.waitMs = plan(machineId, poll.waitMs);
      poll.dueAt = steady() + poll.waitMs;
    }
  }

  return {
    start: (): void => {
      timer = setInterval(tick, TICK_MS);
    },
    /** Its power may have changed: look soon, and more often for a while. */
    hurry(machineId: number): void {
      orderEndedAt.set(machineId, steady());
      const poll = polls.get(machineId);
      if (poll) poll.dueAt = 0;
    },
    /** The chains are other ones. */
    reload(machineId?: number): void {
      chains = undefined;
      if (machineId !== undefined) polls.delete(machineId);
    },
    close: (): void => clearInterval(timer),
  };
}
