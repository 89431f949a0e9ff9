/** Things that are done one after the other, in the order they were asked for. */
export type Turns = {
  /** Gives what `perform` gives, or fails as it fails; the next one is done either way. */
  take<T>(perform: () => T | Promise<T>): Promise<T>;
  /** Resolves when all that were asked for so far have ended; the same promise until another one is asked for. */
  ended(): Promise<void>;
};

/** Turns of their own: nothing is under way yet. */
export function createTurns(): Turns {
  const nothing = (): void => undefined;
  let last: Promise<void> = Promise.resolve();
  return {
    take(perform) {
      const result = last.then(perform);
      last = result.then(nothing, nothing);
      return result;
    },
    ended: () => last,
  };
}
