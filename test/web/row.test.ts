import assert from 'node:assert/strict';
import { test } from 'node:test';
import { actionsFor, questionFor, reasonsOf } from '../../src/web/actions.ts';
import { rowAfter, rowOf } from '../../src/web/row.ts';
import type { Event } from '../../src/web/shapes.ts';
import { eventReader } from '../../src/web/stream.ts';
import { job, machineRow } from './rows.ts';

const event = (kind: string, text: string, data?: object): Event =>
  ({ id: 9, at: 5000, kind, text, data }) as unknown as Event;
const whyNot = (machine: Parameters<typeof machineRow>[0]) =>
  Object.fromEntries(
    actionsFor(machineRow(machine))
      .filter((one) => one.whyNot)
      .map((one) => [one.name, one.whyNot]),
  );

test('a progress report moves the bar, and the end of a task takes it away', () => {
  const reported = rowAfter(machineRow({}), event('machine.progress', 'base system (25 %)', { percent: 25 }));
  assert.equal(reported.percent, 25);
  assert.equal(reported.line, 'base system (25 %)');
  assert.equal(reported.heardAt, 5000);
  assert.equal(rowAfter(reported, event('machine.log', 'Setting up grub')).percent, 25);
  assert.equal(rowAfter(reported, event('job.stage', 'stage first-boot begins')).percent, undefined);
});

test('what the appliance does is no sign of life of the machine', () => {
  assert.equal(rowAfter(machineRow({}), event('ticket.opened', 'install ticket 4')).heardAt, undefined);
  assert.equal(rowAfter(machineRow({}), event('dhcp.acked', 'leased')).heardAt, 5000);
});

test('a list read anew starts with the status, and takes the percentage out of it while a job runs', () => {
  const { machine } = machineRow({ status: 'base system (25 %)', job: job({ bootenv: 'debian-12' }) });
  assert.equal(rowOf(machine, []).percent, 25);
  assert.equal(rowOf({ ...machine, job: undefined as never }, []).percent, undefined);
  const later = rowAfter(rowOf(machine, []), event('machine.log', 'Setting up grub'));
  assert.equal(rowOf(machine, [], later).line, 'Setting up grub', 'what was heard since is newer than the list');
});

test('the system is that of the running job, else of the newest job that had one', () => {
  const { machine } = machineRow({});
  const jobs = [
    job({ id: 7 }),
    job({ id: 6, bootenv: 'rocky-9', state: 'done' }),
    job({ id: 5, bootenv: 'debian-12' }),
  ];
  assert.equal(rowOf(machine, jobs).lastInstall?.bootenv, 'rocky-9');
  assert.equal(rowOf({ ...machine, job: job({ bootenv: 'debian-12' }) }, jobs).lastInstall?.bootenv, 'debian-12');
});

test('a button that cannot work says why', () => {
  assert.deepEqual(whyNot({}), { accept: 'it is accepted already', cancel: 'no job is running' });
  assert.deepEqual(whyNot({ state: 'new', hasBmc: false }), {
    reimage: 'nobody has accepted it yet',
    cancel: 'no job is running',
    'power-on': 'no BMC is known for it',
    'power-off': 'no BMC is known for it',
    'power-cycle': 'no BMC is known for it',
    'power-reset': 'no BMC is known for it',
    'power-soft': 'no BMC is known for it',
    identify: 'no BMC is known for it',
  });
  assert.deepEqual(whyNot({ locked: true, job: job({}) }), {
    accept: 'it is accepted already',
    reimage: 'm is locked',
    'power-off': 'm is locked',
    'power-cycle': 'm is locked',
    'power-reset': 'm is locked',
    'power-soft': 'm is locked',
  });
  assert.equal(whyNot({ job: job({}) }).reimage, 'job 4 (install) is running');
  assert.equal(whyNot({ state: 'ignored' }).reimage, 'it is ignored');
});

test('buttons with the same reason share its line', () => {
  assert.deepEqual(reasonsOf(actionsFor(machineRow({ hasBmc: false, job: job({}), state: 'new' }))), [
    { words: 'Reimage', why: 'nobody has accepted it yet' },
    { words: 'Power on, Power off, Power cycle, Reset, Shut down, Identify', why: 'no BMC is known for it' },
  ]);
});

test('what breaks something off is asked first, and names it', () => {
  const row = machineRow({ name: 'r04-u13', job: job({ bootenv: 'debian-12' }) });
  assert.match(
    questionFor('power-off', row)?.text ?? '',
    /^Switch r04-u13 off, at once\? Job 4 \(install\) is running on it\.$/,
  );
  assert.match(questionFor('cancel', row)?.text ?? '', /job 4 \(install debian-12\) on r04-u13/);
  for (const name of ['power-cycle', 'power-reset', 'power-soft'] as const)
    assert.match(questionFor(name, row)?.text ?? '', /r04-u13.*Job 4 \(install\) is running on it\.$/);
  for (const name of ['accept', 'lock', 'unlock', 'power-on', 'identify'] as const)
    assert.equal(questionFor(name, row), undefined);
});

test('reads an event stream that is cut anywhere', () => {
  const events = [event('job.stage', 'stage one\nbegins'), event('machine.log', 'ümläut')];
  const text = `: hello\n\n${events.map((one) => `id: ${one.id}\nevent: ${one.kind}\ndata: ${JSON.stringify(one)}\n\n`).join(': still here\n\n')}`;
  for (let cut = 0; cut <= text.length; cut++) {
    const take = eventReader();
    assert.deepEqual([...take(text.slice(0, cut)), ...take(text.slice(cut))], JSON.parse(JSON.stringify(events)));
  }
});
