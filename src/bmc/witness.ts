import type { Events } from '../events.ts';
import type { Order } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import type { Machines } from '../store/machines.ts';
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
  const watchers = new Map<number, Set<() => void>>();
  const asked = new Map<number, { text: string; confirm: (by: string) => void }>();
  const stopListening = events.listen(noteEvent);

  function noteEvent({ machineId, kind }: Event): void {
    if (machineId === undefined) return;
    if (kind !== 'boot.started' && kind !== 'dhcp.offered' && kind !== 'dhcp.acked') return;
    for (const saw of watchers.get(machineId) ?? []) saw();
  }

  /** Resolves to true when the machine asks for an address, to false after so long. Fails with the signal's reason. */
  async function watchBoot(machineId: number, ms: number, signal: AbortSignal): Promise<boolean> {
    const ofMachine = watchers.get(machineId) ?? new Set();
    watchers.set(machineId, ofMachine);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const saw = (): void => resolve(true);
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

    /** Ask a person to do it. Resolves with what was seen or said; fails with the signal's reason. */
    async askPerson(machineId: number, order: ByHand, signal: AbortSignal): Promise<string> {
      const wanted = order.kind === 'power' ? order.action : order.wish;
      const text = manualText(wanted, machines.byId(machineId)?.name ?? 'the machine');
      const { promise: said, resolve } = Promise.withResolvers<string>();
      asked.set(machineId, { text, confirm: (by) => resolve(`done by hand, says ${by}`) });
      events.emit({ kind: 'power.asked', text, machineId });
      const over = new AbortController();
      const isStart = order.kind === 'power' && order.action !== 'off' && order.action !== 'soft';
      const both = AbortSignal.any([signal, over.signal]);
      const seen = isStart
        ? watchBoot(machineId, PERSON_MS, both).then(
            (booted) => booted && 'was started by hand: it asked for an address',
          )
        : sleep(PERSON_MS, both).then(() => false as const);
      // whoever comes second fails with `over`, and nobody waits for it
      seen.catch(() => undefined);
      try {
        return (await orAbort(Promise.race([said, seen]), signal)) || 'nobody has done it within a day';
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
