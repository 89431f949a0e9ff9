import { type Bootenv, writesDisk } from '../model/bootenv.ts';
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

export type JobRequest = {
  workflow: Workflow;
  bootenv?: OfferedBootenv | undefined;
  params: Record<string, unknown>;
  expect: Expectation;
};

/** What a job needs to know of its machine. */
export type PlanView = { machine: Machine; running?: Job | undefined; declarations: ParamDeclarations; now: Instant };

export type JobPlan = { opensTicket: boolean; because: Reason[] };

/** Whether this job may be made, and what it will do. Throws AppError with the one reason why not. Changes nothing. */
export function planJob(request: JobRequest, view: PlanView): JobPlan {
  const { machine, running } = view;
  const { workflow, bootenv } = request;
  refuseLocked(machine);
  if (machine.state === 'ignored')
    throw new AppError(
      'machine-ignored',
      `${machine.name} is ignored`,
      `accept it with: firstlight accept ${machine.name}`,
    );
  refuseBusy(machine, running);
  checkExpectations(request.expect, view);

  const wantsBootenv = workflow.stages.some((stage) => stage.bootenv === '$bootenv');
  if (wantsBootenv && !bootenv)
    throw new AppError(
      'bad-request',
      `workflow ${workflow.name} needs a bootenv`,
      'list them with: firstlight bootenvs',
    );
  if (bootenv?.missing)
    throw new AppError('bootenv-unavailable', `bootenv ${bootenv.bootenv.name} cannot be booted: ${bootenv.missing}`);
  const opensTicket = wantsBootenv && bootenv !== undefined && writesDisk(bootenv.bootenv);
  if (opensTicket && machine.state === 'new')
    throw new AppError(
      'machine-not-accepted',
      `${machine.name} is new: nobody has accepted it yet`,
      `accept it with: firstlight accept ${machine.name}`,
    );
  if (bootenv) checkParams(bootenv.bootenv, request, view);

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
function checkParams(bootenv: Bootenv, request: JobRequest, { machine, declarations }: PlanView): void {
  const unknown = unknownParams(request.params, declarations);
  if (unknown.length > 0)
    throw new AppError(
      'bad-param',
      `there is no param ${unknown.join(', ')}`,
      `${bootenv.name} has: ${(bootenv.params ?? []).join(', ')}`,
    );
  const useless = Object.keys(request.params).filter((name) => !(bootenv.params ?? []).includes(name));
  if (useless.length > 0)
    throw new AppError(
      'bad-param',
      `${bootenv.name} does not use param ${useless.join(', ')}`,
      `it has: ${(bootenv.params ?? []).join(', ')}`,
    );
  resolveParams(bootenv.params ?? [], declarations, [
    { name: 'this request', values: request.params },
    { name: `machine ${machine.name}`, values: machine.params },
  ]);
}
