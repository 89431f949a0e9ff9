import type { Events } from '../events.ts';
import { DEFAULT_STAGGER, type KeptOrder, type Stagger, startsMachine } from '../model/bmc.ts';
import type { Clock } from '../model/time.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { Orders, Outcome } from '../store/orders.ts';
import { createAdoption } from './adopt.ts';
import { createAsking } from './asking.ts';
import { createAwaited } from './awaited.ts';
import { type Caller, createCaller } from './caller.ts';
import type { BmcDriver, BmcTarget } from './driver.ts';
import { type FindOptions, type Found, findBmc, type Login } from './find.ts';
import { type DriverOptions, openBmc } from './index.ts';
import { createLanes, createStagger, laneOf, type Pool, type Sleep, sleepFor } from './lanes.ts';
import { createLinks } from './links.ts';
import { createPoller } from './poller.ts';
import { POLL_PLAN, type PollPlan } from './polling.ts';
import { createQueue, type Queue } from './queue.ts';
import type { MachineFacts } from './redfish/match.ts';
import { createWitness } from './witness.ts';

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

/** How long the appliance waits for running calls when it ends. */
const CLOSE_MS = 2000;

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
  const links = createLinks({
    open: openDriver,
    password: bmcs.password,
    learn: bmcs.learn,
    factsOf: machines.byId,
  });
  const caller: Caller = createCaller({ lanes, links, bmcs, events, clock, steady });
  const witness = createWitness({ machines, events, sleep });
  const asking = createAsking({ machines, bmcs, caller });
  const queue: Queue = createQueue({
    machines,
    bmcs,
    orders,
    events,
    call: caller.call,
    witness,
    chainOf: asking.chainOf,
    stagger: createStagger(settings.stagger, steady),
    onOutcome: noteOutcome,
    onEnded: (machineId: number) => poller.hurry(machineId),
    clock,
    steady,
    sleep,
  });
  const awaited = createAwaited({ machines, bmcs, orders, events, place: queue.place, clock });
  const adoption = createAdoption({ machines, bmcs, events, find });
  const poller = createPoller({
    bmcs,
    health: caller.health,
    // an order that waits for a person keeps no BMC busy
    isBusy: (link) =>
      (queue.isRunning(link.machineId) && witness.askedOf(link.machineId) === undefined) || lanes.isBusy(laneOf(link)),
    read: (machineId) => asking.readPower(machineId, 'poll'),
    pollPlan: settings.pollPlan,
    steady,
    chance,
  });

  bmcs.onChanged((machineId) => {
    links.forget(machineId);
    caller.forget(machineId);
    poller.reload(machineId);
  });
  machines.onRemoved(dropRemoved);

  /** What is known of machines that are gone goes with them. */
  function dropRemoved(): void {
    const isThere = (machineId: number): boolean => machines.byId(machineId) !== undefined;
    poller.reload();
    links.forgetRemoved(isThere);
    caller.forgetRemoved(isThere);
    queue.dropRemoved(isThere);
  }

  /** What an order that has ended says of the machine. */
  function noteOutcome(kept: KeptOrder, { state, power }: Outcome): void {
    const { machineId, order } = kept;
    awaited.noteOutcome(kept);
    if (order.kind !== 'power' || state !== 'done' || kept.driver === 'manual') return;
    if (power !== undefined) caller.notePower(machineId, power);
    const machine = machines.byId(machineId);
    // whatever it booted is over: what comes next is a new boot, unless that came before the BMC told of it
    const startedAt = startsMachine(order.action) ? kept.progress?.since : undefined;
    const isBack = startedAt !== undefined && (machines.bootStage(machineId).seenAt ?? 0) > startedAt;
    if (machine && order.action !== 'on' && !isBack) machines.setBoot(machineId, machine.boot, 'none', clock());
  }

  /** Tries logins at an address that may be a BMC's, in its lane. `facts`: what tells the machine from others behind that BMC. */
  function find(address: string, logins: readonly Login[], facts: MachineFacts): Promise<Found> {
    const call: FindOptions['call'] = (lane, work) => lanes.run(lane, 'order', work);
    return findBmc(address, logins, { open: (target) => openDriver(target, {}), call }, facts);
  }

  return {
    place: queue.place,
    cancel: queue.cancel,
    whenEnded: queue.whenEnded,
    orderOfEffect: queue.orderOfEffect,
    cancelOfEffect: queue.cancelOfEffect,
    /** Whether a program, and not only a person, can do something about the machine's power. */
    canPower: (machineId: number): boolean => bmcs.chain(machineId).some((link) => link.driver !== 'manual'),
    ask: asking.ask,
    readPower: asking.readPower,
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
      queue.start();
      if (settings.polls) poller.start();
    },
    async close(): Promise<void> {
      poller.close();
      adoption.close();
      awaited.close();
      witness.close();
      await queue.close();
      // a BMC that hangs does not keep the appliance from ending
      await Promise.race([links.close(), sleep(CLOSE_MS)]);
    },
  };
}
