import { fail } from 'node:assert/strict';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';

/** Long enough for a loaded computer; a test that fails is to say so and not to hang. */
const LIMIT_MS = 20_000;
const EVERY_MS = 2;

/**
 * Resolves when `isSo` says yes. Fails, with what was waited for, when it did not within `limitMs`. It is looked at every `everyMs`; 0 is
 * in each turn of the event loop, for what may be over in the next one.
 */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  { everyMs = EVERY_MS, limitMs = LIMIT_MS, what = String(isSo) } = {},
): Promise<void> {
  const began = performance.now();
  while (!(await isSo())) {
    if (performance.now() - began > limitMs) fail(`not within ${limitMs / 1000} s: ${what}`);
    await (everyMs === 0 ? nextTurn() : sleep(everyMs));
  }
}
