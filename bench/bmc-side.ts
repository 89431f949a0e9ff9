/**
 * The measured process: `node bench/bmc-side.ts TASK FOLDER`, a BmcTask as JSON, inside the appliance's namespace, while the
 * simulated BMCs run elsewhere. Its last line is a SideResult as JSON.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { PollPlan } from '../src/bmc/polling.ts';
import { type Call, openAppliance } from './bmc-appliance.ts';
import { type Meter, startMeter } from './bmc-meter.ts';
import { type BmcTask, bmcsOf } from './bmc-plan.ts';
import { BenchError } from './error.ts';
import { type Spread, spreadOf } from './spread.ts';

/** Polls that ended while it was measured; their times are those of the ones that did not fail. */
export type PollsResult = { done: number; failed: number; times: Spread; meter: Meter };

/** Orders of the machines whose BMC answers. Seconds from the first that was placed. */
export type OrdersResult = {
  done: number;
  failed: number;
  /** Until all were placed, and until the first and the last were verified. */
  placedSeconds: number;
  firstSeconds: number;
  lastSeconds: number;
  /** Of each order, from when it was placed until it was verified. */
  times: Spread;
  /** Of each of these machines, on average. */
  looks: number;
  commands: number;
  meter: Meter;
};

export type SideResult = { polls: PollsResult } | { orders: OrdersResult };

/** Before it is measured: the first poll of a BMC finds out how to speak to it, and programs are compiled while they run. */
const WARM_UP_POLLS = 2;
/** How long the others may take: the queue of a BMC gives up sooner. */
const PATIENCE_MS = 180_000;
/** What a BMC that hangs is waited for at the end. */
const CLOSE_MS = 1000;

const [given, folder] = process.argv.slice(2);
if (given === undefined || folder === undefined) throw new BenchError('bmc-side.ts wants a task and a folder');
const result = await performTask(JSON.parse(given) as BmcTask, folder);
console.log(JSON.stringify(result));
process.exit(0); // calls to BMCs that hang may still be waiting

function performTask(task: BmcTask, place: string): Promise<SideResult> {
  return task.kind === 'polls' ? measurePolls(task, place) : measureOrders(task, place);
}

async function measurePolls(task: BmcTask & { kind: 'polls' }, place: string): Promise<SideResult> {
  const bmcs = bmcsOf(task);
  let calls: Call[] = [];
  const settings = { pollPlan: planOf(task.everyMs) };
  const appliance = openAppliance(place, bmcs, settings, (call) => void calls.push(call));
  const answering = appliance.ids.filter((_, index) => !bmcs[index]?.hangs);
  appliance.supervisor.start();
  await until(`all BMCs were polled ${WARM_UP_POLLS} times`, () =>
    answering.every((id) => appliance.supervisor.health(id).calls >= WARM_UP_POLLS),
  );
  const stop = await startMeter();
  calls = [];
  await sleep(task.measureMs);
  const meter = stop();
  const measured = calls;
  await appliance.close(CLOSE_MS);
  const answered = measured.filter((call) => !call.failed).map((call) => call.ms);
  const failed = measured.length - answered.length;
  return { polls: { done: measured.length, failed, times: spreadOf(answered, 0), meter } };
}

/** As usual, at another pace: half of it while something is doubted, five times as slow where nothing answers. */
function planOf(everyMs: number): PollPlan {
  return { fastMs: everyMs / 2, fastForMs: 0, idleMs: everyMs, silentMs: everyMs * 5 };
}

async function measureOrders(task: BmcTask & { kind: 'orders' }, place: string): Promise<SideResult> {
  const bmcs = bmcsOf(task);
  const calls: Call[] = [];
  // nothing but the orders is measured, and all machines of the room may start at once
  const settings = { polls: false, stagger: { batch: bmcs.length, pauseMs: 0 } };
  const appliance = openAppliance(place, bmcs, settings, (call) => void calls.push(call));
  const { supervisor, events, ids } = appliance;
  const answering = new Set(ids.filter((_, index) => !bmcs[index]?.hangs));
  const isHanging = (id: number): boolean => !answering.has(id);
  supervisor.start();
  if (task.isKnown) await Promise.allSettled(ids.filter(isHanging).map((id) => supervisor.readPower(id)));
  const placedAt = new Map<number, number>();
  const doneAt = new Map<number, number>();
  let failed = 0;
  events.listen(({ kind, machineId }) => {
    if (machineId === undefined || !answering.has(machineId)) return;
    if (kind === 'power.command') doneAt.set(machineId, performance.now());
    if (kind === 'power.failed') failed++;
  });
  const stop = await startMeter();
  calls.length = 0;
  const beganAt = performance.now();
  const order = { kind: 'power', action: 'on' } as const;
  for (const machineId of ids) {
    placedAt.set(machineId, performance.now());
    supervisor.place({ machineId, order, askedBy: 'bench' });
    await nextTurn(); // each is a request of its own
  }
  const placedSeconds = (performance.now() - beganAt) / 1000;
  await until(`${answering.size} machines are on`, () => doneAt.size + failed === answering.size);
  const meter = stop();
  await appliance.close(CLOSE_MS);
  const perMachine = (verb: Call['verb']): number =>
    calls.filter((call) => call.verb === verb && answering.has(call.machineId)).length / answering.size;
  return {
    orders: {
      done: doneAt.size,
      failed,
      placedSeconds,
      firstSeconds: (Math.min(...doneAt.values()) - beganAt) / 1000,
      lastSeconds: (Math.max(...doneAt.values()) - beganAt) / 1000,
      times: spreadOf(
        [...doneAt].map(([machineId, at]) => at - (placedAt.get(machineId) as number)),
        failed,
      ),
      looks: perMachine('powerState'),
      commands: perMachine('setPower'),
      meter,
    },
  };
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (const end = performance.now() + PATIENCE_MS; !isSo(); ) {
    if (performance.now() > end) throw new BenchError(`after ${PATIENCE_MS / 1000} s it is not so that ${what}`);
    await sleep(50);
  }
}
