import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withCli } from './rig.ts';

for (const words of [
  ['run', 'bmc-setup', 'vm-01'],
  ['discover', 'vm-01'],
])
  test(`firstlight ${words[0]} --watch tells the job before what happens in it`, () =>
    withCli(async (run, harness) => {
      harness.addMachine('vm-01');
      const watched = run(...words, '--watch');
      await harness.until(() => harness.told.some(({ kind }) => kind === 'job.created'));
      await run('cancel', 'vm-01');
      const { out, code } = await watched;
      const lines = out.trimEnd().split('\n');
      assert.match(lines[0] ?? '', /^job 1: (bmc-setup|discover) vm-01$/, out);
      assert.match(lines[2] ?? '', /job\.created/, out);
      assert.equal(lines.at(-1), 'vm-01: cancelled by ada');
      assert.equal(code, 1);
    }));

test('a workflow is run on each machine that can, and the others are told with their reason', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    const { out, err, code } = await run('run', 'bmc-setup', 'vm-01', 'vm-99');
    assert.equal(out, 'job 1: bmc-setup vm-01\n');
    assert.match(err, /^vm-99: there is no machine vm-99\n/);
    assert.equal(code, 1);
  }));

test('only one machine is watched at once', () =>
  withCli(async (run, harness) => {
    const { err } = await run('run', 'bmc-setup', 'vm-01', 'vm-02', '--watch');
    assert.equal(err, 'firstlight: --watch follows one machine\n');
    assert.deepEqual(harness.told, []);
  }));
