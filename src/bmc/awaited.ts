import type { Events } from '../events.ts';
import { type KeptOrder, type Order, type Progress, startsMachine } from '../model/bmc.ts';
import type { Event } from '../model/event.ts';
import { after, type Clock } from '../model/time.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { AwaitedBoot, NewOrder, Orders } from '../store/orders.ts';
import { otherWay } from './other-way.ts';
import { usableLinks } from './retry.ts';

export type AwaitedOptions = {
  machines: Pick<Machines, 'byId'>;
  bmcs: Pick<Bmcs, 'chain'>;
  orders: Pick<Orders, 'await' | 'awaited' | 'dropAwaited' | 'openOf'>;
  events: Pick<Events, 'emit' | 'listen'>;
  place: (order: NewOrder) => KeptOrder;
  clock: Clock;
};

/** From the power-on to the first DHCP: large servers take most of it. */
const WITHIN_MS = 300_000;
/** A boot device that was set and not started from for so long is not expected any more: whoever starts it then has other plans. */
const LAPSES_MS = 600_000;
const CHECK_MS = 5000;
/** Who asks for the second attempt. */
const OURSELVES = 'Firstlight';

/**
 * Checks that a machine which was told to boot from the network, and was started, does so; if not, it is tried another way, once.
 * Whatever else is done to its power meanwhile, by an order or by hand, ends that: nobody's machine is switched on behind his back.
 */
export type Awaited = ReturnType<typeof createAwaited>;

export function createAwaited({ machines, bmcs, orders, events, place, clock }: AwaitedOptions) {
  const stopListening = events.listen(noteEvent);
  const timer = setInterval(check, CHECK_MS);
  const waiting = new Set(orders.awaited().map((one) => one.machineId));

  function noteEvent({ machineId, kind, data }: Event): void {
    if (machineId === undefined || !waiting.has(machineId)) return;
    // what asks while it is still to be started, or started anew, is what it ran before
    if (kind === 'boot.started' && !isToStart(machineId)) drop(machineId);
    if (kind === 'power.changed' && data?.power === 'off' && awaitedOf(machineId)?.isStarted && isIdle(machineId))
      drop(machineId);
  }

  const awaitedOf = (machineId: number): AwaitedBoot | undefined =>
    orders.awaited().find((one) => one.machineId === machineId);
  const isIdle = (machineId: number): boolean => orders.openOf(machineId).length === 0;

  /** Whether an order will start it. One that has told it to waits only for the BMC, which may tell a minute late (B3). */
  function isToStart(machineId: number): boolean {
    return orders
      .openOf(machineId)
      .some(({ order, progress }) => order.kind === 'power' && startsMachine(order.action) && !hasStarted(progress));
  }

  function drop(machineId: number): void {
    waiting.delete(machineId);
    orders.dropAwaited(machineId);
  }

  function check(): void {
    if (waiting.size === 0) return;
    for (const one of orders.awaited())
      if (clock() >= after(one.since, one.isStarted ? WITHIN_MS : LAPSES_MS) && isIdle(one.machineId))
        try {
          if (one.isStarted) missed(one);
          else drop(one.machineId);
        } catch (error) {
          // a full disk: it stays as it is, and the others have their turn
          console.error(`awaited boot of machine ${one.machineId}: ${error instanceof Error ? error.stack : error}`);
        }
  }

  function missed(one: AwaitedBoot): void {
    const { machineId, wish, driver, attempt, askedBy } = one;
    drop(machineId);
    const machine = machines.byId(machineId);
    if (!machine) return;
    const none = `was started to boot ${wish.device} and asked for no address within ${WITHIN_MS / 60_000} minutes`;
    const chain = usableLinks(bmcs.chain(machineId));
    const way =
      attempt === 1 && !machine.locked && chain.length > 0
        ? otherWay({ wish, driver }, { firmware: machine.firmware, drivers: chain.map((link) => link.driver) })
        : undefined;
    events.emit({
      kind: 'boot.missing',
      text: way
        ? `${none}: it is tried ${way.text}`
        : `${none}: look at its screen or console, at its network cable, and at the boot order of its firmware`,
      machineId,
      data: { device: wish.device, firmware: wish.firmware, driver, attempt, by: askedBy },
    });
    if (!way) return;
    const ask = (order: Order): number => place({ machineId, order, askedBy: OURSELVES }).id;
    const off = ask({ kind: 'power', action: 'off' });
    const boot = ask({ kind: 'boot', wish: way.wish, via: way.via, needs: off });
    ask({ kind: 'power', action: 'on', needs: boot });
  }

  return {
    /** An order has ended: what it means for what is awaited. */
    noteOutcome({ machineId, order, state, driver, askedBy, progress }: KeptOrder): void {
      if (order.kind === 'boot') {
        const { wish } = order;
        if (waiting.has(machineId)) drop(machineId);
        if (state !== 'done' || driver === undefined) return;
        if (wish.device !== 'network' && wish.device !== 'http') return;
        const attempt = askedBy === OURSELVES ? 2 : 1;
        orders.await({ machineId, wish, driver, attempt, isStarted: false, since: clock(), askedBy });
        waiting.add(machineId);
      }
      if (order.kind !== 'power' || !waiting.has(machineId)) return;
      const one = awaitedOf(machineId);
      const isStart = startsMachine(order.action);
      const isNow = state === 'done' && isStart && (driver === 'manual' || hasStarted(progress));
      if (one && isNow) orders.await({ ...one, isStarted: true, since: clock() });
      // it is off now, or in a state that nobody asked for; an "on" that found it on has changed nothing
      else if (one?.isStarted && (state === 'done' ? !isStart : progress !== undefined)) drop(machineId);
    },
    /** Nobody waits for its boot any more. */
    drop,
    close(): void {
      clearInterval(timer);
      stopListening();
    },
  };
}

/** Whether the command that starts it was given. */
const hasStarted = (progress: Progress | undefined): boolean =>
  progress?.stage === 'turning-on' || progress?.stage === 'resetting';
