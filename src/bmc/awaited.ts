import type { Events } from '../events.ts';
import type { KeptOrder, Order } from '../model/bmc.ts';
import type { Event } from '../model/event.ts';
import { after, type Clock, type Instant } from '../model/time.ts';
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
const CHECK_MS = 5000;
/** Who asks for the second attempt. */
const OURSELVES = 'Firstlight';
/** Set, but not started yet. */
const NOT_YET = 0 as Instant;

/** Checks that a machine which was told to boot from the network does so; if not, it is tried another way, once. */
export type Awaited = ReturnType<typeof createAwaited>;

export function createAwaited({ machines, bmcs, orders, events, place, clock }: AwaitedOptions) {
  const stopListening = events.listen(noteEvent);
  const timer = setInterval(check, CHECK_MS);
  const waiting = new Set(orders.awaited().map((one) => one.machineId));

  function noteEvent({ machineId, kind }: Event): void {
    if (machineId === undefined || kind !== 'boot.started' || !waiting.has(machineId)) return;
    const one = orders.awaited().find((awaited) => awaited.machineId === machineId);
    if (one && (one.since !== NOT_YET || isStarting(machineId))) drop(machineId);
  }

  /** Whether it was told to start: some are faster than the BMC, which tells the power up to a minute late (B3). */
  function isStarting(machineId: number): boolean {
    const stages = orders.openOf(machineId).map(({ progress }) => progress?.stage);
    return stages.includes('turning-on') || stages.includes('resetting');
  }

  function drop(machineId: number): void {
    waiting.delete(machineId);
    orders.dropAwaited(machineId);
  }

  function check(): void {
    if (waiting.size === 0) return;
    for (const one of orders.awaited())
      if (one.since !== NOT_YET && clock() >= after(one.since, WITHIN_MS))
        try {
          missed(one);
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
    place({ machineId, order: { kind: 'power', action: 'off' }, askedBy: OURSELVES });
    const boot: Order = { kind: 'boot', wish: way.wish, via: way.via };
    const { id } = place({ machineId, order: boot, askedBy: OURSELVES });
    place({ machineId, order: { kind: 'power', action: 'on', needs: id }, askedBy: OURSELVES });
  }

  return {
    /** An order was carried out: what it means for what is awaited. */
    noteDone({ machineId, order, driver, askedBy }: KeptOrder): void {
      if (order.kind === 'boot') {
        const { wish } = order;
        drop(machineId);
        if (driver === undefined || (wish.device !== 'network' && wish.device !== 'http')) return;
        const attempt = askedBy === OURSELVES ? 2 : 1;
        orders.await({ machineId, wish, driver, attempt, since: NOT_YET, askedBy });
        waiting.add(machineId);
      }
      if (order.kind !== 'power' || !waiting.has(machineId)) return;
      const one = orders.awaited().find((awaited) => awaited.machineId === machineId);
      if (one && isStart(order)) orders.await({ ...one, since: clock() });
    },
    /** Nobody waits for its boot any more. */
    drop,
    close(): void {
      clearInterval(timer);
      stopListening();
    },
  };
}

const isStart = (order: Extract<Order, { kind: 'power' }>): boolean =>
  order.action === 'on' || order.action === 'cycle' || order.action === 'reset';
