const MINUTE_MS = 60_000;

/** The DECLINEs that were believed on each subnet in the last minute of `steady`, the milliseconds that go on evenly. */
export function createDeclines(steady: () => number) {
  const bySubnet = new Map<number, number[]>();

  function lately(subnetId: number): number[] {
    const now = steady();
    return (bySubnet.get(subnetId) ?? []).filter((at) => now - at < MINUTE_MS);
  }

  return {
    note: (subnetId: number): void => void bySubnet.set(subnetId, [...lately(subnetId), steady()]),
    count: (subnetId: number): number => lately(subnetId).length,
  };
}

/** What createDeclines gives. */
export type Declines = ReturnType<typeof createDeclines>;
