import { type Static, Type } from 'typebox';
import type { MachineState } from './machine.ts';
import type { Instant } from './time.ts';

/** Things that a stage waits for. Each is an event that a machine causes. */
const MILESTONES = ['inventoried', 'installed', 'alive', 'task-done'] as const;
export type Milestone = (typeof MILESTONES)[number];

/** What a stage has the server do when it begins, in order; see workflow/actions.ts. */
export const ACTIONS = ['power-off', 'boot-network', 'boot-disk', 'power-on'] as const;
export type ActionName = (typeof ACTIONS)[number];

export const Stage = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9-]*$' }),
    description: Type.Optional(Type.String()),
    /** What the machine boots while this stage lasts; `$bootenv` is the one the job was asked for. */
    bootenv: Type.String(),
    do: Type.Optional(Type.Array(Type.Unsafe<ActionName>(Type.Union(ACTIONS.map((name) => Type.Literal(name)))))),
    /** A template that the scout runs as a shell script; `until: task-done` waits for its end. */
    task: Type.Optional(Type.String({ pattern: '^tasks/[a-z0-9-]+\\.sh\\.hbs$' })),
    until: Type.Unsafe<Milestone>(Type.Union(MILESTONES.map((name) => Type.Literal(name)))),
    timeoutMinutes: Type.Integer({ minimum: 1 }),
  },
  { additionalProperties: false },
);
export type Stage = Static<typeof Stage>;

/** An ordered list of stages, as written in `workflows/NAME.yaml`. */
export const Workflow = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z][a-z0-9-]*$' }),
    description: Type.String(),
    stages: Type.Array(Stage, { minItems: 1 }),
  },
  { additionalProperties: false },
);
export type Workflow = Static<typeof Workflow>;

export type JobState = 'running' | 'done' | 'failed' | 'cancelled';

/** One run of a workflow on one machine. `plan` is the workflow's stages as they were when the job was made. */
export type Job = {
  id: number;
  machineId: number;
  workflow: string;
  bootenv?: string;
  params: Record<string, unknown>;
  plan: Stage[];
  state: JobState;
  /** Index into `plan`; `plan.length` once all are done. */
  stage: number;
  stageStartedAt: Instant;
  why: string;
  /** The state the machine was in before: what it goes back to when nothing of the job reached its disk. */
  machineWas: MachineState;
  createdBy: string;
  createdAt: Instant;
  endedAt?: Instant;
};

/** The single-use right to be handed an installer. */
export type Ticket = {
  id: number;
  machineId: number;
  jobId: number;
  bootenv: string;
  openedBy: string;
  openedAt: Instant;
  expiresAt: Instant;
  /** Boots that were handed the installer on this ticket. */
  attempts: number;
  lastBoot?: number;
  closedAt?: Instant;
  closedWhy?: string;
};

/** An installer may be started this often on one ticket: once, and once more after a crash or a power cut. */
export const TICKET_ATTEMPTS = 2;

/** The stage a job is in; undefined when it has ended. */
export function currentStage(job: Job | undefined): Stage | undefined {
  return job?.state === 'running' ? job.plan[job.stage] : undefined;
}
