import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BootWish } from '../../src/bmc/driver.ts';
import { assertBmcError, STEADY, withBmc } from './redfish.ts';

const PXE: BootWish = { device: 'network', firmware: 'uefi', isPersistent: false };
const SESSIONS = '/redfish/v1/SessionService/Sessions';

test('asks again when a connection or an answer is lost', () =>
  withBmc({ faults: [{ name: 'reset', times: 2 }] }, async ({ driver, sim, waits, ids }) => {
    sim.faults.add({ name: 'reset-after', method: 'GET', path: '/Systems/node1', times: 2 });
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(waits, [1000, 2000, 1000, 2000]);
    assert.ok(ids().includes('R18'));
  }));

test('stops asking when its tries are used up', () =>
  withBmc({}, async ({ driver, sim, waits }) => {
    await driver.powerState();
    sim.faults.add({ name: 'reset', method: 'GET' });
    await assertBmcError(driver.powerState(), 'unreachable', /closed the connection/);
    assert.deepEqual(waits, [1000, 2000, 4000, 8000]);
  }));

test('asks again what is busy, when it says so', () =>
  withBmc({ faults: [{ name: 'retry-after', count: 7, method: 'GET', times: 1 }] }, async ({ driver, sim, waits }) => {
    assert.equal(await driver.powerState(), 'off');
    sim.faults.add({ name: 'status', status: 503, method: 'PATCH', times: 2 });
    await driver.setBoot(PXE);
    assert.deepEqual(waits, [7000, 1000, 2000]);
    sim.faults.add({ name: 'retry-after', count: 3600, method: 'GET' });
    await assertBmcError(driver.powerState(), 'busy', /with 503 \(The service is busy\)\. Try again in a minute/);
    assert.equal(waits.length, 3, 'an hour is more than the budget');
  }));

test('asks again what an iDRAC or an iLO is not ready for', () =>
  withBmc({}, async ({ driver, sim, waits, ids }) => {
    sim.faults.add({
      name: 'status',
      status: 400,
      id: 'IDRAC.2.8.SYS518',
      text: 'Not ready.',
      method: 'PATCH',
      times: 2,
    });
    await driver.setBoot(PXE);
    sim.faults.add({ name: 'status', status: 500, method: 'GET', path: 'node1', times: 1 });
    assert.equal((await driver.boot()).device, 'network');
    assert.deepEqual(waits, [1000, 2000, 1000]);
    assert.ok(ids().includes('R13'));
  }));

test('never sends a reset twice, and looks what became of it when it is not answered', () =>
  withBmc({ faults: [{ name: 'reset-after', path: 'ComputerSystem.Reset' }] }, async ({ driver, sim }) => {
    await driver.setPower('on');
    await assertBmcError(
      driver.setPower('reset'),
      'unreachable',
      /whether it acted is not known\. Read the power state/,
    );
    await driver.setPower('off');
    assert.deepEqual(sim.model.done, ['node1 On', 'node1 ForceRestart', 'node1 ForceOff']);
  }));

test('says that nobody knows when a reset is lost before it is done', () =>
  withBmc({ faults: [{ name: 'reset', path: 'ComputerSystem.Reset' }] }, async ({ driver, sim }) => {
    await assertBmcError(driver.setPower('on'), 'unreachable', /whether it acted is not known/);
    assert.deepEqual(sim.model.done, []);
  }));

test('gives up on a BMC that hangs, and on its farewell', () =>
  withBmc({ patience: { ...STEADY, answerMs: 300, tries: 2 } }, async ({ driver, sim }) => {
    sim.faults.add({ name: 'hang', path: '/Systems/node1' });
    await assertBmcError(driver.powerState(), 'unreachable', /did not answer within 0\.3 s/);
    sim.faults.remove('hang');
    sim.faults.add({ name: 'hang', method: 'DELETE', times: 2 });
    assert.equal(await driver.powerState(), 'off');
    sim.faults.remove('hang');
    assert.equal(sim.openSessions(), 1, 'that of the last call, which has to expire');
    sim.expireSessions();
  }));

test('uses Basic where there are no sessions, and asks for none again', () =>
  withBmc({ faults: [{ name: 'no-sessions' }] }, async ({ driver, sim, ids }) => {
    assert.equal(await driver.powerState(), 'off');
    await driver.setPower('on');
    assert.equal(sim.asked.filter((one) => one.startsWith('POST /redfish/v1/SessionService')).length, 0);
    assert.ok(ids().includes('R20'));
  }));

test('uses Basic when a BMC refuses to make sessions though it names them, and remembers it', () =>
  withBmc({ faults: [{ name: 'status', status: 405, path: SESSIONS }] }, async ({ driver, sim }) => {
    await driver.powerState();
    await driver.powerState();
    assert.equal(sim.asked.filter((one) => one === `POST ${SESSIONS}`).length, 1);
  }));

test('uses Basic while all sessions are taken, and says so when that is refused too', () =>
  withBmc({ faults: [{ name: 'sessions-full' }] }, async ({ driver, sim }) => {
    assert.equal(await driver.powerState(), 'off');
    sim.faults.add({ name: 'no-basic' });
    await assertBmcError(
      driver.powerState(),
      'no-session-slot',
      /maximum number of user sessions.*Close other sessions/,
    );
    sim.faults.remove('sessions-full');
    assert.equal(await driver.powerState(), 'off', 'sessions are tried again');
  }));

test('uses Basic when sessions are not honoured', () =>
  withBmc({ faults: [{ name: 'sessions-broken' }, { name: 'no-basic' }] }, async ({ driver, sim }) => {
    await assertBmcError(driver.powerState(), 'protocol', /in a session that it had opened with 401/);
    sim.faults.remove('no-basic');
    assert.equal(await driver.powerState(), 'off');
  }));

test('uses Basic when a session comes without a token', () =>
  withBmc({ faults: [{ name: 'no-token' }] }, async ({ driver, sim }) => {
    assert.equal(await driver.powerState(), 'off');
    assert.equal(sim.openSessions(), 0, 'what it opened without a token is deleted with Basic');
  }));

test('keeps to what the setting auth says', async () => {
  await withBmc({ settings: { auth: 'basic' } }, async ({ driver, sim }) => {
    assert.equal(await driver.powerState(), 'off');
    assert.equal(sim.madeSessions(), 0);
  });
  await withBmc({ settings: { auth: 'session' }, faults: [{ name: 'sessions-full' }] }, ({ driver }) =>
    assertBmcError(driver.powerState(), 'no-session-slot', /maximum number of user sessions/),
  );
});

test('logs in again when its session ends in the middle, and leaves none behind', () =>
  withBmc({ faults: [{ name: 'token-expires', count: 9 }] }, async ({ driver, sim }) => {
    assert.ok((await driver.inventory()).length > 20);
    assert.ok(sim.madeSessions() > 1);
  }));

test('deletes a session whose Location names the BMC by another name', () =>
  withBmc({ faults: [{ name: 'session-elsewhere' }] }, async ({ driver }) => {
    assert.equal(await driver.powerState(), 'off');
  }));

test('logs in first where the service root wants it', () =>
  withBmc({ faults: [{ name: 'root-closed' }] }, async ({ driver }) => {
    assert.equal((await driver.identity()).protocol, 'Redfish 1.15.0');
  }));

test('tells a user that may not do it', () =>
  withBmc({}, async ({ driver, sim }) => {
    sim.faults.add({
      name: 'status',
      status: 403,
      id: 'InsufficientPrivilege',
      text: 'No right.',
      path: 'ComputerSystem.Reset',
    });
    await assertBmcError(driver.setPower('on'), 'privilege', /\(No right\)\. Give this user the role/);
  }));

test('follows redirects to the same path with a slash, also for a login', () =>
  withBmc({ faults: [{ name: 'slash-redirect' }] }, async ({ driver, sim }) => {
    await driver.setPower('on');
    await driver.setBoot(PXE);
    assert.deepEqual(sim.model.done, ['node1 On', 'node1 boot Pxe Once UEFI']);
  }));
