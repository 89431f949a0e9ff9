import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRack, type Rack, type Machine as RackMachine } from '../../src/lab/rack.ts';
import type { KeptOrder } from '../../src/model/bmc.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { sayAndPowerOffLater, sayAndStay, writeDisk } from './sectors.ts';

type Power = { power: string; unreachableSince?: number };

/** Real firmware behind virtual BMCs, driven as an operator does: by the API of a running appliance. */
describe('power of a rack', { skip: whyNotHere('scout') }, () => {
  let rack: Rack;
  let appliance: TestAppliance;
  const names = new Map<string, string>();

  before(async () => {
    rack = await openRack({ name: 'fl-test-power', networks: [{ bridge: 'rack0', address: '10.79.0.1/24' }] });
    appliance = new TestAppliance(['--namespace', rack.namespace, '--interface', 'rack0', '--unknown', 'local']);
    await appliance.start();
    for (const machine of rack.machines) names.set(machine.name, (await appliance.enroll(machine)).name);
  });
  after(async () => {
    await appliance?.close();
    await rack?.close();
  });

  const path = (machine: RackMachine, rest: string): string => `/api/v1/machines/${names.get(machine.name)}/${rest}`;
  const order = (machine: RackMachine, what: string, body: object): Promise<{ order: KeptOrder; power: string }> =>
    appliance.request('POST', path(machine, what), { ...body, wait: true });
  const newest = async (machine: RackMachine): Promise<number> =>
    (await appliance.timeline(names.get(machine.name) as string)).at(-1)?.id ?? 0;

  for (const index of [0, 1])
    test(`${['BIOS', 'UEFI'][index]}: told to boot from the network and switched on, it does so, once`, async () => {
      const machine = rack.machines[index] as RackMachine;
      const since = await newest(machine);
      const { order: done, power } = await order(machine, 'power', { action: 'on', boot: 'network' });
      assert.deepEqual([done.state, done.result, done.driver, power], ['done', 'is on', 'ipmi', 'on']);
      assert.equal(machine.powerState(), 'on');
      await appliance.event(names.get(machine.name) as string, 'boot.started', 120, since);
      assert.equal(machine.bootOverride(), 'none', 'the flag is used up');
      const off = await order(machine, 'power', { action: 'off' });
      assert.deepEqual([off.order.result, machine.powerState()], ['is off', 'off']);
    });

  test('a guest that switches itself off is seen to be off, by polling alone', async () => {
    const machine = rack.machines[0] as RackMachine;
    await writeDisk(machine.diskPath, sayAndPowerOffLater('DISK GOES', 20));
    const since = await newest(machine);
    const on = await order(machine, 'power', { action: 'on', boot: 'disk' });
    assert.deepEqual([on.order.result, on.power], ['is on', 'on']);
    await until('the guest has switched itself off', 120, async () => machine.powerState() === 'off');
    const changed = await appliance.event(names.get(machine.name) as string, 'power.changed', 120, since);
    assert.match(changed.text, /^is off, it was on$/);
    assert.equal((await appliance.get<Power>(path(machine, 'power'))).power, 'off');
  });

  test('a machine is cycled, reset and refused while it is locked', async () => {
    const machine = rack.machines[0] as RackMachine;
    await writeDisk(machine.diskPath, sayAndStay('DISK RUNS'));
    assert.equal((await order(machine, 'power', { action: 'cycle' })).order.result, 'is on');
    assert.equal((await order(machine, 'power', { action: 'reset' })).order.result, 'was reset');
    await appliance.request('PATCH', path(machine, '').replace(/\/$/, ''), { locked: true });
    for (const [what, body] of [
      ['power', { action: 'off' }],
      ['power', { action: 'reset' }],
      ['boot-device', { device: 'network' }],
    ] as const)
      await assert.rejects(order(machine, what, body), /machine-locked/);
    assert.equal(machine.powerState(), 'on');
    await appliance.request('PATCH', path(machine, '').replace(/\/$/, ''), { locked: false });
    await assert.rejects(
      order(machine, 'power', { action: 'soft', graceSeconds: 5 }),
      /did not shut down within 5 s: its operating system does not follow the power button/,
    );
    const hard = await order(machine, 'power', { action: 'soft', graceSeconds: 5, hardAfter: true });
    assert.deepEqual([hard.order.result, machine.powerState()], ['is off', 'off']);
  });

  test('its console shows what it says, from the first line of its firmware to the kernel', async () => {
    const machine = rack.machines[0] as RackMachine;
    const name = names.get(machine.name) as string;
    const watched = appliance.watch(path(machine, 'console'));
    await appliance.request('POST', `/api/v1/machines/${name}/discover`);
    await until('the kernel speaks on the console', 180, async () => /Linux version \d/.test(watched.text()));
    await watched.close();
    console.log(JSON.stringify(watched.text()).slice(0, 3000));
    await order(machine, 'power', { action: 'off' });
  });

  test('an order that is under way when the appliance is killed comes to its end after the restart', async () => {
    const machine = rack.machines[0] as RackMachine;
    await order(machine, 'power', { action: 'on' });
    const { order: placed } = await appliance.request<{ order: KeptOrder }>('POST', path(machine, 'power'), {
      action: 'cycle',
    });
    await until('it is under way', 30, async () => machine.powerState() === 'off');
    await appliance.kill();
    await appliance.start();
    const ended = await appliance.get<KeptOrder>(`/api/v1/orders/${placed.id}?wait=true`);
    assert.deepEqual([ended.state, ended.result, machine.powerState()], ['done', 'is on', 'on']);
  });
});
