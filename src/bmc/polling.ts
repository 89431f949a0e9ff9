import type { BmcHealth } from './health.ts';

/** When a machine's power is read by itself. All in milliseconds. */
export type PollPlan = {
  /** After a command, and while a reading is doubted. */
  fastMs: number;
  /** How long after a command. */
  fastForMs: number;
  /** What the wait grows to, by a half each time, while nothing changes. */
  idleMs: number;
  /** What it grows to, doubled each time, while nothing answers. */
  silentMs: number;
};

export const POLL_PLAN: PollPlan = { fastMs: 5000, fastForMs: 120_000, idleMs: 120_000, silentMs: 600_000 };

/** Each wait is longer or shorter by up to this part of it: a thousand machines that were started together drift apart. */
const JITTER = 0.2;

export type PollView = {
  health: BmcHealth;
  /** Since the last command ended; absent when there was none. */
  sinceOrderMs?: number | undefined;
  /** The wait before this one; absent before the first. */
  lastWaitMs?: number | undefined;
  /** From 0 to 1. */
  chance: number;
};

/** How long until the next look. `chance` spreads the first look over the idle wait. */
export function nextPollMs({ health, sinceOrderMs, lastWaitMs, chance }: PollView, plan: PollPlan = POLL_PLAN): number {
  if (health.unreachableSince !== undefined)
    return jittered(Math.min(plan.silentMs, Math.max(plan.fastMs, (lastWaitMs ?? plan.idleMs / 2) * 2)), chance);
  const isFast =
    health.doubt !== undefined || health.silences > 0 || (sinceOrderMs !== undefined && sinceOrderMs < plan.fastForMs);
  if (isFast) return jittered(plan.fastMs, chance);
  if (lastWaitMs === undefined) return plan.fastMs + chance * (plan.idleMs - plan.fastMs);
  return jittered(Math.min(plan.idleMs, lastWaitMs * 1.5), chance);
}

const jittered = (ms: number, chance: number): number => ms * (1 + JITTER * (chance * 2 - 1));
