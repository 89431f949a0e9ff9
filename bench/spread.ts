/** How long exchanges took, in milliseconds. `lost` of `count` never ended; they count as longer than all others. */
export type Spread = { count: number; lost: number; p50?: number; p90?: number; p99?: number; max?: number };

/** The spread of what was measured, by nearest rank. A percentile that lies among the lost ones is left out: it has no time. */
export function spreadOf(milliseconds: readonly number[], lost: number): Spread {
  const sorted = Float64Array.from(milliseconds).sort();
  const count = sorted.length + lost;
  const rank = (share: number): number | undefined => sorted[Math.max(0, Math.ceil(share * count) - 1)];
  const named = { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: sorted.at(-1) };
  return {
    count,
    lost,
    ...(Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)) as Partial<typeof named>),
  };
}

/** The middle value; of an even number, the mean of the middle two. Undefined of none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[sorted.length >> 1];
  const lower = sorted[(sorted.length - 1) >> 1];
  return upper === undefined || lower === undefined ? undefined : (upper + lower) / 2;
}
