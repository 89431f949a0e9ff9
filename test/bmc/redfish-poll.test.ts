import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRedfish } from '../../src/bmc/redfish.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { assertBmcError, open, PASSWORD, withBmc } from './redfish.ts';

// What a poll costs, and what becomes of the session that makes it cheap.

const SESSIONS = '/redfish/v1/SessionService/Sessions';
const POLL = 'GET /redfish/v1/Systems/node1';

test('polls by one request each, and gives its session back when it is closed', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.powerState();
    assert.equal(sim.asked.length, 6);
    sim.asked.length = 0;
    for (let poll = 0; poll < 5; poll++) assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(
      sim.asked,
      Array.from({ length: 5 }, () => POLL),
    );
    assert.equal(sim.openSessions(), 1);
    await driver.close();
    assert.equal(sim.openSessions(), 0);
    assert.equal(sim.asked.at(-1), `DELETE ${SESSIONS}/1`);
  }));

test('uses the session of the polls for other calls too, and opens none beside it', () =>
  withBmc({ slots: 1 }, async ({ driver, sim, ids }) => {
    await driver.powerState();
    await driver.setPower('on');
    assert.equal(await driver.powerState(), 'on');
    assert.equal((await driver.identity()).serial, 'SIM0001');
    assert.equal(sim.madeSessions(), 1);
    assert.ok(!ids().includes('R20'), 'never without a session');
  }));

test('logs in for any other call and out again, and asks for what it knows already no more', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.boot();
    assert.equal(sim.openSessions(), 0);
    sim.asked.length = 0;
    await driver.boot();
    assert.deepEqual(sim.asked, [`POST ${SESSIONS}`, POLL, `DELETE ${SESSIONS}/2`]);
  }));

test('polls by Basic with one request each', async () => {
  for (const wanted of [{ settings: { auth: 'basic' } }, { faults: [{ name: 'no-sessions' as const }] }])
    await withBmc(wanted, async ({ driver, sim }) => {
      await driver.powerState();
      sim.asked.length = 0;
      await driver.powerState();
      assert.deepEqual(sim.asked, [POLL]);
    });
});

test('asks no more for sessions that are not honoured, until Basic is refused', () =>
  withBmc({ faults: [{ name: 'sessions-broken' }] }, async ({ driver, sim }) => {
    await driver.powerState();
    sim.asked.length = 0;
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(sim.asked, [POLL]);
    sim.faults.remove('sessions-broken');
    sim.faults.add({ name: 'no-basic' });
    await assertBmcError(driver.powerState(), 'wrong-password', /Basic is off/);
    assert.equal(await driver.powerState(), 'off');
    assert.equal(sim.openSessions(), 1);
  }));

test('logs in again when the session of the polls was ended, however the BMC says so', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.powerState();
    sim.expireSessions();
    sim.asked.length = 0;
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(sim.asked, [POLL, `POST ${SESSIONS}`, `DELETE ${SESSIONS}/1`, POLL]);
    sim.faults.add({ name: 'status', status: 403, id: 'InsufficientPrivilege', path: 'node1', times: 1 });
    assert.equal(await driver.powerState(), 'off');
    assert.equal(sim.madeSessions(), 3);
    assert.equal(sim.openSessions(), 1);
    // A session that works and a right that is missing.
    sim.faults.add({
      name: 'status',
      status: 403,
      id: 'InsufficientPrivilege',
      path: 'ComputerSystem.Reset',
      times: 1,
    });
    await assertBmcError(driver.setPower('on'), 'privilege', /reset "On" with 403/);
    assert.equal(sim.madeSessions(), 3);
  }));

test('does not keep a session that the BMC ended when it cannot open another', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.powerState();
    sim.expireSessions();
    sim.faults.add({ name: 'status', status: 401, id: 'ResourceAtUriUnauthorized', method: 'POST', times: 1 });
    await assertBmcError(driver.powerState(), 'wrong-password', /the login with 401/);
    sim.asked.length = 0;
    await driver.powerState();
    assert.deepEqual(sim.asked, [`POST ${SESSIONS}`, POLL]);
  }));

test('keeps its session over polls that are not answered', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.powerState();
    sim.faults.add({ name: 'reset', path: 'redfish' });
    for (let poll = 0; poll < 2; poll++)
      await assertBmcError(driver.powerState(), 'unreachable', /closed the connection/);
    assert.ok(!sim.asked.some((one) => one.startsWith('DELETE')), 'no farewell to who does not answer');
    sim.faults.remove('reset');
    assert.equal(await driver.powerState(), 'off');
    assert.equal(sim.madeSessions(), 1);
  }));

test('looks for nothing anew after a poll that found the BMC busy', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.powerState();
    sim.faults.add({ name: 'power-state', times: 1 });
    await assertBmcError(driver.powerState(), 'busy', /does not know the power state/);
    sim.asked.length = 0;
    await driver.powerState();
    assert.deepEqual(sim.asked, [POLL]);
  }));

test('keeps no session where several Systems share the slots of a BMC', () =>
  withBmc({ systems: [{}, {}], settings: { system: 'node1' } }, async ({ driver, sim }) => {
    await driver.powerState();
    sim.asked.length = 0;
    await driver.powerState();
    assert.deepEqual(sim.asked, [`POST ${SESSIONS}`, POLL, `DELETE ${SESSIONS}/2`]);
  }));

test('gives the session of the polls back when there are no more of them', async () => {
  const sim = await openRedfishSim();
  try {
    const soon = open(sim.port, { options: { keepSessionMs: 1 } });
    await soon.powerState();
    while (sim.openSessions() > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await soon.powerState(), 'off', 'and goes on with another one');
    await soon.close();

    const never = open(sim.port, { options: { keepSessionMs: 0 } });
    await never.powerState();
    assert.equal(sim.openSessions(), 0);
    await never.close();
  } finally {
    await sim.stop();
  }
});

test('does not do to another machine what was meant for the one that was there', () =>
  withBmc({ systems: [{ uuid: '00112233-4455-6677-8899-aabbccddeeff' }] }, async ({ driver, sim }) => {
    const [system] = sim.model.systems;
    await driver.powerState();
    // The same one, as it may read while it starts, or in the other byte order.
    for (const uuid of ['', '00000000-0000-0000-0000-000000000000', '33221100-5544-7766-8899-AABBCCDDEEFF']) {
      system!.uuid = uuid;
      assert.equal(await driver.powerState(), 'off');
    }
    system!.uuid = '99112233-4455-6677-8899-aabbccddeeff';
    const other = /another machine at \S+node1 than before: its UUID was 00112233-\S+ and is 99112233-/;
    await assertBmcError(driver.setPower('on'), 'refused', other);
    assert.deepEqual(sim.model.done, []);
    assert.equal((await driver.identity()).uuid, '99112233-4455-6677-8899-aabbccddeeff', 'looked for anew');
  }));

test('opens 500 BMCs in one process, and polls those that are asked with one request each', async () => {
  const sims = await Promise.all(Array.from({ length: 500 }, () => openRedfishSim({ remember: 0 })));
  try {
    assert.equal(new Set(sims.map((sim) => sim.port)).size, 500);
    const polled = sims.filter((_, index) => index % 10 === 0);
    for (const [index, sim] of polled.entries()) sim.model.systems[0]!.power = index % 2 === 0 ? 'On' : 'Off';
    const drivers = polled.map((sim) => open(sim.port));
    const asked = () => sims.reduce((sum, sim) => sum + sim.requestCount(), 0);
    for (const requests of [6, 1]) {
      const before = asked();
      const states = await Promise.all(drivers.map((driver) => driver.powerState()));
      assert.deepEqual(
        states,
        drivers.map((_, index) => (index % 2 === 0 ? 'on' : 'off')),
      );
      assert.equal(asked() - before, requests * drivers.length);
    }
    assert.ok(sims.every((sim) => sim.asked.length === 0 && sim.headers.length === 0));
    await Promise.all(drivers.map((driver) => driver.close()));
    assert.equal(sims.filter((sim) => sim.openSessions() > 0).length, 0);
  } finally {
    await Promise.all(sims.map((sim) => sim.stop()));
  }
});

test('has a BMC on an address of its own, on the port of another', async () => {
  const one = await openRedfishSim({ address: '127.0.77.1' });
  const other = await openRedfishSim({ address: '127.0.77.2', port: one.port, systems: [{ power: 'On' }] });
  try {
    for (const [{ address, port }, state] of [
      [one, 'off'],
      [other, 'on'],
    ] as const) {
      const driver = openRedfish({ driver: 'redfish', address, port, user: 'admin', password: PASSWORD });
      assert.equal(await driver.powerState(), state);
      await driver.close();
    }
    assert.deepEqual([one.openSessions(), other.openSessions()], [0, 0]);
  } finally {
    await Promise.all([one.stop(), other.stop()]);
  }
});
