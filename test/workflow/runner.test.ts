import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Machine } from '../../src/model/machine.ts';
import { startWireBmc, type WireBmcOptions } from '../bmc/wire-bmc.ts';
import { type Harness, startHarness, withHarness } from '../harness.ts';

const NETWORK_ONCE = 'boot option 5';

async function withBmc(
  options: WireBmcOptions,
  check: (harness: Harness, machine: Machine, bmc: Awaited<ReturnType<typeof startWireBmc>>) => Promise<void>,
  password = 's3cret',
): Promise<void> {
  const bmc = await startWireBmc(options);
  try {
    await withHarness({}, async (harness) => {
      const { id } = harness.addMachine('vm-01');
      setBmc(harness, id, bmc.port, password);
      await check(harness, harness.machines.byId(id) as Machine, bmc);
    });
  } finally {
    await bmc.stop();
  }
}

function setBmc(harness: Harness, id: number, port: number, password = 's3cret'): void {
  harness.setBmc(id, { port, password });
}

const idle = (harness: Harness): Promise<true> => harness.until(() => harness.jobs.effectsTodo().length === 0);
const textsOf = ({ told }: Harness, kind: string): string[] =>
  told.filter((event) => event.kind === kind).map((event) => event.text);

test('a restart into the network goes through the BMC: off, boot device, on', () =>
  withBmc({}, async (harness, machine, bmc) => {
    bmc.isOn = true;
    harness.install(machine, 'debian-12', { restart: true });
    await idle(harness);
    const acts = bmc.done
      .map((act) => act.replace(/: .*/, ''))
      .filter((act) => ['off', 'on', NETWORK_ONCE].includes(act));
    assert.deepEqual(acts, ['off', NETWORK_ONCE, 'on']);
    assert.deepEqual(textsOf(harness, 'power.command'), [
      'power off: is off (asked by job 1)',
      'boot network next (uefi): boots network next time (uefi) (asked by job 1)',
      'power on: is on (asked by job 1)',
    ]);
    assert.deepEqual([bmc.isOn, bmc.openSessions()], [true, 0]);
    assert.equal(harness.jobs.runningOf(machine.id)?.state, 'running');
  }));

test('a BMC that refuses fails the job with its sentence, closes the ticket and drops what was left to do', () =>
  withBmc(
    {},
    async (harness, machine, bmc) => {
      const job = harness.install(machine, 'debian-12', { restart: true });
      await idle(harness);
      const ended = harness.jobs.byId(job.id);
      assert.equal(ended?.state, 'failed');
      assert.match(ended?.why ?? '', /^power off failed: BMC 127\.0\.0\.1 port \d+ .*password.*\.$/);
      assert.doesNotMatch(ended?.why ?? '', /not the password/);
      assert.equal(harness.jobs.ticketOf(job.id)?.closedWhy, ended?.why);
      assert.deepEqual([bmc.done, harness.machines.byId(machine.id)?.state], [[], 'ready']);
      assert.deepEqual(harness.db.sql.prepare('SELECT action, state FROM effect ORDER BY id').all(), [
        { action: 'power-off', state: 'failed' },
        { action: 'boot-network', state: 'dropped' },
        { action: 'power-on', state: 'dropped' },
      ]);
      assert.match(textsOf(harness, 'power.failed')[0] ?? '', /^power off failed: BMC/);
    },
    'not the password',
  ));

test('a password that cannot be opened fails the job with what to do, and the appliance lives on', async () => {
  const first = await startHarness();
  const { id } = first.addMachine('vm-01');
  setBmc(first, id, 623);
  await first.close('keep');
  writeFileSync(join(first.folder, 'data/secret.key'), 'ab'.repeat(32));
  const harness = await startHarness({ folder: first.folder });
  const job = harness.install(harness.machines.named('vm-01'), 'debian-12', { restart: true });
  await idle(harness);
  assert.match(
    harness.jobs.byId(job.id)?.why ?? '',
    /^power off failed: the password of the BMC cannot be opened with .*secret\.key/,
  );
  await harness.close();
});

test('without a BMC each step is left to a person, by name', () =>
  withHarness({}, async (harness) => {
    harness.install(harness.addMachine('vm-01'), 'debian-12', { restart: true });
    await idle(harness);
    assert.deepEqual(
      textsOf(harness, 'power.asked').map((text) => text.replace(/^.*: /, '')),
      ['do it by hand (power off)', 'do it by hand (boot network next (uefi))', 'do it by hand (power on)'],
    );
  }));

test('a machine that was locked meanwhile is not touched', () =>
  withBmc({}, async (harness, machine, bmc) => {
    bmc.isOn = true;
    harness.machines.setLocked(machine.id, true);
    const job = harness.install(machine, 'debian-12', { restart: true });
    await idle(harness);
    assert.equal(harness.jobs.byId(job.id)?.why, 'power off failed: vm-01 is locked');
    assert.deepEqual(bmc.done, []);
  }));

test('what was stored and not done is done after a restart', async () => {
  const bmc = await startWireBmc({});
  const first = await startHarness();
  const machine = first.addMachine('vm-01');
  setBmc(first, machine.id, bmc.port);
  first.runner.stop(); // the appliance dies before anything is performed
  const job = first.install(first.machines.named('vm-01'), 'debian-12', { restart: true });
  assert.equal(first.jobs.effectsTodo().length, 3);
  await first.close('keep');

  const again = await startHarness({ folder: first.folder });
  again.runner.wake();
  await idle(again);
  assert.equal(bmc.isOn, true);
  assert.deepEqual(
    bmc.done.filter((act) => act === 'on' || act.startsWith(NETWORK_ONCE)).map((act) => act.replace(/: .*/, '')),
    [NETWORK_ONCE, 'on'],
  );
  assert.deepEqual([again.jobs.byId(job.id)?.state, again.jobs.ticketOf(job.id)?.closedAt], ['running', undefined]);
  await again.close();
  await bmc.stop();
});

test('an effect that was done before the crash is done again without harm', async () => {
  const bmc = await startWireBmc({});
  await withHarness({}, async (harness) => {
    const machine = harness.addMachine('vm-01');
    setBmc(harness, machine.id, bmc.port);
    harness.install(harness.machines.named('vm-01'), 'debian-12', { restart: true });
    await idle(harness);
    const before = bmc.done.length;
    const events = harness.told.length;
    harness.db.sql.exec(`UPDATE effect SET state = 'todo' WHERE action = 'power-on'`);
    harness.runner.wake();
    await idle(harness);
    assert.equal(bmc.done.length, before);
    assert.equal(harness.told.length, events);
  });
  await bmc.stop();
});

test('a cancelled job leaves nothing to do, and the machine is free for another', () =>
  withHarness({}, async (harness) => {
    const machine = harness.addMachine('vm-01');
    const job = harness.install(machine, 'debian-12');
    harness.runner.happened(machine.id, { kind: 'cancelled', by: 'ada' });
    assert.deepEqual([harness.jobs.byId(job.id)?.state, harness.jobs.effectsTodo()], ['cancelled', []]);
    assert.equal(harness.jobs.ticketOf(job.id)?.closedWhy, 'cancelled by ada');
    assert.equal(harness.machines.byId(machine.id)?.status, 'job 1 (install debian-12) was cancelled by ada');
    assert.equal(harness.install(machine, 'debian-12').id, job.id + 1);
  }));

test('a job that cannot be made leaves nothing behind', () =>
  withHarness({}, (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.install(machine, 'debian-12');
    const before = harness.history.newestId();
    assert.throws(() => harness.install(machine, 'debian-12-image'), { code: 'job-running' });
    assert.equal(harness.history.newestId(), before);
  }));

test('a power-off ends what runs on the machine: its tokens are over', () =>
  withBmc({}, async (harness, machine) => {
    await harness.open('b/52-54-00-aa-bb-01/boot.ipxe');
    const scout = harness.jobs.newRun({
      machineId: machine.id,
      purpose: 'scout',
      mac: machine.macs[0] as never,
      bootenv: 'scout',
      boot: 0,
      expiresAt: (harness.clock() + 1000) as never,
    });
    harness.install(machine, 'debian-12', { restart: true });
    await idle(harness);
    assert.equal(harness.jobs.run(scout), undefined);
  }));
