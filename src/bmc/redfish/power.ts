import type { PowerAction, PowerState } from '../driver.ts';
import { isSuccess } from './answer.ts';
import type { Talk } from './discover.ts';
import { partsAt, pathOf, type Resource, textAt, textsAt, valueAt } from './json.ts';

/** The ResetTypes that do what is wanted, best first (DSP0268 Resource.ResetType). */
const RESET_TYPES: Readonly<Record<PowerAction, readonly ResetType[]>> = {
  on: [{ name: 'On' }, { name: 'ForceOn' }, { name: 'PushPowerButton', onlyWhen: 'off' }],
  off: [{ name: 'ForceOff' }],
  // ForceRestart keeps the power on: it is no cycle. Off, wait, on is, and comes after this list.
  cycle: [{ name: 'PowerCycle' }],
  reset: [{ name: 'ForceRestart' }, { name: 'PowerCycle' }],
  soft: [{ name: 'GracefulShutdown' }, { name: 'PushPowerButton', onlyWhen: 'on' }],
};

/** `onlyWhen`: what would do the opposite in the other state. */
type ResetType = { name: string; onlyWhen?: PowerState };

/**
 * The ResetType to send for an action in this state, or why none can be. `off-then-on` is for BMCs that cannot cycle by
 * themselves, `nothing` for what is so already and cannot be asked for again.
 */
export type PowerPlan = { send: string } | { refused: string };

/** `allowed` is undefined where the BMC does not tell: then all are tried as if they were. */
export function planPower(
  wanted: PowerAction,
  state: PowerState | undefined,
  allowed: readonly string[] | undefined,
): PowerPlan {
  let action = wanted;
  if ((wanted === 'cycle' || wanted === 'reset') && state === 'off') {
    if (wanted === 'reset') return { refused: 'cannot reset a machine whose power is off' };
    action = 'on';
  }
  const isAllowed = (name: string) => allowed === undefined || allowed.includes(name);
  const fits = ({ name, onlyWhen }: ResetType) => isAllowed(name) && (onlyWhen === undefined || onlyWhen === state);
  const type = RESET_TYPES[action].find(fits);
  if (type) return { send: type.name };
  // The button alone is left, and would undo what is so already.
  if (RESET_TYPES[action].some(({ name }) => isAllowed(name))) return state ? { send: 'nothing' } : { refused: BUTTON };
  if (action === 'cycle' && isAllowed('ForceOff') && isAllowed('On')) return { send: 'off-then-on' };
  const names = RESET_TYPES[action].map(({ name }) => name).join(' or ');
  return { refused: `cannot do "${wanted}": it takes ${allowed?.join(', ') || 'nothing'}, and not ${names}` };
}

const BUTTON = 'has only a power button to push and does not say whether the power is on';

/** On its way up it is not on yet, and on its way down not off yet; undefined where the BMC does not say. */
export function powerStateOf(system: Resource): PowerState | undefined {
  return STATES[textAt(system, 'PowerState')];
}

const STATES: Readonly<Record<string, PowerState>> = {
  On: 'on',
  PoweringOff: 'on',
  Paused: 'on',
  Off: 'off',
  PoweringOn: 'off',
};

export async function readPower({ client, site }: Talk): Promise<PowerState> {
  const { resource } = await client.get(site.system);
  const state = powerStateOf(resource);
  if (state) return state;
  const says = textAt(resource, 'PowerState') || 'none';
  throw client.error('busy', `does not know the power state at the moment (it reads "${says}")`);
}

/** Sends what the plan says. Resolves when the BMC took it. */
export async function performPower(talk: Talk, action: PowerAction): Promise<void> {
  const { client, site } = talk;
  const { resource } = await client.get(site.system);
  const reset = await findReset(talk, resource);
  const plan = planPower(action, powerStateOf(resource), reset.allowed);
  if ('refused' in plan) {
    const isOff = action === 'reset' && powerStateOf(resource) === 'off';
    throw client.error(isOff ? 'refused' : 'unsupported', plan.refused);
  }
  if (plan.send === 'nothing') return;
  if (plan.send === 'off-then-on') return performOffThenOn(talk, reset.target);
  await sendReset(talk, reset.target, plan.send);
  if (plan.send === 'ForceRestart') client.note('R10');
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

async function sendReset(talk: Talk, target: string, type: string): Promise<void> {
  const { client, site } = talk;
  const after = AFTER[type];
  const isDone = async () => after !== undefined && powerStateOf((await client.get(site.system)).resource) === after;
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
  const { client, site } = talk;
  await sendReset(talk, target, 'ForceOff');
  for (let poll = 0; poll < OFF_POLLS; poll++) {
    if (!(await client.pause(OFF_POLL_MS))) break;
    if (powerStateOf((await client.get(site.system)).resource) === 'off') return sendReset(talk, target, 'On');
  }
  const what = `was told to cycle the power, and it was not off ${(OFF_POLLS * OFF_POLL_MS) / 1000} s after ForceOff`;
  throw client.error('refused', what, 'The power is off or going off: turn it on again');
}
