import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after } from '../../src/model/time.ts';
import type { Job } from '../../src/model/workflow.ts';
import { hashToken } from '../../src/store/secrets.ts';
import { type Harness, MAC, withHarness } from '../harness.ts';

function create({ jobs, clock, addMachine, machines }: Harness, key?: string): Job {
  const machine = machines.byName('vm-01') ?? addMachine('vm-01');
  return jobs.create(
    {
      machineId: machine.id,
      workflow: 'install',
      bootenv: 'debian-12',
      params: { a: [1] },
      plan: [],
      createdBy: 'ada',
      idempotencyKey: key,
    },
    clock(),
  );
}

test('a machine runs one job at a time, and the refusal names it', () =>
  withHarness({}, (harness) => {
    const job = create(harness);
    assert.throws(() => create(harness), {
      code: 'job-running',
      message: `job ${job.id} (install debian-12) is running on vm-01`,
    });
    harness.jobs.save({ ...job, state: 'done' });
    assert.equal(create(harness).state, 'running');
  }));

test('a job comes back as it was made and as it was saved', () =>
  withHarness({}, (harness) => {
    const { jobs, clock } = harness;
    const job = create(harness, 'key-1');
    assert.deepEqual(jobs.byKey('key-1'), job);
    assert.deepEqual(jobs.runningOf(job.machineId), job);
    const ended: Job = { ...job, state: 'failed', stage: 3, why: 'no disk', endedAt: clock() };
    jobs.save(ended);
    assert.deepEqual(jobs.byId(job.id), ended);
    assert.deepEqual([jobs.runningOf(job.machineId), jobs.running(), jobs.recent(9)], [undefined, [], [ended]]);
  }));

test('a job that was taken back does not run, and one whose machine is removed does so no more, nor for the next machine', () =>
  withHarness({}, (harness) => {
    const { db, jobs, machines, addMachine } = harness;
    const machine = addMachine('vm-01');
    assert.throws(() =>
      db.transact(() => {
        create(harness);
        throw new Error('the disk is full');
      }),
    );
    assert.equal(jobs.runningOf(machine.id), undefined);
    const job = create(harness);
    assert.throws(() =>
      db.transact(() => {
        jobs.save({ ...job, state: 'done' });
        throw new Error('the disk is full');
      }),
    );
    assert.deepEqual(jobs.running(), [job]);
    machines.remove(machine.id);
    assert.deepEqual(jobs.running(), []);
    assert.equal(addMachine('vm-02').id, machine.id, 'SQLite gives the number again');
    assert.equal(jobs.runningOf(machine.id), undefined);
  }));

test('a ticket counts one start for each boot, and closes once', () =>
  withHarness({}, (harness) => {
    const { jobs, clock } = harness;
    const job = create(harness);
    jobs.openTicket(job, 'debian-12', after(clock(), 1000), clock());
    const use = (boot: number): boolean => jobs.useTicket(jobs.ticketOf(job.id) as never, boot);
    assert.deepEqual([use(1), use(1), use(2)], [true, false, true]);
    assert.deepEqual([jobs.ticketOf(job.id)?.attempts, jobs.ticketOf(job.id)?.lastBoot], [2, 2]);
    assert.equal(jobs.closeTicket(job.id, 'done', clock()), true);
    assert.equal(jobs.closeTicket(job.id, 'again', clock()), false);
    assert.equal(jobs.ticketOf(job.id)?.closedWhy, 'done');
  }));

test('a run token is known by its hash alone, and used once', () =>
  withHarness({}, (harness) => {
    const { jobs, clock, db } = harness;
    const { machineId, id: jobId } = create(harness);
    const run = {
      machineId,
      purpose: 'scout' as const,
      mac: MAC,
      bootenv: 'scout',
      jobId,
      boot: 1,
      expiresAt: after(clock(), 1000),
    };
    const token = jobs.newRun(run);
    assert.match(token, /^[\w-]{22}$/);
    assert.deepEqual(jobs.run(token), run);
    assert.equal(jobs.run(`${token}x`), undefined);
    assert.deepEqual(db.sql.prepare('SELECT hash FROM run_token').all(), [{ hash: hashToken(token) }]);
    assert.deepEqual([jobs.useRun(token, clock()), jobs.useRun(token, clock())], [true, false]);
    assert.equal(jobs.run(token)?.usedAt, clock());
  }));

test('a restart ends the tokens of what runs now, a new job those of earlier first boots, and time all', () =>
  withHarness({}, (harness) => {
    const { jobs, clock } = harness;
    const { machineId, id: jobId } = create(harness);
    const make = (purpose: 'scout' | 'install' | 'first-boot', ms = 1000): string =>
      jobs.newRun({ machineId, purpose, mac: MAC, bootenv: 'x', jobId, boot: 1, expiresAt: after(clock(), ms) });
    const tokens = [make('scout'), make('install'), make('first-boot')];
    const alive = (): boolean[] => tokens.map((token) => jobs.run(token) !== undefined);
    jobs.dropRuns(machineId);
    assert.deepEqual(alive(), [false, false, true]);
    jobs.dropFirstBootRuns(machineId, jobId);
    assert.deepEqual(alive(), [false, false, true], 'its own job');
    jobs.dropFirstBootRuns(machineId, jobId + 1);
    assert.deepEqual(alive(), [false, false, false]);
    const expired = make('scout', -1);
    const valid = make('scout', 1);
    jobs.dropExpiredRuns(clock());
    assert.deepEqual([jobs.run(expired), jobs.run(valid)?.boot], [undefined, 1]);
  }));

test('effects are done in the order they were stored, and dropped with their job', () =>
  withHarness({}, (harness) => {
    const { jobs, clock } = harness;
    const job = create(harness);
    for (const action of ['power-off', 'boot-network', 'power-on'] as const) jobs.addEffect(job.id, action, clock());
    assert.deepEqual(
      jobs.effectsTodo().map((effect) => effect.action),
      ['power-off', 'boot-network', 'power-on'],
    );
    jobs.endEffect(jobs.effectsTodo()[0]?.id as number, 'done', 'is off', clock());
    assert.deepEqual([jobs.effectsTodo().length, jobs.hasEffectsTodo(job.id)], [2, true]);
    jobs.dropEffects(job.id, clock());
    assert.deepEqual([jobs.effectsTodo(), jobs.hasEffectsTodo(job.id)], [[], false]);
  }));

test('a task ends once', () =>
  withHarness({}, (harness) => {
    const { jobs, clock } = harness;
    const job = create(harness);
    const task = jobs.startTask(job, 'install-image', 4, clock());
    assert.deepEqual(jobs.taskOfBoot(job.id, 4), task);
    assert.equal(jobs.taskOfBoot(job.id, 5), undefined);
    assert.deepEqual(
      [jobs.endTask(task.id, 'failed', 'no disk', clock()), jobs.endTask(task.id, 'done', '', clock())],
      [true, false],
    );
    assert.deepEqual(jobs.task(task.id), { ...task, state: 'failed', message: 'no disk' });
  }));
