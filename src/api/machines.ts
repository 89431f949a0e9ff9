import { isDeepStrictEqual } from 'node:util';
import { Type } from 'typebox';
import { AppError } from '../model/errors.ts';
import { isMachineName, type Machine, PXE_STYLES, type PxeStyle, refuseLocked } from '../model/machine.ts';
import { checkParam, unknownParams } from '../model/params.ts';
import { currentStage, type Job } from '../model/workflow.ts';
import { parseMac } from '../wire/address.ts';
import { planJob } from '../workflow/plan.ts';
import { BmcChain, readChain } from './bmc.ts';
import { PROFILE_NAME } from './dhcp-options.ts';
import { powerFacts, powerWord } from './power.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const Params = Type.Record(Type.String(), Type.Unknown());
const NewMachine = Type.Object(
  {
    name: Type.Optional(Type.String()),
    macs: Type.Array(Type.String(), { minItems: 1 }),
    bmc: Type.Optional(BmcChain),
    accepted: Type.Optional(Type.Boolean()),
    params: Type.Optional(Params),
  },
  strict,
);
const MachineChange = Type.Object(
  {
    name: Type.Optional(Type.String()),
    locked: Type.Optional(Type.Boolean()),
    params: Type.Optional(Params),
    pxeStyle: Type.Optional(Type.Union(PXE_STYLES.map((style) => Type.Literal(style)))),
    replyDelayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    /** Sets of DHCP options, all of them anew. Where two set the same option, the later in the alphabet counts. */
    profiles: Type.Optional(Type.Array(Type.String({ pattern: PROFILE_NAME }), { maxItems: 32 })),
  },
  strict,
);
const Reimage = Type.Object(
  {
    bootenv: Type.String(),
    workflow: Type.Optional(Type.String()),
    params: Type.Optional(Params),
    dryRun: Type.Optional(Type.Boolean()),
    idempotencyKey: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
    expect: Type.Optional(
      Type.Object(
        {
          serial: Type.Optional(Type.String()),
          state: Type.Optional(Type.String()),
          silentMinutes: Type.Optional(Type.Integer({ minimum: 0 })),
        },
        strict,
      ),
    ),
  },
  strict,
);
const Run = Type.Object(
  { workflow: Type.String(), params: Type.Optional(Params), dryRun: Type.Optional(Type.Boolean()) },
  strict,
);

export function addMachineRoutes(app: Api, options: ApiOptions): void {
  const { machines, bmcs, supervisor, jobs, events, runner, discovery, library, clock } = options;
  /** A machine as the API shows it, with its job. */
  function show(machine: Machine) {
    const job = jobs.runningOf(machine.id);
    return {
      ...machine,
      params: withoutSecrets(machine.params),
      power: { word: powerWord(supervisor, machine.id), ...powerFacts(supervisor, machine.id) },
      ...(job ? { job: showJob(job) } : {}),
    };
  }

  app.get('/api/v1/machines', () => machines.all().map(show));

  app.post('/api/v1/machines', { schema: { body: NewMachine } }, async (request, reply) => {
    const { body } = request;
    if (body.name !== undefined && !isMachineName(body.name))
      throw new AppError('bad-request', `${JSON.stringify(body.name)} is not a host name`);
    if (body.params) checkMachineParams(body.params);
    const macs = body.macs.map(parseMac);
    const chain = body.bmc && (await readChain(body.bmc, supervisor.check));
    const machine = events.settle(() => {
      const created = machines.create({ macs, name: body.name, state: body.accepted ? 'ready' : 'new' }, clock());
      if (chain) bmcs.put(created.id, chain);
      if (body.params) machines.setParams(created.id, body.params);
      events.emit({
        kind: 'machine.created',
        text: `${created.name} was entered by ${request.operator}`,
        machineId: created.id,
        mac: macs[0],
      });
      discovery.beginDiscovery(created, request.operator);
      return machines.named(created.name);
    });
    return reply.code(201).send(show(machine));
  });

  app.get('/api/v1/machines/:name', { schema: { params: ByName } }, (request) =>
    show(machines.named(request.params.name)),
  );

  app.patch('/api/v1/machines/:name', { schema: { params: ByName, body: MachineChange } }, (request) => {
    const machine = machines.named(request.params.name);
    const { name, locked, params, pxeStyle, replyDelayMs, profiles } = request.body;
    if (name !== undefined && !isMachineName(name))
      throw new AppError('bad-request', `${JSON.stringify(name)} is not a host name`);
    const merged = params && withoutNulls({ ...machine.params, ...params });
    if (merged) checkMachineParams(merged);
    events.settle(() => {
      if (name !== undefined) machines.rename(machine, name);
      if (locked !== undefined) machines.setLocked(machine.id, locked);
      if (merged) machines.setParams(machine.id, merged);
      if (pxeStyle !== undefined || replyDelayMs !== undefined)
        machines.setPxe(
          machine.id,
          (pxeStyle as PxeStyle | undefined) ?? machine.pxeStyle,
          replyDelayMs ?? machine.replyDelayMs,
        );
      if (profiles) machines.setProfiles(machine.id, profiles);
      const what = [
        name !== undefined ? `name ${name}` : '',
        locked === undefined ? '' : locked ? 'locked' : 'unlocked',
        params ? `params ${Object.keys(params).join(', ')}` : '',
        pxeStyle !== undefined ? `PXE style ${pxeStyle}` : '',
        replyDelayMs !== undefined ? `reply delay ${replyDelayMs} ms` : '',
        profiles ? `profiles ${profiles.join(', ') || 'none'}` : '',
      ];
      events.emit({
        kind: 'machine.changed',
        text: `changed by ${request.operator}: ${what.filter((one) => one !== '').join(', ')}`,
        machineId: machine.id,
      });
    });
    return show(machines.byId(machine.id) as Machine);
  });

  app.delete('/api/v1/machines/:name', { schema: { params: ByName } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    refuseLocked(machine);
    machines.remove(machine.id);
    return reply.code(204).send();
  });

  app.post('/api/v1/machines/:name/accept', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    if (machine.state === 'new' || machine.state === 'ignored') discovery.accept(machine, request.operator);
    return show(machines.byId(machine.id) as Machine);
  });

  app.post('/api/v1/machines/:name/ignore', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    events.settle(() => {
      machines.setState(machine.id, 'ignored');
      events.emit({ kind: 'machine.changed', text: `ignored, says ${request.operator}`, machineId: machine.id });
    });
    return show(machines.byId(machine.id) as Machine);
  });

  app.post('/api/v1/machines/:name/reimage', { schema: { params: ByName, body: Reimage } }, (request, reply) => {
    const { body } = request;
    const machine = machines.named(request.params.name);
    const before = body.idempotencyKey !== undefined ? jobs.byKey(body.idempotencyKey) : undefined;
    if (before) {
      const isSame =
        before.machineId === machine.id &&
        before.bootenv === body.bootenv &&
        isDeepStrictEqual(before.params, body.params ?? {});
      if (!isSame)
        throw new AppError(
          'bad-request',
          `idempotency key ${body.idempotencyKey} was used for another request (job ${before.id})`,
        );
      return reply.code(200).send({ job: showJob(before), because: [] });
    }
    const workflow = library().workflow(body.workflow ?? 'install');
    if (!workflow) throw new AppError('bad-request', `there is no workflow ${body.workflow}`);
    const bootenv = library().offered(body.bootenv);
    if (!bootenv)
      throw new AppError(
        'no-such-bootenv',
        `there is no bootenv ${body.bootenv}`,
        'list them with: firstlight bootenvs',
      );
    if (bootenv.bootenv.kind === 'local' || bootenv.bootenv.kind === 'scout')
      throw new AppError(
        'bad-request',
        `bootenv ${body.bootenv} installs nothing`,
        'list those that do with: firstlight bootenvs',
      );
    const plan = planJob(
      { workflow, bootenv, params: body.params ?? {}, expect: body.expect ?? {} },
      { machine, running: jobs.runningOf(machine.id), declarations: library().content.params, now: clock() },
    );
    if (body.dryRun) return reply.code(200).send({ dryRun: true, because: plan.because });
    const job = runner.start(
      {
        machineId: machine.id,
        workflow: workflow.name,
        bootenv: body.bootenv,
        params: body.params ?? {},
        plan: workflow.stages,
        createdBy: request.operator,
        idempotencyKey: body.idempotencyKey,
      },
      { opensTicket: plan.opensTicket, restart: true },
    );
    return reply.code(202).send({ job: showJob(job), because: plan.because });
  });

  app.post('/api/v1/machines/:name/discover', { schema: { params: ByName } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    const workflow = library().workflow('discover');
    if (!workflow) throw new AppError('bad-content', 'there is no workflow discover');
    planJob(
      { workflow, params: {}, expect: {} },
      { machine, running: jobs.runningOf(machine.id), declarations: library().content.params, now: clock() },
    );
    const job = runner.start(
      {
        machineId: machine.id,
        workflow: workflow.name,
        params: {},
        plan: workflow.stages,
        createdBy: request.operator,
      },
      { opensTicket: false, restart: true },
    );
    return reply.code(202).send({ job: showJob(job) });
  });

  // a workflow that installs nothing; those that do are asked for by reimage
  app.post('/api/v1/machines/:name/run', { schema: { params: ByName, body: Run } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    const { workflow: name, params = {}, dryRun } = request.body;
    const workflow = library().workflow(name);
    if (!workflow) throw new AppError('bad-request', `there is no workflow ${name}`);
    const tasks = workflow.stages.flatMap(({ task }) => (task === undefined ? [] : [task]));
    const used = new Set(tasks.flatMap((task) => [...library().templates.paramsOf(task)]));
    const useless = Object.keys(params).find((param) => !used.has(param));
    if (useless !== undefined)
      throw new AppError(
        'bad-param',
        `${name} does not use param ${useless}`,
        `it has: ${[...used].join(', ') || 'none'}`,
      );
    checkMachineParams(params);
    const plan = planJob(
      { workflow, params: {}, expect: {} },
      { machine, running: jobs.runningOf(machine.id), declarations: library().content.params, now: clock() },
    );
    if (dryRun) return reply.code(200).send({ dryRun: true, because: plan.because });
    const job = runner.start(
      { machineId: machine.id, workflow: name, params, plan: workflow.stages, createdBy: request.operator },
      { opensTicket: false, restart: true },
    );
    return reply.code(202).send({ job: showJob(job), because: plan.because });
  });

  app.post('/api/v1/machines/:name/cancel', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    const job = jobs.runningOf(machine.id);
    if (!job) throw new AppError('no-such-job', `no job is running on ${machine.name}`);
    runner.happened(machine.id, { kind: 'cancelled', by: request.operator });
    return showJob(jobs.byId(job.id) as Job);
  });

  app.get('/api/v1/jobs', () => jobs.recent(200).map(showJob));
  app.get('/api/v1/jobs/:id', { schema: { params: Type.Object({ id: Type.Integer() }) } }, (request) => {
    const job = jobs.byId(request.params.id);
    if (!job) throw new AppError('no-such-job', `there is no job ${request.params.id}`);
    return showJob(job);
  });

  function showJob(job: Job) {
    return {
      ...job,
      params: withoutSecrets(job.params),
      plan: job.plan.map((stage) => stage.name),
      stageName: currentStage(job)?.name ?? job.state,
    };
  }

  function withoutSecrets(params: Record<string, unknown>): Record<string, unknown> {
    const declarations = library().content.params;
    return Object.fromEntries(
      Object.entries(params).map(([name, value]) => [name, declarations[name]?.secret ? '(secret)' : value]),
    );
  }

  function checkMachineParams(params: Record<string, unknown>): void {
    const declarations = library().content.params;
    const [unknown] = unknownParams(params, declarations);
    if (unknown !== undefined)
      throw new AppError(
        'bad-param',
        `there is no param ${unknown}`,
        `there are: ${Object.keys(declarations).join(', ')}`,
      );
    for (const [name, value] of Object.entries(params)) {
      const declaration = declarations[name];
      const problem = declaration && checkParam(declaration, value);
      if (problem) throw new AppError('bad-param', `param ${name}: ${problem}`);
    }
  }
}

/** RFC 7396: null takes a value away. */
function withoutNulls(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
