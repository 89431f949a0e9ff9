import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { openBmc } from '../../src/bmc/index.ts';
import { otherWay } from '../../src/bmc/other-way.ts';
import { createSupervisor, type Supervisor } from '../../src/bmc/supervisor.ts';
import type { BootWish, DriverName, Order } from '../../src/model/bmc.ts';
import type { FirmwareMode } from '../../src/model/machine.ts';
import { type Harness, MAC, withHarness } from '../harness.ts';
import { startWireBmc, type WireBmcOptions } from './wire-bmc.ts';

const WISH: BootWish = { device: 'network', firmware: 'uefi', isPersistent: false };
const MINUTE = 60_000;

type Rig = {
  harness: Harness;
  supervisor: Supervisor;
  bmc: Awaited<ReturnType<typeof startWireBmc>>;
  machineId: number;
  carryOut(...orders: Order[]): Promise<void>;
  /** Minutes pass, and the check that is made every five seconds is made. */
  pass(minutes: number): Promise<void>;
  /** The machine's firmware asks for an address. */
  boot(): Promise<unknown>;
  /** Done at the next wait. */
  atWait(act: () => unknown): void;
  missing(): string[];
};

/** A machine and its BMC under supervision, all in the harness's time; of real time only the check is left out. */
async function withMachine(t: TestContext, options: WireBmcOptions, check: (rig: Rig) => Promise<void>): Promise<void> {
  await withHarness({}, async (harness) => {
    const bmc = await startWireBmc({ clock: harness.clock, ...options });
    const { id: machineId } = harness.addMachine('vm-01');
    harness.setBmc(machineId, { port: bmc.port });
    const acts: (() => unknown)[] = [];
    t.mock.timers.enable({ apis: ['setInterval'] });
    const supervisor = createSupervisor({
      ...harness,
      steady: harness.clock,
      sleep: async (ms, signal) => {
        await nextTurn();
        signal?.throwIfAborted();
        harness.pass(ms);
        await acts.shift()?.();
      },
      settings: { spacingMs: 0, polls: false },
      open: openBmc,
    });
    const idle = () => harness.until(() => harness.orders.open().length === 0);
    try {
      await check({
        harness,
        supervisor,
        bmc,
        machineId,
        async carryOut(...orders) {
          for (const order of orders) supervisor.place({ machineId, order, askedBy: 'ada' });
          await idle();
        },
        async pass(minutes) {
          harness.pass(minutes * MINUTE);
          t.mock.timers.tick(5000);
          await idle();
        },
        boot: () => harness.ask({ type: 'discover', mac: MAC, as: 'uefi' }),
        atWait: (act) => void acts.push(act),
        missing: () => harness.told.filter(({ kind }) => kind === 'boot.missing').map(({ text }) => text),
      });
    } finally {
      await supervisor.close();
      t.mock.timers.reset();
      await bmc.stop();
    }
  });
}

const NETWORK: Order[] = [
  { kind: 'boot', wish: WISH },
  { kind: 'power', action: 'on' },
];

test('a machine that was started to boot from the network and does not is started another way, once, and is told of', (t) =>
  withMachine(t, {}, async ({ harness, bmc, machineId, carryOut, pass, missing }) => {
    await carryOut(...NETWORK);
    await pass(4.9);
    assert.deepEqual(missing(), []);
    bmc.done.length = 0;
    await pass(0.2);
    assert.deepEqual(missing(), [
      'was started to boot network and asked for no address within 5 minutes: it is tried in bios mode instead of uefi',
    ]);
    const acts = bmc.done.filter((act) => /^(on|off|boot option 5)/.test(act));
    assert.deepEqual(acts, ['off', 'boot option 5: 8004000000', 'on']);
    const orders = harness.orders.lastOf(machineId, 3);
    assert.ok(orders.every(({ state, askedBy }) => state === 'done' && askedBy === 'Firstlight'));
    await pass(6);
    assert.equal(missing().length, 2);
    assert.match(missing()[1] ?? '', /within 5 minutes: look at its screen or console/);
    await pass(6);
    assert.deepEqual([missing().length, harness.orders.lastOf(machineId, 50).length], [2, 5]);
  }));

test('a machine that asks for an address in time is left alone', (t) =>
  withMachine(t, {}, async ({ carryOut, pass, boot, missing, harness }) => {
    await carryOut(...NETWORK);
    await pass(4);
    await boot();
    await pass(10);
    assert.deepEqual([missing(), harness.orders.awaited()], [[], []]);
  }));

for (const action of ['on', 'cycle', 'reset'] as const)
  test(`a machine that asks for an address before its BMC tells of the ${action} is left alone, and is in that boot`, (t) =>
    withMachine(
      t,
      { faults: { settles: 10_000 } },
      async ({ bmc, carryOut, pass, boot, atWait, missing, harness, machineId }) => {
        bmc.isOn = action !== 'on';
        await carryOut({ kind: 'boot', wish: WISH });
        const starts = bmc.bmc.machine.starts.length;
        const bootOnceStarted = async (): Promise<void> => {
          if (bmc.bmc.machine.starts.length > starts) await boot();
          else atWait(bootOnceStarted);
        };
        atWait(bootOnceStarted);
        await carryOut({ kind: 'power', action });
        assert.equal(harness.told.filter(({ kind }) => kind === 'boot.started').length, 1);
        assert.equal(harness.machines.bootStage(machineId).stage, 'firmware');
        await pass(10);
        assert.deepEqual(missing(), []);
      },
    ));

test('what the machine asks while it is still to be started anew is no answer', (t) =>
  withMachine(t, {}, async ({ bmc, carryOut, pass, boot, atWait, missing }) => {
    bmc.isOn = true;
    await carryOut({ kind: 'boot', wish: WISH });
    atWait(boot);
    await carryOut({ kind: 'power', action: 'cycle' });
    await pass(6);
    assert.equal(missing().length, 1);
  }));

test('a machine that has taken its boot device by itself is not expected to boot from the network once more', (t) =>
  withMachine(t, {}, async ({ harness, bmc, carryOut, pass, boot, missing }) => {
    bmc.isOn = true;
    await carryOut({ kind: 'boot', wish: WISH });
    await boot();
    assert.deepEqual(harness.orders.awaited(), []);
    await carryOut({ kind: 'power', action: 'cycle' });
    await pass(6);
    assert.deepEqual(missing(), []);
  }));

test('a boot device that nobody started from is not expected for ever', (t) =>
  withMachine(t, {}, async ({ harness, bmc, carryOut, pass, missing }) => {
    bmc.isOn = true;
    await carryOut({ kind: 'boot', wish: WISH });
    await pass(9.9);
    assert.equal(harness.orders.awaited().length, 1);
    await pass(0.2);
    assert.deepEqual(harness.orders.awaited(), []);
    await carryOut({ kind: 'power', action: 'cycle' });
    await pass(6);
    assert.deepEqual([missing(), bmc.isOn], [[], true]);
  }));

test('a machine that was on already was not started, and is left alone', (t) =>
  withMachine(t, {}, async ({ bmc, carryOut, pass, missing }) => {
    bmc.isOn = true;
    await carryOut(...NETWORK);
    bmc.done.length = 0;
    await pass(5.1);
    assert.deepEqual([missing(), bmc.done], [[], []]);
  }));

for (const action of ['off', 'soft'] as const)
  test(`a machine that somebody switches off meanwhile (${action}) stays off`, (t) =>
    withMachine(t, {}, async ({ bmc, carryOut, pass, missing }) => {
      await carryOut(...NETWORK);
      await pass(1);
      await carryOut({ kind: 'power', action });
      assert.equal(bmc.isOn, false);
      await pass(10);
      assert.deepEqual([bmc.isOn, missing()], [false, []]);
    }));

test('a machine that was switched off by hand meanwhile stays off', (t) =>
  withMachine(t, {}, async ({ supervisor, machineId, bmc, carryOut, pass, missing }) => {
    await carryOut(...NETWORK);
    await pass(1);
    bmc.isOn = false;
    for (const _ of [1, 2]) await supervisor.readPower(machineId);
    await pass(10);
    assert.deepEqual([bmc.isOn, missing()], [false, []]);
  }));

test('what somebody does at minute five is not done once more behind it', (t) =>
  withMachine(t, {}, async ({ harness, bmc, carryOut, pass, atWait, missing }) => {
    await carryOut(...NETWORK);
    harness.pass(4.99 * MINUTE);
    bmc.done.length = 0;
    atWait(() => {
      harness.pass(2000);
      t.mock.timers.tick(5000);
    });
    await carryOut({ kind: 'power', action: 'cycle' });
    await pass(1);
    assert.deepEqual([missing(), bmc.done], [[], ['off', 'on']]);
    await pass(4.1);
    assert.equal(missing().length, 1, 'counted from the new start');
  }));

test('a job that has ended waits for nothing', (t) =>
  withMachine(t, {}, async ({ supervisor, machineId, carryOut, pass, missing }) => {
    await carryOut(...NETWORK);
    supervisor.dropAwaited(machineId);
    await pass(10);
    assert.deepEqual(missing(), []);
  }));

test('a machine that is to boot its disk is not awaited', (t) =>
  withMachine(t, {}, async ({ carryOut, pass, missing }) => {
    await carryOut(...NETWORK, { kind: 'boot', wish: { ...WISH, device: 'disk' } }, { kind: 'power', action: 'cycle' });
    await pass(10);
    assert.deepEqual(missing(), []);
  }));

test('a locked machine is told of and not touched', (t) =>
  withMachine(t, {}, async ({ harness, machineId, carryOut, pass, missing }) => {
    await carryOut(...NETWORK);
    harness.machines.setLocked(machineId, true);
    await pass(6);
    assert.match(missing()[0] ?? '', /look at its screen/);
    assert.equal(harness.orders.lastOf(machineId, 50).length, 2);
  }));

test('a machine is awaited across a restart', (t) =>
  withMachine(t, {}, async ({ harness, supervisor, carryOut, pass, missing }) => {
    await carryOut(...NETWORK);
    await supervisor.close();
    const later = createSupervisor({ ...harness, steady: harness.clock, settings: { polls: false }, open: openBmc });
    await pass(6);
    assert.equal(missing().length, 1);
    await later.close();
  }));

const WAYS: [string, DriverName, FirmwareMode | undefined, DriverName[], string, DriverName, FirmwareMode][] = [
  [
    'a guessed mode is guessed the other way',
    'ipmi',
    undefined,
    ['redfish', 'ipmi'],
    'in bios mode instead of uefi',
    'ipmi',
    'bios',
  ],
  [
    'a known mode is kept, and another driver tried',
    'redfish',
    'uefi',
    ['redfish', 'wol', 'ipmi'],
    'with ipmi instead of redfish',
    'ipmi',
    'uefi',
  ],
  [
    'without another driver the same is done once more',
    'ipmi',
    'uefi',
    ['ipmi', 'wol'],
    'in the same way once more',
    'ipmi',
    'uefi',
  ],
];
for (const [what, driver, firmware, drivers, text, via, mode] of WAYS)
  test(`the other way: ${what}`, () =>
    assert.deepEqual(otherWay({ wish: WISH, driver }, { firmware, drivers }), {
      wish: { ...WISH, firmware: mode },
      via,
      text,
    }));
