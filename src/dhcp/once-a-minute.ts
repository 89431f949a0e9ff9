const MINUTE_MS = 60_000;
/** So many things are remembered as told; of more, the ones told longest ago are told again. */
const REMEMBERED = 10_000;

/** What happens again and again is told once a minute of `steady`, the milliseconds that go on evenly. */
export function createOnceAMinute<K>(steady: () => number) {
  /** The one told longest ago stands first. */
  const told = new Map<K, { at: number; leftOut: number }>();

  return {
    /** How often it was left out since it was last told, when it is to be told now; undefined leaves it out. */
    turn(what: K): number | undefined {
      const now = steady();
      const last = told.get(what);
      if (last && now - last.at < MINUTE_MS) {
        last.leftOut++;
        return undefined;
      }
      told.delete(what);
      told.set(what, { at: now, leftOut: 0 });
      if (told.size > REMEMBERED) told.delete(told.keys().next().value as K);
      return last?.leftOut ?? 0;
    },

    /** It could not be told after all, and has its turn the next time. */
    forget: (what: K): void => void told.delete(what),
  };
}
