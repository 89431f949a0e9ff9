import { COMPLETION } from '../wire/ipmi.ts';
import { chassisControl, chassisIdentify, getChassisStatus } from '../wire/ipmi-chassis.ts';
import { BmcError, type PowerAction, type PowerState } from './driver.ts';
import { type IpmiPath, refusal, run } from './ipmi-path.ts';
import type { QuirkNotes } from './ipmi-quirks.ts';

/** 28.5: the time is one byte. */
const LONGEST_IDENTIFY = 255;

/** Whether the machine is on, as its BMC says. */
export async function readPower(path: IpmiPath): Promise<PowerState> {
  return (await run(path, getChassisStatus, undefined)).isOn ? 'on' : 'off';
}

/**
 * Tells the BMC to change the power. `unanswered`: it may have or not, which only a new session can tell (B12). What is so
 * already counts as done (B2).
 */
export async function performPower(
  path: IpmiPath,
  wanted: PowerAction,
  notes: QuirkNotes,
): Promise<'taken' | 'unanswered'> {
  let action = wanted;
  if ((wanted === 'cycle' || wanted === 'reset') && (await readPower(path)) === 'off') {
    if (wanted === 'reset') throw new BmcError('refused', path.target, 'cannot reset a machine whose power is off');
    action = 'on'; // cycling what is off is an error or nothing on many BMCs (ironic)
  }
  const outcome = await path.ask(chassisControl, { action });
  if (!outcome.answered) {
    notes.add('B12', `did not answer the power command "${action}"`);
    return 'unanswered';
  }

  const { completion, wasRepeated } = outcome.value;
  if (completion === COMPLETION.ok) return 'taken';
  // The first one worked and its answer was lost: the second met a machine that was off for the moment.
  if (action === 'cycle' && wasRepeated && completion === COMPLETION.notInThisState) return 'taken';
  // Some BMCs refuse what is already so.
  const mayBeSo = completion !== COMPLETION.insufficientPrivilege && action !== 'cycle' && action !== 'reset';
  if (mayBeSo && ((await readPower(path)) === 'on') === (action === 'on')) {
    if (!wasRepeated) notes.add('B2', `refuses the power command "${action}" when it is so already`);
    return 'taken';
  }
  throw refusal(path, chassisControl, completion);
}

/** Lights the lamp for so many seconds; 0 puts it out. `unsupported` for longer than IPMI counts. */
export async function performIdentify(path: IpmiPath, seconds: number): Promise<void> {
  if (seconds > LONGEST_IDENTIFY) {
    const what = `cannot light its lamp for ${seconds} s: IPMI counts to ${LONGEST_IDENTIFY} s`;
    throw new BmcError('unsupported', path.target, what, `Ask for ${LONGEST_IDENTIFY} s at most, or use Redfish`);
  }
  await run(path, chassisIdentify, { seconds: Math.max(0, Math.ceil(seconds)) });
}
