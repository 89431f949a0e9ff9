import { BmcError, type PowerAction, type PowerState } from '../driver.ts';
import { isSuccess } from './answer.ts';
import { readSystem, type Talk } from './discover.ts';
import { partsAt, pathOf, type Resource, textAt, textsAt, valueAt } from './json.ts';

/** The ResetTypes that do what is wanted, best first (DSP0268 Resource.ResetType). */
const RESET_TYPES: Readonly<Record<PowerAction, readonly ResetType[]>> = {
  on: [{ name: 'On' }, { name: 'ForceOn' }, { name: 'PushPowerButton', onlyWhen: 'off' }],
  off: [{ name: 'ForceOff' }],
  // ForceRestart keeps the power on: it is no cycle.
  cycle: [{ name: 'PowerCycle' }],
  reset: [{ name: 'ForceRestart' }, { name: 'PowerCycle' }],
  soft: [{ name: 'GracefulShutdown' }, { name: 'PushPowerButton', onlyWhen: 'on' }],
};

/** `onlyWhen`: what would do the opposite in the other state. */
type ResetType = { name: string; onlyWhen?: PowerState };

/**
 * How an action is done in this state, or why it cannot be. `send`: the next type where the BMC does not have one. `cycle`: off, and on when it is off, for BMCs that cannot do it by
 * themselves. `nothing`: it is so already, and all that could be sent would undo it.
 */
type PowerPlan =
  | { kind: 'send'; types: string[] }
  | { kind: 'cycle' }
  | { kind: 'nothing' }
  | { kind: 'refused'; as: 'refused' | 'unsupported'; why: string };

/** `state` and `allowed` are undefined where the BMC does not tell: then all ResetTypes are tried as if they were allowed. */
export function planPower(
  wanted: PowerAction,
  state: PowerState | undefined,
  allowed: readonly string[] | undefined,
): PowerPlan {
  if (wanted === 'reset' && state === 'off')
    return { kind: 'refused', as: 'refused', why: 'cannot reset a machine whose power is off' };
  const all = RESET_TYPES[wanted === 'cycle' && state === 'off' ? 'on' : wanted];
  const usable = all.filter(({ name }) => allowed?.includes(name) ?? true);
  const plain = usable.filter(({ onlyWhen }) => onlyWhen === undefined);
  // The button is pushed where there is nothing else, and not after a refusal, whose reason may be that it is so already.
  const fitting = plain.length > 0 ? plain : usable.filter(({ onlyWhen }) => onlyWhen === state);
  if (fitting.length > 0) return { kind: 'send', types: fitting.map(({ name }) => name) };
  if (usable.length > 0 && state) return { kind: 'nothing' };
  const refuse = (why: string): PowerPlan => ({ kind: 'refused', as: 'unsupported', why });
  if (usable.length > 0) return refuse('has only a power button to push and does not say whether the power is on');
  if (wanted === 'cycle' && allowed?.includes('ForceOff') && allowed.includes('On')) return { kind: 'cycle' };
  const names = all.map(({ name }) => name).join(' or ');
  return refuse(`cannot do "${wanted}": it takes ${allowed?.join(', ') || 'nothing'}, and not ${names}`);
}

/** On its way up it is not on yet, and on its way down not off yet; undefined where the BMC does not say. */
function powerStateOf(system: Resource): PowerState | undefined {
  return STATES[textAt(system, 'PowerState')];
}

const STATES: Readonly<Record<string, PowerState>> = {
  On: 'on',
  PoweringOff: 'on',
  Paused: 'on',
  Off: 'off',
  PoweringOn: 'off',
};

/** Whether the machine is on, as its System says. */
export async function readPower(talk: Talk): Promise<PowerState> {
  const { resource } = await readSystem(talk);
  const state = powerStateOf(resource);
  if (state) return state;
  const says = textAt(resource, 'PowerState') || 'none';
  throw talk.client.error('busy', `does not know the power state at the moment (it reads "${says}")`);
}

/** Sends what the plan says. Resolves when the BMC took it. */
export async function performPower(talk: Talk, action: PowerAction): Promise<void> {
  const { client } = talk;
  const { resource } = await readSystem(talk);
  const reset = await findReset(talk, resource);
  const plan = planPower(action, powerStateOf(resource), reset.allowed);
  switch (plan.kind) {
    case 'refused':
      throw client.error(plan.as, plan.why);
    case 'nothing':
      return;
    case 'cycle':
      return performOffThenOn(talk, reset.target);
    case 'send':
      return sendFirst(talk, reset.target, plan.types);
  }
}

/** Where an action is asked for and what it may be given: its target, its allowed values, else its ActionInfo (DSP0266, "Actions property"). */
async function findReset({ client, site }: Talk, system: Resource): Promise<{ target: string; allowed?: string[] }> {
  const action = valueAt(system, 'Actions', '#ComputerSystem.Reset') as Resource | undefined;
  const fallback = `${site.system.replace(/\/$/, '')}/Actions/ComputerSystem.Reset`;
  if (action === undefined || action === null) return { target: fallback };
  const target = pathOf(action.target) ?? fallback;
  const listed = textsAt(action, 'ResetType@Redfish.AllowableValues');
  if (listed && listed.length > 0) return { target, allowed: listed };
  const info = await client.find(pathOf(action['@Redfish.ActionInfo']));
  const parameter = partsAt(info?.resource ?? {}, 'Parameters').find((one) => textAt(one, 'Name') === 'ResetType');
  const allowed = parameter && textsAt(parameter, 'AllowableValues');
  return allowed && allowed.length > 0 ? { target, allowed } : { target };
}

/** What the power is to be after a reset of this type; a restart leaves it as it is and so proves nothing. */
const AFTER: Readonly<Record<string, PowerState>> = {
  On: 'on',
  ForceOn: 'on',
  ForceOff: 'off',
  GracefulShutdown: 'off',
};

/** Sends the first of these types that the BMC has; fails as it refuses the first when it has none. */
async function sendFirst(talk: Talk, target: string, types: readonly string[]): Promise<void> {
  let refusal: BmcError | undefined;
  for (const type of types) {
    try {
      await sendReset(talk, target, type);
      if (type === 'ForceRestart') talk.client.note('R10');
      return;
    } catch (error) {
      if (!(error instanceof BmcError) || error.kind !== 'unsupported') throw error;
      refusal ??= error;
    }
  }
  throw refusal;
}

async function sendReset(talk: Talk, target: string, type: string): Promise<void> {
  const { client } = talk;
  const after = AFTER[type];
  const isDone = async () => after !== undefined && powerStateOf((await readSystem(talk)).resource) === after;
  const answer = await client.post(target, { ResetType: type }, isDone);
  if (answer && !isSuccess(answer)) throw client.refusal(answer, `the reset "${type}"`);
  if (answer) return;
  // Some lose the connection over what it does to the port that they share with the host.
  if (await isDone().catch(() => false)) return;
  const what = `did not answer the reset "${type}", so whether it acted is not known`;
  throw client.error('unreachable', what, 'Read the power state before trying again');
}

const OFF_POLL_MS = 2000;
const OFF_POLLS = 30;

async function performOffThenOn(talk: Talk, target: string): Promise<void> {
  const { client } = talk;
  await sendReset(talk, target, 'ForceOff');
  for (let poll = 0; poll < OFF_POLLS; poll++) {
    if (!(await client.pause(OFF_POLL_MS))) break;
    if (powerStateOf((await readSystem(talk)).resource) === 'off') return sendReset(talk, target, 'On');
  }
  const what = `was told to cycle the power, and it was not off ${(OFF_POLLS * OFF_POLL_MS) / 1000} s after ForceOff`;
  throw client.error('refused', what, 'The power is off or going off: turn it on again');
}
