import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { applyRequest } from './redfish-actions.ts';
import { answer, type Json, refuse, type SimAnswer, type SimRequest } from './redfish-answer.ts';
import { type Certificate, makeCertificate } from './redfish-certificate.ts';
import { type Fault, Faults, type FaultWorld } from './redfish-faults.ts';
import { makeSystem, type SimModel, type SimSlot, type SimSystem } from './redfish-model.ts';
import { ROOT, SESSIONS } from './redfish-paths.ts';
import { listResources } from './redfish-resources.ts';
import { Sessions } from './redfish-sessions.ts';

export type RedfishSimOptions = {
  /** 127.0.0.1 and a free port by default. */
  address?: string;
  port?: number;
  /** Passwords by user; `admin` with `s3cret` by default. */
  users?: Record<string, string>;
  /** Sessions at once; 4 by default. */
  slots?: number;
  /** One System by default. */
  systems?: Partial<SimSystem>[];
  media?: Partial<SimSlot>[];
  vendor?: string;
  product?: string;
  managerModel?: string;
  faults?: Fault[];
  certificate?: Certificate;
  /** `old`: has TLS 1.0 and 1.1 only (R17). */
  tls?: 'modern' | 'old';
  onReset?: SimModel['onReset'];
};

export type RedfishSim = {
  port: number;
  model: SimModel;
  faults: Faults;
  /** Method and URL of each of the last requests, oldest first. */
  asked: string[];
  /** Headers of each request, in the same order. */
  headers: SimRequest['headers'][];
  /** Bodies of what was written, oldest first. */
  written: Readonly<Record<string, unknown>>[];
  openSessions: () => number;
  /** Ends every session, as time does. */
  expireSessions: () => void;
  /** How many sessions were ever opened. */
  madeSessions: () => number;
  /** The most requests that were in flight at once. */
  mostAtOnce: () => number;
  stop: () => Promise<void>;
};

/** A BMC of ours that speaks Redfish over HTTPS, does what it is told to a small model, and goes wrong where it is told to. */
export async function startRedfishSim(options: RedfishSimOptions = {}): Promise<RedfishSim> {
  const systems = (options.systems ?? [{}]).map((given, index) => makeSystem(index + 1, given));
  const media = options.media ?? [{ id: 'Floppy1', types: ['Floppy', 'USBStick'] }, { id: 'CD1' }];
  const model: SimModel = {
    vendor: options.vendor ?? 'Firstlight',
    product: options.product ?? 'Simulated BMC',
    managerModel: options.managerModel ?? 'SIM',
    firmware: '1.2.3',
    systems,
    slots: media.map((given, index) => ({
      id: `CD${index + 1}`,
      types: ['CD', 'DVD'],
      image: null,
      canInsert: true,
      ...given,
    })),
    done: [],
  };
  if (options.onReset) model.onReset = options.onReset;
  const sessions = new Sessions(options.users ?? { admin: 's3cret' }, options.slots ?? 4);
  const faults = new Faults();
  for (const fault of options.faults ?? []) faults.add(fault);
  const world: FaultWorld = { model, sessions, tasks: new Map() };
  const asked: string[] = [];
  const headers: SimRequest['headers'][] = [];
  const written: SimRequest['body'][] = [];
  let inFlight = 0;
  let mostAtOnce = 0;

  async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    keep(asked, `${incoming.method} ${incoming.url}`);
    keep(headers, incoming.headers);
    inFlight += 1;
    mostAtOnce = Math.max(mostAtOnce, inFlight);
    response.on('close', () => {
      inFlight -= 1;
    });
    const request = await readRequest(incoming);
    if (Object.keys(request.body).length > 0) keep(written, request.body);
    const delayMs = faults.delayMs(request);
    if (delayMs > 0) await sleep(delayMs);
    const verdict = faults.before(request, world) ?? faults.after(give(request), request, world);
    if (verdict === 'hang') return;
    if (verdict === 'reset') incoming.socket.destroy();
    else send(response, verdict);
  }

  function give(request: SimRequest): SimAnswer {
    const { method, path } = request;
    const isOpen = path === '/redfish' || path === ROOT || (method === 'POST' && path === SESSIONS);
    if (!isOpen && !sessions.admits(request)) return refuse(401, 'NoValidSession', 'There is no valid session.');
    if (method === 'POST' && path === SESSIONS) return sessions.create(request);
    if (method === 'DELETE' && path.startsWith(`${SESSIONS}/`))
      return sessions.delete(path.slice(SESSIONS.length + 1)) ? answer(204) : missing(path);
    const task = world.tasks.get(path);
    if (task) return (task.length > 1 ? task.shift() : task[0]) as SimAnswer;

    const resources = listResources(model, sessions.ids);
    const resource = resources.get(path)?.();
    if (method === 'GET') return resource ? show(request, resource, resources) : missing(path);
    if (resource && !hasFreshTag(request, resource))
      return refuse(412, 'PreconditionFailed', 'The ETag does not match.');
    const outcome = method === 'PATCH' || method === 'POST' ? applyRequest(model, request) : undefined;
    return outcome ?? (resource ? answer(405, undefined, { Allow: 'GET' }) : missing(path));
  }

  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const certificate = options.certificate ?? makeCertificate('firstlight-bmc-sim', Date.now());
  const server = createServer(options.tls === 'old' ? { ...certificate, ...old } : certificate);
  server.on('request', (incoming, response) => {
    serve(incoming, response).catch((error: Error) => send(response, refuse(500, 'InternalError', error.message)));
  });
  // A client that goes away in its handshake, as one does that does not like the certificate.
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(options.port ?? 0, options.address ?? '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    model,
    faults,
    asked,
    headers,
    written,
    openSessions: () => sessions.ids.length,
    expireSessions: () => {
      for (const id of sessions.ids) sessions.delete(id);
    },
    madeSessions: () => sessions.made,
    mostAtOnce: () => mostAtOnce,
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** So much of what was asked is kept, for a BMC may be polled for days. */
const RECORD_LIMIT = 2000;

function keep<T>(record: T[], entry: T): void {
  record.push(entry);
  if (record.length > RECORD_LIMIT) record.shift();
}

const BODY_LIMIT = 1024 * 1024;

async function readRequest(incoming: IncomingMessage): Promise<SimRequest> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > BODY_LIMIT) throw new Error(`a body of more than ${BODY_LIMIT} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString();
  const url = incoming.url ?? '/';
  const path = (url.split('?', 1)[0] as string).replace(/(?<=.)\/$/, '');
  return {
    method: incoming.method ?? '',
    path,
    url,
    headers: incoming.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
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

function send(response: ServerResponse, { status, headers, body }: SimAnswer): void {
  if (response.headersSent) return;
  const bytes = body === undefined ? Buffer.alloc(0) : Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  const packed = headers['Content-Encoding'] === 'gzip' ? gzipSync(bytes) : bytes;
  response.writeHead(status, {
    'OData-Version': '4.0',
    'Content-Type': 'application/json',
    'Content-Length': String(packed.length),
    ...headers,
  });
  response.end(packed);
}
