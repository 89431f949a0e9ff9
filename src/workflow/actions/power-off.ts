import { verifyPower } from '../../bmc/verify.ts';
import type { Action } from './index.ts';

/** BMCs report a change of power late, some after a minute (B3 of the study). */
const SETTLE_MS = 90_000;

/** Off, and seen to be off twice in a row. A machine that is off already is left alone: some BMCs call that an error (B2). */
export const powerOff: Action = async ({ bmc, clock }) => {
  if ((await bmc.powerState()) === 'off') return 'was off already';
  await bmc.setPower('off');
  const verdict = await verifyPower(bmc, 'off', { withinMs: SETTLE_MS, clock });
  if (!verdict.reached) throw new Error(verdict.because);
  return 'is off';
};
