import type { Json, SimAnswer, SimRequest } from './redfish-answer.ts';
import type { FaultWorld } from './redfish-faults.ts';
import type { SimSystem } from './redfish-model.ts';
import { systemPath } from './redfish-paths.ts';

/** A resource without some of its properties. */
export const without = (resource: Json, ...names: string[]): Json =>
  Object.fromEntries(Object.entries(resource).filter(([name]) => !names.includes(name)));

/** The System that an answer to GET shows. */
function shownSystem({ method, path }: SimRequest, { model }: FaultWorld): SimSystem | undefined {
  return method === 'GET' ? model.systems.find((system) => systemPath(system) === path) : undefined;
}

/** An answer that shows a System, with its resource changed; undefined for all other answers. */
export function changeSystem(
  given: SimAnswer,
  request: SimRequest,
  world: FaultWorld,
  change: (resource: Json) => Json,
): SimAnswer | undefined {
  return shownSystem(request, world) && given.status === 200
    ? { ...given, body: change(given.body as Json) }
    : undefined;
}

/** The same for its Boot. */
export function changeBoot(
  given: SimAnswer,
  request: SimRequest,
  world: FaultWorld,
  change: (boot: Json) => Json,
): SimAnswer | undefined {
  return changeSystem(given, request, world, (resource) => ({ ...resource, Boot: change(resource.Boot as Json) }));
}
