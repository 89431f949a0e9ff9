import { verifyPower } from '../../bmc/verify.ts';
import type { Action } from './index.ts';

const SETTLE_MS = 90_000;

/** On, and seen to be on twice in a row. */
export const powerOn: Action = async ({ bmc, clock }) => {
  if ((await bmc.powerState()) === 'on') return 'was on already';
  await bmc.setPower('on');
  const verdict = await verifyPower(bmc, 'on', { withinMs: SETTLE_MS, clock });
  if (!verdict.reached) throw new Error(verdict.because);
  return 'is on';
};
