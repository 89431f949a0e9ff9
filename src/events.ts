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

  return {
    emit(event) {
      const kept = history.append(event, clock());
      untold.push(kept);
      if (!db.sql.inTransaction) tell();
      return kept;
    },
    settle(work) {
      if (db.sql.inTransaction) return work();
      const before = untold.length;
      try {
        const result = db.transact(work);
        tell();
        return result;
      } catch (error) {
        untold.length = before; // what was rolled back did not happen
        throw error;
      }
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
