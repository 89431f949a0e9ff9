import { decideBoot, ticketState } from '../boot/decide.ts';
import type { Bootenv } from '../model/bootenv.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { BootView } from '../model/view.ts';
import { currentStage, type Job, type Stage, type Ticket } from '../model/workflow.ts';
import type { Run, Task } from '../store/jobs.ts';
import { taskName } from './advance.ts';

/** What the scout's work is decided from. */
export type WorkView = BootView & {
  /** The task that this job began in this boot of the machine. */
  task?: Task | undefined;
  /** The machine is about to be restarted: what runs on it now will not go on. */
  isRestarting: boolean;
};

/**
 * What the scout gets to do now. `task`: this template, on behalf of `bootenv`; with `ticket` it writes a disk, and this is a start
 * of that ticket. `none`: it waits; `because` says what its job waits for, where that is no matter of course. `over`: its job has
 * to end with the sentence `failJob`.
 */
export type WorkDecision = { because: Reason[] } & (
  | { kind: 'none' }
  | { kind: 'task'; job: Job; template: string; bootenv: Bootenv; ticket?: Ticket }
  | { kind: 'over'; job: Job; failJob: string }
);

/** A task is what the machine would boot for: the boot decision gives it, or nothing does. */
export function decideWork(view: WorkView, now: Instant): WorkDecision {
  const { machine, job, task } = view;
  const stage = currentStage(job);
  if (!machine || !job || !stage || view.isRestarting || !wantsWork(stage)) return none();

  const boot = decideBoot(view, now);
  if (boot.kind === 'local')
    return boot.failJob ? { kind: 'over', job, failJob: boot.failJob, because: boot.because } : none(...boot.because);
  const { bootenv, ticket } = boot;
  const template = ticket ? imageTask(bootenv) : stage.task;
  if (template === undefined) return none();
  // decideBoot lets a locked machine boot the scout, which changes nothing; a task may
  if (machine.locked) return none({ rule: 'locked', text: `${machine.name} is locked` });
  if (task && (task.state !== 'running' || task.name !== taskName(template))) return none();
  const about = view.bootenv(job.bootenv ?? bootenv.name)?.bootenv ?? bootenv;
  return { kind: 'task', job, template, bootenv: about, ...(ticket ? { ticket } : {}), because: boot.because };
}

/** The install that this run belongs to, with its ticket, while that is open. */
export function findInstall(view: BootView, run: Run, now: Instant): { job: Job; ticket: Ticket } | undefined {
  const { job, ticket } = view;
  if (!job || !ticket || view.machine?.id !== run.machineId || ticketState(ticket, now) !== 'open') return undefined;
  return run.jobId === undefined || run.jobId === job.id || run.purpose === 'scout' ? { job, ticket } : undefined;
}

/** Whether the scout has to do with a stage: it runs a task of the stage's own, or writes an image. */
function wantsWork(stage: Stage): boolean {
  return stage.task !== undefined || stage.bootenv === '$bootenv';
}

/** An installer's disk is written by what it boots itself. */
function imageTask(bootenv: Bootenv): string | undefined {
  return bootenv.kind === 'image' ? bootenv.task : undefined;
}

function none(...because: Reason[]): WorkDecision {
  return { kind: 'none', because };
}
