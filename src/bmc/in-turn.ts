import { createTurns } from '../model/turns.ts';
import { BmcError, type BmcTarget } from './driver.ts';

/** The calls of one driver: one after the other until it is closed, and none after that. */
export type InTurn = {
  /** Fails as `perform` does, and with a BmcError when the driver is closed before its turn. */
  call<T>(perform: () => T | Promise<T>): Promise<T>;
  /** In its turn, closed or not: what a driver does to leave nothing behind. */
  cleanUp<T>(perform: () => T | Promise<T>): Promise<T>;
  isClosed(): boolean;
  /** Waits for the running call; those that wait are refused. */
  close(): Promise<void>;
};

/** `place` is named in the refusal of a driver that is closed. */
export function createInTurn(place: Pick<BmcTarget, 'address' | 'port'>): InTurn {
  const turns = createTurns();
  let isClosed = false;

  function checkOpen(): void {
    if (isClosed) throw new BmcError('refused', place, 'is no longer in use here', 'Open its driver again');
  }

  return {
    async call(perform) {
      checkOpen();
      return turns.take(() => {
        checkOpen();
        return perform();
      });
    },
    cleanUp: turns.take,
    isClosed: () => isClosed,
    close() {
      isClosed = true;
      return turns.ended();
    },
  };
}
