import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Instant } from '../../src/model/time.ts';
import type { Job } from '../../src/model/workflow.ts';
import { type Advance, advance, isOverdue, type JobHappening } from '../../src/workflow/advance.ts';

const START = 1_000_000 as Instant;
const NOW = (START + 1000) as Instant;
const installing: Job = {
  id: 7,
  machineId: 1,
  workflow: 'install',
  bootenv: 'debian-12',
  params: {},
  plan: [
    {
      name: 'install',
      bootenv: '$bootenv',
      do: ['power-off', 'boot-network', 'power-on'],
      until: 'installed',
      timeoutMinutes: 180,
    },
    { name: 'first-boot', bootenv: 'local', until: 'alive', timeoutMinutes: 30 },
  ],
  state: 'running',
  stage: 0,
  stageStartedAt: START,
  why: '',
  machineWas: 'ready',
  createdBy: 'ada',
  createdAt: START,
};
const { bootenv: _, ...bare } = installing;
const discovering: Job = {
  ...bare,
  workflow: 'discover',
  plan: [{ name: 'inventory', bootenv: 'scout', do: ['power-on'], until: 'inventoried', timeoutMinutes: 30 }],
};
const setUp: Job = {
  ...bare,
  workflow: 'bmc-setup',
  plan: [
    { name: 'bmc', bootenv: 'scout', task: 'tasks/bmc-setup.sh.hbs', until: 'task-done', timeoutMinutes: 30 },
    { name: 'inventory', bootenv: 'scout', do: ['power-on'], until: 'inventoried', timeoutMinutes: 30 },
  ],
};
const firstBoot: Job = { ...installing, stage: 1 };

function describe(step: Advance | undefined): string {
  if (!step) return 'nothing';
  const { job } = step;
  return [
    `${job.state} at ${job.stage}`,
    step.effects.length > 0 ? step.effects.join('+') : '',
    step.machineState ? `machine ${step.machineState}` : '',
    step.closeTicket ? `closes: ${step.closeTicket}` : '',
    ...step.events.map((event) => `${event.kind}: ${event.text}`),
  ]
    .filter((part) => part !== '')
    .join('; ');
}

const milestone = (name: 'inventoried' | 'installed' | 'alive'): JobHappening => ({
  kind: 'milestone',
  milestone: name,
});
const TABLE: [string, Job, JobHappening, string][] = [
  [
    'an install begins with a restart',
    installing,
    { kind: 'created', restart: true },
    'running at 0; power-off+boot-network+power-on; machine installing; job.stage: stage install begins',
  ],
  [
    'an install begins without one',
    installing,
    { kind: 'created', restart: false },
    'running at 0; machine installing; job.stage: stage install begins',
  ],
  [
    'a discovery changes no state',
    discovering,
    { kind: 'created', restart: true },
    'running at 0; power-on; job.stage: stage inventory begins',
  ],
  [
    'the installer is done',
    installing,
    milestone('installed'),
    'running at 1; closes: the installer reported that it was done; job.stage: stage first-boot begins',
  ],
  [
    'the system is alive',
    firstBoot,
    milestone('alive'),
    'done at 2; machine installed; job.finished: job 7 (install debian-12) is done',
  ],
  [
    'the inventory is there',
    discovering,
    milestone('inventoried'),
    'done at 1; job.finished: job 7 (discover) is done',
  ],
  ['an inventory in an install means nothing', installing, milestone('inventoried'), 'nothing'],
  ['alive before installed means nothing', installing, milestone('alive'), 'nothing'],
  ['installed twice means nothing', firstBoot, milestone('installed'), 'nothing'],
  [
    'an install fails',
    installing,
    { kind: 'failed', why: 'no disk' },
    'failed at 0; machine failed; closes: no disk; job.failed: job 7 (install debian-12) failed: no disk',
  ],
  [
    'a discovery fails and leaves the machine as it is',
    discovering,
    { kind: 'failed', why: 'no scout' },
    'failed at 0; closes: no scout; job.failed: job 7 (discover) failed: no scout',
  ],
  [
    'an install is cancelled',
    installing,
    { kind: 'cancelled', by: 'ada' },
    'cancelled at 0; machine failed; closes: cancelled by ada; job.cancelled: job 7 (install debian-12) was cancelled by ada',
  ],
  [
    'the task that the stage waits for is done',
    setUp,
    { kind: 'task-ended', task: 'bmc-setup' },
    'running at 1; power-on; job.stage: stage inventory begins',
  ],
  [
    'the task that the stage waits for fails',
    setUp,
    { kind: 'task-ended', task: 'bmc-setup', why: 'task bmc-setup failed' },
    'failed at 0; closes: task bmc-setup failed; job.failed: job 7 (bmc-setup) failed: task bmc-setup failed',
  ],
  [
    'another task fails, and the stage does not wait for it',
    setUp,
    { kind: 'task-ended', task: 'x', why: 'no' },
    'nothing',
  ],
  [
    'the task of an install fails',
    installing,
    { kind: 'task-ended', task: 'install-image', why: 'no disk fits' },
    'failed at 0; machine failed; closes: no disk fits; job.failed: job 7 (install debian-12) failed: no disk fits',
  ],
  [
    'the task of an install ends before it reports that it is done',
    installing,
    { kind: 'task-ended', task: 'install-image' },
    'failed at 0; machine failed; closes: task install-image ended without reporting that the install is done; job.failed: job 7 (install debian-12) failed: task install-image ended without reporting that the install is done',
  ],
  [
    'the task of an install ends after it reported',
    firstBoot,
    { kind: 'task-ended', task: 'install-image' },
    'nothing',
  ],
  [
    'the task of an install fails after it reported',
    firstBoot,
    { kind: 'task-ended', task: 'install-image', why: 'no' },
    'nothing',
  ],
  [
    'the task of an install in a later stage fails',
    { ...installing, stage: 2, plan: [...discovering.plan, ...setUp.plan.slice(0, 1), ...installing.plan] },
    { kind: 'task-ended', task: 'install-image', why: 'no disk fits' },
    'failed at 2; machine failed; closes: no disk fits; job.failed: job 7 (install debian-12) failed: no disk fits',
  ],
  [
    'a stage lasts too long',
    firstBoot,
    { kind: 'timeout' },
    'failed at 1; machine failed; closes: stage first-boot did not come to its end (alive) in 30 minutes; job.failed: job 7 (install debian-12) failed: stage first-boot did not come to its end (alive) in 30 minutes',
  ],
];
for (const [what, job, happening, expected] of TABLE)
  test(`${what}: ${expected}`, () => {
    const before = JSON.stringify(job);
    assert.equal(describe(advance(job, happening, NOW, 1)), expected);
    assert.equal(JSON.stringify(job), before, 'deciding changes nothing');
  });

test('nothing happens to a job that is over', () => {
  const happenings: JobHappening[] = [
    { kind: 'created', restart: true },
    milestone('installed'),
    { kind: 'task-ended', task: 'install-image', why: 'x' },
    { kind: 'failed', why: 'x' },
    { kind: 'cancelled', by: 'x' },
    { kind: 'timeout' },
  ];
  for (const state of ['done', 'failed', 'cancelled'] as const)
    for (const happening of happenings) assert.equal(advance({ ...installing, state }, happening, NOW, 1), undefined);
});

test('the next stage begins now, and a job that ends knows when and why', () => {
  assert.equal(advance(installing, milestone('installed'), NOW, 1)?.job.stageStartedAt, NOW);
  const failed = advance(installing, { kind: 'failed', why: 'no disk' }, NOW, 1)?.job;
  assert.deepEqual([failed?.why, failed?.endedAt], ['no disk', NOW]);
});

test('a stage is overdue after its time, and an ended job never', () => {
  const at = (ms: number): Instant => (START + ms) as Instant;
  assert.equal(isOverdue(installing, at(180 * 60_000)), false);
  assert.equal(isOverdue(installing, at(180 * 60_000 + 1)), true);
  assert.equal(isOverdue({ ...installing, state: 'done' }, at(1e12)), false);
  assert.equal(isOverdue({ ...installing, stage: 2 }, at(1e12)), false);
});

test('an install that ends before its installer was ever handed out leaves the machine in the state it had', () => {
  for (const machineWas of ['ready', 'installed', 'failed'] as const)
    for (const happening of [
      { kind: 'failed', why: 'wrong BMC password' },
      { kind: 'cancelled', by: 'ada' },
      { kind: 'timeout' },
    ] as const) {
      const job = { ...installing, machineWas };
      assert.equal(advance(job, happening, NOW, 0)?.machineState, machineWas);
      assert.equal(advance(job, happening, NOW, 1)?.machineState, 'failed');
    }
});
