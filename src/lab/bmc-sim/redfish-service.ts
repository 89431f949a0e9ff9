import { createHash } from 'node:crypto';
import { applyRequest } from './redfish-actions.ts';
import { answer, type Json, refuse, type SimAnswer, type SimRequest } from './redfish-answer.ts';
import type { FaultWorld } from './redfish-faults.ts';
import { ROOT, SESSIONS } from './redfish-paths.ts';
import { listResources } from './redfish-resources.ts';

/** Does what a request says, as a BMC without faults does it, and gives the answer. */
export function serveRequest({ model, sessions, tasks }: FaultWorld, request: SimRequest): SimAnswer {
  const { method, path } = request;
  const isOpen = path === '/redfish' || path === ROOT || (method === 'POST' && path === SESSIONS);
  if (!isOpen && !sessions.admits(request)) return refuse(401, 'NoValidSession', 'There is no valid session.');
  if (method === 'POST' && path === SESSIONS) return sessions.create(request);
  if (method === 'DELETE' && path.startsWith(`${SESSIONS}/`))
    return sessions.delete(path.slice(SESSIONS.length + 1)) ? answer(204) : missing(path);
  const task = tasks.get(path);
  if (task) return (task.length > 1 ? task.shift() : task[0]) as SimAnswer;

  const resources = listResources(model, sessions.ids);
  const resource = resources.get(path)?.();
  if (method === 'GET') return resource ? show(request, resource, resources) : missing(path);
  if (resource && !hasFreshTag(request, resource)) return refuse(412, 'PreconditionFailed', 'The ETag does not match.');
  const outcome = method === 'PATCH' || method === 'POST' ? applyRequest(model, request) : undefined;
  return outcome ?? (resource ? answer(405, undefined, { Allow: 'GET' }) : missing(path));
}

/** A resource with its ETag; a collection with its members in it when that is asked for. */
function show({ url }: SimRequest, resource: Json, resources: ReadonlyMap<string, () => Json>): SimAnswer {
  const etag = tagOf(resource);
  const headers = { ETag: etag, Allow: 'GET, PATCH, POST, DELETE' };
  const members = resource.Members;
  if (!url.includes('$expand') || !Array.isArray(members))
    return answer(200, { '@odata.etag': etag, ...resource }, headers);
  const whole = members.map((member: Json) => resources.get(String(member['@odata.id']))?.() ?? member);
  return answer(200, { ...resource, Members: whole }, headers);
}

function tagOf(resource: Json): string {
  return `"${createHash('sha256').update(JSON.stringify(resource)).digest('hex').slice(0, 16)}"`;
}

/** RFC 9110 13.1.1: strong comparison, and `*` is any. */
function hasFreshTag({ headers }: SimRequest, resource: Json): boolean {
  const wanted = headers['if-match'];
  return wanted === undefined || wanted === '*' || wanted === tagOf(resource);
}

function missing(path: string): SimAnswer {
  return refuse(404, 'ResourceMissingAtURI', `There is no resource ${path}.`, [path]);
}
