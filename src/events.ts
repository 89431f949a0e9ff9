import type { Event, NewEvent } from './model/event.ts';
import type { Clock } from './model/time.ts';
import type { Db } from './store/db.ts';
import type { History } from './store/history.ts';

/** The hub: history first, then everybody who listens (log, live page, workflow), in the order they signed up. */
export type Events = {
  /** Keep an event, then tell it. Inside a transaction it is told after that one has committed, see `settle`. */
  emit(event: NewEvent): Event;
  /** Run `work` in one transaction; what it emits is kept in that same transaction and told after it. */
  settle<T>(work: () => T): T;
  /** The same without waiting for the disk, see `transactEarly`; told when it is durable. Throws as `work` does. */
  settleEarly<T>(work: () => T): { result: T; durable: Promise<void> | undefined };
  listen(listener: (event: Event) => void): () => void;
};

export function createEvents(db: Db, history: History, clock: Clock): Events {
  const listeners = new Set<(event: Event) => void>();
  const untold: Event[] = [];
  let telling = false;

  /** Tell what is untold, in order; what a listener emits meanwhile comes after it. */
  function tell(): void {
    if (telling) return;
    telling = true;
    try {
      for (let event = untold.shift(); event; event = untold.shift())
        for (const listener of listeners)
          try {
            listener(event);
          } catch (error) {
            // what happened has happened, and the others want to know
            console.error(`a listener of ${event.kind}: ${error instanceof Error ? error.stack : String(error)}`);
          }
    } finally {
      telling = false;
    }
  }

  /** What is rolled back did not happen, and is not told. */
  function orForget<T>(work: () => T): T {
    const before = untold.length;
    try {
      return work();
    } catch (error) {
      untold.length = before;
      throw error;
    }
  }

  return {
    emit(event) {
      const kept = history.append(event, clock());
      untold.push(kept);
      if (!db.sql.inTransaction) tell();
      return kept;
    },
    settle(work) {
      if (db.sql.inTransaction) return work();
      const result = orForget(() => db.transact(work));
      tell();
      return result;
    },
    settleEarly(work) {
      const { result, durable } = orForget(() => db.transactEarly(work));
      // whatever is committed durably meanwhile makes this durable too, and is told after it
      return { result, durable: durable?.then(tell) };
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
