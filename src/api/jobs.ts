import { Type } from 'typebox';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { ParamDeclarations } from '../model/params.ts';
import type { OfferedBootenv } from '../model/view.ts';
import { currentStage, type Job, type Workflow } from '../model/workflow.ts';
import { type JobRequest, planJob, refuseOtherUse } from '../workflow/plan.ts';
import { ByName, Params, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const Reimage = Type.Object(
  {
    bootenv: Type.String(),
    /** `install` without it. */
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
const LAST_JOBS = 200;

/** How a job is asked for, beside what it is. */
type Asked = { by: string; dryRun?: boolean | undefined; idempotencyKey?: string | undefined };

/** Jobs: install, discover or run a workflow on a machine, end what runs, and what became of each. */
export function addJobRoutes(app: Api, { machines, jobs, runner, library, clock }: ApiOptions): void {
  const show = (job: Job) => showJob(job, library().content.params);

  app.post('/api/v1/machines/:name/reimage', { schema: { params: ByName, body: Reimage } }, (request, reply) => {
    const { bootenv, workflow = 'install', params = {}, expect, dryRun, idempotencyKey } = request.body;
    const machine = machines.named(request.params.name);
    const before = idempotencyKey === undefined ? undefined : jobs.byKey(idempotencyKey);
    if (before) {
      refuseOtherUse(before, { machineId: machine.id, workflow, bootenv, params }, idempotencyKey);
      return { job: show(before), because: [] };
    }
    const wanted = { workflow: workflowNamed(workflow), bootenv: bootenvNamed(bootenv), params, expect };
    const { status, answer } = begin(machine, wanted, { by: request.operator, dryRun, idempotencyKey });
    return reply.code(status).send(answer);
  });

  app.post('/api/v1/machines/:name/discover', { schema: { params: ByName } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    const wanted = { workflow: workflowNamed('discover'), params: {} };
    const { status, answer } = begin(machine, wanted, { by: request.operator });
    return reply.code(status).send(answer);
  });

  // a workflow that installs nothing; those that do are asked for by reimage
  app.post('/api/v1/machines/:name/run', { schema: { params: ByName, body: Run } }, (request, reply) => {
    const { workflow, params = {}, dryRun } = request.body;
    const machine = machines.named(request.params.name);
    const wanted = { workflow: workflowNamed(workflow), params };
    const { status, answer } = begin(machine, wanted, { by: request.operator, dryRun });
    return reply.code(status).send(answer);
  });

  app.post('/api/v1/machines/:name/cancel', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    const job = jobs.runningOf(machine.id);
    if (!job) throw new AppError('no-such-job', `no job is running on ${machine.name}`);
    runner.happened(machine.id, { kind: 'cancelled', by: request.operator });
    return show(jobs.byId(job.id) as Job);
  });

  app.get('/api/v1/jobs', () => jobs.recent(LAST_JOBS).map(show));
  app.get('/api/v1/jobs/:id', { schema: { params: Type.Object({ id: Type.Integer() }) } }, (request) => {
    const job = jobs.byId(request.params.id);
    if (!job) throw new AppError('no-such-job', `there is no job ${request.params.id}`);
    return show(job);
  });

  /** Plan a job, and make it unless it is a dry run. */
  function begin(machine: Machine, wanted: Omit<JobRequest, 'taskParams'>, { by, dryRun, idempotencyKey }: Asked) {
    const { workflow, bootenv, params } = wanted;
    const { content, templates } = library();
    const tasks = workflow.stages.flatMap(({ task }) => (task === undefined ? [] : [task]));
    const { because, opensTicket } = planJob(
      { ...wanted, taskParams: tasks.flatMap((task) => [...templates.paramsOf(task)]) },
      { machine, running: jobs.runningOf(machine.id), declarations: content.params, now: clock() },
    );
    if (dryRun) return { status: 200, answer: { dryRun, because } };
    const job = runner.start(
      {
        machineId: machine.id,
        workflow: workflow.name,
        bootenv: bootenv?.bootenv.name,
        params,
        plan: workflow.stages,
        createdBy: by,
        idempotencyKey,
      },
      { opensTicket, restart: true },
    );
    return { status: 202, answer: { job: show(job), because } };
  }

  function workflowNamed(name: string): Workflow {
    const workflow = library().workflow(name);
    if (!workflow)
      throw new AppError(
        'bad-request',
        `there is no workflow ${name}`,
        `there are: ${[...library().content.workflows.keys()].join(', ')}`,
      );
    return workflow;
  }

  function bootenvNamed(name: string): OfferedBootenv {
    const bootenv = library().offered(name);
    if (!bootenv)
      throw new AppError('no-such-bootenv', `there is no bootenv ${name}`, 'list them with: firstlight bootenvs');
    return bootenv;
  }
}

/** A job as the API shows it: its stages by their names, its params without secrets. */
export function showJob(job: Job, declarations: ParamDeclarations) {
  return {
    ...job,
    params: withoutSecrets(job.params, declarations),
    plan: job.plan.map((stage) => stage.name),
    stageName: currentStage(job)?.name ?? job.state,
  };
}

/** Params as the API shows them: of a secret one, only that it is set. */
export function withoutSecrets(
  params: Record<string, unknown>,
  declarations: ParamDeclarations,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, declarations[name]?.secret ? '(secret)' : value]),
  );
}
