/** What happened lately to whom, by number: within so many milliseconds of `steady`, which go on evenly. */
export function createLately(steady: () => number, withinMs: number) {
  const times = new Map<number, number[]>();

  function lately(whom: number): number[] {
    const now = steady();
    return (times.get(whom) ?? []).filter((at) => now - at < withinMs);
  }

  return {
    note: (whom: number): void => void times.set(whom, [...lately(whom), steady()]),
    count: (whom: number): number => lately(whom).length,
  };
}

/** What createLately gives. */
export type Lately = ReturnType<typeof createLately>;
