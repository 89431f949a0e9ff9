/** A rate that was tried, in exchanges per second, and whether the server kept up with it. */
export type Try = { rate: number; kept: boolean };

/**
 * `start` is the first rate, `step` the factor to the next one while all were kept, or all missed; `precision` is how near (as a
 * factor) the highest kept and the lowest missed rate are to come.
 */
export type SearchPlan = { start: number; step: number; precision: number; triesToMiss: number };

/** No server is asked for less or for more than this; with either, the search is at its end. */
const LEAST = 10;
const MOST = 100_000;

/**
 * The rate to try next, or undefined when the highest kept rate is known well enough. Goes up by `step` until a rate is missed
 * (or down until one is kept), then takes the geometric middle. A rate is missed when it was so `triesToMiss` times: one
 * hiccup of the host is not the server's limit.
 */
export function chooseRate(tries: readonly Try[], plan: SearchPlan): number | undefined {
  const { kept, missed, open } = judge(tries, plan.triesToMiss);
  if (open !== undefined) return open;
  if (kept === undefined && missed === undefined) return plan.start;
  if (missed === undefined)
    return (kept as number) * plan.step <= MOST ? Math.round((kept as number) * plan.step) : undefined;
  if (kept === undefined) return missed / plan.step >= LEAST ? Math.round(missed / plan.step) : undefined;
  if (missed / kept <= plan.precision) return undefined;
  const middle = Math.round(Math.sqrt(kept * missed));
  return middle === kept || middle === missed ? undefined : middle;
}

/** The highest rate that was kept, or undefined. */
export function highestKept(tries: readonly Try[]): number | undefined {
  const kept = tries.filter((one) => one.kept).map((one) => one.rate);
  return kept.length > 0 ? Math.max(...kept) : undefined;
}

/** `missed`: the lowest rate above all kept ones that was missed. `open`: one that was, but not often enough to be sure. */
function judge(tries: readonly Try[], triesToMiss: number) {
  const kept = highestKept(tries);
  const misses = new Map<number, number>();
  for (const { rate, kept: isKept } of tries) if (!isKept) misses.set(rate, (misses.get(rate) ?? 0) + 1);
  const above = [...misses].filter(([rate]) => kept === undefined || rate > kept);
  return {
    kept,
    missed: above.length > 0 ? Math.min(...above.map(([rate]) => rate)) : undefined,
    open: above.find(([, count]) => count < triesToMiss)?.[0],
  };
}
