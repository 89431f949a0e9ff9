import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BootDecision, decideBoot } from '../../src/boot/decide.ts';
import { decideFile } from '../../src/boot/file.ts';
import { type Bootenv, writesDisk } from '../../src/model/bootenv.ts';
import type { ClientStage } from '../../src/model/firmware.ts';
import { MACHINE_STATES } from '../../src/model/machine.ts';
import { describeReasons } from '../../src/model/reason.ts';
import type { Instant } from '../../src/model/time.ts';
import type { BootView, OfferedBootenv } from '../../src/model/view.ts';
import type { Job, Ticket } from '../../src/model/workflow.ts';
import type { BootStage } from '../../src/store/machines.ts';
import { beginsBoot } from '../../src/store/views.ts';
import { inventory, MAC } from '../harness.ts';
import { machineOf } from '../machine-of.ts';

const NOW = Date.UTC(2026, 0, 1) as Instant;
const arch = { x64: { kernel: 'scout/vmlinuz', initrds: ['scout/initrd.img'] } };
const BOOTENVS: Bootenv[] = [
  { name: 'scout', description: '', kind: 'scout', arch },
  { name: 'installer', description: '', kind: 'installer', arch },
  { name: 'image', description: '', kind: 'image', boots: 'scout', task: 'tasks/x.hbs' },
  { name: 'local', description: '', kind: 'local' },
  // content that tries to smuggle: a scout on an installer's kernel, and an image on one
  { name: 'smuggler', description: '', kind: 'scout', boots: 'installer' },
  { name: 'strange-image', description: '', kind: 'image', boots: 'installer', task: 'tasks/x.hbs' },
];

function jobOf(bootenv?: string, stageBootenv = '$bootenv'): Job {
  return {
    id: 7,
    machineId: 1,
    workflow: 'install',
    ...(bootenv === undefined ? {} : { bootenv }),
    params: {},
    plan: [{ name: 'install', bootenv: stageBootenv, until: 'installed', timeoutMinutes: 9 }],
    state: 'running',
    stage: 0,
    stageStartedAt: NOW,
    why: '',
    machineWas: 'ready',
    createdBy: 'ada',
    createdAt: NOW,
  };
}

function ticketOf(more: Partial<Ticket> = {}): Ticket {
  return {
    id: 3,
    machineId: 1,
    jobId: 7,
    bootenv: 'installer',
    openedBy: 'ada',
    openedAt: NOW,
    expiresAt: (NOW + 1000) as Instant,
    attempts: 0,
    ...more,
  };
}

function viewOf(view: Partial<BootView>, bootenvs: readonly Bootenv[] = BOOTENVS, missing: string[] = []): BootView {
  const offered = new Map(
    bootenvs.map((bootenv): [string, OfferedBootenv] => [
      bootenv.name,
      { bootenv, missing: missing.includes(bootenv.name) ? 'a file is not there' : '' },
    ]),
  );
  return { mac: MAC, boot: 5, unknownBoots: 'scout', bootenv: (name) => offered.get(name), ...view };
}

function describe(decision: BootDecision): string {
  const what =
    decision.kind === 'local' ? 'local' : `${decision.bootenv.name}${decision.ticket ? ' by its ticket' : ''}`;
  const rule = decision.because.at(-1)?.rule;
  const fails = decision.kind === 'local' && decision.failJob ? `, fails the job: ${decision.failJob}` : '';
  return `${what} (${rule})${fails}`;
}

const empty = inventory({ disks: 'empty' });
const used = inventory({ disks: 'used' });
const installing = (more: Partial<BootView> = {}): Partial<BootView> => ({
  machine: machineOf('installing'),
  job: jobOf('installer'),
  ticket: ticketOf(),
  ...more,
});
const closed = ticketOf({ closedAt: NOW, closedWhy: 'the installer reported that it was done' });

const TABLE: [string, Partial<BootView>, string][] = [
  ['an unknown machine boots the scout', {}, 'scout (unknown)'],
  ['an unknown machine boots its disk, as the setting says', { unknownBoots: 'local' }, 'local (unknown)'],
  ['a new machine boots as an unknown one', { machine: machineOf('new') }, 'scout (unknown)'],
  [
    'a new machine boots its disk, as the setting says',
    { machine: machineOf('new'), unknownBoots: 'local' },
    'local (unknown)',
  ],
  [
    'a ready machine with empty disks boots the scout',
    { machine: machineOf('ready', { inventory: empty }) },
    'scout (ready)',
  ],
  [
    'a ready machine with a system on a disk boots it',
    { machine: machineOf('ready', { inventory: used }) },
    'local (state-ready)',
  ],
  ['a ready machine whose disks nobody has seen boots them', { machine: machineOf('ready') }, 'local (state-ready)'],
  [
    'a machine that is installing without a job boots its disk',
    { machine: machineOf('installing') },
    'local (state-installing)',
  ],
  [
    'an installed machine boots its disk',
    { machine: machineOf('installed', { inventory: empty }) },
    'local (state-installed)',
  ],
  ['a failed machine boots its disk', { machine: machineOf('failed', { inventory: empty }) }, 'local (state-failed)'],
  ['an ignored machine boots its disk', { machine: machineOf('ignored', { inventory: empty }) }, 'local (ignored)'],
  [
    'an ignored machine boots its disk whatever its job says',
    installing({ machine: machineOf('ignored') }),
    'local (ignored)',
  ],
  [
    'a job that is over decides nothing',
    { machine: machineOf('installed'), job: { ...jobOf('installer'), state: 'done' }, ticket: ticketOf() },
    'local (state-installed)',
  ],
  [
    'a discovery boots the scout',
    { machine: machineOf('installed'), job: jobOf(undefined, 'scout') },
    'scout (job-stage)',
  ],
  [
    'a stage on the disk boots the disk',
    { machine: machineOf('installing'), job: jobOf('installer', 'local') },
    'local (job-stage)',
  ],
  [
    'a stage whose bootenv is gone boots the disk',
    { machine: machineOf('installing'), job: jobOf('gone') },
    'local (job-stage)',
  ],
  ['a first start', installing(), 'installer by its ticket (ticket-open)'],
  [
    'a second start',
    installing({ ticket: ticketOf({ attempts: 1, lastBoot: 4 }) }),
    'installer by its ticket (ticket-open)',
  ],
  [
    'the second start, asked again in the same boot',
    installing({ ticket: ticketOf({ attempts: 2, lastBoot: 5 }) }),
    'installer by its ticket (ticket-open)',
  ],
  [
    'a third start',
    installing({ ticket: ticketOf({ attempts: 2, lastBoot: 4 }) }),
    'local (ticket-used-up), fails the job: reinstall loop stopped: installer was started 2 times and never reported that it was done',
  ],
  ['a closed ticket', installing({ ticket: closed }), 'local (ticket-closed)'],
  ['no ticket', installing({ ticket: undefined }), 'local (ticket-closed)'],
  [
    'a ticket for another installer',
    installing({ ticket: ticketOf({ bootenv: 'image' }) }),
    'local (ticket-of-another)',
  ],
  [
    'an expired ticket',
    installing({ ticket: ticketOf({ expiresAt: NOW }) }),
    'local (ticket-expired), fails the job: reinstall loop stopped: the installer came back after its ticket expired without having reported that it was done',
  ],
  [
    'a locked machine',
    installing({ machine: machineOf('installing', { locked: true }) }),
    'local (locked), fails the job: vm-01 was locked while it was to be installed',
  ],
  [
    'an image is written by the scout',
    installing({ job: jobOf('image'), ticket: ticketOf({ bootenv: 'image' }) }),
    'image by its ticket (ticket-open)',
  ],
  [
    "a scout on an installer's kernel is an installer",
    { machine: machineOf('ready'), job: jobOf(undefined, 'smuggler') },
    'local (no-ticket)',
  ],
];

for (const [name, view, expected] of TABLE)
  test(`${name}: ${expected}`, () => {
    const view1 = viewOf(view);
    const before = JSON.stringify(view1);
    assert.equal(describe(decideBoot(view1, NOW)), expected);
    assert.equal(JSON.stringify(view1), before, 'deciding changes nothing');
  });

test('a bootenv that lacks a file leads to the disk, and the reason names it', () => {
  const scout = decideBoot(viewOf({}, BOOTENVS, ['scout']), NOW);
  assert.equal(describe(scout), 'local (bootenv-unavailable)');
  assert.match(describeReasons(scout.because), /bootenv scout cannot be booted: a file is not there/);
  const image = viewOf(installing({ job: jobOf('image'), ticket: ticketOf({ bootenv: 'image' }) }), BOOTENVS, [
    'scout',
  ]);
  assert.match(describeReasons(decideBoot(image, NOW).because), /bootenv image boots scout, which cannot be booted/);
});

test('a reason names the ticket, who opened it and which start this is', () => {
  const { because } = decideBoot(viewOf(installing({ ticket: ticketOf({ attempts: 1, lastBoot: 4 }) })), NOW);
  assert.equal(because.at(-1)?.text, 'install ticket 3 is open, start 2 of 2, opened by ada');
  assert.equal(because.at(-1)?.ref, 'ticket 3');
});

/** Every combination of what a decision can read. */
function* everyView(): Generator<{ view: BootView; ticket: Ticket | undefined; now: Instant }> {
  const tickets = [undefined, ...everyTicket()];
  const machines = [
    undefined,
    ...MACHINE_STATES.flatMap((state) => [false, true].map((locked) => ({ state, locked }))),
  ];
  for (const one of machines)
    for (const bootenv of [undefined, ...BOOTENVS.map(({ name }) => name), 'gone'])
      for (const stage of [undefined, '$bootenv', ...BOOTENVS.map(({ name }) => name)])
        for (const disks of stage ? [empty] : [undefined, empty, used])
          for (const ticket of stage ? tickets : [undefined]) {
            const machine = one && machineOf(one.state, { locked: one.locked, ...(disks ? { inventory: disks } : {}) });
            const job = stage === undefined ? undefined : jobOf(bootenv, stage);
            yield { view: viewOf({ machine, job, ticket }), ticket, now: NOW };
          }
}

function* everyTicket(): Generator<Ticket> {
  for (const bootenv of ['installer', 'image'])
    for (const attempts of [0, 1, 2, 3])
      for (const lastBoot of [undefined, 4, 5])
        for (const expiresAt of [NOW - 1, NOW, NOW + 1] as Instant[])
          for (const closing of [{}, { closedAt: NOW, closedWhy: 'done' }])
            yield ticketOf({
              bootenv,
              attempts,
              expiresAt,
              ...closing,
              ...(lastBoot === undefined ? {} : { lastBoot }),
            });
}

test('in every combination, an installer and its files need an open ticket that is in time and has starts left', () => {
  let installs = 0;
  let views = 0;
  for (const { view, ticket, now } of everyView()) {
    views++;
    const decision = decideBoot(view, now);
    const handsOutInstaller =
      decision.kind === 'bootenv' && (writesDisk(decision.bootenv) || writesDisk(decision.kernelOf));
    const starts = ticket && (ticket.lastBoot === view.boot ? ticket.attempts : ticket.attempts + 1);
    const isRight =
      ticket !== undefined &&
      ticket.closedAt === undefined &&
      ticket.expiresAt > now &&
      (starts as number) <= 2 &&
      view.machine !== undefined &&
      !view.machine.locked &&
      view.machine.state !== 'ignored';
    if (handsOutInstaller) {
      installs++;
      if (!isRight || decision.ticket !== ticket || decision.bootenv.name !== ticket?.bootenv)
        assert.fail(`installs without a right: ${JSON.stringify({ ...view, decision })}`);
    }
    for (const name of ['installer', 'image']) {
      const file = decideFile({ kind: 'asset', mac: MAC, bootenv: name, file: 'linux' }, view, now);
      if (file.kind === 'asset' && !isRight)
        assert.fail(`gives a file of ${name}: ${JSON.stringify({ ...view, file })}`);
    }
    assert.ok(decision.because.length > 0 && decision.because.every((reason) => reason.rule && reason.text));
  }
  assert.ok(installs > 100, `${installs} of ${views} combinations install`);
});

test('in every combination, even a scout that is an installer by its own description is not handed out', () => {
  const bootenvs = [{ ...BOOTENVS[0], kind: 'installer' } as Bootenv, ...BOOTENVS.slice(1)];
  for (const machine of [undefined, machineOf('new'), machineOf('ready', { inventory: empty })])
    assert.equal(describe(decideBoot(viewOf({ machine }, bootenvs), NOW)), 'local (no-ticket)');
});

const SECOND = 1000;
const BOOTS: [ClientStage, BootStage, number | undefined, boolean][] = [
  // who asks, how far the present boot has come, how long ago that was, whether a new boot begins
  ['os', 'none', undefined, false],
  ['os', 'local', 900 * SECOND, false],
  ['firmware', 'none', undefined, true],
  ['firmware', 'firmware', 5 * SECOND, false], // it tries again
  ['firmware', 'local', 5 * SECOND, false], // the next boot option, after a local boot
  ['firmware', 'firmware', 121 * SECOND, true],
  ['firmware', 'local', 121 * SECOND, true],
  ['firmware', 'ipxe', 5 * SECOND, true],
  ['firmware', 'script', 5 * SECOND, true],
  ['firmware', 'os', 5 * SECOND, true],
  ['ipxe', 'none', undefined, true],
  ['ipxe', 'firmware', 5 * SECOND, false], // the loader that the firmware was given
  ['ipxe', 'ipxe', 5 * SECOND, false],
  ['ipxe', 'firmware', 121 * SECOND, true],
  ['ipxe', 'script', 5 * SECOND, true], // an iPXE ROM that starts again
  ['ipxe', 'os', 5 * SECOND, true],
];
for (const [client, stage, ago, isNew] of BOOTS)
  test(`${client} after ${stage}${ago ? ` ${ago / SECOND} s ago` : ''} ${isNew ? 'begins a boot' : 'goes on'}`, () => {
    const seenAt = ago === undefined ? undefined : ((NOW - ago) as Instant);
    assert.equal(beginsBoot(client, stage, seenAt, NOW), isNew);
  });
