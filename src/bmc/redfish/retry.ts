import { type Answer, isSuccess, meaningOf, says } from './answer.ts';
import type { HttpRequest } from './http.ts';

/**
 * How long a BMC is waited for (R18): `connectMs` for a connection, `answerMs` for an answer, and what passes (a lost connection,
 * a 503) is tried `tries` times, after `firstMs`, then twice as long each time up to `lastMs`, while the call is younger than
 * `budgetMs`. A call that is older than `callMs` asks nothing more: a slow BMC has hundreds of parts.
 */
export type RedfishPatience = {
  connectMs: number;
  answerMs: number;
  tries: number;
  firstMs: number;
  lastMs: number;
  budgetMs: number;
  callMs: number;
};

/** For the handshake, the answer and the number of tries what ironic has (R18). */
export const REDFISH_PATIENCE: RedfishPatience = {
  connectMs: 30_000,
  answerMs: 60_000,
  tries: 5,
  firstMs: 1000,
  lastMs: 8000,
  budgetMs: 90_000,
  callMs: 600_000,
};

/** One try that did not do it: an answer that refuses, or none. */
export type FailedTry = {
  method: HttpRequest['method'];
  path: string;
  /** Whether the BMC may do it twice without harm. */
  isRepeatable: boolean;
  /** How often this rule has already waited within this request, by id. */
  waited: Readonly<Record<string, number>>;
  /** Since the whole call began. */
  spentMs: number;
} & ({ answer: Answer } | { lost: { wasSent: boolean; isFinal: boolean } });

/** Ask again after `waitMs`; `id` is the quirk that it is for. */
export type Retry = { id: string; waitMs: number };

type Rule = {
  id: string;
  when: (answer: Answer, failed: FailedTry) => boolean;
  /** Its own number of tries and waits, in milliseconds; without them, those of the patience. */
  own?: { tries: number; firstMs: number; lastMs: number };
};

/** Refusals that pass. First match wins. */
const RULES: readonly Rule[] = [
  {
    id: 'R7',
    when: (answer) => answer.status === 400 && says(answer, 'UnableToModifyDuringSystemPOST'),
    own: { tries: 6, firstMs: 5000, lastMs: 30_000 },
  },
  {
    id: 'R8',
    when: (answer, { path }) =>
      answer.status === 409 && /ComputerSystem\.Reset\/?$/.test(path) && says(answer, 'ActionParameterValueConflict'),
    own: { tries: 6, firstMs: 10_000, lastMs: 10_000 },
  },
  {
    id: 'R13',
    when: (answer) => says(answer, 'SYS518') || (says(answer, 'iLO') && says(answer, 'InvalidOperationForSystemState')),
  },
  // RFC 9110 15.6.4: 503 says that it was not done; a full table of sessions does not pass in seconds.
  { id: 'R18', when: (answer) => [429, 503].includes(answer.status) && meaningOf(answer) !== 'no-session-slot' },
  {
    id: 'R13',
    when: (answer, { isRepeatable }) => isRepeatable && answer.status >= 500 && ![501, 503].includes(answer.status),
  },
];

/** Whether to ask again, and how long to wait before; undefined where that is no use or no longer allowed. */
export function decideRetry(failed: FailedTry, patience: RedfishPatience): Retry | undefined {
  if ('lost' in failed) {
    const { wasSent, isFinal } = failed.lost;
    // What was sent and not answered may have been done.
    if (isFinal || (wasSent && !failed.isRepeatable)) return undefined;
    return withinPatience('R18', failed, patience);
  }
  const { answer } = failed;
  if (isSuccess(answer)) return undefined;
  const rule = RULES.find(({ when }) => when(answer, failed));
  if (!rule) return undefined;
  if (!rule.own) return withinPatience(rule.id, failed, patience, retryAfterMs(answer));
  const waited = failed.waited[rule.id] ?? 0;
  if (waited >= rule.own.tries) return undefined;
  return { id: rule.id, waitMs: Math.min(rule.own.lastMs, rule.own.firstMs * 2 ** waited) };
}

function withinPatience(id: string, failed: FailedTry, patience: RedfishPatience, askedMs = 0): Retry | undefined {
  const waited = failed.waited[id] ?? 0;
  if (waited + 1 >= patience.tries) return undefined;
  const waitMs = Math.max(askedMs, Math.min(patience.lastMs, patience.firstMs * 2 ** waited));
  return failed.spentMs + waitMs > patience.budgetMs ? undefined : { id, waitMs };
}

/** RFC 9110 10.2.3: Retry-After in seconds; a date is not taken, for the clocks of BMCs are wrong. */
function retryAfterMs({ headers }: Answer): number {
  const seconds = /^\d{1,5}$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) : 0;
  return seconds * 1000;
}
