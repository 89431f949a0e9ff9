/** The last request to each BMC that is under way or waits, by `address:port`. */
const lastOf = new Map<string, Promise<unknown>>();

/**
 * Runs `perform` when nothing else runs for this BMC: one request in flight (R1), also when two drivers speak to two Systems
 * behind one BMC. Gives what `perform` gives, or fails as it fails.
 */
export function takeTurn<T>(bmc: string, perform: () => Promise<T>): Promise<T> {
  const result = (lastOf.get(bmc) ?? Promise.resolve()).then(perform);
  const settled = result.then(
    () => undefined,
    () => undefined,
  );
  lastOf.set(bmc, settled);
  void settled.then(() => {
    if (lastOf.get(bmc) === settled) lastOf.delete(bmc);
  });
  return result;
}
