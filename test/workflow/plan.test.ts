import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../src/model/errors.ts';
import type { Machine } from '../../src/model/machine.ts';
import type { ParamDeclarations } from '../../src/model/params.ts';
import type { Instant } from '../../src/model/time.ts';
import type { OfferedBootenv } from '../../src/model/view.ts';
import type { Job, Workflow } from '../../src/model/workflow.ts';
import { type JobRequest, type PlanView, planJob, refuseOtherUse } from '../../src/workflow/plan.ts';
import { machineOf } from '../machine-of.ts';

const NOW = Date.UTC(2026, 0, 1) as Instant;
const install: Workflow = {
  name: 'install',
  description: '',
  stages: [
    { name: 'install', bootenv: '$bootenv', until: 'installed', timeoutMinutes: 9 },
    { name: 'first-boot', bootenv: 'local', until: 'alive', timeoutMinutes: 9 },
  ],
};
const discover: Workflow = {
  name: 'discover',
  description: '',
  stages: [{ name: 'inventory', bootenv: 'scout', until: 'inventoried', timeoutMinutes: 9 }],
};
const setup: Workflow = {
  name: 'setup',
  description: '',
  stages: [{ name: 'setup', bootenv: 'scout', task: 'tasks/setup.sh.hbs', until: 'task-done', timeoutMinutes: 9 }],
};
const debian: OfferedBootenv = {
  bootenv: { name: 'debian', description: '', kind: 'installer', params: ['disk', 'secret'] },
  missing: '',
};
const machine = machineOf('ready', { serial: 'S1', seenAt: (NOW - 5 * 60_000) as Instant });
const declarations: ParamDeclarations = {
  disk: { description: '', type: 'text', default: 'smallest', pattern: '^[a-z]+$', patternHint: 'a disk choice' },
  secret: { description: '', type: 'text', default: '', pattern: '^x$', secret: true },
  other: { description: '', type: 'integer', default: 1 },
};
const running = { id: 8, workflow: 'discover' } as Job;

function plan(request: Partial<JobRequest>, view: { machine?: Partial<Machine>; running?: Job } = {}) {
  const whole: PlanView = { machine: { ...machine, ...view.machine }, running: view.running, declarations, now: NOW };
  return planJob({ workflow: install, bootenv: debian, taskParams: [], params: {}, ...request }, whole);
}

test('an install opens a ticket and says what will happen', () => {
  const made = plan({});
  assert.equal(made.opensTicket, true);
  assert.deepEqual(
    made.because.map((reason) => reason.text),
    [
      'install: install, then first-boot',
      'opens a single-use install ticket for debian',
      'no BMC is known: restart vm-01 by hand and let it boot from the network',
    ],
  );
  assert.match(
    plan({}, { machine: { hasBmc: true, bmcAddress: '10.0.0.1' } }).because.at(-1)?.text ?? '',
    /its BMC at 10\.0\.0\.1 restarts it/,
  );
});

test('a discovery opens no ticket, and is allowed to a machine that nobody accepted', () => {
  assert.equal(plan({ workflow: discover, bootenv: undefined }, { machine: { state: 'new' } }).opensTicket, false);
});

const REFUSED: [string, Partial<JobRequest>, Parameters<typeof plan>[1], string, RegExp][] = [
  ['a locked machine', {}, { machine: { locked: true } }, 'machine-locked', /^vm-01 is locked$/],
  [
    'a locked machine is not discovered',
    { workflow: discover, bootenv: undefined },
    { machine: { locked: true } },
    'machine-locked',
    /locked/,
  ],
  ['an ignored machine', {}, { machine: { state: 'ignored' } }, 'machine-ignored', /^vm-01 is ignored$/],
  [
    'a machine that nobody accepted',
    {},
    { machine: { state: 'new' } },
    'machine-not-accepted',
    /^vm-01 is new: nobody has accepted it yet$/,
  ],
  ['a machine with a job', {}, { running }, 'job-running', /^job 8 \(discover\) is running on vm-01$/],
  [
    'a bootenv that installs nothing',
    { bootenv: { bootenv: { name: 'scout', description: '', kind: 'scout' }, missing: '' } },
    {},
    'bad-request',
    /^bootenv scout installs nothing$/,
  ],
  [
    'a bootenv for a workflow that takes none',
    { workflow: discover },
    {},
    'bad-request',
    /^workflow discover installs nothing, and so takes no bootenv$/,
  ],
  ['no bootenv', { bootenv: undefined }, {}, 'bad-request', /^workflow install needs a bootenv$/],
  [
    'a bootenv that lacks a file',
    { bootenv: { ...debian, missing: 'x/linux is not there' } },
    {},
    'bootenv-unavailable',
    /^bootenv debian cannot be booted: x\/linux is not there$/,
  ],
  [
    'another serial',
    { expect: { serial: 'S2' } },
    {},
    'expectation-failed',
    /^vm-01 was expected to have serial "S2", but it has "S1"$/,
  ],
  [
    'no serial',
    { expect: { serial: 'S2' } },
    { machine: { serial: undefined as never } },
    'expectation-failed',
    /but it has null$/,
  ],
  [
    'another state',
    { expect: { state: 'failed' } },
    {},
    'expectation-failed',
    /^vm-01 was expected to have state "failed", but it has "ready"$/,
  ],
  [
    'a machine that spoke lately',
    { expect: { silentMinutes: 10 } },
    {},
    'expectation-failed',
    /at least this many minutes: 10, but it has 5$/,
  ],
  ['a param that is not declared', { params: { colour: 'red' } }, {}, 'bad-param', /^there is no param colour$/],
  [
    'a param named like a property of every object',
    { params: { constructor: 'x' } },
    {},
    'bad-param',
    /^there is no param constructor$/,
  ],
  [
    'a param that the bootenv does not use',
    { params: { other: 2 } },
    {},
    'bad-param',
    /^debian does not use param other$/,
  ],
  [
    'a param that no task of the workflow uses',
    { workflow: setup, bootenv: undefined, taskParams: ['disk'], params: { other: 2 } },
    {},
    'bad-param',
    /^setup does not use param other$/,
  ],
  [
    'a param of a task that is wrong',
    { workflow: setup, bootenv: undefined, taskParams: ['disk'], params: { disk: 'Big!' } },
    {},
    'bad-param',
    /^param disk from this request: "Big!" is not a disk choice$/,
  ],
  [
    'a param of a wrong form',
    { params: { disk: 'Big!' } },
    {},
    'bad-param',
    /^param disk from this request: "Big!" is not a disk choice$/,
  ],
  [
    'a param of a wrong type',
    { params: { disk: 7 } },
    {},
    'bad-param',
    /^param disk from this request: 7 is not a text$/,
  ],
  [
    'a param of the machine that is wrong',
    {},
    { machine: { params: { disk: 'Big!' } } },
    'bad-param',
    /^param disk from machine vm-01: "Big!"/,
  ],
  [
    'a secret that is wrong',
    { params: { secret: 'hunter2' } },
    {},
    'bad-param',
    /^param secret from this request: the value is not of the form \^x\$$/,
  ],
];
for (const [what, request, view, code, message] of REFUSED)
  test(`refuses ${what}`, () => {
    assert.throws(
      () => plan(request, view),
      (error) => {
        assert.ok(error instanceof AppError, String(error));
        assert.equal(error.code, code);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
  });

test('expectations that hold are no hindrance', () => {
  plan({ expect: { serial: 'S1', state: 'ready', silentMinutes: 5 } });
  plan({ expect: { silentMinutes: 5 } }, { machine: { seenAt: undefined as never } });
});

test('a workflow takes what its tasks use, and an install what its bootenv uses too', () => {
  plan({ workflow: setup, bootenv: undefined, taskParams: ['disk'], params: { disk: 'large' } });
  plan({ taskParams: ['other'], params: { disk: 'large', other: 2 } });
});

test('an idempotency key is for one request: machine, workflow, bootenv and params', () => {
  const wanted = { machineId: 1, workflow: 'install', bootenv: 'debian', params: { disk: 'large' } };
  const before = { ...wanted, id: 8 };
  refuseOtherUse(before, { ...wanted, params: { disk: 'large' } }, 'key-1');
  for (const other of [{ machineId: 2 }, { workflow: 'setup' }, { bootenv: 'fedora' }, { params: {} }])
    assert.throws(() => refuseOtherUse(before, { ...wanted, ...other }, 'key-1'), {
      code: 'bad-request',
      message: 'idempotency key key-1 was used for another request (job 8)',
    });
});
