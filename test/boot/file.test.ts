import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OpenedFile } from '../../src/boot/open.ts';
import type { Mac } from '../../src/wire/address.ts';
import { ARRIVAL, type Harness, inventory, MAC, withHarness } from '../harness.ts';

const OTHER = '52:54:00:aa:bb:02' as Mac;
const SCRIPT = 'b/52-54-00-aa-bb-01/boot.ipxe';

async function outcome(opened: Promise<OpenedFile>): Promise<string> {
  const { file } = await opened;
  if (file.kind === 'refused') return `${file.code}: ${file.text}`;
  const text = (await file.read(0, file.size)).toString('utf8');
  await file.close();
  return text;
}

async function outcomes(harness: Harness, names: readonly string[]): Promise<string[]> {
  const results: string[] = [];
  for (const name of names) {
    const { file } = await harness.open(name);
    results.push(file.kind === 'refused' ? file.code : 'served');
    if (file.kind === 'file') await file.close();
  }
  return results;
}

/** Every kind of name, as one machine would ask for it. */
const NAMES = [
  'b/52-54-00-aa-bb-01/undionly.kpxe',
  SCRIPT,
  'b/52-54-00-aa-bb-01/a/scout/vmlinuz',
  'b/52-54-00-aa-bb-01/a/debian-12/linux',
  'b/52-54-00-aa-bb-01/a/debian-12-image/disk.img.zst',
  'b/52-54-00-aa-bb-01/local-boot.efi',
];

const TABLE: [string, (harness: Harness) => unknown, string[]][] = [
  [
    'a stranger that boots the scout',
    () => undefined,
    ['served', 'served', 'served', 'forbidden', 'forbidden', 'declined'],
  ],
  [
    'Q34 a machine that boots its disk, whatever name it remembers,',
    (h) => h.addMachine('vm-01', { state: 'installed' }),
    ['declined', 'served', 'served', 'forbidden', 'forbidden', 'declined'],
  ],
  [
    'a machine that is installed by an installer',
    (h) => h.install(h.addMachine('vm-01'), 'debian-12'),
    ['served', 'served', 'served', 'served', 'forbidden', 'declined'],
  ],
  [
    'a machine that is installed by an image',
    (h) => h.install(h.addMachine('vm-01'), 'debian-12-image'),
    ['served', 'served', 'served', 'forbidden', 'served', 'declined'],
  ],
  [
    'a machine that was locked meanwhile',
    (h) => h.install(h.addMachine('vm-01', { locked: true }), 'debian-12'),
    ['declined', 'served', 'served', 'forbidden', 'forbidden', 'declined'],
  ],
  [
    'an ignored machine',
    (h) => {
      const { machineId } = h.install(h.addMachine('vm-01'), 'debian-12');
      h.machines.setState(machineId, 'ignored');
    },
    ['declined', 'served', 'served', 'forbidden', 'forbidden', 'declined'],
  ],
];
for (const [who, prepare, expected] of TABLE)
  test(`${who} gets loader, script, scout, installer, image, local boot: ${expected.join(', ')}`, () =>
    withHarness({}, async (harness) => {
      prepare(harness);
      assert.deepEqual(await outcomes(harness, NAMES), expected);
    }));

test('what is served are the bytes of the file', () =>
  withHarness({}, async (harness) => {
    assert.match(await outcome(harness.open(NAMES[0] as string)), /^the loader undionly\.kpxe\n/);
    assert.equal(await outcome(harness.open(NAMES[2] as string)), 'the bytes of scout/vmlinuz\n');
  }));

test('Q27 a newer build of a loader is served as soon as it lies in the folder', () =>
  withHarness({ lacks: ['snponly.efi'] }, async (harness) => {
    const name = 'b/52-54-00-aa-bb-01/snponly.efi';
    assert.match(await outcome(harness.open(name)), /^not-found: snponly\.efi does not exist$/);
    for (const build of ['a build of 2019', 'a build of 2026']) {
      writeFileSync(join(harness.loadersFolder, 'snponly.efi'), build);
      assert.equal(await outcome(harness.open(name)), build);
    }
  }));

test('a refusal says why', () =>
  withHarness({}, async (harness) => {
    harness.addMachine('vm-01', { state: 'installed' });
    const why = 'vm-01 is installed and no job asks for another boot';
    assert.equal(
      await outcome(harness.open(NAMES[3] as string)),
      `forbidden: ${why}; debian-12 is not what this machine is to boot`,
    );
    assert.equal(
      await outcome(harness.open('b/52-54-00-aa-bb-01/a/nosuch/linux')),
      'not-found: there is no bootenv nosuch',
    );
    assert.match(
      await outcome(harness.open('b/52-54-00-aa-bb-01/a/scout/nosuch')),
      /^not-found: scout has no file nosuch/,
    );
    assert.match(
      await outcome(harness.open('../../data/secret.key')),
      /^not-found: "\.\.\/\.\.\/data\/secret\.key" is not a name of ours$/,
    );
    assert.match(
      await outcome(harness.open('b/52-54-00-aa-bb-01/local-boot.efi')),
      /^declined: .*goes on to the disk$/,
    );
    const told = harness.told.filter((event) => event.kind.startsWith('file.'));
    assert.deepEqual(
      told.map((event) => event.kind),
      ['file.refused', 'file.refused', 'file.declined'],
    );
  }));

test('Q28 a name without a MAC is for the machine that has the lease of the sender', () =>
  withHarness({}, async (harness) => {
    await harness.ask({ type: 'request', mac: OTHER, as: 'uefi', asks: '10.77.0.105' as never });
    assert.match(await outcome(harness.open('autoexec.ipxe', '10.77.0.105')), /52:54:00:aa:bb:02/);
    assert.match(
      await outcome(harness.open('autoexec.ipxe', '10.77.0.106')),
      /^not-found: 10\.77\.0\.106 has no lease here/,
    );
  }));

test('a stranger that asks for its script is recorded, and the scout is to look at it', () =>
  withHarness({}, async (harness) => {
    assert.match(await outcome(harness.open(SCRIPT)), /firstlight\.run=http:\/\/10\.77\.0\.1\/run\/[\w-]{22} /);
    const machine = harness.machines.byMac(MAC);
    assert.equal(machine?.state, 'new');
    assert.equal(harness.jobs.runningOf(machine?.id as number)?.workflow, 'discover');
  }));

test('each start of an installer is counted once per boot, and the third boots the disk and fails the job', () =>
  withHarness({}, async (harness) => {
    const machine = harness.addMachine('vm-01');
    const job = harness.install(machine, 'debian-12');
    const startOnce = async (): Promise<string> => {
      await harness.ask({ type: 'discover', as: 'uefi' });
      await outcome(harness.open(SCRIPT)); // the loader asks for autoexec, then for its script
      const script = await outcome(harness.open(SCRIPT));
      harness.pass(600_000);
      return script;
    };
    const attempts = (): number | undefined => harness.jobs.ticketOf(job.id)?.attempts;
    assert.match(await startOnce(), /\/a\/debian-12\/linux /);
    assert.equal(attempts(), 1);
    assert.match(await startOnce(), /\/a\/debian-12\/linux /);
    assert.equal(attempts(), 2);
    assert.equal(harness.jobs.byId(job.id)?.state, 'running');

    assert.match(await startOnce(), /Next: the machine's own disk/);
    const ended = harness.jobs.byId(job.id);
    const why = 'reinstall loop stopped: debian-12 was started 2 times and never reported that it was done';
    assert.deepEqual([ended?.state, ended?.why], ['failed', why]);
    assert.equal(harness.jobs.ticketOf(job.id)?.closedWhy, why);
    assert.equal(harness.machines.byId(machine.id)?.state, 'failed');
    assert.equal(harness.told.filter((event) => event.kind === 'ticket.used').length, 2);
  }));

test('asking for the size alone uses up nothing and is as long as the file itself', () =>
  withHarness({}, async (harness) => {
    const job = harness.install(harness.addMachine('vm-01'), 'debian-12');
    const request = { name: SCRIPT, from: '10.77.0.100' as never, arrival: ARRIVAL, by: 'HTTP' as const };
    const probe = (await harness.files.open({ ...request, isProbe: true })).file;
    assert.equal(harness.jobs.ticketOf(job.id)?.attempts, 0);
    const count = () => harness.db.sql.prepare('SELECT count(*) AS n FROM run_token').get();
    assert.deepEqual(count(), { n: 0 });
    const file = (await harness.files.open(request)).file;
    assert.deepEqual(count(), { n: 1 });
    assert.ok(probe.kind === 'file' && file.kind === 'file');
    assert.equal(probe.size, file.size);
  }));

test('a script that cannot be rendered says so on the screen and in the timeline, and uses up nothing', () =>
  withHarness({}, async (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.machines.setParams(machine.id, { kernelArguments: 'a\tb' });
    const job = harness.install(machine, 'debian-12');
    assert.match(await outcome(harness.open(SCRIPT)), /Cannot go on: param kernelArguments from machine vm-01/);
    assert.equal(harness.jobs.ticketOf(job.id)?.attempts, 0);
    assert.match(harness.told.at(-1)?.text ?? '', /^the boot script cannot be rendered: param kernelArguments/);
  }));

test('an asset that changed since it was checked is not served, and what needs it boots the disk', () =>
  withHarness({ lacks: ['debian-12/linux'] }, async (harness) => {
    harness.install(harness.addMachine('vm-01'), 'debian-12');
    const because =
      'bootenv debian-12 cannot be booted: debian-12/linux is not there (make it with: scripts/fetch-installer)';
    assert.match(await outcome(harness.open(SCRIPT)), /Next: the machine's own disk/);
    assert.ok((await harness.open(SCRIPT)).because.some((reason) => reason.text === because));
    assert.match(
      await outcome(harness.open('b/52-54-00-aa-bb-01/a/debian-12/initrd.gz')),
      /^forbidden: .*debian-12\/linux is not there/,
    );
  }));

test('a machine is one machine by each of its NICs', () =>
  withHarness({}, async (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.machines.saveInventory(machine, inventory({ macs: [MAC, OTHER] }), [MAC, OTHER], harness.clock());
    harness.install(harness.machines.named('vm-01'), 'debian-12');
    assert.match(
      await outcome(harness.open('b/52-54-00-aa-bb-02/boot.ipxe')),
      /b\/52-54-00-aa-bb-02\/a\/debian-12\/linux/,
    );
  }));
