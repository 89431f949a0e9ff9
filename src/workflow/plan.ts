import { isDeepStrictEqual } from 'node:util';
import { writesDisk } from '../model/bootenv.ts';
import { AppError } from '../model/errors.ts';
import { type Machine, refuseBusy, refuseLocked } from '../model/machine.ts';
import { type ParamDeclarations, resolveParams, unknownParams } from '../model/params.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { OfferedBootenv } from '../model/view.ts';
import type { Job, Workflow } from '../model/workflow.ts';

/** What the caller takes for true; the job is refused when it is not so. */
export type Expectation = {
  serial?: string | undefined;
  state?: string | undefined;
  /** The machine has not been heard of for this many minutes. */
  silentMinutes?: number | undefined;
};

/** What is asked for. */
export type JobRequest = {
  workflow: Workflow;
  bootenv?: OfferedBootenv | undefined;
  /** What the tasks of the workflow use, beside the params of the bootenv. */
  taskParams: readonly string[];
  params: Record<string, unknown>;
  expect?: Expectation | undefined;
};

/** What makes two requests for a job the same one. */
export type SameJob = Pick<Job, 'machineId' | 'workflow' | 'bootenv' | 'params'>;

/** Throws `bad-request` for an idempotency key that has made a job of another request. */
export function refuseOtherUse(before: SameJob & Pick<Job, 'id'>, wanted: SameJob, key = ''): void {
  const isSame =
    before.machineId === wanted.machineId &&
    before.workflow === wanted.workflow &&
    before.bootenv === wanted.bootenv &&
    isDeepStrictEqual(before.params, wanted.params);
  if (!isSame)
    throw new AppError('bad-request', `idempotency key ${key} was used for another request (job ${before.id})`);
}

/** What a job needs to know of its machine. */
export type PlanView = { machine: Machine; running?: Job | undefined; declarations: ParamDeclarations; now: Instant };

/** What the job will do, and why. */
export type JobPlan = { opensTicket: boolean; because: Reason[] };

/** Whether this job may be made, and what it will do. Throws AppError with the one reason why not. Changes nothing. */
export function planJob(request: JobRequest, view: PlanView): JobPlan {
  const { machine, running } = view;
  const { workflow, bootenv } = request;
  checkBootenv(request);
  refuseLocked(machine);
  if (machine.state === 'ignored')
    throw new AppError(
      'machine-ignored',
      `${machine.name} is ignored`,
      `accept it with: firstlight accept ${machine.name}`,
    );
  refuseBusy(machine, running);
  checkExpectations(request.expect ?? {}, view);

  if (bootenv?.missing)
    throw new AppError('bootenv-unavailable', `bootenv ${bootenv.bootenv.name} cannot be booted: ${bootenv.missing}`);
  const opensTicket = bootenv !== undefined; // for what installs, see checkBootenv
  if (opensTicket && machine.state === 'new')
    throw new AppError(
      'machine-not-accepted',
      `${machine.name} is new: nobody has accepted it yet`,
      `accept it with: firstlight accept ${machine.name}`,
    );
  checkParams(request, view);

  const because: Reason[] = [
    {
      rule: 'workflow',
      text: `${workflow.name}: ${workflow.stages.map((stage) => stage.name).join(', then ')}`,
      ref: `workflows/${workflow.name}.yaml`,
    },
    ...(opensTicket
      ? [{ rule: 'ticket', text: `opens a single-use install ticket for ${bootenv?.bootenv.name}` }]
      : []),
    machine.hasBmc
      ? { rule: 'bmc', text: `its BMC at ${machine.bmcAddress} restarts it from the network` }
      : { rule: 'no-bmc', text: `no BMC is known: restart ${machine.name} by hand and let it boot from the network` },
  ];
  return { opensTicket, because };
}

/** A workflow that installs has a bootenv, which can be installed; any other has none. */
function checkBootenv({ workflow, bootenv }: JobRequest): void {
  if (!bootenv && wantsBootenv(workflow))
    throw new AppError(
      'bad-request',
      `workflow ${workflow.name} needs a bootenv`,
      'list them with: firstlight bootenvs',
    );
  if (bootenv && !wantsBootenv(workflow))
    throw new AppError(
      'bad-request',
      `workflow ${workflow.name} installs nothing, and so takes no bootenv`,
      `run it with: firstlight run ${workflow.name} MACHINE`,
    );
  if (bootenv && !writesDisk(bootenv.bootenv))
    throw new AppError(
      'bad-request',
      `bootenv ${bootenv.bootenv.name} installs nothing`,
      'list those that do with: firstlight bootenvs',
    );
}

function wantsBootenv(workflow: Workflow): boolean {
  return workflow.stages.some((stage) => stage.bootenv === '$bootenv');
}

function checkExpectations(expect: Expectation, { machine, now }: PlanView): void {
  const fail = (what: string, wanted: unknown, present: unknown): never => {
    throw new AppError(
      'expectation-failed',
      `${machine.name} was expected to have ${what} ${JSON.stringify(wanted)}, but it has ${JSON.stringify(present ?? null)}`,
    );
  };
  if (expect.serial !== undefined && expect.serial !== machine.serial) fail('serial', expect.serial, machine.serial);
  if (expect.state !== undefined && expect.state !== machine.state) fail('state', expect.state, machine.state);
  if (expect.silentMinutes !== undefined && machine.seenAt !== undefined) {
    const silent = Math.floor((now - machine.seenAt) / 60_000);
    if (silent < expect.silentMinutes)
      fail('been silent for at least this many minutes:', expect.silentMinutes, silent);
  }
}

/** Every param is known and of its type before the machine is touched, not on its screen in the middle of the night. */
function checkParams({ workflow, bootenv, taskParams, params }: JobRequest, { machine, declarations }: PlanView): void {
  const used = [...new Set([...(bootenv?.bootenv.params ?? []), ...taskParams])];
  const user = bootenv?.bootenv.name ?? workflow.name;
  const has = `${user} has: ${used.join(', ') || 'none'}`;
  const unknown = unknownParams(params, declarations);
  if (unknown.length > 0) throw new AppError('bad-param', `there is no param ${unknown.join(', ')}`, has);
  const useless = Object.keys(params).filter((name) => !used.includes(name));
  if (useless.length > 0) throw new AppError('bad-param', `${user} does not use param ${useless.join(', ')}`, has);
  resolveParams(used, declarations, [
    { name: 'this request', values: params },
    { name: `machine ${machine.name}`, values: machine.params },
  ]);
}
