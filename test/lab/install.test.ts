import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { openRack, type Rack } from '../../src/lab/rack.ts';
import type { Event } from '../../src/model/event.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';

const PROJECT = join(import.meta.dirname, '../..');
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJEnDZ1e5sWp0v2nB8UoXQm3Xh2yK0v0J8f1uGZ0cQ1a lab@firstlight';
// SHA-512 crypt of a password that nobody knows
const HASH = '$6$firstlight$Zk9o0Yx7JrPqkQ2n1m5bqf0oG1yq1i3m3a0l0m8Yc2QkqvX1qvJrj1Yq4H0H1t8b3m2n1o0p9q8r7s6t5u4v3';
const NEVER_REPORTS = `name: never-reports
description: An installer that starts the machine again and never says that it was done
kind: installer
arch:
  x64: { kernel: scout/vmlinuz, initrds: [scout/initrd.img] }
arguments: console=ttyS0,115200 rdinit=/nonexistent panic=1 {{run.url}}
`;

/** The machines of the default rack, by the firmware they stand for. */
const MACHINES = ['vm-01', 'vm-02', 'vm-03'] as const;
const MACS = { 'vm-01': '52-54-00-77-01-01', 'vm-02': '52-54-00-77-02-01', 'vm-03': '52-54-00-77-03-01' };

describe('a rack from bare metal to an installed system', { skip: whyNotHere('scout', 'debian-12-image') }, () => {
  const content = mkdtempSync(join(tmpdir(), 'firstlight-content-'));
  let rack: Rack;
  let appliance: TestAppliance;

  before(async () => {
    chmodSync(content, 0o755); // the appliance reads it as an unprivileged user
    for (const folder of ['bootenvs', 'templates', 'workflows'])
      cpSync(join(PROJECT, folder), join(content, folder), { recursive: true });
    writeFileSync(join(content, 'bootenvs/never-reports.yaml'), NEVER_REPORTS);
    rack = await openRack({ name: 'fl-test-install', networks: [{ bridge: 'rack0', address: '10.77.0.1/24' }] });
    appliance = new TestAppliance([
      '--namespace',
      rack.namespace,
      '--interface',
      'rack0',
      '--accept',
      'automatic',
      '--content',
      content,
    ]);
    await appliance.start();
  });

  after(async () => {
    await appliance?.close();
    await rack?.close();
    rmSync(content, { recursive: true, force: true });
  });

  test('three machines with empty disks and different firmware are discovered with their inventory', async () => {
    for (const machine of rack.machines) {
      const entered = await appliance.enroll(machine);
      await appliance.request('POST', `/api/v1/machines/${entered.name}/power`, { action: 'on' });
    }
    for (const [name, firmware] of [
      ['vm-01', 'bios'],
      ['vm-02', 'uefi'],
      ['vm-03', 'uefi'],
    ] as const) {
      const machine = await until(`${name} is ready`, 300, async () => {
        const present = await appliance.machine(name).catch(() => undefined);
        return present?.state === 'ready' && present.inventory ? present : undefined;
      });
      assert.equal(machine.firmware, firmware);
      assert.equal(machine.serial, name);
      assert.equal(machine.inventory?.vendor, 'Firstlight');
      assert.equal(machine.inventory?.firmware, firmware);
      assert.equal(machine.inventory?.disks[0]?.serial, `disk-${name}`);
      assert.equal(machine.inventory?.disks[0]?.sizeBytes, 8 * 2 ** 30);
      assert.equal(machine.inventory?.disks[0]?.blank, true);
      assert.deepEqual(machine.macs, [MACS[name].replaceAll('-', ':')]);
    }
    // each by its own door: iPXE in the ROM, a loader by TFTP, a loader by HTTP
    const doors = await Promise.all(MACHINES.map((name) => appliance.timeline(name)));
    assert.ok(!doors[0]?.some((event) => event.data?.by === 'TFTP'));
    assert.ok(
      doors[1]?.some(
        (event) =>
          event.kind === 'file.served' && event.data?.by === 'TFTP' && String(event.data.name).endsWith('snponly.efi'),
      ),
    );
    assert.ok(
      doors[2]?.some(
        (event) =>
          event.kind === 'file.served' && event.data?.by === 'HTTP' && String(event.data.name).endsWith('snponly.efi'),
      ),
    );
  });

  test('a second appliance on the same wire is refused with a sentence that names the holder', async () => {
    const other = new TestAppliance(['--namespace', rack.namespace, '--interface', 'rack0', '--content', content]);
    const { code, output } = await run(await other.arguments());
    assert.equal(code, 1);
    assert.match(
      output,
      new RegExp(`10\\.77\\.0\\.1:67: the port is taken by another Firstlight \\(process ${appliance.pid}\\)`),
    );
    const same = await run([
      ...(await appliance.arguments()).map((word) => (word.startsWith('127.0.0.1:') ? '127.0.0.1:1' : word)),
    ]);
    assert.match(same.output, new RegExp(`another Firstlight \\(process ${appliance.pid}\\) uses .*data already`));
    rmSync(other.folder, { recursive: true, force: true });
  });

  test('an image install on BIOS completes although the appliance is killed in the middle of it', async () => {
    const job = await reimage('vm-01');
    await until('a third of the image is written', 400, async () => {
      const events = await appliance.timeline('vm-01');
      return events.find((event) => event.kind === 'machine.progress' && Number(event.data?.percent) >= 25);
    });
    await appliance.kill();
    await appliance.start();
    await assertInstalled('vm-01', job);
  });

  test('an image install completes on UEFI PXE and on UEFI HTTP boot', async () => {
    const jobs = [await reimage('vm-02'), await reimage('vm-03')];
    await assertInstalled('vm-02', jobs[0] as number);
    await assertInstalled('vm-03', jobs[1] as number);
  });

  test('machines with a system and no ticket boot it though their firmware tries the network first', async () => {
    await Promise.all(MACHINES.map(bootsItsDisk));
    for (const name of ['vm-02', 'vm-03'])
      await appliance.request('POST', `/api/v1/machines/${name}/power`, { action: 'off' });
  });

  test('an installer that never reports does not loop: the third start gets the disk and the job fails', async () => {
    const { job } = await appliance.request<{ job: { id: number } }>('POST', '/api/v1/machines/vm-01/reimage', {
      bootenv: 'never-reports',
    });
    const end = await appliance.jobEnd(job.id, 400);
    assert.equal(end.state, 'failed');
    assert.match(end.why, /^reinstall loop stopped: never-reports was started 2 times/);
    const events = await appliance.timeline('vm-01');
    assert.equal(
      events.filter((event) => event.kind === 'ticket.used' && event.text.includes('never-reports')).length,
      2,
    );
    assert.equal((await appliance.machine('vm-01')).state, 'failed');
    // the disk was never touched: its system starts, and nobody hands out an installer any more
    const shown = readFileSync(rack.machine('vm-01').serialLog, 'latin1').length;
    await until('vm-01 asks for a login', 300, async () =>
      readFileSync(rack.machine('vm-01').serialLog, 'latin1')
        .slice(Math.max(0, shown - 2000))
        .includes('vm-01 login:')
        ? true
        : undefined,
    );
  });

  async function bootsItsDisk(name: string): Promise<void> {
    const machine = rack.machine(name);
    await machine.setNetworkFirst(true);
    const since = (await appliance.timeline(name)).at(-1)?.id ?? 0;
    const shown = readFileSync(machine.serialLog, 'latin1').length;
    await appliance.request('POST', `/api/v1/machines/${name}/power`, { action: 'off' });
    await appliance.request('POST', `/api/v1/machines/${name}/power`, { action: 'on' });
    await appliance.event(name, 'boot.started', 120, since);
    await until(`${name} asks for a login`, 600, async () =>
      readFileSync(machine.serialLog, 'latin1').slice(shown).includes(`${name} login:`) ? true : undefined,
    );
    const events = (await appliance.timeline(name)).filter((event) => event.id > since);
    assert.ok(!events.some((event) => /vmlinuz|initrd/.test(String(event.data?.name))), `${name} was given a kernel`);
    // iPXE in the ROM is told by its script, the others by a file that is answered with an error
    const told = name === 'vm-01' ? 'file.served' : 'file.declined';
    assert.ok(
      events.some((event) => event.kind === told),
      `${name} was not sent to its disk`,
    );
  }

  async function reimage(name: string): Promise<number> {
    const { job } = await appliance.request<{ job: { id: number } }>('POST', `/api/v1/machines/${name}/reimage`, {
      bootenv: 'debian-12-image',
      params: {
        rootSshKeys: [KEY],
        user: 'tech',
        userPasswordHash: HASH,
        timezone: 'Europe/Berlin',
        lateScript: 'echo "installed by the lab of $(hostname)" >/etc/motd',
      },
    });
    return job.id;
  }

  async function assertInstalled(name: string, job: number): Promise<void> {
    const end = await appliance.jobEnd(job, 900).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await appliance.story(name)}`);
    });
    assert.deepEqual([end.state, end.why], ['done', ''], await appliance.story(name));
    const machine = await appliance.machine(name);
    assert.equal(machine.state, 'installed');
    const events = await appliance.timeline(name);
    const order: Event['kind'][] = [
      'ticket.opened',
      'ticket.used',
      'install.done',
      'ticket.closed',
      'machine.alive',
      'job.finished',
    ];
    const places = order.map((kind) => events.findLastIndex((event) => event.kind === kind));
    assert.ok(
      places.every((place) => place >= 0),
      `${name} lacks one of ${order.join(', ')}`,
    );
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
      `${name} had them in another order`,
    );
    assert.ok(!JSON.stringify(events).includes(HASH), 'a secret stands in the timeline');
    await until(`${name} asks for a login by its own name`, 120, async () =>
      readFileSync(rack.machine(name).serialLog, 'latin1').includes(`${name} login:`) ? true : undefined,
    );
  }
});

function run(words: readonly string[]): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(join(PROJECT, 'bin/firstlight'), words, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: `${stdout}${stderr}` }),
    );
  });
}
