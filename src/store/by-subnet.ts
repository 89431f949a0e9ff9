/** Things by subnet and key: a map for each subnet, so that looking one up makes no new string. */
export function bySubnet<K, V>() {
  const maps = new Map<number, Map<K, V>>();
  return {
    of(subnetId: number): Map<K, V> {
      let things = maps.get(subnetId);
      if (!things) {
        things = new Map();
        maps.set(subnetId, things);
      }
      return things;
    },
    maps: (): Iterable<ReadonlyMap<K, V>> => maps.values(),
    *all(): Generator<V, undefined> {
      for (const things of maps.values()) yield* things.values();
    },
    clear: (): void => maps.clear(),
  };
}
