import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Machine } from '../../src/model/machine.ts';
import { after } from '../../src/model/time.ts';
import type { OfferedBootenv } from '../../src/model/view.ts';
import type { Job } from '../../src/model/workflow.ts';
import type { RunPurpose } from '../../src/store/jobs.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { type Harness, inventory, MAC, withHarness } from '../harness.ts';

type Door = {
  harness: Harness;
  machine: Machine;
  get: (path: string) => Promise<{ status: number; body: string; headers: Headers }>;
  post: (path: string, body?: string) => Promise<{ status: number; body: string }>;
  token: (purpose: RunPurpose, more?: { machine?: Machine; job?: Job; bootenv?: string; ms?: number }) => string;
};

function withDoor(check: (door: Door) => Promise<void>): Promise<void> {
  return withHarness({}, async (harness) => {
    const port = await harness.listen();
    const machine = harness.addMachine('vm-01');
    const call = async (path: string, init?: RequestInit) => {
      const response = await fetch(`http://127.0.0.1:${port}/run/${path}`, init);
      return { status: response.status, body: await response.text(), headers: response.headers };
    };
    await check({
      harness,
      machine,
      get: (path) => call(path),
      post: (path, body = '') => call(path, { method: 'POST', body }),
      token: (purpose, more = {}) =>
        harness.jobs.newRun({
          machineId: (more.machine ?? machine).id,
          purpose,
          mac: (more.machine ?? machine).macs[0] as Mac,
          bootenv: more.bootenv ?? (purpose === 'scout' ? 'scout' : 'debian-12'),
          ...(more.job ? { jobId: more.job.id } : {}),
          boot: (more.machine ?? machine).boot,
          expiresAt: after(harness.clock(), more.ms ?? 3600_000),
        }),
    });
  });
}

const textsOf = ({ told }: Harness, kind: string): string[] =>
  told.filter((event) => event.kind === kind).map((event) => event.text);

test('a token that is wrong or expired opens nothing', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12');
    const expired = token('install', { job, ms: 0 });
    for (const [what, wrong] of [
      ['none', ''],
      ['made up', 'A'.repeat(22)],
      ['expired', expired],
    ] as const)
      for (const answer of [
        await get(`${wrong}/file/preseed.cfg`),
        await get(`${wrong}/work`),
        await post(`${wrong}/done`),
      ])
        assert.deepEqual([answer.status, answer.body], [410, 'this token is over: start the machine again\n'], what);
    assert.equal(harness.jobs.byId(job.id)?.state, 'running');
  }));

test('a rendered file is given while the ticket is open, and not a moment longer', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12', { params: { timezone: 'Europe/Berlin' } });
    const install = token('install', { job });
    const preseed = await get(`${install}/file/preseed.cfg`);
    assert.equal(preseed.status, 200);
    assert.match(preseed.body, /^d-i time\/zone string Europe\/Berlin$/m);
    assert.match(preseed.body, new RegExp(`http://10\\.77\\.0\\.1/run/${install}/`));
    assert.equal(preseed.headers.get('Content-Length'), String(Buffer.byteLength(preseed.body)));
    assert.equal((await get(`${install}/file/nosuch`)).status, 404);
    assert.equal((await get(`${install}/file/..%2fpreseed.cfg`)).status, 400);
    assert.equal((await post(`${install}/done`)).status, 200);
    const late = await get(`${install}/file/preseed.cfg`);
    assert.deepEqual([late.status, late.body], [410, 'no install ticket of this machine is open\n']);
    assert.equal(
      textsOf(harness, 'file.refused').at(-1),
      'preseed.cfg refused: no install ticket of this machine is open',
    );
  }));

test('an expired ticket gives no file and no work', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const job = harness.install(machine, 'debian-12');
    harness.pass(4 * 3600_000);
    assert.equal((await get(`${token('install', { job })}/file/preseed.cfg`)).status, 410);
    assert.equal((await get(`${token('install', { job })}/done`)).status, 410);
  }));

test('a rendered file is given to the address of its machine only', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const job = harness.install(machine, 'debian-12');
    await harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4 });
    const refused = await get(`${token('install', { job })}/file/preseed.cfg`);
    assert.equal(refused.status, 404);
    assert.match(refused.body, /asked from 127\.0\.0\.1, which is not the address of vm-01 \(10\.77\.0\.105\)/);
  }));

test('the token of another machine, or of an earlier job, gives no file and ends no install', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const earlier = harness.install(machine, 'debian-12');
    const old = token('install', { job: earlier });
    harness.runner.happened(machine.id, { kind: 'cancelled', by: 'ada' });
    const job = harness.install(machine, 'debian-12');
    const other = harness.addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as Mac });
    for (const wrong of [old, token('install', { machine: other })])
      for (const answer of [
        await get(`${wrong}/file/preseed.cfg`),
        await post(`${wrong}/done`),
        await post(`${wrong}/failed`, 'x'),
      ])
        assert.equal(answer.status, 410);
    assert.equal(harness.jobs.byId(job.id)?.state, 'running');
  }));

test('an installer reports once that it is done: the ticket is closed, and the second report is over', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12');
    const install = token('install', { job });
    assert.equal((await get(`${install}/done`)).status, 200, 'by GET too');
    assert.equal(harness.jobs.ticketOf(job.id)?.closedWhy, 'the installer reported that it was done');
    assert.equal(harness.jobs.runningOf(machine.id)?.stage, 1);
    assert.equal((await post(`${install}/done`)).status, 410);
    assert.equal(textsOf(harness, 'install.done').length, 1);
  }));

test('an installer that gives up fails the job with its words, without its terminal codes', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12');
    const install = token('install', { job });
    const said = '\x1b[31mno disk fits\x1b[0m\nThe end of the log:\n\nsda is read-only';
    assert.equal((await post(`${install}/failed`, said)).status, 200);
    assert.equal(harness.jobs.byId(job.id)?.why, 'the installer gave up: no disk fits');
    assert.equal(harness.jobs.ticketOf(job.id)?.closedWhy, 'the installer gave up: no disk fits');
    assert.deepEqual(textsOf(harness, 'machine.log'), ['The end of the log:', 'sda is read-only']);
    assert.equal((await get(`${install}/failed?message=again`)).status, 410);
    const second = harness.install(machine, 'debian-12');
    await get(`${token('install', { job: second })}/failed?message=by%20GET`);
    assert.equal(harness.jobs.byId(second.id)?.why, 'the installer gave up: by GET');
  }));

test('the installed system phones home once, and the job is done', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12');
    const firstBoot = token('first-boot', { job });
    assert.equal((await post(`${token('install', { job })}/alive`)).status, 404, 'an installer is not alive');
    assert.equal((await post(`${firstBoot}/done`)).status, 410, 'a system that boots is no installer');
    await post(`${token('install', { job })}/done`);
    for (let times = 0; times < 2; times++) assert.equal((await get(`${firstBoot}/alive`)).status, 200);
    assert.equal(textsOf(harness, 'machine.alive').length, 1);
    assert.equal(harness.jobs.byId(job.id)?.state, 'done');
    assert.equal(harness.machines.byId(machine.id)?.state, 'installed');
  }));

test('a long poll wakes on a new job and hands out its task; the same boot gets the same task when the answer was lost', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const scout = token('scout');
    assert.equal((await get(`${scout}/work?wait=0`)).status, 204);
    const waiting = get(`${scout}/work?wait=50`);
    await new Promise((resolve) => setTimeout(resolve, 50)); // so that it does wait; it would pass without, too
    const job = harness.install(machine, 'debian-12-image');
    const first = await waiting;
    assert.equal(first.status, 200);
    assert.match(first.body, /disk\.img\.zst/);
    assert.equal(first.headers.get('X-Task-Name'), 'install-image');
    const again = await get(`${scout}/work?wait=0`);
    assert.deepEqual([again.status, again.headers.get('X-Task')], [200, first.headers.get('X-Task')]);
    assert.equal(harness.jobs.ticketOf(job.id)?.attempts, 1, 'one start');
    assert.equal(textsOf(harness, 'task.started').length, 1);
  }));

test('a scout of an earlier boot is over', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const scout = token('scout');
    harness.install(machine, 'debian-12-image');
    harness.machines.setBoot(machine.id, machine.boot + 1, 'script', harness.clock());
    const { status, body } = await get(`${scout}/work`);
    assert.deepEqual([status, body], [410, 'the machine has started again since: this scout is over\n']);
  }));

test('a scout gets no work while the machine is restarting, or installed by something else', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const work = async (): Promise<number> => (await get(`${token('scout')}/work?wait=0`)).status;
    harness.install(machine, 'debian-12');
    assert.equal(await work(), 204, 'an installer is no work of the scout');
    harness.runner.happened(machine.id, { kind: 'cancelled', by: 'ada' });
    harness.runner.stop(); // nothing is performed from here on
    harness.install(machine, 'debian-12-image', { restart: true });
    assert.equal(await work(), 204, 'it is about to be restarted');
    harness.db.sql.exec(`UPDATE effect SET state = 'done'`);
    assert.equal(await work(), 200);
    assert.equal((await get(`${token('install')}/work`)).status, 404, 'only for scouts');
  }));

const LOOP = 'reinstall loop stopped: debian-12-image was started 2 times and never reported that it was done';
const LATE =
  'reinstall loop stopped: the installer came back after its ticket expired without having reported that it was done';
const HELD: [string, (harness: Harness, machine: Machine) => unknown, [number, string]][] = [
  ['is ignored', ({ machines }, { id }) => machines.setState(id, 'ignored'), [204, 'running: ']],
  [
    'is locked',
    ({ machines }, { id }) => machines.setLocked(id, true),
    [410, 'failed: vm-01 was locked while it was to be installed'],
  ],
  ['has a ticket that expired', ({ pass }) => pass(4 * 3600_000), [410, `failed: ${LATE}`]],
  [
    'has used up its starts',
    ({ db }) => db.sql.exec('UPDATE ticket SET attempts = 2, last_boot = 77'),
    [410, `failed: ${LOOP}`],
  ],
  ['has a closed ticket', ({ jobs, clock }) => jobs.closeTicket(1, 'closed by hand', clock()), [204, 'running: ']],
];
for (const [what, prepare, [expected, end]] of HELD)
  test(`a scout of a machine that ${what} gets no image task: ${expected}, the job is ${end}`, () =>
    withDoor(async ({ harness, machine, get, token }) => {
      const job = harness.install(machine, 'debian-12-image');
      prepare(harness, machine);
      const attempts = harness.jobs.ticketOf(job.id)?.attempts;
      const { status, body } = await get(`${token('scout', { ms: 24 * 3600_000 })}/work?wait=0`);
      const { state, why } = harness.jobs.byId(job.id) as Job;
      assert.deepEqual([status, `${state}: ${why}`], [expected, end]);
      assert.equal(body, status === 410 ? `${why}\n` : '');
      assert.equal(harness.jobs.ticketOf(job.id)?.attempts, attempts, 'no start is counted');
      assert.deepEqual(textsOf(harness, 'task.started'), []);
    }));

test('a scout that waits for a bootenv which lacks a file is told of once, and gets its task when it is there', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const scout = token('scout');
    const job = harness.install(machine, 'debian-12-image');
    const complete = harness.shelf.library;
    const lacking = { missing: 'disk.img.zst is not there' };
    harness.shelf.library = {
      ...complete,
      offered: (name) => ({ ...(complete.offered(name) as OfferedBootenv), ...lacking }),
    };
    for (let times = 0; times < 3; times++) assert.equal((await get(`${scout}/work?wait=0`)).status, 204);
    const told = textsOf(harness, 'machine.changed');
    assert.equal(told.length, 1);
    assert.match(told[0] ?? '', /^the scout waits: .*debian-12-image cannot be booted: disk\.img\.zst is not there$/);
    assert.equal(harness.machines.byId(machine.id)?.status, told[0]);
    harness.shelf.library = complete;
    assert.equal((await get(`${scout}/work?wait=0`)).status, 200);
    assert.equal(harness.jobs.byId(job.id)?.state, 'running');
  }));

const firstBootOf = (text: string): string => /\/run\/([\w-]{22})'?\/alive/.exec(text)?.[1] ?? '';
const firstBootsIn = ({ db }: Harness): number =>
  (db.sql.prepare(`SELECT count(*) AS n FROM run_token WHERE purpose = 'first-boot'`).get() as { n: number }).n;

test('an install has one first-boot token, made when a file first needs it and given again after that', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const install = token('install', { job: harness.install(machine, 'debian-12') });
    await get(`${install}/file/preseed.cfg`);
    assert.equal(firstBootsIn(harness), 0, 'preseed.cfg does not name it');
    const given = [];
    for (let times = 0; times < 3; times++) given.push(firstBootOf((await get(`${install}/file/late.sh`)).body));
    assert.match(given[0] ?? '', /^[\w-]{22}$/);
    assert.deepEqual([new Set(given).size, firstBootsIn(harness)], [1, 1]);
    harness.runner.happened(machine.id, { kind: 'cancelled', by: 'ada' });
    const next = token('install', { job: harness.install(machine, 'debian-12') });
    assert.notEqual(firstBootOf((await get(`${next}/file/late.sh`)).body), given[0], 'the next install has its own');
    assert.equal(firstBootsIn(harness), 1);
  }));

test('an image task that is given again names the same first-boot token', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    harness.install(machine, 'debian-12-image');
    const scout = token('scout');
    const given = [await get(`${scout}/work`), await get(`${scout}/work`)].map(({ body }) => firstBootOf(body));
    assert.match(given[0] ?? '', /^[\w-]{22}$/);
    assert.deepEqual([given[1], firstBootsIn(harness)], [given[0], 1]);
  }));

test('a task that cannot be rendered leaves nothing behind: no token, no start, no task', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const job = harness.install(machine, 'debian-12-image', { params: { timezone: 'not a zone' } });
    assert.equal((await get(`${token('scout')}/work`)).status, 500);
    assert.deepEqual([firstBootsIn(harness), harness.jobs.ticketOf(job.id)?.attempts], [0, 0]);
    assert.match(harness.jobs.byId(job.id)?.why ?? '', /^tasks\/install-image\.sh\.hbs cannot be rendered/);
  }));

test('the late end of a task of a job that is over is nothing to the next job', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    harness.install(machine, 'debian-12-image');
    const scout = token('scout');
    const id = (await get(`${scout}/work`)).headers.get('X-Task');
    harness.runner.happened(machine.id, { kind: 'cancelled', by: 'ada' });
    const next = harness.install(machine, 'debian-12');
    assert.equal((await post(`${scout}/task/${id}`, 'exit=1')).status, 200);
    assert.equal(harness.jobs.byId(next.id)?.state, 'running');
  }));

test('a task that fails fails the job with its message; one that ends without the install being done too', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const run = async (form: string): Promise<string> => {
      const job = harness.install(machine, 'debian-12-image');
      const scout = token('scout');
      const id = (await get(`${scout}/work`)).headers.get('X-Task');
      assert.equal((await post(`${scout}/task/${id}`, form)).status, 200);
      assert.equal((await post(`${scout}/task/${id}`, form)).status, 200, 'told twice is told once');
      const { state, why } = harness.jobs.byId(job.id) as Job;
      harness.machines.setBoot(machine.id, machine.boot, 'none', harness.clock());
      return `${state}: ${why}`;
    };
    assert.equal(
      await run('exit=3&message=no+disk%0afits'),
      'failed: task install-image failed with exit 3: no disk fits',
    );
    assert.equal(await run('exit=1'), 'failed: task install-image failed with exit 1: no message');
    assert.equal(await run('exit=0'), 'failed: task install-image ended without reporting that the install is done');
    assert.equal(textsOf(harness, 'task.failed').length, 2);
  }));

test('a task ends after done as it should, and nobody else can end it', () =>
  withDoor(async ({ harness, machine, get, post, token }) => {
    const job = harness.install(machine, 'debian-12-image');
    const scout = token('scout');
    const id = (await get(`${scout}/work`)).headers.get('X-Task');
    const other = harness.addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as Mac });
    assert.equal((await post(`${token('scout', { machine: other })}/task/${id}`, 'exit=1')).status, 404);
    assert.equal((await post(`${scout}/task/99`, 'exit=0')).status, 404);
    assert.equal((await post(`${scout}/task/x`, 'exit=0')).status, 404);
    assert.equal((await post(`${scout}/task/${id}`, 'exit=maybe')).status, 422);
    assert.equal((await post(`${scout}/task/${id}`, '')).status, 422);
    assert.equal((await post(`${scout}/done`)).status, 200);
    assert.equal((await post(`${scout}/task/${id}`, 'exit=0')).status, 200);
    assert.deepEqual([harness.jobs.byId(job.id)?.state, harness.jobs.byId(job.id)?.stage], ['running', 1]);
    assert.equal((await get(`${scout}/work?wait=0`)).status, 204, 'no task twice');
  }));

test('log lines come to the timeline clean, without empty ones, at most 500 of at most 1000 signs', () =>
  withDoor(async ({ harness, post, token }) => {
    const scout = token('scout');
    await post(`${scout}/log`, 'plain\n\n\x1b[1;31mred\x1b[0m alert\x07\r\ntab\there  \n\x00\x01\n\u009bx\n');
    assert.deepEqual(textsOf(harness, 'machine.log'), ['plain', 'red alert', 'tab\there', ' x']);
    await post(`${scout}/log`, `${'x'.repeat(2000)}\n`.repeat(510));
    const lines = textsOf(harness, 'machine.log').slice(4);
    assert.deepEqual([lines.length, lines[0]?.length], [500, 1000]);
    assert.equal((await post(`${scout}/log`, 'x'.repeat((1 << 20) + 1))).status, 413);
    assert.equal((await post(`${scout}/log`, 'still here')).status, 200);
  }));

const PROGRESS: [string, string, number][] = [
  ['percent=40&text=copies+files', 'copies files (40 %)', 40],
  ['percent=140&text=x', 'x (100 %)', 100],
  ['percent=-1&text=x', 'x (0 %)', 0],
  ['percent=many&text=x', 'x (0 %)', 0],
  ['percent=12.6&text=%1b[31mx%0ay', 'x y (13 %)', 13],
];
for (const [form, text, percent] of PROGRESS)
  test(`progress ${form} is shown as ${text}`, () =>
    withDoor(async ({ harness, machine, get, post, token }) => {
      for (const answer of [
        await post(`${token('install')}/progress`, form),
        await get(`${token('install')}/progress?${form}`),
      ])
        assert.equal(answer.status, 200);
      assert.deepEqual(textsOf(harness, 'machine.progress'), [text, text]);
      assert.deepEqual(harness.told.at(-1)?.data, { percent });
      assert.equal(harness.machines.byId(machine.id)?.status, text);
    }));

test('an inventory is kept, one that is wrong is refused with its place', () =>
  withDoor(async ({ harness, machine, post, token }) => {
    const scout = token('scout');
    const good = { ...inventory({ serial: 'S1', macs: [MAC, '52:54:00:AA:BB:02', 'no mac'] }) };
    assert.equal((await post(`${scout}/inventory`, JSON.stringify(good))).status, 200);
    assert.deepEqual(harness.machines.byId(machine.id)?.macs, [MAC, '52:54:00:aa:bb:02']);
    assert.match(
      textsOf(harness, 'machine.discovered')[0] ?? '',
      /^vm-01 is QEMU Standard PC, 2 threads, 2\.0 GiB memory, 1 disk \(8\.0 GB\), UEFI$/,
    );
    const [disk] = good.disks;
    const disks = [1, 2, 3].map((n) => ({ ...disk, sizeBytes: 640e9, removable: n === 3 }));
    const large = { ...good, vendor: 'Dell Inc.', model: 'PowerEdge R640', memoryBytes: 256 * 2 ** 30, disks };
    await post(`${scout}/inventory`, JSON.stringify(large));
    assert.equal(
      textsOf(harness, 'machine.discovered')[1],
      'vm-01 is Dell Inc. PowerEdge R640, 2 threads, 256 GiB memory, 2 disks (1.3 TB), UEFI',
    );
    const bad = await post(`${scout}/inventory`, JSON.stringify({ ...good, memoryBytes: -1 }));
    assert.equal(bad.status, 422);
    assert.match(bad.body, /^the inventory is wrong at \/memoryBytes: /);
    assert.equal((await post(`${scout}/inventory`, '{')).status, 400);
    assert.equal(
      (await post(`${token('first-boot')}/inventory`, JSON.stringify(good))).status,
      404,
      'it is for scouts',
    );
  }));

test('a machine that nobody knew becomes ready by its inventory only when the setting says so', () =>
  withDoor(async ({ harness, post, token }) => {
    const fresh = harness.discovery.record('52:54:00:aa:bb:07' as Mac);
    const scout = token('scout', { machine: fresh });
    await post(`${scout}/inventory`, JSON.stringify(inventory({ macs: ['52:54:00:aa:bb:07'] })));
    const { state } = harness.machines.byId(fresh.id) as Machine;
    assert.deepEqual([state, harness.jobs.recent(1)[0]?.state], ['new', 'done'], 'its discovery is done');
  }));

test('a file that cannot be rendered fails the job with template and line', () =>
  withDoor(async ({ harness, machine, get, token }) => {
    const job = harness.install(machine, 'debian-12', { params: { timezone: 'not a zone' } });
    const answer = await get(`${token('install', { job })}/file/preseed.cfg`);
    assert.equal(answer.status, 500);
    assert.match(answer.body, /param timezone from job 1: "not a zone" is not a time zone/);
    assert.match(harness.jobs.byId(job.id)?.why ?? '', /^preseed\.cfg cannot be rendered: param timezone/);
  }));

test('what is not there is 404, and strange requests do not stop the door', () =>
  withDoor(async ({ get, post, token }) => {
    const scout = token('scout');
    for (const path of ['', '/', '/nosuch', '/file', '/file/', '/task', '/%20'])
      assert.equal((await get(`${scout}${path}`)).status, 404, path);
    assert.equal((await post(`${scout}/work`)).status, 404);
    assert.equal((await get(`${scout}/log`)).status, 404);
    assert.equal((await get(`${scout}/work?wait=x`)).status, 204);
    assert.equal((await get(`${scout}/work?wait=-5`)).status, 204);
  }));
