import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { openBmc } from '../../src/bmc/index.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { openRedfish } from '../../src/bmc/redfish.ts';
import { createSupervisor, type Supervisor } from '../../src/bmc/supervisor.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { makeCertificate } from '../../src/lab/bmc-sim/redfish-certificate.ts';
import type { KeptOrder, Order, OrderStage, PowerAction } from '../../src/model/bmc.ts';
import { type Harness, startHarness, withHarness } from '../harness.ts';
import { freePort, missing } from './ipmi-sim.ts';
import { waitingTime } from './waiting-time.ts';
import { startWireBmc, type WireBmcOptions } from './wire-bmc.ts';

type Bmc = Awaited<ReturnType<typeof startWireBmc>>;
const SHORT = { firstMs: 150, lastMs: 150, sends: 2 };
const QUICK = { connectMs: 2000, answerMs: 2000, tries: 1, firstMs: 1, lastMs: 1, budgetMs: 4000, callMs: 4000 };
const POWER_ON: Order = { kind: 'power', action: 'on' };

/** A supervisor over the parts of a harness, in a time that only waiting moves; drivers soon give up. */
function supervise(harness: Harness): Supervisor {
  return createSupervisor({
    ...harness,
    ...waitingTime(),
    settings: { spacingMs: 0, polls: false },
    open: (target, more) => {
      if (target.driver === 'ipmi') return openIpmi(target, { ...more, patience: SHORT });
      if (target.driver === 'redfish') return openRedfish(target, { ...more, patience: QUICK });
      return openBmc(target, more);
    },
  });
}

type Rig = {
  harness: Harness;
  supervisor: Supervisor;
  bmc: Bmc;
  machineId: number;
  place(order?: Order): KeptOrder;
  ended(order: KeptOrder): Promise<string>;
};

async function withBmc(options: WireBmcOptions, check: (rig: Rig) => Promise<void>): Promise<void> {
  const bmc = await startWireBmc(options);
  try {
    await withHarness({}, async (harness) => {
      const { id: machineId } = harness.addMachine('vm-01');
      harness.setBmc(machineId, { port: bmc.port });
      const supervisor = supervise(harness);
      try {
        await check({
          harness,
          supervisor,
          bmc,
          machineId,
          place: (order = POWER_ON) => supervisor.place({ machineId, order, askedBy: 'ada' }),
          ended: async ({ id }) => sentence(await supervisor.whenEnded(id)),
        });
      } finally {
        await supervisor.close();
      }
    });
  } finally {
    await bmc.stop();
  }
}

const sentence = ({ state, result }: KeptOrder): string => `${state}: ${result}`;
const texts = ({ told }: Harness, kind: string): string[] =>
  told.filter((event) => event.kind === kind).map((event) => event.text);

test('the drivers of a chain are tried in their order, and the end says why', async (t) => {
  const lacking = missing('ipmitool');
  if (lacking) return t.skip(lacking);
  await withBmc({}, async ({ harness, bmc, machineId, place, ended }) => {
    const link = { address: '127.0.0.1', user: 'admin', password: 's3cret', settings: {} };
    const closed = await freePort();
    harness.bmcs.put(machineId, [
      { ...link, driver: 'redfish', port: closed },
      { ...link, driver: 'ipmi', port: closed },
      { ...link, driver: 'ipmitool', port: bmc.port },
    ]);
    const order = place();
    assert.match(
      await ended(order),
      /^done: is on \(by ipmitool; redfish: BMC .* nothing listens on that port.*; ipmi: BMC .* nothing listens on that port/,
    );
    assert.deepEqual([harness.orders.byId(order.id)?.driver, bmc.isOn], ['ipmitool', true]);
  });
});

const MENDERS: [string, (harness: Harness, machineId: number, port: number) => void][] = [
  ['its password is given anew', ({ setBmc }, id, port) => setBmc(id, { port, password: 's3cret' })],
  ['somebody says so', ({ bmcs }, id) => bmcs.allow(id)],
];
for (const [when, mend] of MENDERS)
  test(`a wrong password is tried once, by nobody else, not after a restart, and again when ${when}`, () =>
    withBmc({ users: { admin: { password: 'other', privilege: 4 } } }, async (rig) => {
      const { harness, supervisor, bmc, machineId, place, ended } = rig;
      const reading = assert.rejects(supervisor.readPower(machineId), /password/);
      const order = place();
      await reading;
      assert.match(await ended(order), /^failed: .*is not asked any more: .*password/);
      assert.match(await ended(place()), /^failed: ipmi is not used any more: BMC .*password/);
      await assert.rejects(supervisor.readPower(machineId), /is not asked any more/);
      assert.equal(bmc.consoleIds.length, 1, 'one login in all');
      assert.equal(texts(harness, 'bmc.refuses').length, 1);
      const later = supervise(harness);
      await assert.rejects(later.readPower(machineId), /is not asked any more/);
      assert.equal(bmc.consoleIds.length, 1);
      mend(harness, machineId, bmc.port);
      await later.readPower(machineId).catch(() => undefined);
      assert.equal(bmc.consoleIds.length, 2);
      await later.close();
    }));

test('a credential that is changed is tried again on each machine that has it', () =>
  withBmc({}, async ({ harness, supervisor, bmc, machineId }) => {
    harness.bmcs.putCredential('racks', 'admin', 'wrong');
    const link = { driver: 'ipmi', address: '127.0.0.1', port: bmc.port, settings: {}, credential: 'racks' } as const;
    harness.bmcs.put(machineId, [link]);
    await assert.rejects(supervisor.readPower(machineId), /password/);
    assert.equal(harness.bmcs.chain(machineId)[0]?.refusal?.kind, 'wrong-password');
    harness.bmcs.putCredential('racks', 'admin', 's3cret');
    assert.equal(await supervisor.readPower(machineId), 'off');
  }));

test('a call with the old password that ends after the new one was given does not speak against it', () =>
  withBmc({ faults: { slow: 50 } }, async ({ harness, supervisor, bmc, machineId }) => {
    harness.setBmc(machineId, { port: bmc.port, password: 'wrong' });
    const old = assert.rejects(supervisor.readPower(machineId), /password/);
    await nextTurn();
    harness.setBmc(machineId, { port: bmc.port, password: 's3cret' });
    await old;
    assert.equal(harness.bmcs.chain(machineId)[0]?.refusal, undefined);
    assert.equal(await supervisor.readPower(machineId), 'off');
  }));

test('an order that runs while its machine gets another BMC does not ask the old one, nor with the new password', () =>
  withBmc({ faults: { lies: 1 } }, async ({ harness, supervisor, bmc, machineId, place, ended }) => {
    const other = await startWireBmc({ users: { admin: { password: 'new', privilege: 4 } } });
    try {
      const order = place();
      await harness.until(() => bmc.done.includes('on'));
      harness.setBmc(machineId, { port: other.port, password: 'new' });
      const before = bmc.consoleIds.length;
      assert.match(await ended(order), /^failed: BMC .* is not the BMC of this machine any more/);
      assert.ok(bmc.consoleIds.length <= before + 1, 'no more than the call that was under way');
      assert.equal(await supervisor.readPower(machineId), 'off');
      assert.equal(other.consoleIds.length, 1);
    } finally {
      await other.stop();
    }
  }));

test('a changed certificate closes every door of that address until it is accepted', () =>
  withBmc({}, async ({ harness, supervisor, bmc, machineId, place, ended }) => {
    let redfish = await openRedfishSim();
    const { port } = redfish;
    const link = { address: '127.0.0.1', user: 'admin', password: 's3cret', settings: {} };
    harness.bmcs.put(machineId, [
      { ...link, driver: 'redfish', port },
      { ...link, driver: 'ipmi', port: bmc.port },
    ]);
    assert.equal(await supervisor.readPower(machineId), 'off');
    const first = harness.bmcs.chain(machineId)[0]?.learned.fingerprint ?? 'none';
    await redfish.stop();
    redfish = await openRedfishSim({ port, certificate: makeCertificate('another', Date.now()) });
    try {
      const end = await ended(place());
      assert.match(
        end,
        /^failed: BMC .* shows another certificate than before: its SHA-256 was [0-9A-F:]{95} and is [0-9A-F:]{95}/,
      );
      assert.ok(end.includes(first));
      assert.match(await ended(place()), /^failed: redfish is not used any more: .*certificate/);
      await assert.rejects(supervisor.readPower(machineId), /is not asked any more/);
      assert.deepEqual([bmc.consoleIds, redfish.asked], [[], []], 'nobody was shown a password');
      harness.bmcs.forgetCertificates(machineId);
      assert.equal(await supervisor.readPower(machineId), 'off');
      assert.notEqual(harness.bmcs.chain(machineId)[0]?.learned.fingerprint, first);
    } finally {
      await supervisor.close();
      await redfish.stop();
    }
  }));

test('an order can be cancelled while it waits, while it is between two looks, and while its call hangs', () =>
  withBmc({ faults: { lies: 1 } }, async ({ supervisor, bmc, harness, place, ended }) => {
    const running = place();
    const waiting = place({ kind: 'power', action: 'off' });
    await harness.until(() => bmc.done.includes('on'));
    assert.equal(sentence(await supervisor.cancel(waiting.id, 'ada')), 'cancelled: cancelled by ada');
    const cancelled = sentence(await supervisor.cancel(running.id, 'ada'));
    assert.equal(cancelled, 'cancelled: cancelled by ada, its command was given already (turning-on)');
    await assert.rejects(supervisor.cancel(running.id, 'ada'), /power order 1 has ended: cancelled/);

    bmc.faults.set('hang', 1);
    const hanging = place();
    const asked = bmc.bmc.datagrams.in;
    await harness.until(() => bmc.bmc.datagrams.in > asked);
    assert.equal(sentence(await supervisor.cancel(hanging.id, 'ada')), 'cancelled: cancelled by ada');
    bmc.faults.clear();
    assert.equal(await ended(place()), 'done: is on');
    assert.deepEqual(
      texts(harness, 'power.cancelled').map((text) => text.replace(/:.*/, '')),
      ['power off', 'power on', 'power on'],
    );
  }));

test('a locked machine is refused at the door, and between the door and the command', () =>
  withBmc({ faults: { slow: 30 } }, async ({ harness, machineId, bmc, place, ended }) => {
    bmc.isOn = true;
    const order = place({ kind: 'power', action: 'off' });
    harness.machines.setLocked(machineId, true);
    assert.equal(await ended(order), 'failed: vm-01 is locked');
    const disturbing: Order[] = [
      { kind: 'power', action: 'off' },
      { kind: 'power', action: 'reset' },
      { kind: 'power', action: 'cycle' },
      { kind: 'power', action: 'soft' },
      { kind: 'boot', wish: { device: 'disk', firmware: 'uefi', isPersistent: false } },
      { kind: 'media' },
    ];
    for (const one of disturbing) assert.throws(() => place(one), { code: 'machine-locked' }, JSON.stringify(one));
    assert.equal(await ended(place()), 'done: was on already');
    assert.match(await ended(place({ kind: 'identify', seconds: 5 })), /^done/);
    assert.deepEqual(bmc.done, []);
  }));

test('a command whose turn comes after the machine was locked is not given', () =>
  withBmc({}, async ({ harness, supervisor, machineId, bmc, place, ended }) => {
    bmc.isOn = true;
    const order = place({ kind: 'power', action: 'off' });
    // in the lane between the order's first look and its command
    const { promise, resolve } = Promise.withResolvers<string>();
    const asked = supervisor.ask(machineId, 'nothing', () => promise);
    await harness.until(() => supervisor.health(machineId).calls === 1);
    await pause(5);
    harness.machines.setLocked(machineId, true);
    resolve('');
    await asked;
    assert.equal(await ended(order), 'failed: vm-01 is locked');
    assert.deepEqual(bmc.done, []);
  }));

test('a machine that is locked in the middle of a cycle is switched on again', () =>
  withBmc({}, async ({ harness, machineId, bmc, place, ended }) => {
    bmc.isOn = true;
    const order = place({ kind: 'power', action: 'cycle' });
    await harness.until(() => bmc.done.includes('off'));
    harness.machines.setLocked(machineId, true);
    assert.equal(await ended(order), 'done: is on');
    assert.deepEqual(bmc.done, ['off', 'on']);
  }));

test('what only Wake-on-LAN was told says nothing of the power, nor of the BMC beside it', () =>
  withBmc({ faults: { hang: 1 } }, async ({ harness, supervisor, machineId, bmc, place, ended }) => {
    const link = { address: '127.0.0.1', user: '', password: '', settings: {} };
    harness.bmcs.put(machineId, [
      { ...link, driver: 'ipmi', port: bmc.port, user: 'admin', password: 's3cret' },
      { ...link, driver: 'wol', port: 9, settings: { mac: '52:54:00:aa:bb:01' } },
    ]);
    for (const _ of [1, 2]) await assert.rejects(supervisor.readPower(machineId), /did not answer/);
    assert.match(await ended(place()), /^done: was told to turn on; nothing here reads its power/);
    const { power, unreachableSince } = supervisor.health(machineId);
    assert.deepEqual([power, texts(harness, 'bmc.answers')], [undefined, []]);
    assert.notEqual(unreachableSince, undefined);
  }));

/** A machine whose BMC cannot set the boot device, so that a person is asked, in real time: a day of waiting is one. */
async function withPerson(check: (rig: Omit<Rig, 'ended'>) => Promise<void>): Promise<void> {
  const bmc = await startWireBmc({ faults: { 'flags-locked': 1 } });
  try {
    await withHarness({}, async (harness) => {
      const { id: machineId } = harness.addMachine('vm-01');
      const link = { address: '127.0.0.1', port: bmc.port, user: 'admin', password: 's3cret', settings: {} };
      harness.bmcs.put(machineId, [
        { ...link, driver: 'ipmi' },
        { ...link, driver: 'manual', address: '', port: 0 },
      ]);
      const pollPlan = { fastMs: 10, fastForMs: 1000, idleMs: 10, silentMs: 10 };
      const steady = performance.now.bind(performance);
      const supervisor = createSupervisor({ ...harness, open: openBmc, steady, settings: { spacingMs: 0, pollPlan } });
      supervisor.start();
      const place = (order: Order = POWER_ON) => supervisor.place({ machineId, order, askedBy: 'ada' });
      try {
        await check({ harness, supervisor, bmc, machineId, place });
      } finally {
        await supervisor.close();
      }
    });
  } finally {
    await bmc.stop();
  }
}

const NETWORK: Order = { kind: 'boot', wish: { device: 'network', firmware: 'uefi', isPersistent: false } };

test('a machine whose person is awaited is read meanwhile', () =>
  withPerson(async ({ harness, supervisor, bmc, machineId, place }) => {
    place(NETWORK);
    await harness.until(() => supervisor.askedOf(machineId) !== undefined);
    bmc.isOn = true;
    await harness.until(() => supervisor.health(machineId).power?.state === 'on');
    assert.notEqual(supervisor.askedOf(machineId), undefined);
  }));

test('nobody is asked to do by hand what a lock forbids', () =>
  withPerson(async ({ harness, supervisor, machineId, place }) => {
    harness.bmcs.put(machineId, [{ driver: 'manual', address: '', port: 0, user: '', password: '', settings: {} }]);
    const first = place(NETWORK);
    const second = place({ kind: 'power', action: 'off' });
    await harness.until(() => supervisor.askedOf(machineId) !== undefined);
    harness.machines.setLocked(machineId, true);
    supervisor.confirm(machineId, 'bob');
    assert.equal(sentence(await supervisor.whenEnded(first.id)), 'done: done by hand, says bob');
    assert.equal(sentence(await supervisor.whenEnded(second.id)), 'failed: vm-01 is locked');
    assert.equal(texts(harness, 'power.asked').length, 1);
  }));

test('who waits for an order only so long is told of it as it is then', () =>
  withBmc({ faults: { slow: 100 } }, async ({ supervisor, place }) => {
    const { id } = place();
    const early = await supervisor.whenEnded(id, 5);
    assert.deepEqual([early.state, early.endedAt], ['running', undefined]);
    assert.equal((await supervisor.whenEnded(id, 60_000)).state, 'done');
  }));

test('what was asked of a machine that is removed ends, whoever waits for it', () =>
  withBmc({ faults: { lies: 1 } }, async ({ harness, machineId, bmc, place, ended }) => {
    const running = ended(place());
    const waiting = ended(place({ kind: 'power', action: 'off' }));
    await harness.until(() => bmc.done.includes('on'));
    harness.events.settle(() => harness.machines.remove(machineId));
    for (const end of await Promise.all([running, waiting])) assert.match(end, /removed|removal of the machine/);
    assert.deepEqual(bmc.done, ['on']);
  }));

test('an order that needs another is not carried out when that one fails', () =>
  withBmc({ faults: { 'flags-locked': 1 } }, async ({ place, ended, bmc }) => {
    const boot = place({ kind: 'boot', wish: { device: 'network', firmware: 'uefi', isPersistent: false } });
    assert.match(
      await ended(place({ kind: 'power', action: 'on', needs: boot.id })),
      /^failed: not done, because boot network next \(uefi\) was not: BMC .* this boot option can only be read/,
    );
    assert.ok(!bmc.done.includes('on'));
  }));

test('two silences in a row are an event, and so is the first answer after them', () =>
  withBmc({}, async ({ supervisor, harness, bmc, machineId }) => {
    await supervisor.readPower(machineId);
    bmc.faults.set('hang', 1);
    for (const _ of [1, 2, 3]) await assert.rejects(supervisor.readPower(machineId), /did not answer/);
    assert.equal(texts(harness, 'bmc.unreachable').length, 1);
    assert.deepEqual(supervisor.health(machineId).power, undefined);
    bmc.faults.delete('hang');
    bmc.isOn = true;
    assert.equal(await supervisor.readPower(machineId), 'on');
    assert.equal(texts(harness, 'bmc.answers').length, 1);
    assert.equal(supervisor.health(machineId).unreachableSince, undefined);
  }));

const STAGES: [OrderStage, PowerAction, { isOn: boolean }, string[], RegExp][] = [
  ['begin', 'cycle', { isOn: true }, ['off', 'on'], /^done: is on$/],
  ['turning-off', 'cycle', { isOn: false }, ['on'], /^done: is on$/],
  ['turning-off', 'off', { isOn: true }, ['off'], /^done: is off$/],
  ['resting', 'cycle', { isOn: false }, ['on'], /^done: is on$/],
  ['turning-on', 'cycle', { isOn: true }, [], /^done: is on$/],
  ['turning-on', 'on', { isOn: false }, ['on'], /^done: is on$/],
  ['shutting-down', 'soft', { isOn: false }, [], /^done: has shut down$/],
  ['shutting-down', 'soft', { isOn: true }, [], /^failed: did not shut down within 120 s/],
  ['resetting', 'reset', { isOn: true }, [], /^failed: .*whether it was reset is not known$/],
];
for (const [stage, action, { isOn }, acts, end] of STAGES)
  test(`a restart while ${action} was ${stage}, the machine being ${isOn ? 'on' : 'off'} now`, async () => {
    const bmc = await startWireBmc();
    bmc.isOn = isOn;
    const first = await startHarness();
    const { id } = first.addMachine('vm-01');
    first.setBmc(id, { port: bmc.port });
    const now = first.clock();
    const order = first.orders.add({ machineId: id, order: { kind: 'power', action }, askedBy: 'ada' }, now);
    first.orders.begin(order.id, now);
    first.orders.saveProgress(order.id, { stage, since: now, equalReads: 1, sends: 1 }, 'ipmi');
    await first.close('keep');
    const second = await startHarness({ folder: first.folder });
    try {
      const supervisor = supervise(second);
      supervisor.start();
      assert.match(sentence(await supervisor.whenEnded(order.id)), end);
      assert.deepEqual(bmc.done, acts);
      await supervisor.close();
    } finally {
      await second.close();
      await bmc.stop();
    }
  });

test('the appliance ends while an order runs: it stays under way, and is read back after the restart', async () => {
  const bmc = await startWireBmc({ faults: { lies: 1 } });
  const first = await startHarness();
  const { id } = first.addMachine('vm-01');
  first.setBmc(id, { port: bmc.port });
  const before = supervise(first);
  const order = before.place({ machineId: id, order: POWER_ON, askedBy: 'ada' });
  await first.until(() => bmc.done.includes('on'));
  await before.close();
  assert.equal(first.orders.byId(order.id)?.state, 'running');
  await first.close('keep');
  bmc.isOn = true;
  const second = await startHarness({ folder: first.folder });
  try {
    const after = supervise(second);
    after.start();
    assert.equal(sentence(await after.whenEnded(order.id)), 'done: is on');
    await after.close();
  } finally {
    await second.close();
    await bmc.stop();
  }
});

test('a job that ends takes its order back, within its own transaction', () =>
  withBmc({ faults: { lies: 1 } }, async ({ harness, bmc, machineId }) => {
    harness.install(harness.machines.byId(machineId) as never, 'debian-12', { restart: true });
    await harness.until(() => harness.orders.openOf(machineId).length > 0);
    harness.runner.happened(machineId, { kind: 'cancelled', by: 'ada' } as never);
    await harness.until(() => harness.orders.openOf(machineId).length === 0);
    await pause(5);
    assert.equal(harness.jobs.runningOf(machineId), undefined);
    assert.ok(bmc.done.length <= 1);
  }));
