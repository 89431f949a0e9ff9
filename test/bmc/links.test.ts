import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { openBmc } from '../../src/bmc/index.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { createLinks, type Links } from '../../src/bmc/links.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import type { KeptLink } from '../../src/store/bmcs.ts';
import { inventory, withHarness } from '../harness.ts';
import { type MachineWithBmc, withMachineAndBmc } from './with-bmc.ts';

/** A machine whose BMC has suite 3 alone, and the open drivers of all machines. */
function withLinks(
  check: (rig: MachineWithBmc & { links: Links; link: () => KeptLink }) => Promise<void>,
): Promise<void> {
  return withMachineAndBmc({ suites: [3] }, async (rig) => {
    const { bmcs } = rig.harness;
    const links = createLinks({ open: openIpmi, password: bmcs.password, learn: bmcs.learn });
    bmcs.onChanged(links.forget);
    await check({ ...rig, links, link: () => bmcs.chain(rig.machineId)[0] as KeptLink });
    await links.close();
  });
}

test('the driver of a link is kept, with what it found out, until the chain is set again', () =>
  withLinks(async ({ harness, bmc, machineId, links, link }) => {
    assert.equal(links.opened(link()), undefined);
    const driver = links.driver(link());
    assert.equal(await driver.powerState(), 'off');
    assert.equal(links.driver(link()), driver);
    assert.deepEqual(link().learned, { cipherSuite: 3 });
    harness.setBmc(machineId, { port: bmc.port });
    assert.equal(links.opened(link()), undefined);
    assert.notEqual(links.driver(link()), driver);
    await assert.rejects(driver.powerState(), /no longer in use/);
  }));

test('what a call finds out that outlives its link is not put down to the BMC in its place', () =>
  withLinks(async ({ harness, bmc, machineId, links, link }) => {
    const running = links.driver(link()).powerState();
    await setImmediate();
    harness.setBmc(machineId, { address: '127.0.0.2', port: bmc.port });
    assert.equal(await running, 'off');
    assert.deepEqual(link().learned, {});
  }));

test('drivers of machines that are gone are closed', async () => {
  await withHarness({}, async ({ bmcs, addMachine, setBmc }) => {
    const { id } = addMachine('vm-01');
    setBmc(id);
    const links = createLinks({ open: openIpmi, password: bmcs.password, learn: bmcs.learn });
    const [link] = bmcs.chain(id);
    assert.ok(link);
    const driver = links.driver(link);
    links.forgetRemoved(() => true);
    assert.equal(links.opened(link), driver);
    links.forgetRemoved(() => false);
    assert.equal(links.opened(link), undefined);
    await assert.rejects(driver.powerState(), /no longer in use/);
  });
});

test('a machine is found among several behind one BMC as soon as the scout has told who it is', async () => {
  const systems = [
    { serial: 'CHASSIS' },
    { serial: 'CHASSIS', uuid: '10112233-4455-6677-8899-aabbccddeeff', power: 'On' as const },
  ];
  const sim = await openRedfishSim({ systems });
  try {
    await withHarness({}, async ({ bmcs, machines, addMachine, setBmc, clock }) => {
      const machine = addMachine('vm-01');
      setBmc(machine.id, { driver: 'redfish', port: sim.port });
      const factsOf = (id: number) => machines.byId(id);
      const links = createLinks({ open: openBmc, password: bmcs.password, learn: bmcs.learn, factsOf });
      const driver = () => links.driver(bmcs.chain(machine.id)[0]!);
      const first = driver();
      await assert.rejects(first.powerState(), /let the scout look at the machine/);
      const found = inventory({ uuid: '33221110-5544-7766-8899-aabbccddeeff', serial: 'CHASSIS' });
      machines.saveInventory(machine, found, [], clock());
      assert.equal(await driver().powerState(), 'on');
      assert.equal(driver(), driver(), 'and its driver is kept');
      await assert.rejects(first.powerState(), /no longer in use/);
      await links.close();
      assert.equal(sim.openSessions(), 0);
    });
  } finally {
    await sim.stop();
  }
});
