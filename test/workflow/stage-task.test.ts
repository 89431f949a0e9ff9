import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Machine } from '../../src/model/machine.ts';
import { after } from '../../src/model/time.ts';
import { type Harness, withHarness } from '../harness.ts';

type Scout = {
  harness: Harness;
  machine: Machine;
  get: (path: string) => Promise<{ status: number; body: string; task: string | null }>;
  post: (path: string, form?: Record<string, string>) => Promise<number>;
};

/** A machine in the stage of the workflow bmc-setup, with its scout's token. */
function withScout(check: (scout: Scout) => Promise<void>): Promise<void> {
  return withHarness({}, async (harness) => {
    const port = await harness.listen();
    const machine = harness.addMachine('vm-01');
    const plan = harness.library().workflow('bmc-setup')?.stages ?? [];
    assert.equal(plan[0]?.task, 'tasks/bmc-setup.sh.hbs');
    harness.runner.start(
      { machineId: machine.id, workflow: 'bmc-setup', params: { bmcUser: 'rack' }, plan, createdBy: 'ada' },
      { opensTicket: false, restart: false },
    );
    const token = harness.jobs.newRun({
      machineId: machine.id,
      purpose: 'scout',
      mac: machine.macs[0] as never,
      bootenv: 'scout',
      boot: machine.boot,
      expiresAt: after(harness.clock(), 3600_000),
    });
    const at = (path: string): string => `http://127.0.0.1:${port}/run/${token}/${path}`;
    await check({
      harness,
      machine,
      get: async (path) => {
        const response = await fetch(at(path));
        return { status: response.status, body: await response.text(), task: response.headers.get('X-Task') };
      },
      post: async (path, form = {}) =>
        (await fetch(at(path), { method: 'POST', body: new URLSearchParams(form) })).status,
    });
  });
}

const passwordIn = (script: string): string => /^password='?([^'\n]+)'?$/m.exec(script)?.[1] ?? '';
const BMC = { address: '10.9.0.7', mac: '52:54:00:00:00:07', user: 'rack', channel: '1', maker: '674' };

test('the scout is given the task with a password that was made up, the same each time it asks', () =>
  withScout(async ({ harness, get }) => {
    const first = await get('work');
    assert.deepEqual([first.status, first.task], [200, '1']);
    assert.ok(first.body.includes("\nuser='rack'\n"));
    const password = passwordIn(first.body);
    for (const kind of [/[A-Z]/, /[a-z]/, /[0-9]/, /[._+=-]/, /^.{16}$/]) assert.match(password, kind);
    const again = await get('work');
    assert.deepEqual([again.task, passwordIn(again.body)], ['1', password]);
    const tokens = harness.db.sql.prepare(`SELECT count(*) AS n FROM run_token WHERE purpose = 'first-boot'`);
    assert.deepEqual(tokens.get(), { n: 0 }, 'no new system comes of it');
  }));

test('once the task says where the BMC is, it is used with that password; the end of the task is the end of the job', () =>
  withScout(async ({ harness, machine, get, post }) => {
    const password = passwordIn((await get('work')).body);
    assert.equal(await post('bmc', BMC), 200);
    assert.equal(await post('bmc', BMC), 200, 'said twice, because an answer was lost');
    const [link, ...others] = harness.bmcs.chain(machine.id);
    assert.deepEqual([link?.driver, link?.address, link?.port, link?.user], ['ipmi', '10.9.0.7', 623, 'rack']);
    assert.deepEqual([others.length, harness.bmcs.password(machine.id, 0)], [0, password]);
    assert.equal(await post('task/1', { exit: '0' }), 200);
    assert.equal(harness.jobs.recent(1)[0]?.state, 'done');
    assert.equal((await get('work?wait=0')).status, 204, 'nothing more to do');
    assert.ok(!JSON.stringify(harness.told).includes(password), 'no event tells it');
    const data = join(harness.folder, 'data');
    const files = readdirSync(data).filter((name) => name.startsWith('firstlight.db'));
    for (const name of files) assert.ok(!readFileSync(join(data, name)).includes(password), name);
  }));

test('a task that fails is the failure of the job, with its last line', () =>
  withScout(async ({ harness, machine, get, post }) => {
    await get('work');
    await post('task/1', { exit: '1', message: 'the BMC has no free slot for a user' });
    const job = harness.jobs.recent(1)[0];
    assert.deepEqual(
      [job?.state, job?.why],
      ['failed', 'task bmc-setup failed with exit 1: the BMC has no free slot for a user'],
    );
    assert.equal(harness.bmcs.chain(machine.id).length, 0);
  }));

test('what is no address or user is refused, and nobody can report a BMC while no task runs', () =>
  withScout(async ({ harness, machine, get, post }) => {
    assert.equal(await post('bmc', BMC), 410, 'the task has not begun');
    await get('work');
    assert.equal(await post('bmc', { ...BMC, address: '10.9.0.7; rm' }), 422);
    assert.equal(await post('bmc', { ...BMC, user: 'a b' }), 422);
    await post('task/1', { exit: '0' });
    assert.equal(await post('bmc', BMC), 410);
    assert.equal(harness.bmcs.chain(machine.id).length, 0);
  }));

test('a machine that is locked or ignored is given no task, and its job goes on', () =>
  withScout(async ({ harness, machine, get }) => {
    harness.machines.setLocked(machine.id, true);
    assert.equal((await get('work?wait=0')).status, 204);
    harness.machines.setLocked(machine.id, false);
    harness.machines.setState(machine.id, 'ignored');
    assert.equal((await get('work?wait=0')).status, 204);
    assert.equal(harness.jobs.runningOf(machine.id)?.state, 'running');
  }));
