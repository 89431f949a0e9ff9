import type { Supervisor } from '../bmc/supervisor.ts';
import type { Events } from '../events.ts';
import { AppError } from '../model/errors.ts';
import { after, type Clock } from '../model/time.ts';
import type { Job } from '../model/workflow.ts';
import type { Effect, Jobs, NewJob } from '../store/jobs.ts';
import type { Machines } from '../store/machines.ts';
import { ACTION_TABLE, describeAction } from './actions.ts';
import { advance, describeJob, isOverdue, type JobHappening } from './advance.ts';

/** What jobs are run with. */
export type RunnerOptions = {
  machines: Machines;
  jobs: Jobs;
  supervisor: Supervisor;
  events: Events;
  clock: Clock;
  /** Machines that were discovered become ready by themselves. */
  acceptAutomatically: boolean;
};

/** An install ticket lasts this long; the stage's own time-out ends the job before. */
const TICKET_MS = 4 * 3600 * 1000;
const OVERDUE_CHECK_MS = 5_000;
const OVERDUE_AT_ONCE = 200;

/** Runs the jobs: takes what happened, asks `advance`, stores what follows and performs it. Resumes after a restart. */
export function createRunner(options: RunnerOptions) {
  const { machines, jobs, supervisor, events, clock } = options;
  const busy = new Set<number>();
  let stopped = false;

  /** Make a job (and its ticket) and begin it: one transaction. */
  function start(wanted: NewJob, begin: { opensTicket: boolean; restart: boolean }): Job {
    const job = events.settle(() => {
      const now = clock();
      const created = jobs.create(wanted, now);
      jobs.dropFirstBootRuns(created.machineId, created.id);
      events.emit({
        kind: 'job.created',
        text: `job ${created.id}: ${describeJob(created)}, asked by ${created.createdBy}`,
        machineId: created.machineId,
        data: { job: created.id },
      });
      if (begin.opensTicket) {
        const ticket = jobs.openTicket(created, created.bootenv ?? '', after(now, TICKET_MS), now);
        events.emit({
          kind: 'ticket.opened',
          text: `install ticket ${ticket.id} for ${ticket.bootenv}, good until ${new Date(ticket.expiresAt).toISOString()}`,
          machineId: created.machineId,
          data: { job: created.id },
        });
      }
      apply(created, { kind: 'created', restart: begin.restart });
      return created;
    });
    wake();
    return job;
  }

  /** Something happened to the running job of a machine. */
  function happened(machineId: number, happening: JobHappening): void {
    const job = jobs.runningOf(machineId);
    if (!job) return;
    events.settle(() => apply(job, happening));
    wake();
  }

  function apply(job: Job, happening: JobHappening): void {
    const now = clock();
    const step = advance(job, happening, now, jobs.ticketOf(job.id)?.attempts ?? 0);
    if (!step) return;
    jobs.save(step.job);
    if (step.closeTicket && jobs.closeTicket(job.id, step.closeTicket, now))
      events.emit({
        kind: 'ticket.closed',
        text: `install ticket closed: ${step.closeTicket}`,
        machineId: job.machineId,
      });
    if (step.job.state !== 'running') {
      for (const effect of jobs.effectsTodo())
        if (effect.jobId === job.id) supervisor.cancelOfEffect(effect.id, step.job.why);
      supervisor.dropAwaited(job.machineId);
      jobs.dropEffects(job.id, now);
    }
    for (const action of step.effects) jobs.addEffect(job.id, action, now);
    // who was told to be ignored meanwhile stays so
    if (step.machineState && machines.byId(job.machineId)?.state !== 'ignored')
      machines.setState(job.machineId, step.machineState);
    for (const event of step.events) {
      events.emit({ ...event, machineId: job.machineId, data: { job: job.id } });
      machines.setStatus(job.machineId, event.text);
    }
  }

  /** Perform what is stored, in order for each job, jobs beside each other. */
  function wake(): void {
    if (stopped) return;
    for (const effect of jobs.effectsTodo()) {
      if (busy.has(effect.jobId)) continue;
      busy.add(effect.jobId);
      perform(effect)
        .then(() => {
          busy.delete(effect.jobId);
          wake();
        })
        .catch((error: unknown) => {
          // its outcome could not be kept: the timer below wakes it again, and not this turn, which would never end
          busy.delete(effect.jobId);
          console.error(
            `effect ${effect.action} of job ${effect.jobId}: ${error instanceof Error ? error.stack : String(error)}`,
          );
        });
    }
  }

  async function perform(effect: Effect): Promise<void> {
    const job = jobs.byId(effect.jobId);
    const machine = job && machines.byId(job.machineId);
    if (!job || !machine) return;
    const { action } = effect;
    const { order, endsRuns, isOptional } = ACTION_TABLE[action];
    if (!supervisor.canPower(machine.id) && (action !== 'power-on' || !machine.hasBmc)) {
      if (!isOptional) tellByHand(job, describeAction(action, machine));
      return finish(effect, job, 'done', 'by hand');
    }
    // whatever runs on the machine now is about to end: it must not be handed work any more
    if (endsRuns) jobs.dropRuns(machine.id);
    try {
      const placed =
        supervisor.orderOfEffect(effect.id) ??
        supervisor.place({
          machineId: machine.id,
          order: order(machine),
          askedBy: `job ${job.id}`,
          effectId: effect.id,
        });
      const ended = await supervisor.whenEnded(placed.id);
      finish(effect, job, ended.state === 'done' ? 'done' : 'failed', ended.result);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      finish(effect, job, 'failed', error.message);
    }
  }

  function tellByHand(job: Job, what: string): void {
    events.emit({
      kind: 'power.asked',
      text: `no BMC is known: do it by hand (${what})`,
      machineId: job.machineId,
      data: { job: job.id },
    });
  }

  function finish(effect: Effect, job: Job, state: 'done' | 'failed', result: string): void {
    if (stopped) return; // it stays to do: the next start sees what became of it
    events.settle(() => {
      jobs.endEffect(effect.id, state, result, clock());
      if (state === 'done' || ACTION_TABLE[effect.action].isOptional) return;
      const machine = machines.byId(job.machineId);
      const what = machine ? describeAction(effect.action, machine) : effect.action;
      apply(jobs.byId(job.id) ?? job, { kind: 'failed', why: `${what} failed: ${result}` });
    });
  }

  const overdue = setInterval(() => {
    const late = jobs.running().filter((job) => isOverdue(job, clock()));
    // in one transaction, and so many at a time: thousands may be late together, and the loop has others to serve
    if (late.length > 0)
      events.settle(() => {
        for (const job of late.slice(0, OVERDUE_AT_ONCE)) apply(job, { kind: 'timeout' });
      });
    wake();
  }, OVERDUE_CHECK_MS);

  return {
    start,
    happened,
    wake,
    fail: (jobId: number, why: string): void => {
      const job = jobs.byId(jobId);
      if (job) happened(job.machineId, { kind: 'failed', why });
    },
    stop: (): void => {
      stopped = true;
      clearInterval(overdue);
    },
  };
}

/** Made by createRunner. */
export type Runner = ReturnType<typeof createRunner>;
