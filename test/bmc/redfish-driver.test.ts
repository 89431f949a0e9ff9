import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BootWish } from '../../src/bmc/driver.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { assertBmcError, open, withBmc } from './redfish.ts';

const PXE: BootWish = { device: 'network', firmware: 'uefi', isPersistent: false };

test('turns power on and off and reads it, and takes a refusal of what is so already for done', () =>
  withBmc({}, async ({ driver, sim, ids }) => {
    assert.equal(await driver.powerState(), 'off');
    await driver.setPower('on');
    await driver.setPower('on'); // this BMC refuses it, as some do
    assert.equal(await driver.powerState(), 'on');
    await driver.setPower('off');
    await driver.setPower('off');
    await driver.setPower('soft');
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(sim.model.done, ['node1 On', 'node1 ForceOff']);
    assert.ok(ids().includes('R9'));
  }));

test('resets, cycles and shuts down what is on; cycling what is off turns it on, and resetting it is refused', () =>
  withBmc({}, async ({ driver, sim }) => {
    await assertBmcError(driver.setPower('reset'), 'refused', /cannot reset a machine whose power is off/);
    for (const action of ['cycle', 'reset', 'cycle', 'soft'] as const) await driver.setPower(action);
    assert.deepEqual(sim.model.done, ['node1 On', 'node1 ForceRestart', 'node1 PowerCycle', 'node1 GracefulShutdown']);
  }));

test('sets the next boot, and only that one, from each device in either mode', () =>
  withBmc({}, async ({ driver, sim }) => {
    const [system] = sim.model.systems;
    assert.deepEqual(await driver.boot(), { device: 'none', isPersistent: false, firmware: 'uefi' });
    const wishes: [BootWish, string][] = [
      [PXE, 'Pxe UEFI'],
      [{ ...PXE, firmware: 'bios' }, 'Pxe Legacy'],
      [{ ...PXE, device: 'disk' }, 'Hdd UEFI'],
      [{ ...PXE, device: 'cd' }, 'Cd UEFI'],
      [{ ...PXE, device: 'setup' }, 'BiosSetup UEFI'],
      [{ ...PXE, device: 'http', httpUri: 'http://10.0.0.1/boot.efi' }, 'UefiHttp UEFI'],
    ];
    for (const [wish, start] of wishes) {
      await driver.setBoot(wish);
      assert.deepEqual(await driver.boot(), { device: wish.device, isPersistent: false, firmware: wish.firmware });
      await driver.setPower('cycle');
      assert.equal(system?.starts.at(-1), start);
      assert.equal((await driver.boot()).device, 'none');
    }
    assert.equal(system?.boot.httpUri, 'http://10.0.0.1/boot.efi');
    await driver.setBoot({ ...PXE, device: 'http' });
    assert.equal(system?.boot.httpUri, null, 'without a URI, DHCP is to tell it');
    await assertBmcError(
      driver.setBoot({ device: 'http', firmware: 'bios', isPersistent: false }),
      'unsupported',
      /BIOS mode/,
    );
  }));

test('sets a boot that stays', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.setBoot({ ...PXE, isPersistent: true });
    assert.deepEqual(await driver.boot(), { device: 'network', isPersistent: true, firmware: 'uefi' });
    await driver.setPower('on');
    await driver.setPower('cycle');
    assert.deepEqual(sim.model.systems[0]?.starts, ['Pxe UEFI', 'Pxe UEFI']);
  }));

test('reads the boot order of the firmware and what each option is', () =>
  withBmc({}, async ({ driver }) => {
    const { order, options } = await driver.bootOrder();
    assert.deepEqual(order, ['Boot0001', 'Boot0002']);
    const seen = options.map(({ reference, device, mac, isEnabled }) => [reference, device, mac, isEnabled]);
    assert.deepEqual(seen, [
      ['Boot0001', 'network', '52:54:00:00:00:01', true],
      ['Boot0002', 'disk', '', true],
      ['Boot0003', 'http', '52:54:00:00:00:01', true],
    ]);
  }));

test('tells who the machine is and what is built in', () =>
  withBmc({ systems: [{ uuid: '4C4C4544-0042-3510-8053-B4C04F564233' }] }, async ({ driver }) => {
    assert.deepEqual(await driver.identity(), {
      manufacturer: 'Firstlight',
      model: 'Simulated',
      firmware: '1.2.3',
      protocol: 'Redfish 1.15.0',
      uuid: '4c4c4544-0042-3510-8053-b4c04f564233',
      serial: 'SIM0001',
    });
    const fields = (await driver.inventory()).map(({ part, name, value }) => `${part}, ${name}: ${value}`);
    for (const field of [
      'system, serial: SIM0001',
      'processor CPU1, cores: 8',
      'memory DIMM1, MiB: 32768',
      'network NIC1, MAC: 52:54:00:00:00:01',
      'drive D1, serial: S3X1',
      'chassis node1, serial: C-SIM0001',
      'power supply PSU1, serial: P1',
      'BMC, firmware: 1.2.3',
    ])
      assert.ok(fields.includes(field), `${field} is not among\n${fields.join('\n')}`);
  }));

test('reads sensors and watts from the newer resources', () =>
  withBmc({}, async ({ driver }) => {
    assert.deepEqual(await driver.sensors(), [
      { name: 'CPU1 Temp', unit: 'C', state: 'ok', text: '41 C', value: 41 },
      { name: 'FAN1', unit: 'RPM', state: 'ok', text: '5600 RPM', value: 5600 },
      { name: 'Inlet Temp', unit: 'C', state: 'warning', text: '46 C', value: 46 },
    ]);
    assert.equal(await driver.powerReading(), 212);
  }));

test('reads sensors and watts from Thermal and Power where there is nothing newer', () =>
  withBmc({ faults: [{ name: 'no-new-sensors' }] }, async ({ driver }) => {
    const seen = (await driver.sensors()).map(({ name, text, state }) => [name, text, state]);
    assert.deepEqual(seen, [
      ['CPU1 Temp', '41 C', 'ok'],
      ['Inlet Temp', '46 C', 'warning'],
      ['FAN1', '5600 RPM', 'ok'],
      ['FAN2', 'Absent', 'absent'],
      ['12V', '12.1 V', 'ok'],
      ['PSU1', '212 W', 'critical'],
    ]);
    assert.equal(await driver.powerReading(), 212);
  }));

test('reads the log of the hardware, oldest first, and clears it', () =>
  withBmc({}, async ({ driver, sim }) => {
    const [system] = sim.model.systems;
    system?.log.push({ id: 2, at: '1970-01-01T00:00:09Z', severity: 'Critical', text: 'DIMM1\r\nfailed' });
    assert.deepEqual(await driver.log(), [
      { id: '1', severity: 'info', text: 'The log was cleared.', at: Date.UTC(2026, 0, 1, 12) },
      { id: '2', severity: 'critical', text: 'DIMM1 failed' }, // with a clock that was never set
    ]);
    await driver.clearLog();
    assert.deepEqual(await driver.log(), []);
    assert.deepEqual(sim.model.done, ['node1 clear log']);
  }));

for (const [name, faults] of [
  ['', []],
  [' by its older property', [{ name: 'led-only' }]],
  [' on its chassis', [{ name: 'lamp-on-chassis' }]],
] as const)
  test(`lights the lamp and puts it out${name}`, () =>
    withBmc({ faults: [...faults] }, async ({ driver, sim }) => {
      await driver.identify(3600);
      assert.equal(sim.model.systems[0]?.isLampLit, true);
      await driver.identify(0);
      assert.equal(sim.model.systems[0]?.isLampLit, false);
      await driver.identify(3600);
      await driver.close();
      assert.deepEqual(sim.model.done, ['node1 lamp on', 'node1 lamp off', 'node1 lamp on', 'node1 lamp off']);
    }));

test('says what it does not have', () =>
  withBmc({ faults: [{ name: 'no-lamp' }, { name: 'no-boot' }] }, async ({ driver, sim }) => {
    await assertBmcError(driver.identify(5), 'unsupported', /no identify lamp/);
    await assertBmcError(driver.setBoot(PXE), 'unsupported', /no boot override/);
    await assertBmcError(driver.boot(), 'unsupported', /no boot override/);
    await assertBmcError(driver.bootOrder(), 'unsupported', /does not tell its boot order/);
    sim.faults.add({ name: 'status', status: 404, path: '/Chassis/' });
    await assertBmcError(driver.sensors(), 'unsupported', /no sensors/);
    await assertBmcError(driver.powerReading(), 'unsupported', /does not measure the power/);
    sim.faults.add({ name: 'status', status: 404, path: '/LogServices' });
    await assertBmcError(driver.log(), 'unsupported', /no event log/);
  }));

test('finds manager and chassis where the System names none', () =>
  withBmc({ faults: [{ name: 'no-links' }] }, async ({ driver }) => {
    assert.equal((await driver.identity()).firmware, '1.2.3');
    assert.equal((await driver.sensors()).length, 3);
  }));

test('lets a lie about power be seen', () =>
  withBmc({ faults: [{ name: 'deaf', times: 1 }] }, async ({ driver, sim }) => {
    await driver.setPower('on');
    assert.equal(await driver.powerState(), 'off');
    await driver.setPower('on');
    assert.equal(await driver.powerState(), 'on');
    assert.deepEqual(sim.model.done, ['node1 On']);
  }));

test('puts the lamp out by itself', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.identify(0.01);
    while (sim.model.systems[0]?.isLampLit) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(sim.model.done, ['node1 lamp on', 'node1 lamp off']);
  }));

test('has one request in flight to a BMC, whoever asks', async () => {
  const sim = await openRedfishSim({ systems: [{}, {}], slots: 8, faults: [{ name: 'slow', ms: 5 }] });
  try {
    const drivers = ['node1', 'node2'].map((system) => open(sim.port, { settings: { system } }));
    await Promise.all(drivers.flatMap((driver) => [driver.powerState(), driver.setPower('on'), driver.identity()]));
    assert.equal(sim.mostAtOnce(), 1);
    assert.deepEqual(sim.model.done.toSorted(), ['node1 On', 'node2 On']);
    await Promise.all(drivers.map((driver) => driver.close()));
    assert.equal(sim.openSessions(), 0);
  } finally {
    await sim.stop();
  }
});

test('refuses calls after it is closed, and lets the running one end', () =>
  withBmc({}, async ({ driver, sim }) => {
    const running = driver.powerState();
    const waiting = assertBmcError(driver.setPower('on'), 'refused', /no longer in use/);
    while (sim.asked.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await driver.close();
    assert.equal(await running, 'off');
    await waiting;
    await assertBmcError(driver.powerState(), 'refused', /no longer in use/);
    assert.deepEqual(sim.model.done, []);
  }));

test('does not go on waiting for a busy BMC when it is closed', async () => {
  const sim = await openRedfishSim({ faults: [{ name: 'status', status: 503, method: 'GET', path: '/Systems/' }] });
  try {
    let isWaiting = () => {};
    const waiting = new Promise<void>((resolve) => {
      isWaiting = resolve;
    });
    const sleep = (_: number, signal: AbortSignal) => {
      isWaiting();
      return new Promise((resolve) => signal.addEventListener('abort', resolve));
    };
    const driver = open(sim.port, { options: { sleep } });
    const running = assertBmcError(driver.powerState(), 'busy', /with 503/);
    await waiting;
    await driver.close();
    await running;
    assert.equal(sim.openSessions(), 0);
  } finally {
    await sim.stop();
  }
});
