/** `scripts/bench bmc`: what it costs one process to poll 1,000 BMCs and to switch on their machines, and what peers take. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { APPLIANCE_NAMESPACE, BMC_NAMESPACE, closeBmcNet, openBmcNet } from './bmc-net.ts';
import type { PeerName, PeerResult } from './bmc-peer.ts';
import type { BmcMix, BmcTask } from './bmc-plan.ts';
import { describeOrders, describePolls, type OrdersRow, type PeerRow, type PollsRow } from './bmc-result.ts';
import type { OrdersResult, PollsResult, SideResult } from './bmc-side.ts';
import type { SimsEnd } from './bmc-sims.ts';
import { BenchError } from './error.ts';
import { openBench, say } from './frame.ts';
import { watchOthers } from './host.ts';
import { until } from './servers.ts';
import { readUsage } from './usage.ts';

/** How often each BMC is polled, and for how long that is measured. */
type Pace = { everyMs: number; measureMs: number };

/** Far faster than the appliance does it by itself (every 2 minutes), so that a minute has thousands of polls. */
const FULL: Pace = { everyMs: 10_000, measureMs: 60_000 };
const QUICK: Pace = { everyMs: 5000, measureMs: 6000 };

const IPMI: BmcMix = { ipmi: 1000, redfish: 0, hanging: 0 };
const REDFISH: BmcMix = { ipmi: 0, redfish: 1000, hanging: 0 };
const BOTH: BmcMix = { ipmi: 500, redfish: 500, hanging: 0 };
const HANGING: BmcMix = { ...IPMI, hanging: 100 };

const PEERS: readonly [PeerName, string][] = [
  ['ipmitool', 'ipmitool by xargs -P 16'],
  ['ipmipower', 'ipmipower, one process'],
];

const bench = openBench('bmc');
const { processes } = bench;
const pace = bench.isQuick ? QUICK : FULL;
await bench.run(run, closeBmcNet);

async function run(place: string): Promise<void> {
  openBmcNet();
  const polls = [
    await poll('IPMI', IPMI, place),
    await poll('Redfish', REDFISH, place),
    await poll('half and half', BOTH, place),
    await poll('IPMI, 100 of them hang', HANGING, place),
  ];
  const peers: PeerRow[] = [];
  for (const [name, title] of PEERS) {
    if (isInstalled(name)) peers.push(await ask(name, title, place));
    else say(`${name} is not installed, and is left out: scripts/setup test`);
  }
  const orders = [
    await switchOn('IPMI', IPMI, true, place),
    await switchOn('IPMI, 100 hang, known', HANGING, true, place),
    await switchOn('IPMI, 100 hang, not known', HANGING, false, place),
  ];
  console.log(`\n${describePolls(polls, peers)}\n\n${describeOrders(orders)}\n`);
  console.log(JSON.stringify({ everyMs: pace.everyMs, polls, peers, orders }));
}

async function poll(title: string, mix: BmcMix, place: string): Promise<PollsRow> {
  const { answer, bmcs, others } = await measure<{ polls: PollsResult }>({ ...mix, kind: 'polls', ...pace }, place);
  const { done, failed } = answer.polls;
  say(`polls, ${title}: ${done} polls, ${failed} failed`);
  return { title, bmcs, others, result: answer.polls };
}

async function switchOn(title: string, mix: BmcMix, isKnown: boolean, place: string): Promise<OrdersRow> {
  const task = { ...mix, kind: 'orders', isKnown } as const;
  const { answer, end, bmcs, others } = await measure<{ orders: OrdersResult }>(task, place);
  const { done, failed, lastSeconds } = answer.orders;
  // what the orders say is compared with what the machines are
  if (end.on !== done) throw new BenchError(`${done} machines were said to be on, and ${end.on} are`);
  say(`power on, ${title}: ${done} machines in ${lastSeconds.toFixed(1)} s, ${failed} failed`);
  return { title, bmcs, others, result: answer.orders };
}

/** Runs a task against BMCs of its own. */
async function measure<Answer extends SideResult>(task: BmcTask, place: string) {
  return withBmcs(task, place, async () => {
    const output = await runNode(['bmc-side.ts', JSON.stringify(task), join(place, 'side')]);
    return JSON.parse(output) as Answer;
  });
}

async function ask(name: PeerName, title: string, place: string): Promise<PeerRow> {
  const { answer, bmcs, others } = await withBmcs(IPMI, place, async () => {
    const output = await runNode(['bmc-peer.ts', name, JSON.stringify(IPMI), place]);
    return JSON.parse(output) as PeerResult;
  });
  say(`${title}: ${answer.done} read in ${answer.seconds.toFixed(1)} s, ${answer.failed} failed`);
  return { title, bmcs, others, result: answer };
}

/** Starts the BMCs of a mix, works with them, and ends them. */
async function withBmcs<Answer>(mix: BmcMix, place: string, work: () => Promise<Answer>) {
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true, mode: 0o700 });
  const log = join(place, 'bmcs.log');
  const bmcs = processes.start(nodeCommand(['bmc-sims.ts', JSON.stringify(mix)]), log, { namespace: BMC_NAMESPACE });
  const lines = (): string[] => readFileSync(log, 'utf8').trim().split('\n');
  await until(bmcs, () => (lines().includes('ready') ? true : undefined));
  const others = watchOthers(() => readUsage(bmcs.pid).cpuSeconds);
  const answer = await work();
  bmcs.checkAlive();
  const share = others();
  await bmcs.stop();
  return { bmcs: mix.ipmi + mix.redfish, others: share, answer, end: JSON.parse(lines().at(-1) ?? '') as SimsEnd };
}

/** The last line of what a program of the bench prints beside the appliance. */
async function runNode(args: readonly string[]): Promise<string> {
  const { status, output } = await processes.run(nodeCommand(args), { namespace: APPLIANCE_NAMESPACE });
  if (status !== 0) throw new BenchError(`${args[0]} failed (${status}): ${output.trim().slice(-500)}`);
  return output.trim().split('\n').at(-1) ?? '';
}

function nodeCommand([file, ...args]: readonly string[]): string[] {
  return [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(import.meta.dirname, file as string),
    ...args,
  ];
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((path) => existsSync(join(path, program)));
}
