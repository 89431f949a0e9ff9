import type { Events } from '../events.ts';
import { type Order, startsMachine } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { Event, EventKind } from '../model/event.ts';
import type { Machines } from '../store/machines.ts';
import type { Outcome } from '../store/orders.ts';
import { type Sleep, sleepFor } from './lanes.ts';
import { manualText } from './manual.ts';

export type WitnessOptions = {
  machines: Pick<Machines, 'byId'>;
  events: Pick<Events, 'emit' | 'listen'>;
  sleep?: Sleep;
};

/** A person who was asked in the morning has done it by the next, or somebody asks again. */
const PERSON_MS = 24 * 3600 * 1000;

/** What a person can be asked to do. */
export type ByHand = Extract<Order, { kind: 'power' | 'boot' }>;

/** Sees what no BMC tells: that a machine asked for an address, that a person says it is done. */
export type Witness = ReturnType<typeof createWitness>;

export function createWitness({ machines, events, sleep = sleepFor }: WitnessOptions) {
  const watchers = new Map<number, Set<(kind: EventKind) => void>>();
  const asked = new Map<number, { text: string; confirm: (by: string) => void }>();
  const stopListening = events.listen(noteEvent);

  function noteEvent({ machineId, kind }: Event): void {
    if (machineId === undefined) return;
    for (const saw of watchers.get(machineId) ?? []) saw(kind);
  }

  /**
   * Resolves to true when the machine asks for an address, to false after so long. Fails with the signal's reason. `mayRun`: what it
   * runs may renew its lease (RFC 2131 4.4.5), which is no start.
   */
  async function watchBoot(machineId: number, mayRun: boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    const ofMachine = watchers.get(machineId) ?? new Set();
    watchers.set(machineId, ofMachine);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const saw = (kind: EventKind): void => {
      if (kind === 'boot.started' || kind === 'dhcp.offered' || (kind === 'dhcp.acked' && !mayRun)) resolve(true);
    };
    ofMachine.add(saw);
    const over = new AbortController();
    try {
      return await orAbort(
        Promise.race([promise, sleep(ms, AbortSignal.any([signal, over.signal])).then(() => false)]),
        signal,
      );
    } finally {
      ofMachine.delete(saw);
      if (ofMachine.size === 0) watchers.delete(machineId);
      over.abort();
    }
  }

  return {
    watchBoot,

    /** Ask a person to do it. Resolves with what was seen or said, or `failed`; fails with the signal's reason. */
    async askPerson(machineId: number, order: ByHand, signal: AbortSignal): Promise<Outcome> {
      const wanted = order.kind === 'power' ? order.action : order.wish;
      const text = manualText(wanted, machines.byId(machineId)?.name ?? 'the machine');
      const { promise: said, resolve } = Promise.withResolvers<string>();
      asked.set(machineId, { text, confirm: (by) => resolve(`done by hand, says ${by}`) });
      events.emit({ kind: 'power.asked', text, machineId });
      const over = new AbortController();
      const isStart = order.kind === 'power' && startsMachine(order.action);
      const both = AbortSignal.any([signal, over.signal]);
      const seen = isStart
        ? watchBoot(machineId, order.action !== 'on', PERSON_MS, both).then(
            (booted) => booted && 'was started by hand: it asked for an address',
          )
        : sleep(PERSON_MS, both).then(() => false as const);
      // whoever comes second fails with `over`, and nobody waits for it
      seen.catch(() => undefined);
      try {
        const result = await orAbort(Promise.race([said, seen]), signal);
        const driver = 'manual';
        return result === false
          ? { state: 'failed', result: 'nobody has done it within a day', driver }
          : { state: 'done', result, driver };
      } finally {
        asked.delete(machineId);
        over.abort();
      }
    },
    /** What a person was asked to do to a machine and has not done. */
    askedOf: (machineId: number): string | undefined => asked.get(machineId)?.text,
    /** A person says that it is done. Throws `order-ended` when nothing was asked. */
    confirm(machineId: number, by: string): void {
      const question = asked.get(machineId);
      if (!question)
        throw new AppError('order-ended', `nobody was asked to do anything to ${machines.byId(machineId)?.name}`);
      question.confirm(by);
    },
    close: stopListening,
  };
}

/** What `promise` gives, or the signal's reason as soon as it is aborted. */
export async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
    promise.catch(() => undefined);
  }
}
