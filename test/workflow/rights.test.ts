import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Bootenv } from '../../src/model/bootenv.ts';
import { describeReasons } from '../../src/model/reason.ts';
import type { Instant } from '../../src/model/time.ts';
import type { Job, Stage, Ticket } from '../../src/model/workflow.ts';
import type { Run, Task } from '../../src/store/jobs.ts';
import { decideWork, findInstall, type WorkDecision, type WorkView } from '../../src/workflow/rights.ts';
import { MAC } from '../harness.ts';
import { machineOf } from '../machine-of.ts';

const NOW = 1_000_000 as Instant;
const LATER = (NOW + 1000) as Instant;
const arch = { x64: { kernel: 'scout/vmlinuz', initrds: ['scout/initrd.img'] } };
const BOOTENVS: Bootenv[] = [
  { name: 'scout', description: '', kind: 'scout', arch },
  { name: 'installer', description: '', kind: 'installer', arch },
  { name: 'image', description: '', kind: 'image', boots: 'scout', task: 'tasks/install-image.sh.hbs' },
];
const machine = machineOf('installing');
const INSTALL: Stage = { name: 'install', bootenv: '$bootenv', until: 'installed', timeoutMinutes: 9 };
const SET_UP: Stage = {
  name: 'bmc',
  bootenv: 'scout',
  task: 'tasks/bmc-setup.sh.hbs',
  until: 'task-done',
  timeoutMinutes: 9,
};
const ALIVE: Stage = { name: 'first-boot', bootenv: 'local', until: 'alive', timeoutMinutes: 9 };
const job: Job = {
  id: 7,
  machineId: 1,
  workflow: 'install',
  bootenv: 'image',
  params: {},
  plan: [INSTALL, ALIVE],
  state: 'running',
  stage: 0,
  stageStartedAt: NOW,
  why: '',
  machineWas: 'ready',
  createdBy: 'ada',
  createdAt: NOW,
};
const { bootenv: _, ...bare } = job;
const setUp: Job = { ...bare, workflow: 'bmc-setup', plan: [SET_UP] };
const ticket: Ticket = {
  id: 3,
  machineId: 1,
  jobId: 7,
  bootenv: 'image',
  openedBy: 'ada',
  openedAt: NOW,
  expiresAt: LATER,
  attempts: 0,
};
const task: Task = { id: 1, jobId: 7, machineId: 1, name: 'install-image', boot: 5, state: 'running', message: '' };

function viewOf(more: Partial<WorkView>, missing = ''): WorkView {
  const offered = new Map(BOOTENVS.map((bootenv) => [bootenv.name, { bootenv, missing }]));
  return {
    mac: MAC,
    machine,
    job,
    ticket,
    boot: 5,
    unknownBoots: 'scout',
    isRestarting: false,
    bootenv: (name) => offered.get(name),
    ...more,
  };
}

function describe(decision: WorkDecision): string {
  if (decision.kind === 'over') return `over: ${decision.failJob}`;
  if (decision.kind === 'none') return ['none', describeReasons(decision.because)].filter((part) => part).join(': ');
  return `${decision.template} of ${decision.bootenv.name}${decision.ticket ? ' by its ticket' : ''}`;
}

const IMAGE = 'tasks/install-image.sh.hbs of image by its ticket';
const TABLE: [string, Partial<WorkView>, string][] = [
  ['no machine', { machine: undefined, job: undefined, ticket: undefined }, 'none'],
  ['no job', { job: undefined, ticket: undefined }, 'none'],
  ['a job that is over', { job: { ...job, state: 'failed' } }, 'none'],
  ['an image install', {}, IMAGE],
  ['an image install, asked again', { task, ticket: { ...ticket, attempts: 2, lastBoot: 5 } }, IMAGE],
  ['an image install whose task has ended', { task: { ...task, state: 'done' } }, 'none'],
  ['an image install that restarts the machine', { isRestarting: true }, 'none'],
  ['an install by an installer', { job: { ...job, bootenv: 'installer' } }, 'none: job-stage, ticket-of-another'],
  [
    'an install by an installer with its ticket',
    { job: { ...job, bootenv: 'installer' }, ticket: { ...ticket, bootenv: 'installer' } },
    'none',
  ],
  ['a stage that wants nothing of the scout', { job: { ...job, stage: 1 } }, 'none'],
  ['an ignored machine', { machine: { ...machine, state: 'ignored' } }, 'none: ignored'],
  [
    'a locked machine',
    { machine: { ...machine, locked: true } },
    'over: vm-01 was locked while it was to be installed',
  ],
  ['no ticket', { ticket: undefined }, 'none: job-stage, ticket-closed'],
  ['a closed ticket', { ticket: { ...ticket, closedAt: NOW } }, 'none: job-stage, ticket-closed'],
  [
    'an expired ticket',
    { ticket: { ...ticket, expiresAt: NOW } },
    'over: reinstall loop stopped: the installer came back after its ticket expired without having reported that it was done',
  ],
  [
    'a ticket without a start left',
    { ticket: { ...ticket, attempts: 2, lastBoot: 4 } },
    'over: reinstall loop stopped: image was started 2 times and never reported that it was done',
  ],
  ["a stage's own task", { job: setUp, ticket: undefined }, 'tasks/bmc-setup.sh.hbs of scout'],
  [
    "a stage's own task, asked again",
    { job: setUp, ticket: undefined, task: { ...task, name: 'bmc-setup' } },
    'tasks/bmc-setup.sh.hbs of scout',
  ],
  ["a stage's own task, while another runs", { job: setUp, ticket: undefined, task }, 'none'],
  [
    "a stage's own task on a locked machine",
    { job: setUp, ticket: undefined, machine: { ...machine, locked: true } },
    'none: locked',
  ],
  [
    "a stage's own task on an ignored machine",
    { job: setUp, ticket: undefined, machine: { ...machine, state: 'ignored' } },
    'none: ignored',
  ],
];
for (const [what, more, expected] of TABLE)
  test(`${what}: ${expected}`, () => {
    const decision = decideWork(viewOf(more), NOW);
    const rules = { ...decision, because: decision.because.map((reason) => ({ ...reason, text: reason.rule })) };
    assert.equal(describe(rules).replaceAll('; ', ', '), expected);
  });

test('a bootenv that lacks a file is what the scout is told to wait for', () =>
  assert.match(describe(decideWork(viewOf({}, 'disk.img is not there'), NOW)), /cannot be booted: disk\.img is not/));

const run: Run = { machineId: 1, purpose: 'install', mac: MAC, bootenv: 'image', jobId: 7, boot: 5, expiresAt: LATER };
const INSTALLS: [string, Partial<WorkView>, Partial<Run>, boolean][] = [
  ['its installer', {}, {}, true],
  ['its scout, which was there before the job', {}, { purpose: 'scout', jobId: 6 }, true],
  ['the installer of an earlier job', {}, { jobId: 6 }, false],
  ['a run of another machine', {}, { machineId: 2 }, false],
  ['its installer without a job', { job: undefined, ticket: undefined }, {}, false],
  ['its installer with a closed ticket', { ticket: { ...ticket, closedAt: NOW } }, {}, false],
  ['its installer with a ticket that expired', { ticket: { ...ticket, expiresAt: NOW } }, {}, false],
  ['its installer, on a machine that was locked meanwhile', { machine: { ...machine, locked: true } }, {}, true],
];
for (const [who, more, of, expected] of INSTALLS)
  test(`${who} ${expected ? 'belongs' : 'does not belong'} to the install that goes on`, () =>
    assert.equal(findInstall(viewOf(more), { ...run, ...of }, NOW)?.ticket.id, expected ? 3 : undefined));
