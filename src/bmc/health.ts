import type { DriverName, PowerState } from '../model/bmc.ts';
import type { Instant } from '../model/time.ts';

/** What is known of a machine's power and of its BMC. Of this process's life only: after a restart it is read again, not assumed. */
export type BmcHealth = {
  /** As it was read twice in a row, since when, and when it was read last. Absent: not known. */
  power?: { state: PowerState; since: Instant; at: Instant };
  /** The last read, when it says something else than `power`: one more that does, and it counts. */
  doubt?: PowerState;
  /** The driver that answered last. */
  driver?: DriverName;
  /** Calls that answered and those that did not, and how long the former took, the later ones weighing more. */
  calls: number;
  failures: number;
  latencyMs?: number;
  answeredAt?: Instant;
  /** Calls in a row that got no answer, and when the first of them was. */
  silences: number;
  silentSince?: Instant;
  /** No answer in two calls in a row. */
  unreachableSince?: Instant;
  lastProblem?: { at: Instant; kind: string; text: string };
};

/** What changed so that somebody wants to know. */
export type HealthChange =
  | { kind: 'unreachable'; text: string }
  | { kind: 'answers'; afterMs: number }
  | { kind: 'power'; state: PowerState; was: PowerState };

/** One datagram is lost easily: two calls in a row without an answer count. */
const SILENCES = 2;
/** How much the newest call weighs in `latencyMs`. */
const WEIGHT = 0.2;

export const newHealth = (): BmcHealth => ({ calls: 0, failures: 0, silences: 0 });

/** A call that was answered, in `ms`. */
export function noteAnswer(
  health: BmcHealth,
  driver: DriverName,
  ms: number,
  now: Instant,
): { health: BmcHealth; change?: HealthChange } {
  const { unreachableSince, silentSince: _over, ...rest } = health;
  const latencyMs = health.latencyMs === undefined ? ms : health.latencyMs + (ms - health.latencyMs) * WEIGHT;
  return {
    health: { ...rest, driver, calls: health.calls + 1, latencyMs, answeredAt: now, silences: 0 },
    ...(unreachableSince !== undefined ? { change: { kind: 'answers', afterMs: now - unreachableSince } } : {}),
  };
}

/** A call that failed. Only those that got no answer make a BMC unreachable: one that says no is there. */
export function noteFailure(
  health: BmcHealth,
  failure: { kind: string; text: string },
  now: Instant,
): { health: BmcHealth; change?: HealthChange } {
  const isSilence = failure.kind === 'unreachable';
  const silences = isSilence ? health.silences + 1 : 0;
  const silentSince = isSilence ? (health.silentSince ?? now) : undefined;
  const { silentSince: _before, ...rest } = health;
  const next: BmcHealth = {
    ...rest,
    calls: health.calls + 1,
    failures: health.failures + 1,
    silences,
    ...(silentSince !== undefined ? { silentSince } : {}),
    lastProblem: { at: now, ...failure },
  };
  if (!isSilence && health.unreachableSince !== undefined) {
    const { unreachableSince, ...there } = next;
    return { health: there, change: { kind: 'answers', afterMs: now - health.unreachableSince } };
  }
  if (!isSilence || silences < SILENCES || health.unreachableSince !== undefined) return { health: next };
  const unreachableSince = silentSince ?? now;
  const { power: _unknown, doubt: _too, ...silent } = next;
  return { health: { ...silent, unreachableSince }, change: { kind: 'unreachable', text: failure.text } };
}

/** A reading of the power. What differs from what is known counts when it is read twice: BMCs waver (B3). */
export function noteReading(
  health: BmcHealth,
  state: PowerState,
  now: Instant,
): { health: BmcHealth; change?: HealthChange } {
  const { power, doubt, ...rest } = health;
  if (power === undefined || power.state === state)
    return { health: { ...rest, power: { state, since: power?.since ?? now, at: now } } };
  if (doubt !== state) return { health: { ...health, doubt: state } };
  return {
    health: { ...rest, power: { state, since: now, at: now } },
    change: { kind: 'power', state, was: power.state },
  };
}
