import { setTimeout as wait } from 'node:timers/promises';
import { type BmcDriver, BmcError, type BmcErrorKind, type PowerState } from '../../src/bmc/driver.ts';
import { after, type Clock } from '../../src/model/time.ts';

export type VerifyOptions = {
  withinMs: number;
  clock: Clock;
  /** Between two reads; 1 s by default. */
  everyMs?: number;
  sleep?: (ms: number) => Promise<unknown>;
};

/** Whether the machine followed. `because` is a sentence. */
export type PowerVerdict = { reached: true } | { reached: false; because: string };

/** What can pass while power changes: a shared port is down, a slot is taken, the BMC is busy. */
const PASSING: readonly BmcErrorKind[] = ['unreachable', 'no-session-slot', 'busy'];

/**
 * Polls until the power state is `wanted` in two reads one after the other (BMCs report it 5 to 60 s late and waver
 * in between), for at most `withinMs`, or until the BMC fails in a way that waiting does not cure.
 */
export async function verifyPower(
  driver: Pick<BmcDriver, 'powerState'>,
  wanted: PowerState,
  { withinMs, clock, everyMs = 1000, sleep = wait }: VerifyOptions,
): Promise<PowerVerdict> {
  const deadline = after(clock(), withinMs);
  let equalReads = 0;
  for (;;) {
    const read = await readState(driver);
    if (read.isFinal) return { reached: false, because: read.text };
    equalReads = read.state === wanted ? equalReads + 1 : 0;
    if (equalReads === 2) return { reached: true };
    if (clock() >= deadline) {
      const because = `The power did not turn ${wanted} within ${withinMs / 1000} s: ${read.text}`;
      return { reached: false, because };
    }
    await sleep(everyMs);
  }
}

type Read = { state: PowerState | undefined; text: string; isFinal: boolean };

async function readState(driver: Pick<BmcDriver, 'powerState'>): Promise<Read> {
  try {
    const state = await driver.powerState();
    return { state, text: `the BMC reads ${state}.`, isFinal: false };
  } catch (error) {
    if (!(error instanceof BmcError)) throw error;
    return { state: undefined, text: error.text, isFinal: !PASSING.includes(error.kind) };
  }
}
