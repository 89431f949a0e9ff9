import type { ServerResponse } from 'node:http';
import { Type } from 'typebox';
import { AppError } from '../model/errors.ts';
import { type Event, isOfAppliance } from '../model/event.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const Query = Type.Object({
  after: Type.Optional(Type.Integer({ minimum: 0 })),
  last: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  boot: Type.Optional(Type.Integer({ minimum: 0 })),
});
/** The appliance has no boots. */
const ApplianceQuery = Type.Omit(Query, ['boot'], strict);
const StreamQuery = Type.Object({
  machine: Type.Optional(Type.String()),
  /** Only what is no machine's: the appliance itself, and its network. */
  appliance: Type.Optional(Type.Boolean()),
  after: Type.Optional(Type.Integer({ minimum: 0 })),
});
const HEARTBEAT_MS = 15_000;
/** A reader that is this far behind is cut off: it comes back and reads the rest from history. */
const MAX_BUFFERED_BYTES = 4 << 20;

/** What happened, to a machine or the appliance, as a list; and what happens, as a stream. */
export function addEventRoutes(app: Api, options: ApiOptions): void {
  const { history, events, machines } = options;

  app.get('/api/v1/machines/:name/timeline', { schema: { params: ByName, querystring: Query } }, (request) => {
    const machine = machines.named(request.params.name);
    const { after, last, boot } = request.query;
    return history.read({ machineId: machine.id, afterId: after, last, boot });
  });

  app.get('/api/v1/timeline', { schema: { querystring: ApplianceQuery } }, (request) =>
    history.readOfAppliance({ afterId: request.query.after, last: request.query.last }),
  );

  // Server-sent events: first what was missed since `after` (or Last-Event-ID), then what happens. They have no end: whoever asks for
  // the head only would wait for it.
  app.get('/api/v1/events', { exposeHeadRoute: false, schema: { querystring: StreamQuery } }, (request, reply) => {
    const { machine, appliance = false } = request.query;
    if (machine !== undefined && appliance)
      throw new AppError('bad-request', `events are those of machine ${machine}, or of the appliance: not of both`);
    const machineId = machine === undefined ? undefined : machines.named(machine).id;
    const isWanted = (event: Event): boolean =>
      appliance ? isOfAppliance(event) : machineId === undefined || event.machineId === machineId;
    const wanted = Number(request.headers['last-event-id'] ?? request.query.after ?? history.newestId()) || 0;
    // an id from before the database was restored: what happens from now on is still news
    const since = Math.min(wanted, history.newestId());
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache', Connection: 'keep-alive' });
    raw.write(': hello\n\n');
    let newest = since;
    const missed = { afterId: since, last: 10_000 };
    for (const event of appliance ? history.readOfAppliance(missed) : history.read({ ...missed, machineId }))
      newest = send(raw, event);
    const stop = events.listen((event) => {
      if (event.id <= newest || !isWanted(event)) return;
      newest = send(raw, event);
      if (raw.writableLength > MAX_BUFFERED_BYTES) raw.destroy();
    });
    const heartbeat = setInterval(() => raw.write(': still here\n\n'), HEARTBEAT_MS);
    request.raw.socket.on('close', () => {
      clearInterval(heartbeat);
      stop();
    });
  });
}

function send(raw: ServerResponse, event: Event): number {
  raw.write(`id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
  return event.id;
}
