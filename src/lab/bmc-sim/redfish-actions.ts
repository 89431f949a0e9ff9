import { answer, type Json, refuse, type SimAnswer, type SimRequest } from './redfish-answer.ts';
import {
  applyReset,
  BOOT_ENABLED,
  BOOT_MODES,
  BOOT_TARGETS,
  RESET_TYPES,
  type SimModel,
  type SimSlot,
  type SimSystem,
} from './redfish-model.ts';
import { chassisPath, MANAGER, systemPath } from './redfish-paths.ts';

/** Carries out a POST or a PATCH on the model; undefined where the BMC has nothing that could take it. */
export function applyRequest(model: SimModel, request: SimRequest): SimAnswer | undefined {
  const { method, path, body } = request;
  const system = model.systems.find((one) => path === systemPath(one) || path.startsWith(`${systemPath(one)}/`));
  if (system) {
    const below = path.slice(systemPath(system).length);
    return method === 'PATCH' ? patchSystem(model, system, below, body) : postSystem(model, system, below, body);
  }
  const chassis = model.systems.find((one) => path === chassisPath(one));
  if (chassis) return method === 'PATCH' ? setLamp(model, chassis, body) : undefined;
  const slot = model.slots.find(({ id }) => path.startsWith(`${MANAGER}/VirtualMedia/${id}`));
  return slot && changeSlot(model, slot, request);
}

function postSystem(
  model: SimModel,
  system: SimSystem,
  below: string,
  body: SimRequest['body'],
): SimAnswer | undefined {
  if (below === '/LogServices/SEL/Actions/LogService.ClearLog') {
    system.log = [];
    model.done.push(`${system.id} clear log`);
    return answer(204);
  }
  if (below !== '/Actions/ComputerSystem.Reset') return undefined;
  const type = body.ResetType;
  if (typeof type !== 'string')
    return refuse(400, 'ActionParameterMissing', 'ResetType is missing.', ['Reset', 'ResetType']);
  if (!RESET_TYPES.includes(type)) return notInList(type, 'ResetType');
  if (applyReset(model, system, type)) return answer(204);
  return refuse(409, 'ActionNotSupported', `The power state is ${system.power} already.`);
}

function patchSystem(
  model: SimModel,
  system: SimSystem,
  below: string,
  body: SimRequest['body'],
): SimAnswer | undefined {
  if (below === '/Bios/Settings') {
    const attributes = body.Attributes as Record<string, string>;
    system.biosAttributes = { ...system.biosAttributes, ...attributes };
    model.done.push(`${system.id} bios ${Object.keys(attributes).join(' ')}`);
    return answer(204);
  }
  if (below !== '' && below !== '/Settings') return undefined;
  const { Boot, IndicatorLED, LocationIndicatorActive, ...unknown } = body;
  const [stranger] = Object.keys(unknown);
  if (stranger) return refuse(400, 'PropertyUnknown', `The property ${stranger} is not known.`, [stranger]);
  if (Boot !== undefined) {
    const refusal = patchBoot(model, system, Boot as Json);
    if (refusal) return refusal;
  }
  return setLamp(model, system, body);
}

function setLamp(
  model: SimModel,
  system: SimSystem,
  { IndicatorLED, LocationIndicatorActive }: SimRequest['body'],
): SimAnswer {
  if (IndicatorLED !== undefined || LocationIndicatorActive !== undefined) {
    system.isLampLit = LocationIndicatorActive === true || ['Lit', 'Blinking'].includes(IndicatorLED as string);
    model.done.push(`${system.id} lamp ${system.isLampLit ? 'on' : 'off'}`);
  }
  return answer(204);
}

/** Undefined when all of it was taken. */
function patchBoot(model: SimModel, system: SimSystem, boot: Json): SimAnswer | undefined {
  const wanted = { ...system.boot };
  const lists: Record<string, readonly string[]> = {
    BootSourceOverrideTarget: BOOT_TARGETS,
    BootSourceOverrideEnabled: BOOT_ENABLED,
    BootSourceOverrideMode: BOOT_MODES,
  };
  for (const [name, value] of Object.entries(boot)) {
    const list = lists[name];
    if (list && !(typeof value === 'string' && list.includes(value))) return notInList(String(value), name);
    if (name === 'BootSourceOverrideTarget') wanted.target = value as string;
    else if (name === 'BootSourceOverrideEnabled') wanted.enabled = value as string;
    else if (name === 'BootSourceOverrideMode') wanted.mode = value as 'UEFI' | 'Legacy';
    else if (name === 'HttpBootUri') wanted.httpUri = value as string | null;
    else return refuse(400, 'PropertyUnknown', `The property ${name} is not known.`, [name]);
  }
  system.boot = wanted;
  model.done.push(`${system.id} boot ${wanted.target} ${wanted.enabled} ${wanted.mode}`);
  return undefined;
}

function changeSlot(model: SimModel, slot: SimSlot, { method, path, body }: SimRequest): SimAnswer | undefined {
  const isInsert = path.endsWith('/Actions/VirtualMedia.InsertMedia');
  const isEject = path.endsWith('/Actions/VirtualMedia.EjectMedia');
  if (method === 'POST' && !(slot.canInsert && (isInsert || isEject))) return undefined;
  if (isEject || body.Image === null) {
    slot.image = null;
    model.done.push(`${slot.id} eject`);
    return answer(204);
  }
  if (typeof body.Image !== 'string')
    return refuse(400, 'ActionParameterMissing', 'Image is missing.', ['InsertMedia', 'Image']);
  if (slot.image !== null) return refuse(409, 'ResourceInUse', 'An image is in already.');
  slot.image = body.Image;
  model.done.push(`${slot.id} insert ${body.Image}`);
  return answer(204);
}

function notInList(value: string, name: string): SimAnswer {
  return refuse(400, 'PropertyValueNotInList', `The value ${value} of ${name} is not in its list.`, [value, name]);
}
