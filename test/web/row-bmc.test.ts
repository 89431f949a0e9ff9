import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changesMachine, rowAfter, rowOf } from '../../src/web/row.ts';
import { isStale, isUnexplained, rowWithBmc, rowWithOrder, rowWithPower, troubleOf } from '../../src/web/row-bmc.ts';
import type { Event, Row, ShownBmc } from '../../src/web/shapes.ts';
import { machineRow, order } from './rows.ts';

const event = (kind: string, data?: object, at = 5000, text = `the text of ${kind}`): Event =>
  ({ id: 9, at, kind, text, data }) as unknown as Event;
const isOn = machineRow({ power: { word: 'on', since: 1000, readAt: 2000 } });
const ids = (row: Row): number[] => row.orders.map((one) => one.id);
const link = {
  driver: 'redfish',
  address: '10.0.0.9',
  port: 443,
  user: 'root',
  settings: {},
  position: 0,
  learned: {},
};
const bmc = (what: object): ShownBmc =>
  ({ power: 'on', chain: [link], health: { calls: 1, failures: 0 }, quirks: [], orders: [], ...what }) as ShownBmc;

test('the power that an event tells is shown at once', () => {
  const { power } = rowAfter(isOn, event('power.changed', { power: 'off' })).machine;
  assert.deepEqual([power.word, power.since, power.readAt], ['off', 5000, 5000]);
});

test('an order is under way until its own end is told, however it ended', () => {
  const two = rowWithOrder(rowWithOrder(isOn, order({ id: 7 })), order({ id: 8 }));
  assert.deepEqual(ids(two), [7, 8]);
  for (const kind of ['power.command', 'power.failed', 'power.cancelled'])
    assert.deepEqual(ids(rowAfter(two, event(kind, { order: 7 }))), [8], kind);
  for (const [kind, data] of [
    ['power.command', { order: 6 }],
    ['power.changed', { power: 'off', order: 7 }],
    ['task.finished', { order: 7 }],
  ] as const)
    assert.deepEqual(ids(rowAfter(two, event(kind, data))), [7, 8], kind);
});

test('an answer that comes after the end was told does not bring the order back', () => {
  const over = rowAfter(isOn, event('power.command', { order: 7 }));
  assert.deepEqual(ids(rowWithOrder(over, order({ id: 7 }))), []);
  assert.deepEqual(ids(rowWithPower(over, { power: 'on', orders: [order({ id: 7 }), order({ id: 8 })] })), [8]);
});

test('what the API lists as open replaces what was known, oldest first and without what has ended', () => {
  const before = rowWithOrder(isOn, order({ id: 3 }));
  const orders = [order({ id: 9 }), order({ id: 8 }), order({ id: 7, state: 'done', endedAt: 4000 })];
  assert.deepEqual(ids(rowWithBmc(before, bmc({ orders }))), [8, 9]);
});

test('a BMC that falls silent makes the power unknown, and says why until it answers', () => {
  const asked = { ...isOn, machine: { ...isOn.machine, power: { ...isOn.machine.power, asked: 'Press it.' } } };
  const silent = rowAfter(asked, event('bmc.unreachable'));
  assert.equal(silent.machine.power.word, 'unknown');
  assert.equal(silent.machine.power.asked, 'Press it.');
  assert.deepEqual(troubleOf(silent), { is: 'unreachable', since: 5000, why: 'the text of bmc.unreachable' });
  assert.equal(troubleOf(rowAfter(silent, event('bmc.answers'))), undefined);
});

test('a BMC that refuses says so until somebody sets it again, or its power is read in another way', () => {
  const refusing = rowAfter(isOn, event('bmc.refuses', { driver: 'redfish' }));
  assert.deepEqual(troubleOf(refusing), { is: 'refuses', why: 'the text of bmc.refuses' });
  assert.equal(troubleOf(rowAfter(refusing, event('bmc.changed'))), undefined);
  assert.equal(troubleOf(rowWithPower(refusing, { power: 'on', readAt: 5001, orders: [] })), undefined);
  assert.ok(troubleOf(rowWithPower(refusing, { power: 'on', readAt: 5000, orders: [] })));
});

test('what a panel reads of a BMC tells the list what is wrong with it', () => {
  const refusal = { kind: 'wrong-password', text: 'BMC 10.0.0.9 port 443 refuses the password.', at: 3000 };
  const refused = { ...link, refusal };
  assert.deepEqual(troubleOf(rowWithBmc(machineRow({}), bmc({ power: 'unknown', chain: [refused] }))), {
    is: 'refuses',
    why: refusal.text,
  });
  assert.equal(troubleOf(rowWithBmc(machineRow({}), bmc({ chain: [refused, link] }))), undefined);
  const health = { calls: 2, failures: 2, lastProblem: { at: 4000, text: 'BMC 10.0.0.9 port 443 does not answer.' } };
  assert.deepEqual(troubleOf(rowWithBmc(isOn, bmc({ power: 'unknown', unreachableSince: 3000, health }))), {
    is: 'unreachable',
    since: 3000,
    why: health.lastProblem.text,
  });
  assert.equal(troubleOf(rowWithBmc(rowAfter(isOn, event('bmc.refuses')), bmc({}))), undefined);
});

test('what a person is asked is shown when it is asked, and gone with the next answer without it', () => {
  const asked = rowAfter(isOn, event('power.asked', undefined, 5000, 'Press the power button of m.'));
  assert.equal(asked.machine.power.asked, 'Press the power button of m.');
  assert.equal(rowWithPower(asked, { power: 'unknown', orders: [] }).machine.power.asked, undefined);
});

test('a machine that is listed again keeps its orders and what its BMC said', () => {
  const known = rowWithOrder(rowAfter(isOn, event('bmc.refuses')), order({ id: 7 }));
  const again = rowOf(isOn.machine, [], known);
  assert.deepEqual(ids(again), [7]);
  assert.equal(troubleOf(again)?.is, 'refuses');
});

test('each event of a BMC makes what was read of it old, and the machine is asked for again', () => {
  for (const kind of ['power.failed', 'power.asked', 'bmc.answers', 'bmc.changed']) {
    assert.equal(rowAfter(isOn, event(kind)).bmcTurn, 1, kind);
    assert.ok(changesMachine(event(kind)), kind);
  }
  assert.equal(rowAfter(isOn, event('dhcp.acked')).bmcTurn, 0);
  assert.equal(changesMachine(event('machine.log')), false);
});

test('a reading is stale after ten minutes', () => {
  assert.equal(isStale({ word: 'on', readAt: 1000 }, 601_000), false);
  assert.equal(isStale({ word: 'on', readAt: 1000 }, 601_001), true);
  assert.equal(isStale({ word: 'unknown' }, 601_001), false);
});

test('a list explains a power that was read lately and a silence whose reason is known, and nothing else', () => {
  const now = 700_000;
  const read = machineRow({ power: { word: 'on', readAt: now - 1000 } });
  const refusing = rowAfter(read, event('bmc.refuses', undefined, now));
  const silent = rowAfter(read, event('bmc.unreachable'));
  const cases: [what: string, row: Row, isUnexplained: boolean][] = [
    ['read lately', read, false],
    ['read long ago', machineRow({ power: { word: 'on', readAt: 1000 } }), true],
    ['never read', machineRow({}), true],
    ['without a BMC', machineRow({ hasBmc: false }), false],
    ['refusing', refusing, true],
    ['silent', silent, false],
    ['silent, nobody knows why', { ...silent, bmcProblem: undefined }, true],
  ];
  for (const [what, row, expected] of cases) assert.equal(isUnexplained(row, now), expected, what);
});
