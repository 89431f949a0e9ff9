import assert from 'node:assert/strict';
import { existsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { TemplateError } from '../../src/boot/render.ts';
import type { FirmwareKind } from '../../src/explain.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { ARRIVAL, type Ask, type Harness, MAC, SERVER, withHarness } from '../harness.ts';

/** What a machine is in, how to bring it there, and what it should be given. */
const SITUATIONS: [string, (harness: Harness) => unknown, string][] = [
  ['a stranger', () => undefined, 'scout'],
  ['a new machine', (h) => h.addMachine('vm-01', { state: 'new' }), 'scout'],
  ['a ready machine with empty disks', (h) => h.addMachine('vm-01', { disks: 'empty' }), 'scout'],
  ['a ready machine with a system', (h) => h.addMachine('vm-01', { disks: 'used' }), 'local'],
  ['an installed machine', (h) => h.addMachine('vm-01', { state: 'installed' }), 'local'],
  ['a failed machine', (h) => h.addMachine('vm-01', { state: 'failed' }), 'local'],
  ['an ignored machine', (h) => h.addMachine('vm-01', { state: 'ignored' }), 'local'],
  ['a machine to be installed with debian-12', (h) => h.install(h.addMachine('vm-01'), 'debian-12'), 'debian-12'],
  [
    'a machine to be installed with debian-12-image',
    (h) => h.install(h.addMachine('vm-01'), 'debian-12-image'),
    'scout',
  ],
  ['a locked machine to be installed', (h) => h.install(h.addMachine('vm-01', { locked: true }), 'debian-12'), 'local'],
];
const FIRMWARES: [FirmwareKind, Ask['as']][] = [
  ['bios', 'ipxe-bios'],
  ['uefi', 'ipxe-uefi'],
  ['uefi-http', 'ipxe-uefi'],
];

/** Get a lease and the file it names, in header and option 67 alike. */
async function fileFor(harness: Harness, as: Ask['as']): Promise<string> {
  const offer = await harness.ask({ type: 'discover', as });
  assert.ok(offer, 'an OFFER');
  const ack = await harness.ask({ type: 'request', as, names: SERVER, asks: offer.yiaddr });
  assert.ok(ack && getOption(ack, 'messageType') === 'ack', 'an ACK');
  for (const packet of [offer, ack]) assert.equal(getOption(packet, 'bootFileName') ?? '', packet.file);
  return ack.file;
}

/** What stands behind a name: the text of a file, or 'declined'. Anything else fails. */
async function follow(harness: Harness, name: string): Promise<string> {
  const path = name.startsWith(`${ARRIVAL.url}/`) ? name.slice(ARRIVAL.url.length + 1) : name;
  const { file } = await harness.open(path, harness.machines.byMac(MAC)?.address ?? ('10.77.0.100' as Ipv4));
  if (file.kind === 'refused') {
    assert.equal(file.code, 'declined', `${name}: ${file.text}`);
    return 'declined';
  }
  const text = (await file.read(0, file.size)).toString('utf8');
  await file.close();
  assert.ok(text.length > 0, `${name} is empty`);
  return text;
}

/** The URLs of boot files in a script; `run/` is the door's, tested with it. */
function urlsIn(script: string): string[] {
  return [...script.matchAll(/https?:\/\/\S+/g)]
    .map(([url]) => url)
    .filter((url) => url.startsWith(`${ARRIVAL.url}/b/`));
}

for (const [situation, prepare, expected] of SITUATIONS)
  for (const [kind, ipxe] of FIRMWARES)
    test(`${situation} with ${kind}: each name leads to a file, to ${expected}, and explain misses nothing`, () =>
      withHarness({}, async (harness) => {
        prepare(harness);
        const before = harness.history.newestId();
        const explained = harness.explain(MAC, kind);
        assert.deepEqual(explained.missing, []);
        assert.equal(harness.history.newestId(), before, 'explain changes nothing');

        const loader = await fileFor(harness, kind);
        const step = explained.steps.find((one) => one.step === 'firmware');
        assert.ok(step?.result.endsWith(`is told: ${loader || 'no file'}`), `${step?.result} against ${loader}`);
        if (expected === 'local' && kind !== 'bios') return assert.equal(await follow(harness, loader), 'declined');
        if (expected === 'local') assert.equal(loader, '');
        else assert.match(await follow(harness, loader), /^the loader /);

        const script = await follow(harness, await fileFor(harness, ipxe));
        const urls = urlsIn(script);
        if (expected === 'local') return assert.deepEqual(urls, []);
        assert.ok(urls.length >= 2, 'a kernel and an initrd');
        for (const url of urls) assert.match(await follow(harness, url), new RegExp(`^the bytes of ${expected}/`));
        const scriptOfAutoexec = await follow(harness, 'autoexec.ipxe');
        assert.deepEqual(urlsIn(scriptOfAutoexec), urls, 'autoexec.ipxe is the same script');
      }));

test('the files that an installer and an image name in what is rendered for them are served too', () =>
  withHarness({}, async (harness) => {
    harness.install(harness.addMachine('vm-01'), 'debian-12-image');
    const port = await harness.listen();
    const script = await follow(harness, 'b/52-54-00-aa-bb-01/boot.ipxe');
    const token = /\/run\/([\w-]{22})/.exec(script)?.[1];
    const work = await fetch(`http://127.0.0.1:${port}/run/${token}/work?wait=0`);
    assert.equal(work.status, 200);
    const urls = urlsIn((await work.text()).replaceAll("'", ' '));
    assert.deepEqual(urls.map((url) => url.split('/').at(-1)).sort(), ['disk.img.zst', 'disk.json']);
    for (const url of urls) assert.match(await follow(harness, url), /^the bytes of debian-12-image\//);
  }));

/** What becomes of an image install while its scout waits, and whether it may still write the disk. */
const WAITING: [string, (harness: Harness, machine: Machine) => unknown, 'task' | 'nothing'][] = [
  ['its install ticket is open', () => undefined, 'task'],
  ['it is ignored', ({ machines }, { id }) => machines.setState(id, 'ignored'), 'nothing'],
  ['it is locked', ({ machines }, { id }) => machines.setLocked(id, true), 'nothing'],
  ['its ticket expired', ({ pass }) => pass(4 * 3600_000), 'nothing'],
  ['its starts are used up', ({ db }) => db.sql.exec('UPDATE ticket SET attempts = 2, last_boot = 77'), 'nothing'],
  ['it is cancelled', ({ runner }, { id }) => runner.happened(id, { kind: 'cancelled', by: 'ada' }), 'nothing'],
];
for (const [situation, prepare, expected] of WAITING)
  test(`a scout waits and ${situation}: the door gives ${expected}, and so does each name of the image`, () =>
    withHarness({}, async (harness) => {
      const machine = harness.addMachine('vm-01', { disks: 'used' });
      harness.install(machine, 'debian-12-image');
      const port = await harness.listen();
      const token = /\/run\/([\w-]{22})/.exec(await follow(harness, 'b/52-54-00-aa-bb-01/boot.ipxe'))?.[1];
      prepare(harness, machine);
      const before = harness.explain(MAC, 'uefi').steps.some(({ step }) => step === 'script');
      const { status } = await fetch(`http://127.0.0.1:${port}/run/${token}/work?wait=0`);
      const { file } = await harness.open('b/52-54-00-aa-bb-01/a/debian-12-image/disk.img.zst');
      const isGiven = expected === 'task';
      assert.deepEqual([before, status === 200, file.kind === 'file'], [isGiven, isGiven, isGiven]);
      if (file.kind === 'file') await file.close();
    }));

const MISSING: [string, string, (harness: Harness) => unknown][] = [
  ['scout/vmlinuz', 'scripts/build-scout', () => undefined],
  ['scout/initrd.img', 'scripts/build-scout', (h) => h.addMachine('vm-01', { disks: 'empty' })],
  ['debian-12/initrd.gz', 'scripts/fetch-installer', (h) => h.install(h.addMachine('vm-01'), 'debian-12')],
  ['debian-12-image/disk.img.zst', 'scripts/build-image', (h) => h.install(h.addMachine('vm-01'), 'debian-12-image')],
  ['scout/vmlinuz', 'scripts/build-scout', (h) => h.install(h.addMachine('vm-01'), 'debian-12-image')],
];
for (const [path, make, prepare] of MISSING)
  test(`without ${path}, explain names it and how to make it, and the machine boots its disk`, () =>
    withHarness({ lacks: [path] }, async (harness) => {
      prepare(harness);
      const { missing } = harness.explain(MAC, 'uefi');
      assert.ok(
        missing.length > 0 && missing.every((text) => text.includes(`${path} is not there (make it with: ${make})`)),
        String(missing),
      );
      assert.equal(await follow(harness, await fileFor(harness, 'uefi')), 'declined');
    }));

test('explain tells of content that cannot be rendered, and does not take a fault of ours for that', () =>
  withHarness({}, (harness) => {
    const complete = harness.shelf.library;
    const failWith = (error: Error): void => {
      const render = (): never => {
        throw error;
      };
      harness.shelf.library = { ...complete, templates: { ...complete.templates, render } };
    };
    failWith(new TemplateError('ipxe/boot.ipxe.hbs', 3, 'there is no x'));
    const missing = ['the script cannot be rendered: ipxe/boot.ipxe.hbs:3: there is no x'];
    assert.deepEqual(harness.explain(MAC, 'uefi').missing, missing);
    failWith(new TypeError('x is not a function'));
    assert.throws(() => harness.explain(MAC, 'uefi'), TypeError);
  }));

test('without a loader, explain names the file and its folder', () =>
  withHarness({ lacks: ['undionly.kpxe'] }, (harness) => {
    const missing = [`undionly.kpxe is not in ${harness.loadersFolder}`];
    assert.deepEqual(harness.explain(MAC, 'bios').missing, missing);
    assert.deepEqual(harness.explain(MAC, 'uefi').missing, []);
  }));

test('Q11 explain tells the loader of an Intel NUC and why, and names it where it is not there', () =>
  withHarness({ lacks: ['ipxe.pxe'] }, (harness) => {
    const { steps, missing } = harness.explain('ec:a8:6b:00:00:01' as Mac, 'bios');
    const firmware = steps.find(({ step }) => step === 'firmware');
    assert.equal(firmware?.result, 'BIOS PXE is told: b/ec-a8-6b-00-00-01/ipxe.pxe');
    assert.deepEqual(firmware?.because.at(-1), {
      rule: 'loader',
      text: 'BIOS PXE gets ipxe.pxe: quirk Q11, Intel NUC (MAC ec:a8:6b)',
      ref: 'model/quirks.ts',
    });
    assert.deepEqual(missing, [`ipxe.pxe is not in ${harness.loadersFolder}`]);
  }));

test('an asset that goes away while it is offered is not offered any more', () =>
  withHarness({ lacks: ['debian-12-image/disk.json'] }, async (harness) => {
    const kernel = join(harness.folder, 'assets/scout/vmlinuz');
    assert.ok(existsSync(kernel));
    assert.match(await follow(harness, 'b/52-54-00-aa-bb-01/a/scout/vmlinuz'), /^the bytes/);
    unlinkSync(kernel);
    const { missing } = harness.explain(MAC, 'bios');
    assert.ok(
      missing.every((text) => text.includes('scout/vmlinuz is not there any more')) && missing.length > 0,
      String(missing),
    );
    const { file } = await harness.open('b/52-54-00-aa-bb-01/a/scout/vmlinuz');
    assert.equal(file.kind === 'refused' && file.code, 'not-found');
  }));

test('explain says that an interface is not served', () =>
  withHarness({}, (harness) => {
    assert.deepEqual(harness.explain(MAC, 'bios', 'eth9').missing, ['no interface eth9 is served']);
  }));
