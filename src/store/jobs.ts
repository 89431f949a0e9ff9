import { type MachineState, refuseBusy } from '../model/machine.ts';
import type { Instant } from '../model/time.ts';
import type { ActionName, Job, JobState, Stage, Ticket } from '../model/workflow.ts';
import type { Mac } from '../wire/address.ts';
import type { Db } from './db.ts';
import { hashToken, newToken } from './secrets.ts';

/** Who speaks with a run token: the scout, an installer, or the installed system on its first boot. */
export type RunPurpose = 'scout' | 'install' | 'first-boot';

/** What a run token stands for. */
export type Run = {
  machineId: number;
  purpose: RunPurpose;
  mac: Mac;
  bootenv: string;
  jobId?: number;
  boot: number;
  expiresAt: Instant;
  usedAt?: Instant;
};

/** What the server is to do for a job, kept before it is done. */
export type Effect = { id: number; jobId: number; action: ActionName };

/** A script that the scout runs for a job. */
export type Task = {
  id: number;
  jobId: number;
  machineId: number;
  name: string;
  boot: number;
  state: 'running' | 'done' | 'failed';
  message: string;
};

/** A job as it is asked for; `plan` are the stages of its workflow as they are now. */
export type NewJob = {
  machineId: number;
  workflow: string;
  bootenv?: string | undefined;
  params: Record<string, unknown>;
  plan: Stage[];
  createdBy: string;
  idempotencyKey?: string | undefined;
};

type JobRow = {
  id: number;
  machine_id: number;
  workflow: string;
  bootenv: string | null;
  params: string;
  plan: string;
  state: JobState;
  stage: number;
  stage_started_at: number;
  why: string;
  machine_was: MachineState;
  created_by: string;
  created_at: number;
  ended_at: number | null;
};

type TicketRow = {
  id: number;
  machine_id: number;
  job_id: number;
  bootenv: string;
  opened_by: string;
  opened_at: number;
  expires_at: number;
  attempts: number;
  last_boot: number | null;
  closed_at: number | null;
  closed_why: string | null;
};

type RunRow = {
  machine_id: number;
  purpose: RunPurpose;
  mac: string;
  bootenv: string;
  job_id: number | null;
  boot: number;
  expires_at: number;
  used_at: number | null;
};

type TaskRow = {
  id: number;
  job_id: number;
  machine_id: number;
  name: string;
  boot: number;
  state: Task['state'];
  message: string;
};

/**
 * Jobs with their tickets, effects, tasks and run tokens: on disk, and those that run in memory too, because each datagram of a machine
 * asks for its own.
 */
export type Jobs = ReturnType<typeof openJobs>;

/** Reads the jobs that run into memory. */
export function openJobs(db: Db) {
  const insertJob = db.sql.prepare(`
    INSERT INTO job (machine_id, workflow, bootenv, params, plan, state, stage, stage_started_at, machine_was, created_by, idempotency_key, created_at)
    SELECT :machineId, :workflow, :bootenv, :params, :plan, 'running', 0, :now, state, :createdBy, :idempotencyKey, :now
      FROM machine WHERE id = :machineId`);
  const nameOf = db.sql.prepare<[number], { name: string }>('SELECT name FROM machine WHERE id = ?');
  const jobById = db.sql.prepare<[number], JobRow>('SELECT * FROM job WHERE id = ?');
  const jobByKey = db.sql.prepare<[string], JobRow>('SELECT * FROM job WHERE idempotency_key = ?');
  const running = db.sql.prepare<[], JobRow>(`SELECT * FROM job WHERE state = 'running' ORDER BY id`);
  const recent = db.sql.prepare<[number], JobRow>('SELECT * FROM job ORDER BY id DESC LIMIT ?');
  const saveJob = db.sql.prepare(
    'UPDATE job SET state = ?, stage = ?, stage_started_at = ?, why = ?, ended_at = ? WHERE id = ?',
  );

  const insertTicket = db.sql.prepare(
    'INSERT INTO ticket (machine_id, job_id, bootenv, opened_by, opened_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const ticketOfJob = db.sql.prepare<[number], TicketRow>('SELECT * FROM ticket WHERE job_id = ?');
  const useTicket = db.sql.prepare('UPDATE ticket SET attempts = attempts + 1, last_boot = ? WHERE id = ?');
  const closeTicket = db.sql.prepare(
    'UPDATE ticket SET closed_at = ?, closed_why = ? WHERE job_id = ? AND closed_at IS NULL',
  );

  const insertEffect = db.sql.prepare(
    `INSERT INTO effect (job_id, action, state, created_at) VALUES (?, ?, 'todo', ?)`,
  );
  const effectsTodo = db.sql.prepare<[], { id: number; job_id: number; action: ActionName }>(
    `SELECT id, job_id, action FROM effect WHERE state = 'todo' ORDER BY id`,
  );
  const effectsTodoOf = db.sql.prepare<[number], { n: number }>(
    `SELECT count(*) AS n FROM effect WHERE job_id = ? AND state = 'todo'`,
  );
  const endEffect = db.sql.prepare('UPDATE effect SET state = ?, result = ?, ended_at = ? WHERE id = ?');
  const dropEffects = db.sql.prepare(
    `UPDATE effect SET state = 'dropped', ended_at = ? WHERE job_id = ? AND state = 'todo'`,
  );

  const insertRun = db.sql.prepare(
    'INSERT INTO run_token (hash, machine_id, purpose, mac, bootenv, job_id, boot, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const runByHash = db.sql.prepare<[string], RunRow>('SELECT * FROM run_token WHERE hash = ?');
  const useRun = db.sql.prepare('UPDATE run_token SET used_at = ? WHERE hash = ? AND used_at IS NULL');
  const dropRuns = db.sql.prepare(`DELETE FROM run_token WHERE machine_id = ? AND purpose <> 'first-boot'`);
  const dropFirstBootRuns = db.sql.prepare(
    `DELETE FROM run_token WHERE machine_id = ? AND purpose = 'first-boot' AND job_id <> ?`,
  );
  const dropExpiredRuns = db.sql.prepare('DELETE FROM run_token WHERE expires_at < ?');

  const insertTask = db.sql.prepare(
    `INSERT INTO task (job_id, machine_id, name, boot, state, started_at) VALUES (?, ?, ?, ?, 'running', ?)`,
  );
  const taskById = db.sql.prepare<[number], TaskRow>('SELECT * FROM task WHERE id = ?');
  const taskOfBoot = db.sql.prepare<[number, number], TaskRow>(
    'SELECT * FROM task WHERE job_id = ? AND boot = ? ORDER BY id DESC LIMIT 1',
  );
  const endTask = db.sql.prepare(
    `UPDATE task SET state = ?, message = ?, ended_at = ? WHERE id = ? AND state = 'running'`,
  );

  /** By machine, the oldest first. */
  const runningJobs = new Map<number, Job>();
  reload();
  db.onRollback(reload);

  function reload(): void {
    runningJobs.clear();
    for (const row of running.iterate()) runningJobs.set(row.machine_id, toJob(row));
  }

  /** Every change of a job goes through here: what is in memory of it is read again. */
  function readAgain(id: number): Job | undefined {
    const job = maybe(jobById.get(id), toJob);
    if (job?.state === 'running') runningJobs.set(job.machineId, job);
    else if (job && runningJobs.get(job.machineId)?.id === id) runningJobs.delete(job.machineId);
    return job;
  }

  return {
    /** A machine was removed, and with it its jobs. */
    forgetMachine: (machineId: number): void => void runningJobs.delete(machineId),

    /** Make a job. Throws `job-running` when the machine has one. */
    create(wanted: NewJob, now: Instant): Job {
      refuseBusy({ name: nameOf.get(wanted.machineId)?.name ?? '' }, runningJobs.get(wanted.machineId));
      const id = Number(
        insertJob.run({
          machineId: wanted.machineId,
          workflow: wanted.workflow,
          bootenv: wanted.bootenv ?? null,
          params: JSON.stringify(wanted.params),
          plan: JSON.stringify(wanted.plan),
          createdBy: wanted.createdBy,
          idempotencyKey: wanted.idempotencyKey ?? null,
          now,
        }).lastInsertRowid,
      );
      return readAgain(id) as Job;
    },
    byId: (id: number): Job | undefined => maybe(jobById.get(id), toJob),
    byKey: (key: string): Job | undefined => maybe(jobByKey.get(key), toJob),
    runningOf: (machineId: number): Job | undefined => runningJobs.get(machineId),
    running: (): Job[] => [...runningJobs.values()],
    recent: (last: number): Job[] => recent.all(last).map(toJob),
    save(job: Job): void {
      saveJob.run(job.state, job.stage, job.stageStartedAt, job.why, job.endedAt ?? null, job.id);
      readAgain(job.id);
    },

    openTicket(job: Job, bootenv: string, expiresAt: Instant, now: Instant): Ticket {
      insertTicket.run(job.machineId, job.id, bootenv, job.createdBy, now, expiresAt);
      return toTicket(ticketOfJob.get(job.id) as TicketRow);
    },
    ticketOf: (jobId: number): Ticket | undefined => maybe(ticketOfJob.get(jobId), toTicket),
    /** Count a start on the ticket, once per boot. */
    useTicket(ticket: Ticket, boot: number): boolean {
      if (ticket.lastBoot === boot) return false;
      useTicket.run(boot, ticket.id);
      return true;
    },
    /** Whether there was an open one. */
    closeTicket: (jobId: number, why: string, now: Instant): boolean => closeTicket.run(now, why, jobId).changes > 0,

    addEffect: (jobId: number, action: ActionName, now: Instant): void => void insertEffect.run(jobId, action, now),
    effectsTodo: (): Effect[] =>
      effectsTodo.all().map((row) => ({ id: row.id, jobId: row.job_id, action: row.action })),
    hasEffectsTodo: (jobId: number): boolean => (effectsTodoOf.get(jobId)?.n ?? 0) > 0,
    endEffect: (id: number, state: 'done' | 'failed', result: string, now: Instant): void =>
      void endEffect.run(state, result, now, id),
    dropEffects: (jobId: number, now: Instant): void => void dropEffects.run(now, jobId),

    /** Make a run token and keep its hash. Gives the token itself, the only time it is known. */
    newRun(run: Omit<Run, 'usedAt'>): string {
      const token = newToken();
      insertRun.run(
        hashToken(token),
        run.machineId,
        run.purpose,
        run.mac,
        run.bootenv,
        run.jobId ?? null,
        run.boot,
        run.expiresAt,
      );
      return token;
    },
    run: (token: string): Run | undefined => maybe(runByHash.get(hashToken(token)), toRun),
    /** Mark a token used; false when it was already. */
    useRun: (token: string, now: Instant): boolean => useRun.run(now, hashToken(token)).changes > 0,
    /** End every scout's and installer's token of a machine: it is being restarted. */
    dropRuns: (machineId: number): void => void dropRuns.run(machineId),
    /** End the first-boot tokens of earlier installs of a machine. */
    dropFirstBootRuns: (machineId: number, exceptJob: number): void => void dropFirstBootRuns.run(machineId, exceptJob),
    dropExpiredRuns: (now: Instant): void => void dropExpiredRuns.run(now),

    startTask(job: Job, name: string, boot: number, now: Instant): Task {
      const id = Number(insertTask.run(job.id, job.machineId, name, boot, now).lastInsertRowid);
      return toTask(taskById.get(id) as TaskRow);
    },
    task: (id: number): Task | undefined => maybe(taskById.get(id), toTask),
    taskOfBoot: (jobId: number, boot: number): Task | undefined => maybe(taskOfBoot.get(jobId, boot), toTask),
    /** Whether it was running. */
    endTask: (id: number, state: 'done' | 'failed', message: string, now: Instant): boolean =>
      endTask.run(state, message, now, id).changes > 0,
  };
}

function maybe<Row, T>(row: Row | undefined, make: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : make(row);
}

function toJob(row: JobRow): Job {
  return {
    id: row.id,
    machineId: row.machine_id,
    workflow: row.workflow,
    ...(row.bootenv !== null ? { bootenv: row.bootenv } : {}),
    params: JSON.parse(row.params) as Record<string, unknown>,
    plan: JSON.parse(row.plan) as Stage[],
    state: row.state,
    stage: row.stage,
    stageStartedAt: row.stage_started_at as Instant,
    why: row.why,
    machineWas: row.machine_was,
    createdBy: row.created_by,
    createdAt: row.created_at as Instant,
    ...(row.ended_at !== null ? { endedAt: row.ended_at as Instant } : {}),
  };
}

function toTicket(row: TicketRow): Ticket {
  return {
    id: row.id,
    machineId: row.machine_id,
    jobId: row.job_id,
    bootenv: row.bootenv,
    openedBy: row.opened_by,
    openedAt: row.opened_at as Instant,
    expiresAt: row.expires_at as Instant,
    attempts: row.attempts,
    ...(row.last_boot !== null ? { lastBoot: row.last_boot } : {}),
    ...(row.closed_at !== null ? { closedAt: row.closed_at as Instant } : {}),
    ...(row.closed_why !== null ? { closedWhy: row.closed_why } : {}),
  };
}

function toRun(row: RunRow): Run {
  return {
    machineId: row.machine_id,
    purpose: row.purpose,
    mac: row.mac as Mac,
    bootenv: row.bootenv,
    ...(row.job_id !== null ? { jobId: row.job_id } : {}),
    boot: row.boot,
    expiresAt: row.expires_at as Instant,
    ...(row.used_at !== null ? { usedAt: row.used_at as Instant } : {}),
  };
}

function toTask(row: TaskRow): Task {
  return {
    id: row.id,
    jobId: row.job_id,
    machineId: row.machine_id,
    name: row.name,
    boot: row.boot,
    state: row.state,
    message: row.message,
  };
}
