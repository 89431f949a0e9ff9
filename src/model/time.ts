/** A moment: milliseconds since 1970 UTC. Decisions get it as an input, never from a clock of their own. */
export type Instant = number & { readonly unit: 'ms since epoch' };

/** The wall clock as a value that can be handed on; tests hand on one of their own. */
export type Clock = () => Instant;

export const wallClock: Clock = () => Date.now() as Instant;

/** The moment `ms` milliseconds after `at`. */
export function after(at: Instant, ms: number): Instant {
  return (at + ms) as Instant;
}
