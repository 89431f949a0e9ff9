import type { Events } from '../events.ts';
import { describeOrder, isDisturbing, type KeptOrder, type Order } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import { refuseLocked } from '../model/machine.ts';
import type { Clock } from '../model/time.ts';
import type { Bmcs, KeptLink } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { NewOrder, Orders, Outcome } from '../store/orders.ts';
import type { Caller } from './caller.ts';
import type { Sleep } from './lanes.ts';
import { begun, type Command, resume } from './order.ts';
import { perform } from './perform.ts';
import { orAbort, type Witness } from './witness.ts';

export type QueueOptions = {
  machines: Pick<Machines, 'byId'>;
  bmcs: Pick<Bmcs, 'chain'>;
  orders: Orders;
  events: Pick<Events, 'emit' | 'settleEarly'>;
  call: Caller['call'];
  witness: Pick<Witness, 'watchBoot' | 'askPerson'>;
  /** Throws `no-bmc`. */
  chainOf: (machineId: number) => readonly KeptLink[];
  /** How long a switching-on waits for its turn. */
  stagger: () => number;
  /** Told of each order that ended, and how, in the transaction that says so. */
  onOutcome: (order: KeptOrder, outcome: Outcome) => void;
  /** Told when nothing is under way on a machine any more, or something else is. */
  onEnded: (machineId: number) => void;
  clock: Clock;
  steady: () => number;
  sleep: Sleep;
};

/** After what was done could not be kept. */
const AGAIN_MS = 5000;
/** Who takes back what was asked of a machine that is gone. */
const REMOVAL = 'the removal of the machine';

type Running = { order: KeptOrder; abort: AbortController; ended: Promise<KeptOrder> };

class Cancelled extends Error {
  readonly by: string;
  constructor(by: string) {
    super(`cancelled by ${by}`);
    this.by = by;
  }
}

/** What the appliance stops with: orders that are under way stay so in the store. */
class Stopped extends Error {}

/** The orders: kept, carried out one at a time for each machine, told when they end. */
export type Queue = ReturnType<typeof createQueue>;

export function createQueue(options: QueueOptions) {
  const { machines, bmcs, orders, events, call, witness, stagger, clock, steady, sleep } = options;
  const running = new Map<number, Running>();
  /** Those who wait for an order's end, by its id. */
  const endings = new Map<number, { order: KeptOrder; tells: Set<(order: KeptOrder) => void> }>();
  /** Whose turn to be switched on was waited for before the boot device was set, which some BMCs forget after a minute (B1). */
  const turns = new Set<number>();
  let stopped = false;

  /** How long a command waits so that not all machines are switched on at once. */
  function turnOf({ id, machineId }: KeptOrder, command: Command): number {
    if (command.kind === 'set-power' && command.action === 'on') return turns.delete(id) ? 0 : stagger();
    if (command.kind !== 'set-boot') return 0;
    const next = orders
      .openOf(machineId)
      .find(({ order }) => order.kind === 'power' && order.action === 'on' && order.needs === id);
    if (next === undefined || turns.has(next.id)) return 0;
    turns.add(next.id);
    return stagger();
  }

  function lockedWhy(machineId: number, order: Order): string | undefined {
    const machine = machines.byId(machineId);
    if (!machine) return 'the machine was removed';
    return machine.locked && isDisturbing(order) ? `${machine.name} is locked` : undefined;
  }

  /** Keep an order and carry it out once those before it have ended. Throws `no-bmc`, `machine-locked`. */
  function place(wanted: NewOrder): KeptOrder {
    const machine = machines.byId(wanted.machineId);
    if (!machine) throw new AppError('no-such-machine', `there is no machine ${wanted.machineId}`);
    if (isDisturbing(wanted.order)) refuseLocked(machine);
    options.chainOf(machine.id);
    const order = orders.add(wanted, clock());
    advance(machine.id);
    return order;
  }

  /** Begin the next order of a machine, when none is under way. */
  function advance(machineId: number): void {
    if (stopped || running.has(machineId)) return;
    const [next] = orders.openOf(machineId);
    if (!next) return;
    const abort = new AbortController();
    const one: Running = { order: next, abort, ended: Promise.resolve(next) };
    running.set(machineId, one);
    one.ended = carryOut(next, abort.signal)
      .catch((error: unknown) => {
        // a fault of ours: the order ends, and says so
        console.error(`order ${next.id}: ${error instanceof Error ? error.stack : String(error)}`);
        return end(next, { state: 'failed', result: `internal error: ${(error as Error).message}` }, 0);
      })
      .finally(() => {
        running.delete(machineId);
        options.onEnded(machineId);
      });
    one.ended.then(
      () => advance(machineId),
      (error: unknown) => {
        // its outcome could not be kept: later, and not this turn, which would never end
        console.error(`order ${next.id}: ${error instanceof Error ? error.stack : String(error)}`);
        setTimeout(() => advance(machineId), AGAIN_MS).unref();
      },
    );
  }

  async function carryOut(order: KeptOrder, signal: AbortSignal): Promise<KeptOrder> {
    const { machineId } = order;
    const started = steady();
    // none of this needs to be on disk before the first command is: that one waits for it
    events.settleEarly(() => orders.begin(order.id, clock()));
    const needs = 'needs' in order.order ? order.order.needs : undefined;
    const before = needs !== undefined ? orders.byId(needs) : undefined;
    if (before && before.state !== 'done')
      return await end(
        order,
        { state: 'failed', result: `not done, because ${describeOrder(before.order)} was not: ${before.result}` },
        0,
      );
    const from = order.progress ? resume(order.order, order.progress, clock()) : begun(clock());
    if ('failed' in from) return await end(order, { state: 'failed', result: from.failed }, 0);
    try {
      const outcome = await perform(order, from, {
        chain: () => bmcs.chain(machineId),
        call: (link, work, cancel) => orAbort(call(link, 'order', work, cancel), cancel),
        save: (progress, driver) => keep(() => orders.saveProgress(order.id, progress, driver)),
        refusal: (command) =>
          lockedWhy(machineId, command?.kind === 'set-power' ? { kind: 'power', action: command.action } : order.order),
        stagger: (command) => turnOf(order, command),
        watchBoot: (ms, cancel) => witness.watchBoot(machineId, isReset(order.order), ms, cancel),
        askPerson: (what, cancel) => witness.askPerson(machineId, what, cancel),
        clock,
        sleep,
        signal,
      });
      return await end(order, outcome, steady() - started);
    } catch (error) {
      const reason: unknown = signal.aborted ? signal.reason : error;
      if (reason instanceof Stopped) return order;
      if (reason instanceof Cancelled)
        return end(
          order,
          { state: 'cancelled', result: `${reason.message}${describeStage(orders.byId(order.id))}` },
          steady() - started,
        );
      // a password that cannot be opened, a chain that makes no sense: for a person to mend
      if (error instanceof AppError) return end(order, { state: 'failed', result: error.message }, steady() - started);
      throw error;
    }
  }

  /** Resolves once it is on disk; nobody else waits for the disk meanwhile. */
  async function keep(work: () => void): Promise<void> {
    await events.settleEarly(work).durable;
  }

  async function end(order: KeptOrder, outcome: Outcome, ms: number): Promise<KeptOrder> {
    const { machineId } = order;
    const what = describeOrder(order.order);
    const { result: ended, durable } = events.settleEarly((): KeptOrder => {
      orders.end(order, outcome, clock());
      if (!machines.byId(machineId))
        return { ...order, state: 'failed', result: 'the machine was removed', endedAt: clock() };
      const words = { done: '', failed: ' failed', cancelled: '' }[outcome.state];
      events.emit({
        kind: ({ done: 'power.command', failed: 'power.failed', cancelled: 'power.cancelled' } as const)[outcome.state],
        text: `${what}${words}: ${outcome.result} (asked by ${order.askedBy})`,
        machineId,
        data: { order: order.id, what, by: order.askedBy, ms: Math.round(ms), driver: outcome.driver },
      });
      const kept = orders.byId(order.id) ?? order;
      options.onOutcome(kept, outcome);
      return kept;
    });
    await durable;
    turns.delete(order.id);
    for (const tell of endings.get(order.id)?.tells ?? []) tell(ended);
    endings.delete(order.id);
    return ended;
  }

  /** The order as it is once it has ended, or as it is after so long. Throws `no-such-order`. */
  function whenEnded(id: number, withinMs?: number): Promise<KeptOrder> {
    const order = orders.byId(id);
    if (!order) throw new AppError('no-such-order', `there is no power order ${id}`);
    if (order.endedAt !== undefined) return Promise.resolve(order);
    const { promise, resolve } = Promise.withResolvers<KeptOrder>();
    const ending = endings.get(id) ?? { order, tells: new Set() };
    endings.set(id, ending);
    ending.tells.add(resolve);
    if (withinMs === undefined) return promise;
    const timer = setTimeout(() => {
      ending.tells.delete(resolve);
      resolve(orders.byId(id) ?? order);
    }, withinMs).unref();
    return promise.finally(() => clearTimeout(timer));
  }

  /** Throws `no-such-order`, `order-ended`. */
  async function cancel(id: number, by: string): Promise<KeptOrder> {
    const order = orders.byId(id);
    if (!order) throw new AppError('no-such-order', `there is no power order ${id}`);
    if (order.endedAt !== undefined)
      throw new AppError('order-ended', `power order ${id} has ended: ${order.state}, ${order.result}`);
    const one = running.get(order.machineId);
    if (one?.order.id !== id) return await end(order, { state: 'cancelled', result: `cancelled by ${by}` }, 0);
    one.abort.abort(new Cancelled(by));
    return one.ended;
  }

  return {
    place,
    whenEnded,
    cancel,
    isRunning: (machineId: number): boolean => running.has(machineId),
    orderOfEffect: orders.byEffect,
    /** A job that ends takes its order back. */
    cancelOfEffect(effectId: number, because: string): void {
      const order = orders.byEffect(effectId);
      if (order && order.endedAt === undefined) afterwards(() => cancel(order.id, because));
    },
    /** What is asked of a machine that is gone has no end of its own: its orders went with it. */
    dropRemoved(isThere: (machineId: number) => boolean): void {
      for (const [machineId, one] of running) if (!isThere(machineId)) one.abort.abort(new Cancelled(REMOVAL));
      for (const { order } of [...endings.values()])
        if (!isThere(order.machineId) && running.get(order.machineId)?.order.id !== order.id)
          afterwards(() => end(order, { state: 'cancelled', result: `cancelled by ${REMOVAL}` }, 0));
    },
    /** Take up what was under way when the appliance ended. */
    start(): void {
      for (const machineId of new Set(orders.open().map((order) => order.machineId))) advance(machineId);
    },
    /** What is under way stays so in the store. */
    async close(): Promise<void> {
      stopped = true;
      const ends = [...running.values()].map(({ abort, ended }) => {
        abort.abort(new Stopped());
        return ended;
      });
      await Promise.allSettled(ends);
    },
  };
}

/** Once the transaction that this may be a part of is over: one of its own cannot begin in it. */
function afterwards(work: () => Promise<unknown>): void {
  Promise.resolve()
    .then(work)
    .catch((error: Error) => console.error(error.stack));
}

const isReset = (order: Order): boolean => order.kind === 'power' && order.action === 'reset';

/** What a cancelled order had done already. */
function describeStage(order: KeptOrder | undefined): string {
  const stage = order?.progress?.stage;
  return stage === undefined || stage === 'begin' ? '' : `, its command was given already (${stage})`;
}
