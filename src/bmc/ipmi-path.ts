import { setTimeout as sleep } from 'node:timers/promises';
import { type AnyCommand, COMPLETION, type Command, describeCompletion } from '../wire/ipmi.ts';
import { BmcError, type BmcErrorKind, type BmcTarget } from './driver.ts';
import type { QuirkNotes } from './ipmi-quirks.ts';
import type { Outcome } from './link.ts';

/**
 * A command's answer; `value` is there when `completion` is 0. `wasRepeated`: it was sent more than once, so the BMC may
 * have done it more than once.
 */
export type Answer<T> = { completion: number; value?: T; wasRepeated: boolean };

/** How commands reach one BMC: over a session of ours, or through the program ipmitool. One at a time. */
export interface IpmiPath {
  readonly target: BmcTarget;
  /** The answer of a command whatever it is. `lun` is the logical unit that it is for, 0 by default. */
  ask<Q, A>(command: Command<Q, A>, request: Q, lun?: number): Promise<Outcome<Answer<A>>>;
}

/** The answer of a command whatever it is; a BmcError when there is none. */
export async function answerTo<Q, A>(
  path: IpmiPath,
  command: Command<Q, A>,
  request: Q,
  lun?: number,
): Promise<Answer<A>> {
  const outcome = await path.ask(command, request, lun);
  if (outcome.answered) return outcome.value;
  throw new BmcError('unreachable', path.target, `${outcome.why} when asked for ${command.name}`);
}

/** What a command gives, or a BmcError when there is no answer or the BMC says no. */
export async function run<Q, A>(path: IpmiPath, command: Command<Q, A>, request: Q, lun?: number): Promise<A> {
  const { completion, value } = await answerTo(path, command, request, lun);
  if (completion !== COMPLETION.ok) throw refusal(path, command, completion);
  return value as A;
}

/** Completion codes of a BMC that may do it a little later (B8). */
export const BUSY: readonly number[] = [
  COMPLETION.nodeBusy,
  COMPLETION.timeout,
  COMPLETION.outOfSpace,
  COMPLETION.initializing,
];

const BUSY_TRIES = 5;

/** What `ask` gives once the BMC is not busy any more, or the fifth time (B8). `waitMs` pass in between. */
export async function askUntilReady<A>(
  command: AnyCommand,
  ask: () => Promise<Outcome<Answer<A>>>,
  { notes, waitMs }: { notes: QuirkNotes; waitMs: number },
): Promise<Outcome<Answer<A>>> {
  for (let tries = 1; ; tries++) {
    const outcome = await ask();
    if (!outcome.answered || !BUSY.includes(outcome.value.completion)) return outcome;
    notes.add('B8', `said to ${command.name}: ${describeCompletion(outcome.value.completion, command)}`);
    if (tries === BUSY_TRIES) return outcome;
    await sleep(waitMs);
  }
}

/** What the other codes make of a command; anything else is `refused`. */
const KINDS: Readonly<Record<number, BmcErrorKind>> = {
  [COMPLETION.invalidCommand]: 'unsupported',
  [COMPLETION.invalidCommandForUnit]: 'unsupported',
  [COMPLETION.insufficientPrivilege]: 'privilege',
};

/** The BmcError for a completion code that is not 0. */
export function refusal({ target }: IpmiPath, command: AnyCommand, completion: number, next?: string): BmcError {
  const kind = BUSY.includes(completion) ? 'busy' : (KINDS[completion] ?? 'refused');
  return new BmcError(kind, target, `refused ${command.name}: ${describeCompletion(completion, command)}`, next);
}
