import assert from 'node:assert/strict';
import { test } from 'node:test';
import { said, withCli } from './rig.ts';

test('params that are set and taken away are told apart', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    assert.equal(await said(run('set', 'vm-01', 'user=ada', 'locale=C')), 'vm-01: user, locale set');
    assert.equal(await said(run('set', 'vm-01', 'user=', 'disk=largest')), 'vm-01: disk set\nvm-01: user taken away');
  }));

test('a machine whose power nobody knows is not called unknown', () =>
  withCli(async (run, harness) => {
    harness.addMachine('vm-01');
    assert.equal(await said(run('power', 'status', 'vm-01')), 'the power of vm-01 is unknown');
    assert.equal(await said(run('bmc', 'health', 'vm-01')), 'the power of vm-01 is unknown\n  no BMC is known');
    assert.match(await said(run('status')), /^Firstlight 0\.0\.0, 1 machine\n/);
  }));
