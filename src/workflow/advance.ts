import type { EventKind } from '../model/event.ts';
import type { MachineState } from '../model/machine.ts';
import type { Instant } from '../model/time.ts';
import { type ActionName, currentStage, type Job, type Milestone } from '../model/workflow.ts';

/** What can happen to a job. */
export type JobHappening =
  | { kind: 'created'; restart: boolean }
  | { kind: 'milestone'; milestone: Milestone }
  /** A task of the job ended; `why` when it failed. */
  | { kind: 'task-ended'; task: string; why?: string | undefined }
  | { kind: 'failed'; why: string }
  | { kind: 'cancelled'; by: string }
  | { kind: 'timeout' };

/** What follows: the job as it is now, what to do to the world, and what to tell. */
export type Advance = {
  job: Job;
  effects: ActionName[];
  /** Close the ticket with these words, if one is open. */
  closeTicket?: string;
  machineState?: MachineState;
  events: { kind: EventKind; text: string }[];
};

/**
 * The next state of a job. Undefined when what happened means nothing to it. `starts`: how often its installer was handed out;
 * a job that ends before the first has left the machine as it was.
 */
export function advance(job: Job, happening: JobHappening, now: Instant, starts: number): Advance | undefined {
  if (job.state !== 'running') return undefined;
  const stage = job.plan[job.stage];
  switch (happening.kind) {
    case 'created':
      return {
        job,
        effects: happening.restart ? (stage?.do ?? []) : [],
        events: [{ kind: 'job.stage', text: `stage ${stage?.name} begins` }],
        ...(installs(job) ? { machineState: 'installing' as const } : {}),
      };
    case 'milestone':
      return stage?.until === happening.milestone ? nextStage(job, happening.milestone, now) : undefined;
    case 'task-ended':
      return taskEnded(job, happening.task, happening.why, now, starts);
    case 'failed':
      return end(job, 'failed', happening.why, now, starts);
    case 'timeout':
      return end(
        job,
        'failed',
        `stage ${stage?.name} did not come to its end (${stage?.until}) in ${stage?.timeoutMinutes} minutes`,
        now,
        starts,
      );
    case 'cancelled':
      return end(job, 'cancelled', `cancelled by ${happening.by}`, now, starts);
  }
}

function nextStage(job: Job, milestone: Milestone, now: Instant): Advance {
  const next = job.plan[job.stage + 1];
  // the right to install ends with the install, whatever comes after it
  const closed = milestone === 'installed' ? { closeTicket: 'the installer reported that it was done' } : {};
  if (next)
    return {
      job: { ...job, stage: job.stage + 1, stageStartedAt: now },
      effects: next.do ?? [],
      events: [{ kind: 'job.stage', text: `stage ${next.name} begins` }],
      ...closed,
    };
  return {
    job: { ...job, state: 'done', stage: job.plan.length, stageStartedAt: now, endedAt: now },
    effects: [],
    events: [{ kind: 'job.finished', text: `job ${job.id} (${describeJob(job)}) is done` }],
    ...closed,
    ...(installs(job) ? { machineState: 'installed' as const } : {}),
  };
}

/**
 * The stage's own task is what the stage waits for. Another one is the install of an image, which reports `installed` before it
 * ends: while the stage still waits for that, the end has come too early. Later it means nothing.
 */
function taskEnded(job: Job, task: string, why: string | undefined, now: Instant, starts: number): Advance | undefined {
  const stage = currentStage(job);
  const isOfStage = stage?.task !== undefined && taskName(stage.task) === task;
  if (isOfStage && why === undefined) return stage.until === 'task-done' ? nextStage(job, 'task-done', now) : undefined;
  if (!isOfStage && stage?.until !== 'installed') return undefined;
  return end(job, 'failed', why ?? `task ${task} ended without reporting that the install is done`, now, starts);
}

function end(job: Job, state: 'failed' | 'cancelled', why: string, now: Instant, starts: number): Advance {
  return {
    job: { ...job, state, why, endedAt: now },
    effects: [],
    closeTicket: why,
    // a machine whose install was broken off has no system anybody should trust; one that was never begun has its old one
    ...(installs(job) ? { machineState: starts > 0 ? 'failed' : job.machineWas } : {}),
    events: [
      state === 'failed'
        ? { kind: 'job.failed', text: `job ${job.id} (${describeJob(job)}) failed: ${why}` }
        : { kind: 'job.cancelled', text: `job ${job.id} (${describeJob(job)}) was ${why}` },
    ],
  };
}

/** The name of the task that a template is: `tasks/install-image.sh.hbs` is `install-image`. */
export function taskName(template: string): string {
  return template.replace(/^.*\//, '').replace(/\.sh\.hbs$/, '');
}

/** `install debian-12`, for people. */
export function describeJob(job: Pick<Job, 'workflow' | 'bootenv'>): string {
  return job.bootenv ? `${job.workflow} ${job.bootenv}` : job.workflow;
}

/** Whether the job puts a system onto the machine. */
function installs(job: Job): boolean {
  return job.plan.some((stage) => stage.until === 'installed');
}

/** Whether the present stage has lasted too long. */
export function isOverdue(job: Job, now: Instant): boolean {
  const stage = job.plan[job.stage];
  return job.state === 'running' && stage !== undefined && now - job.stageStartedAt > stage.timeoutMinutes * 60_000;
}
