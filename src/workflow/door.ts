import type { IncomingMessage, ServerResponse } from 'node:http';
import { answer } from '../boot/http-server.ts';
import type { Arrival } from '../model/view.ts';
import type { Call, DoorOptions } from './call.ts';
import { createReports } from './reports.ts';
import { createRunFiles } from './run-file.ts';
import { createScoutWork } from './scout-work.ts';

/** What can be asked or told behind a token. Without a method: by GET too, for installers whose wget has no POST. */
type Route = {
  verb: string;
  method?: 'GET' | 'POST';
  /** There is one more word behind the verb. */
  hasArgument?: boolean;
  handle: (call: Call, argument: string) => void | Promise<void>;
};

const MAX_BODY_BYTES = 1 << 20;

/** `/run/TOKEN/...`: the door of scouts, installers and freshly installed systems. See docs/architecture.md. */
export function createDoor(options: DoorOptions) {
  const { machines, jobs, clock } = options;
  const files = createRunFiles(options);
  const work = createScoutWork(options, files);
  const reports = createReports(options);
  const routes: readonly Route[] = [
    { verb: 'file', method: 'GET', hasArgument: true, handle: files.serve },
    { verb: 'work', method: 'GET', handle: work.give },
    { verb: 'inventory', method: 'POST', handle: reports.takeInventory },
    { verb: 'log', method: 'POST', handle: reports.takeLog },
    { verb: 'progress', handle: reports.takeProgress },
    { verb: 'bmc', method: 'POST', handle: reports.takeBmc },
    { verb: 'task', hasArgument: true, handle: (call, id) => reports.endTask(call, Number(id)) },
    { verb: 'done', handle: reports.takeDone },
    { verb: 'failed', handle: reports.takeFailed },
    { verb: 'alive', handle: reports.takeAlive },
  ];

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    arrival: Arrival,
  ): Promise<void> {
    const [token = '', verb = '', argument = ''] = path.split('/');
    const run = jobs.run(token);
    const machine = run && machines.byId(run.machineId);
    if (!run || !machine || run.expiresAt <= clock())
      return answer(response, 410, 'this token is over: start the machine again');
    const { searchParams: query } = new URL(request.url ?? '/', 'http://x');
    const body = request.method === 'POST' ? await readBody(request) : query.toString();
    if (body === undefined) return answer(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    machines.setSeen(machine.id, clock());

    const route = routes.find((one) => one.verb === verb);
    const isRight =
      (route?.method === undefined || route.method === request.method) && (!route?.hasArgument || argument !== '');
    if (!route || !isRight) return answer(response, 404, `there is no ${request.method} ${verb} here`);
    return route.handle({ token, run, machine, arrival, request, response, query, body }, argument);
  }

  return { handle, stop: work.stop };
}

/** The body as text; undefined when it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
