import type { KeptLink } from '../store/bmcs.ts';
import type { BmcErrorKind } from './driver.ts';

/** What is done about a BMC that failed. `refuses`: it will do so until somebody changes something, so it is not asked again by itself. */
export type Verdict =
  | { kind: 'retry'; inMs: number }
  | { kind: 'next-driver'; refuses: boolean }
  | { kind: 'give-up'; refuses: boolean };

/**
 * How often a driver has failed at one order so far, this time included, and for how long. `isSettling`: a command was given; a BMC
 * that shares its port with the host is away while the host's power changes (B12).
 */
export type Failures = { count: number; sinceMs: number; isSettling?: boolean };

type Row = {
  /** The first wait, doubled each time up to `lastMs`; absent where asking again is of no use. */
  firstMs?: number;
  lastMs?: number;
  /** No retry later than so long after the first failure. */
  withinMs?: number;
  /** Nobody changes this by waiting: a password, a user, a certificate. */
  refuses?: boolean;
  /** Whether the next driver of the chain is tried. */
  goesOn: boolean;
  /** The next driver is tried at once, where there is one: it may get through while nobody waits. */
  goesOnAtOnce?: boolean;
};

const SETTLE_MS = 90_000;

/**
 * Ironic retries busy BMCs for 60 s (command_retry_timeout); session slots come free after 1 to 3 minutes (peer-systems 8); a wrong
 * password that is tried again and again locks the account.
 */
const ROWS: Readonly<Record<BmcErrorKind, Row>> = {
  unreachable: { firstMs: 2000, lastMs: 10_000, withinMs: 30_000, goesOn: true, goesOnAtOnce: true },
  busy: { firstMs: 5000, lastMs: 30_000, withinMs: 90_000, goesOn: true },
  'no-session-slot': { firstMs: 10_000, lastMs: 60_000, withinMs: 180_000, goesOn: true },
  'no-such-user': { refuses: true, goesOn: true },
  'wrong-password': { refuses: true, goesOn: true },
  // it may do other things, with the same login
  privilege: { goesOn: true },
  'wrong-cipher-suite': { refuses: true, goesOn: true },
  // somebody may stand in between: no other door is shown the password either
  certificate: { refuses: true, goesOn: false },
  refused: { goesOn: true },
  unsupported: { goesOn: true },
  protocol: { goesOn: true },
};

/** `hasNext`: the machine has another driver after this one. */
export function judgeFailure(kind: BmcErrorKind, failures: Failures, hasNext: boolean): Verdict {
  const { firstMs, lastMs = 0, refuses = false, goesOn, ...row } = ROWS[kind];
  const withinMs = Math.max(row.withinMs ?? 0, failures.isSettling ? SETTLE_MS : 0);
  // what took a command is away for a while (B12), and tells more than a driver that only comes after it
  const isAtOnce = row.goesOnAtOnce && hasNext && !failures.isSettling;
  if (firstMs !== undefined && !isAtOnce) {
    const inMs = Math.min(lastMs, firstMs * 2 ** (failures.count - 1));
    if (failures.sinceMs + inMs <= withinMs) return { kind: 'retry', inMs };
  }
  return { kind: goesOn && hasNext ? 'next-driver' : 'give-up', refuses };
}

/** Whether a link that failed so is left alone until somebody changes something. */
export function isRefusal(kind: BmcErrorKind): boolean {
  return ROWS[kind].refuses === true;
}

/**
 * The links of a chain that may be used. Where one showed a changed certificate, no other door of that address is: somebody may stand
 * in between.
 */
export function usableLinks<Link extends Pick<KeptLink, 'address' | 'refusal'>>(chain: readonly Link[]): Link[] {
  const doubted = new Set(
    chain.filter((link) => link.refusal?.kind === 'certificate' && link.address !== '').map((link) => link.address),
  );
  return chain.filter((link) => link.refusal === undefined && !doubted.has(link.address));
}
