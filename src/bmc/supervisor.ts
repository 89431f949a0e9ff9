import type { Events } from '../events.ts';
import {
  DEFAULT_STAGGER,
  describeOrder,
  isDisturbing,
  type KeptOrder,
  type Order,
  type PowerState,
  type Stagger,
} from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import type { Bmcs, KeptLink } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { NewOrder, Orders, Outcome } from '../store/orders.ts';
import { createAdoption } from './adopt.ts';
import { createAwaited } from './awaited.ts';
import { type Caller, createCaller } from './caller.ts';
import { type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import { type Found, findBmc, type Login } from './find.ts';
import { type DriverOptions, openBmc } from './index.ts';
import { createLanes, createStagger, laneOf, type Pool, type Sleep, sleepFor } from './lanes.ts';
import { createLinks } from './links.ts';
import { begun, resume } from './order.ts';
import { lacks, perform } from './perform.ts';
import { createPoller } from './poller.ts';
import { POLL_PLAN, type PollPlan } from './polling.ts';
import { usableLinks } from './retry.ts';
import { createWitness, orAbort } from './witness.ts';

export type SupervisorOptions = {
  machines: Machines;
  bmcs: Bmcs;
  orders: Orders;
  events: Events;
  clock: Clock;
  /** Milliseconds that go on evenly. */
  steady: () => number;
  settings?: Partial<SupervisorSettings>;
  open?: (target: BmcTarget, options: DriverOptions) => BmcDriver;
  sleep?: Sleep;
  /** From 0 to 1: spreads the polls. */
  chance?: () => number;
};

export type SupervisorSettings = {
  spacingMs: number;
  caps: Readonly<Record<Pool, number>>;
  stagger: Stagger;
  /** Where the programs of the driver exec lie; see ExecOptions. */
  execFolder?: string;
  /** Whether power is read by itself. */
  polls: boolean;
  pollPlan: PollPlan;
};

export const SUPERVISOR_SETTINGS: SupervisorSettings = {
  spacingMs: 1000,
  caps: { order: 64, poll: 32, silent: 16 },
  stagger: DEFAULT_STAGGER,
  polls: true,
  pollPlan: POLL_PLAN,
};

const REMOVAL = 'the removal of the machine';
/** How long the appliance waits for running calls when it ends. */
const CLOSE_MS = 2000;
/** After what was done could not be kept. */
const AGAIN_MS = 5000;

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

/**
 * The BMCs under supervision: orders are kept, carried out one at a time for each machine, verified, and told; power is read by
 * itself; one BMC is never asked two things at once, whoever asks.
 */
export type Supervisor = ReturnType<typeof createSupervisor>;

export function createSupervisor(options: SupervisorOptions) {
  const { machines, bmcs, orders, events, clock, steady } = options;
  const { open = openBmc, sleep = sleepFor, chance = Math.random } = options;
  const settings = { ...SUPERVISOR_SETTINGS, ...options.settings };
  const lanes = createLanes({ spacingMs: settings.spacingMs, caps: settings.caps, steady, sleep });
  const openDriver = (target: BmcTarget, more: DriverOptions): BmcDriver =>
    open(target, { ...more, ...(settings.execFolder !== undefined ? { execFolder: settings.execFolder } : {}) });
  const links = createLinks({ open: openDriver, password: bmcs.password, learn: bmcs.learn });
  const caller: Caller = createCaller({ lanes, links, bmcs, events, clock, steady });
  const stagger = createStagger(settings.stagger, steady);
  const witness = createWitness({ machines, events, sleep });
  const awaited = createAwaited({ machines, bmcs, orders, events, place, clock });
  const adoption = createAdoption({ machines, bmcs, events, find });
  const poller = createPoller({
    bmcs,
    health: caller.health,
    isBusy: (link) => running.has(link.machineId) || lanes.isBusy(laneOf(link)),
    read: (machineId) => readPower(machineId, 'poll'),
    pollPlan: settings.pollPlan,
    steady,
    chance,
  });

  const running = new Map<number, Running>();
  /** Those who wait for an order's end, by its id. */
  const endings = new Map<number, { order: KeptOrder; tells: ((order: KeptOrder) => void)[] }>();
  let stopped = false;

  bmcs.onChanged((machineId) => {
    links.forget(machineId);
    caller.forget(machineId);
    poller.reload(machineId);
  });
  machines.onRemoved(dropRemoved);

  /** What is asked of a machine that is gone has no end of its own: its orders went with it. */
  function dropRemoved(): void {
    const isThere = (machineId: number): boolean => machines.byId(machineId) !== undefined;
    poller.reload();
    links.forgetRemoved(isThere);
    caller.forgetRemoved(isThere);
    for (const [machineId, one] of running) if (!isThere(machineId)) one.abort.abort(new Cancelled(REMOVAL));
    for (const { order } of [...endings.values()])
      if (!isThere(order.machineId) && running.get(order.machineId)?.order.id !== order.id)
        afterwards(() => end(order, { state: 'cancelled', result: `cancelled by ${REMOVAL}` }, 0));
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
    if (lockedWhy(machine.id, wanted.order))
      throw new AppError(
        'machine-locked',
        `${machine.name} is locked`,
        `unlock it with: firstlight unlock ${machine.name}`,
      );
    chainOrThrow(machine.id);
    const order = orders.add(wanted, clock());
    advance(machine.id);
    return order;
  }

  function chainOrThrow(machineId: number): KeptLink[] {
    const chain = bmcs.chain(machineId);
    if (chain.length === 0)
      throw new AppError(
        'no-bmc',
        `no BMC is known for ${machines.byId(machineId)?.name}`,
        'give it one with: firstlight bmc set MACHINE ADDRESS --password-file FILE',
      );
    return chain;
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
        poller.hurry(machineId);
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
    const before = order.order.kind === 'power' && order.order.needs ? orders.byId(order.order.needs) : undefined;
    if (before && before.state !== 'done')
      return await end(
        order,
        { state: 'failed', result: `not done, because ${describeOrder(before.order)} was not` },
        0,
      );
    const from = order.progress ? resume(order.order, order.progress, clock()) : begun(clock());
    if ('failed' in from) return await end(order, { state: 'failed', result: from.failed }, 0);
    try {
      const outcome = await perform(order, from, {
        chain: () => bmcs.chain(machineId),
        call: (link, work, cancel) => orAbort(caller.call(link, 'order', work, cancel), cancel),
        save: (progress, driver) => keep(() => orders.saveProgress(order.id, progress, driver)),
        refusal: () => lockedWhy(machineId, order.order),
        stagger,
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
      if (outcome.state === 'done') noteDone(kept);
      return kept;
    });
    await durable;
    for (const tell of endings.get(order.id)?.tells ?? []) tell(ended);
    endings.delete(order.id);
    return ended;
  }

  /** What an order that was carried out says of the machine. */
  function noteDone(kept: KeptOrder): void {
    const { machineId, order } = kept;
    awaited.noteDone(kept);
    if (order.kind !== 'power' || kept.driver === 'manual') return;
    const machine = machines.byId(machineId);
    const state: PowerState = order.action === 'off' || order.action === 'soft' ? 'off' : 'on';
    if (caller.health(machineId).answeredAt !== undefined) caller.notePower(machineId, state);
    // whatever it booted is over: what comes next is a new boot, unless that came before the BMC told of it
    const startedAt = state === 'on' ? kept.progress?.since : undefined;
    const isBack = startedAt !== undefined && (machines.bootStage(machineId).seenAt ?? 0) > startedAt;
    if (machine && order.action !== 'on' && !isBack) machines.setBoot(machineId, machine.boot, 'none', clock());
  }

  /** The order as it is once it has ended. */
  function whenEnded(id: number): Promise<KeptOrder> {
    const order = orders.byId(id);
    if (!order) throw new AppError('no-such-order', `there is no power order ${id}`);
    if (order.endedAt !== undefined) return Promise.resolve(order);
    const { promise, resolve } = Promise.withResolvers<KeptOrder>();
    endings.set(id, { order, tells: [...(endings.get(id)?.tells ?? []), resolve] });
    return promise;
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

  /** Ask a machine's BMC something, now, by the first driver of its chain that has it. Throws BmcError, `no-bmc`. */
  async function ask<T>(
    machineId: number,
    what: string,
    work: (driver: BmcDriver) => Promise<T> | undefined,
    pool: 'order' | 'poll' = 'order',
  ): Promise<{ value: T; link: KeptLink }> {
    const chain = chainOrThrow(machineId);
    const last = caller.health(machineId).driver;
    const usable = usableLinks(chain);
    // the one that answered last comes first: the others may be waited for in vain each time
    const links = [...usable.filter((link) => link.driver === last), ...usable.filter((link) => link.driver !== last)];
    let problem: unknown = new BmcError(
      'refused',
      chain[0] as KeptLink,
      `is not asked any more: ${chain.find((link) => link.refusal)?.refusal?.text.replace(/\.$/, '')}`,
      'Set it again with: firstlight bmc set',
    );
    for (const link of links) {
      try {
        const value = await caller.call(link, pool, (driver) => {
          const answer = work(driver);
          if (answer === undefined) throw lacks(link, what);
          return answer;
        });
        return { value, link };
      } catch (error) {
        if (!(error instanceof BmcError)) throw error;
        // the first driver's trouble is what a person wants to read, unless it merely has no such thing
        const isFirst = !(problem instanceof BmcError) || problem.kind === 'unsupported' || link === links[0];
        if (isFirst) problem = error;
        // somebody may stand in between: no other door is shown the password either
        if (error.kind === 'certificate') break;
      }
    }
    throw problem;
  }

  async function readPower(machineId: number, pool: 'order' | 'poll' = 'order'): Promise<PowerState> {
    const { value } = await ask(machineId, 'power reading', (driver) => driver.powerState(), pool);
    caller.noteReading(machineId, value);
    return value;
  }

  /** Tries logins at an address that may be a BMC's, in its lane. */
  function find(address: string, logins: readonly Login[]): Promise<Found> {
    return findBmc(address, logins, {
      open: (target) => openDriver(target, {}),
      call: (lane, work) => lanes.run(lane, 'order', work),
    });
  }

  return {
    place,
    cancel,
    /** Whether a program, and not only a person, can do something about the machine's power. */
    canPower: (machineId: number): boolean => bmcs.chain(machineId).some((link) => link.driver !== 'manual'),
    orderOfEffect: orders.byEffect,
    /** A job that ends takes its order back. */
    cancelOfEffect(effectId: number, because: string): void {
      const order = orders.byEffect(effectId);
      if (order && order.endedAt === undefined) afterwards(() => cancel(order.id, because));
    },
    whenEnded,
    ask,
    readPower,
    health: caller.health,
    find,
    /** Throws BmcError for settings that a driver does not understand. It sends nothing. */
    check: (target: BmcTarget): Promise<void> => openDriver(target, {}).close(),
    askedOf: witness.askedOf,
    confirm: witness.confirm,
    /** Nobody waits for the machine's boot any more. */
    dropAwaited: awaited.drop,
    quirks: (machineId: number) =>
      bmcs
        .chain(machineId)
        .filter((link) => link.refusal === undefined)
        .flatMap((link) => links.opened(link)?.quirks?.() ?? []),
    /** Take up what was under way when the appliance ended, and begin to poll. */
    start(): void {
      for (const machineId of new Set(orders.open().map((order) => order.machineId))) advance(machineId);
      if (settings.polls) poller.start();
    },
    async close(): Promise<void> {
      stopped = true;
      poller.close();
      adoption.close();
      awaited.close();
      witness.close();
      const ends = [...running.values()].map(({ abort, ended }) => {
        abort.abort(new Stopped());
        return ended;
      });
      await Promise.allSettled(ends);
      // a BMC that hangs does not keep the appliance from ending
      await Promise.race([links.close(), sleep(CLOSE_MS)]);
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
