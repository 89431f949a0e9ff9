import type { ServerResponse } from 'node:http';
import { type Static, Type } from 'typebox';
import type { Consoles } from '../bmc/console.ts';
import type { Viewer } from '../bmc/console-line.ts';
import { AppError } from '../model/errors.ts';
import { bmcFailure } from './bmc.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const ByBoot = Type.Object({ name: Type.String(), boot: Type.Integer({ minimum: 0 }) });
const Input = Type.Object(
  {
    /** A text, typed as UTF-8. */
    data: Type.Optional(Type.String({ minLength: 1, maxLength: 65_536 })),
    /** Bytes. */
    base64: Type.Optional(
      Type.String({
        minLength: 4,
        maxLength: 87_384,
        pattern: '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
      }),
    ),
    /** A serial break. */
    break: Type.Optional(Type.Literal(true)),
  },
  strict,
);

/** A watcher that is this far behind is sent away: it comes back, and reads the rest in the log. */
export const MAX_BACKLOG_BYTES = 256 << 10;
/** For what is on its way to it then. */
const LAST_MS = 5000;
/** A console may be silent for days: so long after its watcher has vanished is that noticed. */
const PROBE_MS = 60_000;

/** Serial consoles: watched as a stream of bytes, typed on, and read again from their logs. */
export function addConsoleRoutes(
  app: Api,
  { machines, consoles }: Pick<ApiOptions, 'machines'> & { consoles: Consoles },
): void {
  // a stream without an end: whoever asks for its head only would wait for it
  app.get(
    '/api/v1/machines/:name/console',
    {
      exposeHeadRoute: false,
      schema: { params: ByName, querystring: Type.Object({ history: Type.Optional(Type.Boolean()) }, strict) },
    },
    async (request, reply) => {
      const watch = consoles.watch(machines.named(request.params.name), request.operator);
      const { raw } = reply;
      raw.once('close', watch.leave);
      await watch.ready.catch((error: unknown) => {
        watch.leave();
        bmcFailure(error);
      });
      reply.hijack();
      if (raw.destroyed) return;
      raw.socket?.setKeepAlive(true, PROBE_MS);
      raw.writeHead(200, {
        'Content-Type': 'text/plain; charset=utf-8',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      });
      raw.flushHeaders();
      watch.begin(viewerOf(raw, watch.leave), request.query.history ?? true);
    },
  );

  app.post(
    '/api/v1/machines/:name/console/input',
    { schema: { params: ByName, body: Input } },
    async (request, reply) => {
      const machine = machines.named(request.params.name);
      const input = readInput(request.body);
      if (input === 'break') await consoles.sendBreak(machine, request.operator);
      else await consoles.type(machine, request.operator, input);
      return reply.code(204).send();
    },
  );

  app.get('/api/v1/machines/:name/console/logs', { schema: { params: ByName } }, (request) =>
    consoles.logs(machines.named(request.params.name).id),
  );

  app.get('/api/v1/machines/:name/console/logs/:boot', { schema: { params: ByBoot } }, async (request, reply) => {
    const { id } = machines.named(request.params.name);
    const log = await consoles.log(id, request.params.boot);
    return reply.type('text/plain; charset=utf-8').header('X-Content-Type-Options', 'nosniff').send(log);
  });
}

/** What is typed. Throws `bad-request` unless it is one thing. */
function readInput({ data, base64, break: isBreak }: Static<typeof Input>): Buffer | 'break' {
  const given = [
    data === undefined ? undefined : Buffer.from(data),
    base64 === undefined ? undefined : Buffer.from(base64, 'base64'),
    isBreak ? ('break' as const) : undefined,
  ].filter((one) => one !== undefined);
  if (given.length !== 1 || given[0] === undefined)
    throw new AppError('bad-request', `give one of data, base64 and break: ${given.length} were given`);
  return given[0];
}

/** Shows a console on an answer. What its reader has not taken yet is bounded. */
function viewerOf(raw: ServerResponse, leave: () => void): Viewer {
  const say = (text: string): void => void raw.write(`\r\n[firstlight: ${text}]\r\n`);
  function end(text: string): void {
    leave();
    if (raw.writableEnded) return;
    say(text);
    raw.end();
    const timer = setTimeout(() => raw.destroy(), LAST_MS);
    raw.once('close', () => clearTimeout(timer));
  }
  return {
    bytes(bytes) {
      raw.write(bytes);
      if (raw.writableLength > MAX_BACKLOG_BYTES)
        end(`You read too slowly: ${raw.writableLength >> 10} KB were waiting. Come back, or read the log.`);
    },
    say,
    end,
  };
}
