import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KeptOrder, ORDER_STATES, type Order } from '../../src/model/bmc.ts';
import type { Instant } from '../../src/model/time.ts';
import type { AwaitedBoot } from '../../src/store/orders.ts';
import { type Harness, withHarness } from '../harness.ts';

const ON: Order = { kind: 'power', action: 'on' };
const at = (seconds: number): Instant => (seconds * 1000) as Instant;

function add({ orders }: Harness, machineId: number, order: Order = ON): KeptOrder {
  return orders.add({ machineId, order, askedBy: 'ada' }, at(1));
}

test('an order is kept from its placing to its end', () =>
  withHarness({}, (harness) => {
    const { orders, addMachine } = harness;
    const { id: machineId } = addMachine('vm-01');
    const order: Order = { kind: 'power', action: 'soft', graceSeconds: 30, isHardAfter: true };
    const { id } = add(harness, machineId, order);
    const placed = { id, machineId, order, askedBy: 'ada', createdAt: at(1) };
    assert.deepEqual(orders.byId(id), { ...placed, state: 'waiting', result: '' });
    orders.begin(id, at(2));
    const progress = { stage: 'shutting-down', since: at(3), equalReads: 0, sends: 1 } as const;
    orders.saveProgress(id, progress, 'redfish');
    orders.begin(id, at(9)); // after a restart: it began before
    const running = { ...placed, state: 'running', startedAt: at(2), progress, driver: 'redfish', result: '' };
    assert.deepEqual(orders.byId(id), running);
    orders.end(orders.byId(id) as KeptOrder, { state: 'done', result: 'is off', driver: 'ipmi' }, at(10));
    assert.deepEqual(orders.byId(id), { ...running, state: 'done', driver: 'ipmi', result: 'is off', endedAt: at(10) });
    assert.deepEqual([orders.open(), orders.openOf(machineId)], [[], []]);
  }));

test('open orders come oldest first, the last ones newest first', () =>
  withHarness({}, (harness) => {
    const { orders, addMachine } = harness;
    const [one, two] = [addMachine('vm-01').id, addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as never }).id];
    const ids = [one, two, one, one].map((machineId) => add(harness, machineId).id);
    orders.begin(ids[2] as number, at(2));
    orders.end(orders.byId(ids[0] as number) as KeptOrder, { state: 'cancelled', result: '' }, at(3));
    assert.deepEqual(
      orders.open().map(({ id }) => id),
      [ids[1], ids[2], ids[3]],
    );
    assert.deepEqual(
      orders.openOf(one).map(({ id }) => id),
      [ids[2], ids[3]],
    );
    assert.deepEqual(
      orders.lastOf(one, 2).map(({ id }) => id),
      [ids[3], ids[2]],
    );
  }));

test('a machine keeps its last 50 orders, and every one that has not ended', () =>
  withHarness({}, (harness) => {
    const { orders, addMachine } = harness;
    const { id: machineId } = addMachine('vm-01');
    const other = addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as never }).id;
    orders.end(add(harness, other), { state: 'done', result: '' }, at(2));
    const waiting = add(harness, machineId);
    const ended = Array.from({ length: 60 }, () => {
      const order = add(harness, machineId);
      orders.end(order, { state: 'done', result: '' }, at(2));
      return order.id;
    });
    const kept = orders.lastOf(machineId, 100).map(({ id }) => id);
    assert.deepEqual(kept, [...ended.slice(-50).reverse(), waiting.id]);
    assert.equal(orders.lastOf(other, 100).length, 1);
  }));

test('orders and what is awaited go with their machine', () =>
  withHarness({}, (harness) => {
    const { orders, addMachine, machines } = harness;
    const { id: machineId } = addMachine('vm-01');
    const { id } = add(harness, machineId);
    const wish = { device: 'network', firmware: 'uefi', isPersistent: false } as const;
    const awaited: AwaitedBoot = {
      machineId,
      wish,
      driver: 'ipmi',
      attempt: 1,
      isStarted: false,
      since: at(5),
      askedBy: 'ada',
    };
    orders.await(awaited);
    orders.await({ ...awaited, attempt: 2, isStarted: true });
    assert.deepEqual(orders.awaited(), [{ ...awaited, attempt: 2, isStarted: true }]);
    machines.remove(machineId);
    assert.deepEqual([orders.byId(id), orders.open(), orders.awaited()], [undefined, [], []]);
  }));

test('what is no longer awaited says whether it was', () =>
  withHarness({}, ({ orders, addMachine }) => {
    const { id: machineId } = addMachine('vm-01');
    const wish = { device: 'http', firmware: 'uefi', isPersistent: false, httpUri: 'http://a/b' } as const;
    orders.await({ machineId, wish, driver: 'redfish', attempt: 1, isStarted: true, since: at(5), askedBy: 'ada' });
    assert.deepEqual([orders.dropAwaited(machineId), orders.dropAwaited(machineId)], [true, false]);
  }));

test('an effect of a job has one order', () =>
  withHarness({}, (harness) => {
    const machine = harness.addMachine('vm-01');
    const job = harness.install(machine, 'debian-12');
    harness.jobs.addEffect(job.id, 'power-on', at(1));
    const effect = harness.jobs.effectsTodo().at(-1);
    assert.ok(effect);
    const order = { machineId: machine.id, order: ON, askedBy: `job ${job.id}`, effectId: effect.id };
    const placed = harness.orders.add(order, at(2));
    assert.deepEqual(harness.orders.byEffect(effect.id)?.id, placed.id);
    assert.throws(() => harness.orders.add(order, at(3)), /UNIQUE/);
  }));

test('the database knows each state of an order and no other', () =>
  withHarness({}, (harness) => {
    const { id } = add(harness, harness.addMachine('vm-01').id);
    const set = harness.db.sql.prepare('UPDATE power_order SET state = ? WHERE id = ?');
    for (const state of ORDER_STATES) set.run(state, id);
    assert.throws(() => set.run('lost', id), /CHECK/);
  }));
