import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { createSupervisor, type SupervisorSettings } from '../../src/bmc/supervisor.ts';
import type { KeptOrder, Order, PowerAction } from '../../src/model/bmc.ts';
import { COMPLETION } from '../../src/wire/ipmi.ts';
import { BOOT_SELECTOR } from '../../src/wire/ipmi-boot.ts';
import { chassisControl } from '../../src/wire/ipmi-chassis.ts';
import { type Harness, withHarness } from '../harness.ts';
import { waitingTime } from './waiting-time.ts';
import { startWireBmc, type WireBmcOptions } from './wire-bmc.ts';

const SHORT = { firstMs: 150, lastMs: 150, sends: 2 };

/** A machine, its BMC and a supervisor, in a time that only waiting moves, for the BMC too. */
async function withBmc(
  options: WireBmcOptions,
  check: (rig: {
    harness: Harness;
    bmc: Awaited<ReturnType<typeof startWireBmc>>;
    machineId: number;
    place(order: Order): KeptOrder;
    /** How an order ends: `done: is on`. */
    carryOut(order: Order): Promise<string>;
    power(action: PowerAction, more?: { graceSeconds?: number; isHardAfter?: boolean }): Promise<string>;
    /** Every wait so far, in milliseconds. */
    waits: number[];
    /** Done once at the next wait. */
    atWait(act: () => void): void;
  }) => Promise<void>,
  settings: Partial<SupervisorSettings> = {},
): Promise<void> {
  const waits: number[] = [];
  const acts: (() => void)[] = [];
  const time = waitingTime((ms) => {
    waits.push(ms);
    acts.shift()?.();
  });
  const bmc = await startWireBmc({ clock: time.clock, ...options });
  try {
    await withHarness({}, async (harness) => {
      const { id: machineId } = harness.addMachine('vm-01');
      harness.setBmc(machineId, { port: bmc.port });
      const supervisor = createSupervisor({
        ...harness,
        ...time,
        settings: { spacingMs: 0, polls: false, ...settings },
        open: (target, more) => openIpmi(target, { ...more, patience: SHORT }),
      });
      const carryOut = async (order: Order): Promise<string> => {
        const ended: KeptOrder = await supervisor.whenEnded(supervisor.place({ machineId, order, askedBy: 'ada' }).id);
        return `${ended.state}: ${ended.result}`;
      };
      try {
        await check({
          harness,
          bmc,
          machineId,
          place: (order) => supervisor.place({ machineId, order, askedBy: 'ada' }),
          carryOut,
          power: (action, more) => carryOut({ kind: 'power', action, ...more }),
          waits,
          atWait: (act) => void acts.push(act),
        });
        assert.equal(bmc.openSessions(), 0, 'sessions left open');
      } finally {
        await supervisor.close();
      }
    });
  } finally {
    await bmc.stop();
  }
}

const powerActs = (done: readonly string[]): string[] => done.filter((act) => !act.startsWith('boot option'));
const WISH = { device: 'network', firmware: 'uefi', isPersistent: false } as const;

type Case = [string, WireBmcOptions & { isOn?: boolean }, PowerAction, string[], RegExp];
const CASES: Case[] = [
  ['is switched off, which is read twice', { isOn: true }, 'off', ['off'], /^done: is off$/],
  ['is cycled by off and on', { isOn: true }, 'cycle', ['off', 'on'], /^done: is on$/],
  ['is late by a minute', { isOn: true, faults: { settles: 20_000 } }, 'off', ['off'], /^done: is off$/],
  [
    'follows after its second command, and refuses that',
    { isOn: true, faults: { settles: 40_000 } },
    'off',
    ['off'],
    /^done: is off$/,
  ],
  ['follows late in both halves', { isOn: true, faults: { settles: 40_000 } }, 'cycle', ['off', 'on'], /^done: is on$/],
  ['starts late, and refuses to be told again', { faults: { settles: 40_000 } }, 'on', ['on'], /^done: is on$/],
  ['wavers once', { faults: { flips: 1 } }, 'on', ['on'], /^done: is on$/],
  [
    'says yes and does nothing',
    { faults: { lies: 1, strict: 0 } },
    'on',
    ['on', 'on'],
    /^failed: did not turn on within 90 s: the BMC took the command and still reads off$/,
  ],
  ['does it and says nothing', { isOn: true, faults: { 'mute-control': 1 } }, 'off', ['off'], /^done: is off$/],
  [
    'neither does nor answers a reset',
    { isOn: true, faults: { 'lost-control': 1 } },
    'reset',
    [],
    /^failed: the BMC did not answer the command: whether it was reset is not known$/,
  ],
  [
    'does a reset and does not answer it, which is not given twice',
    { isOn: true, faults: { 'mute-control': 1 } },
    'reset',
    ['reset'],
    /^failed: the BMC did not answer the command: whether it was reset is not known$/,
  ],
];
for (const [what, { isOn = false, ...options }, action, acts, end] of CASES)
  test(`power ${action}: a machine that ${what}`, () =>
    withBmc(options, async ({ bmc, power }) => {
      bmc.isOn = isOn;
      if (options.faults?.strict === 0) bmc.faults.delete('strict');
      assert.match(await power(action), end);
      assert.deepEqual([...new Set(powerActs(bmc.done))], [...new Set(acts)]);
      // a command without an answer is sent again within its session: what counts is how often the order gave it
      if (!options.faults?.['mute-control']) assert.deepEqual(powerActs(bmc.done), acts);
    }));

test('a shutdown whose command got no answer is not followed by a hard off, even where one was asked for', () =>
  withBmc({ faults: { 'lost-control': 1 } }, async ({ bmc, power }) => {
    bmc.isOn = true;
    assert.match(
      await power('soft', { graceSeconds: 30, isHardAfter: true }),
      /^failed: did not shut down within 30 s: the BMC did not answer the command, and may not have got it; it is still on$/,
    );
    assert.deepEqual([bmc.isOn, bmc.done], [true, []]);
  }));

test('a shutdown that does not come is hard only where that was asked for', () =>
  withBmc({ faults: { lies: 1 } }, async ({ bmc, power, atWait }) => {
    bmc.isOn = true;
    assert.match(
      await power('soft', { graceSeconds: 30 }),
      /^failed: did not shut down within 30 s: its operating system/,
    );
    for (let waits = 0; waits < 29; waits++) atWait(() => undefined);
    atWait(() => void bmc.faults.delete('lies'));
    const ended = power('soft', { graceSeconds: 30, isHardAfter: true });
    assert.equal(await ended, 'done: is off');
    assert.deepEqual(bmc.done, ['soft', 'soft', 'off']);
  }));

test('a BMC that is away while the power changes is waited for, and asked by the same driver', () =>
  withBmc({}, async ({ harness, bmc, power, atWait, machineId }) => {
    const link = { driver: 'ipmi', address: '127.0.0.1', port: bmc.port, user: 'admin', settings: {} } as const;
    harness.bmcs.put(machineId, [
      { ...link, password: 's3cret' },
      { ...link, driver: 'manual', address: '', port: 0 },
    ]);
    bmc.isOn = true;
    // after the first look that follows the command, for two tries
    atWait(() => void bmc.faults.set('hang', 1));
    atWait(() => undefined);
    atWait(() => void bmc.faults.delete('hang'));
    assert.equal(await power('off'), 'done: is off');
    assert.deepEqual(bmc.done, ['off']);
  }));

const UNHEEDED: [string, Order, boolean, string[], string][] = [
  ['a switching-on', { kind: 'power', action: 'on' }, false, ['on'], 'done: is on'],
  // the first half is not done twice
  ['the first half of a cycle', { kind: 'power', action: 'cycle' }, true, ['off', 'on'], 'done: is on'],
  ['a boot device', { kind: 'boot', wish: WISH }, false, [], 'done: boots network next time (uefi)'],
];
for (const [what, order, isOn, acts, end] of UNHEEDED)
  test(`${what} that the BMC takes and does not do is asked of the next driver`, () =>
    withBmc({ faults: { lies: 1, 'no-efi': 1 } }, async ({ harness, bmc, carryOut, machineId }) => {
      const other = await startWireBmc({});
      try {
        const link = { address: '127.0.0.1', user: 'admin', password: 's3cret', settings: {} } as const;
        harness.bmcs.put(machineId, [
          { ...link, driver: 'redfish', port: bmc.port },
          { ...link, driver: 'ipmi', port: other.port },
        ]);
        bmc.isOn = isOn;
        other.isOn = isOn;
        const ended = await carryOut(order);
        assert.ok(ended.startsWith(`${end} (by ipmi; redfish: `), ended);
        assert.deepEqual(powerActs(other.done), acts);
      } finally {
        await other.stop();
      }
    }));

test('a cycle whose machine stays off is switched on by the next driver, and not off once more', () =>
  withBmc({}, async ({ harness, bmc, power, atWait, machineId }) => {
    const other = await startWireBmc({});
    try {
      const link = { address: '127.0.0.1', user: 'admin', password: 's3cret', settings: {} } as const;
      harness.bmcs.put(machineId, [
        { ...link, driver: 'redfish', port: bmc.port },
        { ...link, driver: 'ipmi', port: other.port },
      ]);
      bmc.isOn = true;
      // two looks after the switching-off, and then it hears nothing any more
      for (let waits = 0; waits < 2; waits++) atWait(() => undefined);
      atWait(() => void bmc.faults.set('lies', 1));
      assert.match(await power('cycle'), /^done: is on \(by ipmi; redfish: did not turn on within 90 s/);
      assert.deepEqual([bmc.done, other.done], [['off', 'on', 'on'], ['on']]);
    } finally {
      await other.stop();
    }
  }));

test('a BMC that is busy, or has no session slot, is asked again later, and does it once the fault ends', () =>
  withBmc({ faults: { 'no-slots': 2 }, completions: { [chassisControl.name]: [COMPLETION.nodeBusy] } }, async (rig) => {
    assert.equal(await rig.power('on'), 'done: is on');
    assert.deepEqual(rig.bmc.done, ['on']);
    assert.ok(rig.waits.includes(10_000) && rig.waits.includes(20_000), `no back-off for a slot: ${rig.waits}`);
  }));

test('a BMC that lets itself be read and is always busy for commands is given up', () =>
  withBmc({ completions: { [chassisControl.name]: Array(1000).fill(COMPLETION.nodeBusy) } }, async ({ power, bmc }) => {
    assert.match(await power('on'), /^failed: BMC 127\.0\.0\.1 port \d+ .*busy/i);
    assert.deepEqual(bmc.done, []);
  }));

const SILENT: [string, Order, number[]][] = [
  ['a lamp', { kind: 'identify', seconds: 30 }, [2000, 4000, 8000, 10_000]],
  // what may have been set is read back
  ['a boot device', { kind: 'boot', wish: WISH }, [2000, 2000, 4000, 8000, 10_000]],
  ['power', { kind: 'power', action: 'on' }, [2000, 4000, 8000, 10_000]],
];
for (const [what, order, expected] of SILENT)
  test(`${what}: a BMC that says nothing has done nothing, and is given up after half a minute`, () =>
    withBmc({ faults: { hang: 1 } }, async ({ carryOut, waits }) => {
      assert.match(await carryOut(order), /^failed: BMC 127\.0\.0\.1 port \d+ did not answer/);
      assert.deepEqual(waits, expected);
    }));

test('a lamp whose BMC answers the second time is lit', () =>
  withBmc({ faults: { hang: 1 } }, async ({ carryOut, bmc, atWait }) => {
    atWait(() => void bmc.faults.delete('hang'));
    assert.equal(await carryOut({ kind: 'identify', seconds: 30 }), 'done: its lamp is on for 30 s');
    assert.equal(bmc.bmc.machine.identifySeconds, 30);
  }));

test('a boot device is read back; one that the BMC drops is told of', async () => {
  await withBmc({}, async ({ carryOut }) =>
    assert.equal(await carryOut({ kind: 'boot', wish: WISH }), 'done: boots network next time (uefi)'),
  );
  await withBmc({ faults: { 'no-efi': 1 } }, async ({ carryOut }) =>
    assert.match(
      await carryOut({ kind: 'boot', wish: WISH }),
      /^failed: .*wanted network in uefi mode, it reads bios$/,
    ),
  );
});

test('machines are switched on in batches, and switched off at once', () =>
  withBmc(
    {},
    async ({ harness, bmc, power, waits, carryOut }) => {
      await power('on');
      const before = waits.length;
      await power('cycle');
      assert.ok(
        waits.slice(before).some((ms) => ms > 30_000),
        'the second switching-on has to wait',
      );
      assert.deepEqual(bmc.done, ['on', 'off', 'on']);
      const after = waits.length;
      await carryOut({ kind: 'power', action: 'off' });
      assert.ok(waits.slice(after).every((ms) => ms <= 1000));
      assert.equal(harness.told.filter(({ kind }) => kind === 'power.command').length, 3);
    },
    { stagger: { batch: 1, pauseMs: 60_000 } },
  ));

// B1
test('a machine that waits for its turn to be switched on is told its boot device when that has come', () =>
  withBmc(
    { faults: { forgets: 1 } },
    async ({ harness, bmc, power, place }) => {
      await power('on');
      await power('off');
      const boot = place({ kind: 'boot', wish: { ...WISH, device: 'cd' } });
      place({ kind: 'power', action: 'on', needs: boot.id });
      await harness.until(() => harness.orders.open().length === 0);
      assert.equal(bmc.isOn, true);
      assert.equal(bmc.bmc.machine.starts.at(-1), BOOT_SELECTOR.cd, 'it forgot the CD while it waited');
    },
    { stagger: { batch: 1, pauseMs: 70_000 } },
  ));
