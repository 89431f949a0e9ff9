import type { DriverName, KeptOrder, Order, Progress } from '../model/bmc.ts';
import type { Clock, Instant } from '../model/time.ts';
import type { KeptLink } from '../store/bmcs.ts';
import type { Outcome } from '../store/orders.ts';
import { type BmcDriver, BmcError } from './driver.ts';
import type { Sleep } from './lanes.ts';
import { type Command, handOver, nextStep, type Seen, type Step, unanswered, unheeded } from './order.ts';
import { judgeFailure, usableLinks } from './retry.ts';
import type { ByHand } from './witness.ts';

/** What an order is carried out with. */
export type Around = {
  /** The machine's chain as it is now. */
  chain: () => readonly KeptLink[];
  call<T>(link: KeptLink, work: (driver: BmcDriver) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Kept just before a command is given, when its turn has come. */
  save: (progress: Progress, driver: DriverName) => Promise<void>;
  /** Why this command may not be given now, or the order not be carried out; undefined when it may. */
  refusal: (command?: Command) => string | undefined;
  /** How long a command waits because many machines are switched on. */
  stagger: (command: Command) => number;
  /** Resolves to true when the machine asks for an address, to false after so long. */
  watchBoot: (ms: number, signal: AbortSignal) => Promise<boolean>;
  /** Ask a person to do it; resolves with what was seen or said, or that nobody did it. */
  askPerson: (order: ByHand, signal: AbortSignal) => Promise<Outcome>;
  clock: Clock;
  sleep: Sleep;
  signal: AbortSignal;
};

/**
 * Carries one order out, to its verified end: looks, commands, looks again; tries again what passes, and goes on with the next
 * driver where one cannot. Fails only with the signal's reason, when it was cancelled.
 */
export async function perform({ order }: Pick<KeptOrder, 'order'>, from: Progress, around: Around): Promise<Outcome> {
  const refused = around.chain().filter((link) => link.refusal !== undefined);
  const isVia = (link: KeptLink): boolean => order.kind === 'boot' && link.driver === order.via;
  const usable = usableLinks(around.chain());
  const links = [...usable.filter(isVia), ...usable.filter((link) => !isVia(link))];
  if (links.length === 0) return { state: 'failed', result: describeRefusals(refused) };

  const failed: string[] = [];
  let progress = from;
  let driver: DriverName | undefined;
  for (const [index, link] of links.entries()) {
    const attempt = await performWith(link, order, progress, index < links.length - 1, around);
    if (attempt.kind === 'ended') {
      const { state, result, power } = attempt.outcome;
      const instead = failed.length > 0 ? ` (by ${link.driver}; ${failed.join('; ')})` : '';
      return { state, result: `${result}${instead}`, driver: link.driver, power };
    }
    failed.push(`${link.driver}: ${attempt.why}`);
    driver = link.driver;
    if (!attempt.goesOn) break;
    progress = attempt.progress;
  }
  const only = failed.length === 1 ? failed[0]?.slice(failed[0].indexOf(': ') + 2) : undefined;
  return { state: 'failed', result: only ?? failed.join('; '), driver };
}

/** A command that may not be given any more. */
class Forbidden extends Error {}

type Attempt = { kind: 'ended'; outcome: Outcome } | { kind: 'next'; why: string; progress: Progress; goesOn: boolean };

async function performWith(
  link: KeptLink,
  order: Order,
  from: Progress,
  hasNext: boolean,
  around: Around,
): Promise<Attempt> {
  const { clock, signal } = around;
  if (link.driver === 'manual') {
    if (order.kind !== 'power' && order.kind !== 'boot')
      return { kind: 'next', why: lacks(link, `way to ${order.kind}`).text, progress: from, goesOn: true };
    const because = around.refusal();
    if (because !== undefined) return { kind: 'ended', outcome: { state: 'failed', result: because } };
    await around.save(from, link.driver);
    return { kind: 'ended', outcome: await around.askPerson(order, signal) };
  }
  let progress = from;
  let seen: Seen;
  // apart, for a BMC that is always busy for commands and never for a look would be asked for ever
  const failures: Partial<Record<'look' | 'command', { count: number; since: Instant }>> = {};
  for (;;) {
    signal.throwIfAborted();
    const step: Step = nextStep(order, progress, seen, clock());
    seen = undefined;
    if (step.kind === 'failed' && step.isUnheeded && hasNext)
      return { kind: 'next', why: step.text, progress: unheeded(order, progress, clock()), goesOn: true };
    if (step.kind === 'done')
      return { kind: 'ended', outcome: { state: 'done', result: step.text, power: step.power } };
    if (step.kind === 'failed') return { kind: 'ended', outcome: { state: 'failed', result: step.text } };
    const before = progress;
    const isCommand = step.kind.startsWith('set-') || step.kind === 'identify' || step.kind === 'media';
    const which = isCommand ? 'command' : 'look';
    progress = step.progress;
    if ('inMs' in step && step.kind !== 'watch' && step.inMs > 0) await around.sleep(step.inMs, signal);
    try {
      if (step.kind === 'watch') seen = await watch(step.inMs, around);
      else if (step.kind === 'read-power') seen = await readPower(link, around);
      else if (step.kind === 'read-boot') seen = await readBoot(link, around);
      else if (step.kind !== 'wait') {
        const turnMs = around.stagger(step);
        if (turnMs > 0) await around.sleep(turnMs, signal);
        await around.call(
          link,
          async (driver) => {
            // its turn may have come minutes later
            const because = around.refusal(step);
            if (because !== undefined) throw new Forbidden(because);
            progress = { ...progress, since: clock() };
            await around.save(progress, link.driver);
            signal.throwIfAborted();
            return give(driver, step, link);
          },
          signal,
        );
      }
      delete failures[which];
    } catch (error) {
      if (error instanceof Forbidden) return { kind: 'ended', outcome: { state: 'failed', result: error.message } };
      if (!(error instanceof BmcError)) throw error;
      // it follows the first one by now, and says that there is nothing left to do: looking goes on
      if (error.kind === 'refused' && step.kind === 'set-power' && progress.sends > 1) continue;
      if (isCommand) progress = error.kind === 'unreachable' ? unanswered(order, before, progress) : before;
      const { count, since } = failures[which] ?? { count: 0, since: clock() };
      failures[which] = { count: count + 1, since };
      const isSettling = order.kind === 'power' && progress.stage !== 'begin';
      const verdict = judgeFailure(error.kind, { count: count + 1, sinceMs: clock() - since, isSettling }, hasNext);
      if (verdict.kind !== 'retry')
        return {
          kind: 'next',
          why: error.text,
          progress: handOver(progress, clock()),
          goesOn: verdict.kind === 'next-driver',
        };
      await around.sleep(verdict.inMs, signal);
    }
  }
}

async function watch(ms: number, { watchBoot, signal }: Around): Promise<Seen> {
  return (await watchBoot(ms, signal)) ? { kind: 'booted' } : { kind: 'power-unreadable' };
}

/** Two answers that a BMC gives once and for all are no failures: it does not tell. */
async function readPower(link: KeptLink, { call, signal }: Around): Promise<Seen> {
  try {
    return { kind: 'power', state: await call(link, (driver) => driver.powerState(), signal) };
  } catch (error) {
    if (error instanceof BmcError && error.kind === 'unsupported') return { kind: 'power-unreadable' };
    throw error;
  }
}

async function readBoot(link: KeptLink, { call, signal }: Around): Promise<Seen> {
  try {
    return { kind: 'boot', setting: await call(link, (driver) => driver.boot(), signal) };
  } catch (error) {
    if (error instanceof BmcError && error.kind === 'unsupported') return { kind: 'boot-unreadable' };
    throw error;
  }
}

async function give(driver: BmcDriver, command: Command, link: KeptLink): Promise<void> {
  switch (command.kind) {
    case 'set-power':
      return driver.setPower(command.action);
    case 'set-boot':
      return driver.setBoot(command.wish);
    case 'identify':
      if (!driver.identify) throw lacks(link, 'lamp');
      return driver.identify(command.seconds);
    case 'media':
      if (!driver.insertMedia) throw lacks(link, 'virtual drive');
      return driver.insertMedia(command.url);
  }
}

/** What a protocol has not at all. */
export function lacks(link: KeptLink, what: string): BmcError {
  return new BmcError('unsupported', link, `has no ${what}, as far as ${link.driver} goes`);
}

function describeRefusals(refused: readonly KeptLink[]): string {
  if (refused.length === 0) return 'no BMC is known';
  return refused.map((link) => `${link.driver} is not used any more: ${link.refusal?.text}`).join('; ');
}
