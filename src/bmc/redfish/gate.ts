import { createTurns, type Turns } from '../../model/turns.ts';

/** The BMCs that are asked something now, by `address:port`. */
const turnsOf = new Map<string, Turns>();

/**
 * Runs `perform` when nothing else runs for this BMC: one request in flight (R1), also when two drivers speak to two Systems
 * behind one BMC. Gives what `perform` gives, or fails as it fails.
 */
export function takeTurn<T>(bmc: string, perform: () => Promise<T>): Promise<T> {
  const turns = turnsOf.get(bmc) ?? createTurns();
  turnsOf.set(bmc, turns);
  const result = turns.take(perform);
  const ended = turns.ended();
  void ended.then(() => {
    if (turns.ended() === ended) turnsOf.delete(bmc);
  });
  return result;
}
