import type { IncomingMessage, ServerResponse } from 'node:http';
import { Value } from 'typebox/value';
import { templateContext } from '../boot/context.ts';
import { answer } from '../boot/http-server.ts';
import { assetPaths, type Library } from '../boot/library.ts';
import type { BootFiles } from '../boot/open.ts';
import { bootUrl } from '../boot/paths.ts';
import { type TemplateAsset, TemplateError } from '../boot/render.ts';
import { paramSources } from '../boot/script.ts';
import type { Events } from '../events.ts';
import { DRIVER_PORTS } from '../model/bmc.ts';
import { assetName, type Bootenv } from '../model/bootenv.ts';
import { AppError } from '../model/errors.ts';
import { Inventory } from '../model/inventory.ts';
import type { Machine } from '../model/machine.ts';
import { resolveParams } from '../model/params.ts';
import { after, type Clock } from '../model/time.ts';
import type { Arrival } from '../model/view.ts';
import { currentStage, type Job, TICKET_ATTEMPTS, type Ticket } from '../model/workflow.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Run, Task } from '../store/jobs.ts';
import { type BootSources, bootView } from '../store/views.ts';
import { type Ipv4, isIpv4 } from '../wire/address.ts';
import type { Discovery } from './discovery.ts';
import type { Runner } from './runner.ts';

export type DoorOptions = BootSources & {
  bmcs: Bmcs;
  events: Events;
  runner: Runner;
  discovery: Discovery;
  files: BootFiles;
  library: () => Library;
  clock: Clock;
};

/** The param that nobody gives: it is made up for each machine. */
const BMC_PASSWORD = 'bmcPassword';
const MAX_BODY_BYTES = 1 << 20;
const MAX_LOG_LINES = 500;
const MAX_LINE_CHARACTERS = 1000;
const LONGEST_WAIT_S = 50;
/** A first-boot token outlives the install by this. */
const FIRST_BOOT_MS = 24 * 3600 * 1000;

/** A request of something that runs on a machine: who it is by its token, and what it said. */
type Call = {
  token: string;
  run: Run;
  machine: Machine;
  arrival: Arrival;
  request: IncomingMessage;
  response: ServerResponse;
  /** What a GET said behind the question mark. */
  query: URLSearchParams;
  body: string;
};

/** `/run/TOKEN/...`: the door of scouts, installers and freshly installed systems. See docs/architecture.md. */
export function createDoor(options: DoorOptions) {
  const { machines, bmcs, jobs, events, runner, discovery, clock } = options;
  const waiting = new Set<{ machineId: number; wake: () => void }>();
  events.listen((event) => {
    for (const one of waiting) if (one.machineId === event.machineId) one.wake();
  });

  async function handle(
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    arrival: Arrival,
  ): Promise<void> {
    const [token = '', ...rest] = path.split('/');
    const run = jobs.run(token);
    const machine = run && machines.byId(run.machineId);
    if (!run || !machine || run.expiresAt <= clock())
      return answer(response, 410, 'this token is over: start the machine again');
    const { searchParams: query } = new URL(request.url ?? '/', 'http://x');
    const body = request.method === 'POST' ? await readBody(request) : query.toString();
    if (body === undefined) return answer(response, 413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
    machines.setSeen(machine.id, clock());
    const call: Call = { token, run, machine, arrival, request, response, query, body };
    const [verb, argument] = rest;
    if (verb === 'file' && argument && request.method === 'GET') return serveFile(call, argument);
    if (verb === 'work' && request.method === 'GET') return giveWork(call);
    if (verb === 'inventory' && request.method === 'POST') return takeInventory(call);
    if (verb === 'log' && request.method === 'POST') return takeLog(call);
    if (verb === 'progress') return takeProgress(call);
    if (verb === 'bmc' && request.method === 'POST') return takeBmc(call);
    if (verb === 'task' && argument) return endTask(call, Number(argument));
    if (verb === 'done') return takeDone(call);
    if (verb === 'failed') return takeFailed(call);
    if (verb === 'alive') return takeAlive(call);
    answer(response, 404, `there is no ${request.method} ${verb ?? ''} here`);
  }

  /** A rendered file: only to its machine, only while its ticket is open. */
  function serveFile(call: Call, name: string): void {
    const { run, machine, response } = call;
    const open = openTicket(run);
    const template = open && options.library().content.bootenvs.get(run.bootenv)?.files?.[name];
    const refusal = !open
      ? 'no install ticket of this machine is open'
      : !template
        ? `bootenv ${run.bootenv} has no file ${name}`
        : isOtherMachine(call)
          ? `asked from ${senderOf(call.request)}, which is not the address of ${machine.name} (${machine.address})`
          : undefined;
    if (refusal || !open || !template) {
      events.emit({ kind: 'file.refused', text: `${name} refused: ${refusal}`, mac: run.mac, machineId: machine.id });
      return answer(response, open ? 404 : 410, refusal ?? 'refused');
    }
    try {
      const text = renderForMachine(call, template, open.job);
      events.emit({
        kind: 'file.served',
        text: `${name}, rendered, ${Buffer.byteLength(text)} bytes by HTTP`,
        mac: run.mac,
        machineId: machine.id,
        data: { name, by: 'HTTP', bytes: Buffer.byteLength(text) },
      });
      sendText(response, text);
    } catch (error) {
      refuseRender(call, name, error);
    }
  }

  function refuseRender(call: Call, name: string, error: unknown): void {
    if (!(error instanceof TemplateError) && !(error instanceof AppError)) throw error;
    events.emit({
      kind: 'file.refused',
      text: `${name} cannot be rendered: ${error.message}`,
      mac: call.run.mac,
      machineId: call.machine.id,
    });
    runner.happened(call.machine.id, { kind: 'failed', why: `${name} cannot be rendered: ${error.message}` });
    answer(call.response, 500, error.message);
  }

  /** The open ticket that this run may use, with its job. */
  function openTicket(run: Run): { job: Job; ticket: Ticket } | undefined {
    const job = jobs.runningOf(run.machineId);
    const ticket = job && jobs.ticketOf(job.id);
    if (!job || !ticket || ticket.closedAt !== undefined || ticket.expiresAt <= clock()) return undefined;
    return run.jobId === undefined || run.jobId === job.id || run.purpose === 'scout' ? { job, ticket } : undefined;
  }

  /** Long poll: work for the scout as soon as there is some. */
  async function giveWork(call: Call): Promise<void> {
    const { run, machine, response, request } = call;
    if (run.purpose !== 'scout') return answer(response, 404, "this token is not a scout's");
    const seconds = Math.min(Math.max(Number(call.query.get('wait') ?? 0) || 0, 0), LONGEST_WAIT_S);
    const deadline = clock() + seconds * 1000;
    while (!response.destroyed) {
      const present = jobs.run(call.token);
      const fresh = machines.byId(machine.id);
      if (!present || !fresh || present.boot !== fresh.boot)
        return answer(response, 410, 'the machine has started again since: this scout is over');
      const work = findWork(present, fresh);
      if (work) return handOut(call, work.job, work.bootenv, work.ticket);
      const stage = findStageTask(fresh);
      if (stage) return handOutTask(call, stage.job, stage.template);
      const left = deadline - clock();
      if (left <= 0) {
        response.writeHead(204);
        response.end();
        return;
      }
      await waitForChange(machine.id, left, request);
    }
  }

  /** What the scout of this machine has to do now: the task of an image install whose ticket is open. */
  function findWork(run: Run, machine: Machine): { job: Job; bootenv: Bootenv; ticket: Ticket } | undefined {
    const open = openTicket(run);
    const stage = currentStage(open?.job);
    if (!open || stage?.bootenv !== '$bootenv' || machine.locked || jobs.hasEffectsTodo(open.job.id)) return undefined;
    const bootenv = options.library().content.bootenvs.get(open.ticket.bootenv);
    if (bootenv?.kind !== 'image') return undefined;
    const started = jobs.taskOfBoot(open.job.id, machine.boot);
    if (started && started.state !== 'running') return undefined;
    return { ...open, bootenv };
  }

  /** What the present stage wants the scout to run, where it was not run in this boot. */
  function findStageTask(machine: Machine): { job: Job; template: string } | undefined {
    const job = jobs.runningOf(machine.id);
    const template = currentStage(job)?.task;
    if (!job || template === undefined || machine.locked || jobs.hasEffectsTodo(job.id)) return undefined;
    const started = jobs.taskOfBoot(job.id, machine.boot);
    if (started && (started.state !== 'running' || started.name !== taskName(template))) return undefined;
    return { job, template };
  }

  function handOutTask(call: Call, job: Job, template: string): void {
    try {
      const script = renderForMachine(call, template, job);
      const task = events.settle(() => startTask(call, job, template));
      sendText(call.response, script, { 'X-Task': String(task.id), 'X-Task-Name': task.name });
    } catch (error) {
      refuseRender(call, template, error);
    }
  }

  /** The task of this boot, begun now, or before when its first answer was lost on the way. */
  function startTask({ machine, run }: Call, job: Job, template: string): Task {
    const present = jobs.taskOfBoot(job.id, machine.boot);
    if (present) return present;
    const name = taskName(template);
    const created = jobs.startTask(job, name, machine.boot, clock());
    events.emit({
      kind: 'task.started',
      text: `task ${name} begins`,
      machineId: machine.id,
      mac: run.mac,
      data: { task: created.id, job: job.id },
    });
    return created;
  }

  function handOut(call: Call, job: Job, bootenv: Bootenv, ticket: Ticket): void {
    const { machine, run, response } = call;
    const isNewStart = ticket.lastBoot !== machine.boot;
    if (isNewStart && ticket.attempts >= TICKET_ATTEMPTS) {
      runner.happened(machine.id, {
        kind: 'failed',
        why: `reinstall loop stopped: ${bootenv.name} was started ${ticket.attempts} times and never reported that it was done`,
      });
      return answer(response, 410, 'the install ticket is used up');
    }
    try {
      const script = renderForMachine(call, bootenv.task as string, job);
      const task = events.settle(() => {
        if (jobs.useTicket(ticket, machine.boot))
          events.emit({
            kind: 'ticket.used',
            text: `install ticket ${ticket.id}: start ${ticket.attempts + 1} of ${bootenv.name}`,
            machineId: machine.id,
            mac: run.mac,
          });
        return startTask(call, job, bootenv.task as string);
      });
      sendText(response, script, { 'X-Task': String(task.id), 'X-Task-Name': task.name });
    } catch (error) {
      refuseRender(call, bootenv.task as string, error);
    }
  }

  function renderForMachine(call: Call, template: string, job: Job): string {
    const { run, machine, arrival } = call;
    const library = options.library();
    const bootenv = library.content.bootenvs.get(
      run.purpose === 'scout' ? (job.bootenv ?? run.bootenv) : run.bootenv,
    ) as Bootenv;
    const view = bootView(options, { mac: run.mac });
    const firstBoot = jobs.newRun({
      ...run,
      purpose: 'first-boot',
      jobId: job.id,
      bootenv: bootenv.name,
      expiresAt: after(clock(), FIRST_BOOT_MS),
    });
    const assets = new Map<string, TemplateAsset>();
    for (const path of assetPaths(bootenv)) {
      const asset = library.asset(bootenv, assetName(path));
      if (asset)
        assets.set(asset.name, {
          url: bootUrl(arrival.url, { kind: 'asset', mac: run.mac, bootenv: bootenv.name, file: asset.name }),
          size: asset.size,
          sha256: asset.sha256,
        });
    }
    const names = new Set([...(bootenv.params ?? []), ...library.templates.paramsOf(template)]);
    const madeUp = names.has(BMC_PASSWORD)
      ? [{ name: 'this appliance', values: { [BMC_PASSWORD]: bmcs.passwordToSet(machine.id) } }]
      : [];
    const context = templateContext({
      ...options.files.contextOf(run.mac, arrival, { ...view, machine }),
      bootenv,
      tokens: { run: call.token, firstBoot },
      params: resolveParams([...names], library.content.params, [...madeUp, ...paramSources(view)]),
    });
    return library.templates.render(template, context, assets);
  }

  function takeInventory(call: Call): void {
    if (call.run.purpose !== 'scout') return answer(call.response, 404, "this token is not a scout's");
    let value: unknown;
    try {
      value = JSON.parse(call.body);
    } catch (error) {
      return answer(call.response, 400, `the inventory is not JSON: ${(error as Error).message}`);
    }
    const [problem] = [...Value.Errors(Inventory, value)];
    if (problem) {
      events.emit({
        kind: 'machine.log',
        text: `inventory refused: ${problem.instancePath} ${problem.message}`,
        machineId: call.machine.id,
      });
      return answer(call.response, 422, `the inventory is wrong at ${problem.instancePath}: ${problem.message}`);
    }
    discovery.saveInventory(call.machine.id, value as Inventory);
    answer(call.response, 200, 'thank you');
  }

  function takeLog(call: Call): void {
    events.settle(() => tellLines(call, linesOf(call.body)));
    answer(call.response, 200, 'ok');
  }

  function tellLines(call: Call, lines: readonly string[]): void {
    for (const text of lines) events.emit({ kind: 'machine.log', text, machineId: call.machine.id, mac: call.run.mac });
  }

  function takeProgress(call: Call): void {
    const form = new URLSearchParams(call.body);
    const percent = Math.min(Math.max(Math.round(Number(form.get('percent') ?? 0)) || 0, 0), 100);
    const text = printable(form.get('text') ?? '');
    events.settle(() => {
      machines.setStatus(call.machine.id, `${text} (${percent} %)`);
      events.emit({
        kind: 'machine.progress',
        text: `${text} (${percent} %)`,
        machineId: call.machine.id,
        mac: call.run.mac,
        data: { percent },
      });
    });
    answer(call.response, 200, 'ok');
  }

  function endTask(call: Call, id: number): void {
    const task = jobs.task(id);
    if (!task || task.machineId !== call.machine.id)
      return answer(call.response, 404, `there is no task ${id} of this machine`);
    const form = new URLSearchParams(call.body);
    const exit = Number(form.get('exit') ?? Number.NaN);
    if (!Number.isInteger(exit)) return answer(call.response, 422, `exit=${form.get('exit')} is not a number`);
    const message = printable(form.get('message') ?? '');
    events.settle(() => {
      if (!jobs.endTask(id, exit === 0 ? 'done' : 'failed', message, clock())) return;
      const kind = exit === 0 ? 'task.finished' : 'task.failed';
      const text =
        exit === 0
          ? `task ${task.name} is done`
          : `task ${task.name} failed with exit ${exit}: ${message || 'no message'}`;
      events.emit({ kind, text, machineId: call.machine.id, mac: call.run.mac, data: { task: id, exit } });
      const job = jobs.byId(task.jobId);
      const stage = currentStage(job);
      if (stage?.task !== undefined && taskName(stage.task) === task.name)
        return runner.happened(
          call.machine.id,
          exit === 0 ? { kind: 'milestone', milestone: 'task-done' } : { kind: 'failed', why: text },
        );
      const stillInstalling = job?.state === 'running' && job.stage === 0 && currentStage(job)?.until === 'installed';
      if (exit !== 0 && job?.state === 'running' && stillInstalling)
        runner.happened(call.machine.id, { kind: 'failed', why: text });
      else if (stillInstalling)
        runner.happened(call.machine.id, {
          kind: 'failed',
          why: `task ${task.name} ended without reporting that the install is done`,
        });
    });
    answer(call.response, 200, 'ok');
  }

  /**
   * The task bmc-setup says where the BMC is, whose user it has made with the password that it was given. Only that password is
   * sent there.
   */
  function takeBmc(call: Call): void {
    const { run, machine, response } = call;
    const job = jobs.runningOf(machine.id);
    const task = job && jobs.taskOfBoot(job.id, machine.boot);
    if (run.purpose !== 'scout' || task?.state !== 'running')
      return answer(response, 410, 'no task of this machine is running');
    const form = new URLSearchParams(call.body);
    const address = form.get('address') ?? '';
    const user = form.get('user') ?? '';
    if (!isIpv4(address)) return answer(response, 422, `address=${printable(address)} is not an IPv4 address`);
    if (!/^[A-Za-z0-9_-]{1,16}$/.test(user))
      return answer(response, 422, `user=${printable(user)} is not a BMC's user`);
    events.settle(() => {
      const password = bmcs.passwordWasSet(machine.id);
      if (password === undefined) return; // said before, and its answer was lost
      bmcs.put(machine.id, [{ driver: 'ipmi', address, port: DRIVER_PORTS.ipmi, user, password, settings: {} }]);
      events.emit({
        kind: 'bmc.changed',
        text: `its BMC at ${address} has the user ${user} for Firstlight now, made by the task ${task.name}`,
        machineId: machine.id,
      });
    });
    answer(response, 200, 'thank you');
  }

  /** The installer's one report. It closes the ticket, so it counts only while that is open. */
  function takeDone(call: Call): void {
    const open = openTicket(call.run);
    if (!open || call.run.purpose === 'first-boot')
      return answer(call.response, 410, 'no install of this machine is going on');
    events.settle(() => {
      events.emit({
        kind: 'install.done',
        text: `${open.ticket.bootenv} is installed, says its installer`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'milestone', milestone: 'installed' });
    });
    answer(call.response, 200, 'thank you: the machine boots its own disk from now on');
  }

  function takeFailed(call: Call): void {
    const open = openTicket(call.run);
    if (!open) return answer(call.response, 410, 'no install of this machine is going on');
    const said = call.request.method === 'POST' ? call.body : (call.query.get('message') ?? '');
    // the first line says why; what follows is the end of its log
    const [why = 'the installer did not say why', ...log] = linesOf(said);
    events.settle(() => {
      tellLines(call, log);
      events.emit({
        kind: 'install.failed',
        text: `the installer gave up: ${why}`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'failed', why: `the installer gave up: ${why}` });
    });
    answer(call.response, 200, 'noted');
  }

  /** The installed system says that it started from its own disk. */
  function takeAlive(call: Call): void {
    if (call.run.purpose !== 'first-boot') return answer(call.response, 404, 'this token is not for a first boot');
    events.settle(() => {
      if (!jobs.useRun(call.token, clock())) return; // its first answer was lost on the way
      machines.setBoot(call.machine.id, call.machine.boot, 'os', clock());
      events.emit({
        kind: 'machine.alive',
        text: `${call.machine.name} started from its own disk and phoned home`,
        machineId: call.machine.id,
        mac: call.run.mac,
      });
      runner.happened(call.machine.id, { kind: 'milestone', milestone: 'alive' });
    });
    answer(call.response, 200, 'welcome');
  }

  /** Something happened to the machine, or the time is up, or the scout went away. */
  function waitForChange(machineId: number, ms: number, request: IncomingMessage): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        waiting.delete(one);
        request.socket.off('close', finish);
        resolve();
      };
      const one = { machineId, wake: finish };
      const timer = setTimeout(finish, ms);
      waiting.add(one);
      request.socket.on('close', finish);
    });
  }

  function isOtherMachine(call: Call): boolean {
    return call.machine.address !== undefined && senderOf(call.request) !== call.machine.address;
  }

  return { handle, stop: (): void => waiting.forEach((one) => void one.wake()) };
}

function senderOf(request: IncomingMessage): Ipv4 {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '') as Ipv4;
}

function sendText(response: ServerResponse, text: string, headers: Record<string, string> = {}): void {
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
    ...headers,
  });
  response.end(text);
}

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

function linesOf(body: string): string[] {
  return body
    .split('\n')
    .map(printable)
    .filter((line) => line !== '')
    .slice(0, MAX_LOG_LINES);
}

/** One line that a machine said, without terminal escapes and control characters. */
function printable(line: string): string {
  return line
    .replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\x00-\x08\x0a-\x1f\x7f-\x9f]/g, ' ')
    .trimEnd()
    .slice(0, MAX_LINE_CHARACTERS);
}

/** `tasks/install-image.sh.hbs` is the task install-image. */
function taskName(template: string): string {
  return template.replace(/^.*\//, '').replace(/\.sh\.hbs$/, '');
}
