import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMachineName, proposeName } from '../../src/model/machine.ts';
import type { Mac } from '../../src/wire/address.ts';
import { inventory, MAC, withHarness } from '../harness.ts';

const SECOND = '52:54:00:aa:bb:02' as Mac;
const UUID = '11111111-2222-3333-4444-555555555555';

test('a machine is named by its MAC until its serial number is known', () =>
  withHarness({}, ({ machines, clock }) => {
    const machine = machines.create({ macs: [MAC], state: 'new' }, clock());
    assert.equal(machine.name, 'm-525400aabb01');
    const named = machines.saveInventory(machine, inventory({ serial: 'ABC 123/x' }), [MAC], clock());
    assert.equal(named.name, 'abc-123-x');
    assert.deepEqual([named.serial, named.firmware, named.seenAt], ['ABC 123/x', 'uefi', clock()]);
  }));

test('a machine whose serial says nothing keeps its name, however often it is looked at', () =>
  withHarness({}, ({ machines, clock }) => {
    let machine = machines.create({ macs: [MAC], state: 'new' }, clock());
    for (const serial of ['', 'To be filled by O.E.M.', '0000'])
      machine = machines.saveInventory(machine, inventory({ serial }), [MAC], clock());
    assert.equal(machine.name, 'm-525400aabb01');
  }));

test('two machines of one serial get two names, and a name that a person gave stays', () =>
  withHarness({}, ({ machines, clock, addMachine }) => {
    const first = machines.create({ macs: [MAC], state: 'new' }, clock());
    const second = machines.create({ macs: [SECOND], state: 'new' }, clock());
    assert.equal(machines.saveInventory(first, inventory({ serial: 'S1' }), [MAC], clock()).name, 's1');
    assert.equal(machines.saveInventory(second, inventory({ serial: 'S1' }), [SECOND], clock()).name, 's1-2');
    const third = addMachine('chosen', { mac: '52:54:00:aa:bb:03' as Mac });
    assert.equal(machines.saveInventory(third, inventory({ serial: 'S3' }), [], clock()).name, 'chosen');
  }));

test('two records of one machine, seen by two NICs, become one', () =>
  withHarness({}, ({ machines, jobs, runner, clock }) => {
    const first = machines.create({ macs: [MAC], state: 'new' }, clock());
    const twin = machines.create({ macs: [SECOND], state: 'new' }, clock());
    const job = runner.start(
      { machineId: twin.id, workflow: 'discover', params: {}, plan: [], createdBy: 'x' },
      { opensTicket: false, restart: false },
    );
    const merged = machines.saveInventory(
      first,
      inventory({ macs: [MAC, SECOND], uuid: UUID }),
      [MAC, SECOND],
      clock(),
    );
    assert.deepEqual(merged.macs, [MAC, SECOND]);
    assert.equal(merged.uuid, UUID);
    assert.equal(machines.byId(twin.id), undefined);
    assert.equal(machines.byMac(SECOND)?.id, first.id);
    assert.equal(jobs.byId(job.id), undefined, 'its job goes with it');
  }));

test('two records with one telling UUID become one; a UUID of zeros joins nobody', () =>
  withHarness({}, ({ machines, clock }) => {
    const zeros = '00000000-0000-0000-0000-000000000000';
    const first = machines.create({ macs: [MAC], state: 'new' }, clock());
    const second = machines.create({ macs: [SECOND], state: 'new' }, clock());
    assert.equal(machines.saveInventory(first, inventory({ uuid: zeros }), [MAC], clock()).uuid, undefined);
    assert.equal(
      machines.saveInventory(second, inventory({ uuid: zeros, macs: [SECOND] }), [SECOND], clock()).uuid,
      undefined,
    );
    assert.equal(machines.all().length, 2);
  }));

test('a NIC that belongs to a machine somebody uses is not taken from it', () =>
  withHarness({}, ({ machines, clock, addMachine }) => {
    const first = machines.create({ macs: [MAC], state: 'new' }, clock());
    const other = addMachine('used', { mac: SECOND, state: 'installed' });
    const merged = machines.saveInventory(first, inventory({ macs: [MAC, SECOND] }), [MAC, SECOND], clock());
    assert.deepEqual(merged.macs, [MAC]);
    assert.equal(machines.byMac(SECOND)?.id, other.id);
  }));

test('a machine is found by its name and by its MAC in either spelling', () =>
  withHarness({}, ({ machines, addMachine }) => {
    const { id } = addMachine('vm-01');
    for (const text of ['vm-01', MAC, MAC.toUpperCase(), '52-54-00-AA-BB-01'])
      assert.equal(machines.named(text).id, id);
    assert.throws(() => machines.named('vm-02'), { code: 'no-such-machine', message: 'there is no machine vm-02' });
  }));

test('a name and a MAC are taken once', () =>
  withHarness({}, ({ machines, clock, addMachine }) => {
    const machine = addMachine('vm-01');
    const other = addMachine('vm-02', { mac: SECOND });
    const make = (macs: Mac[], name?: string) => machines.create({ macs, name, state: 'new' }, clock());
    assert.throws(() => make([MAC]), { code: 'name-taken', message: `${MAC} belongs to machine vm-01 already` });
    assert.throws(() => make(['52:54:00:aa:bb:03' as Mac], 'vm-01'), { message: 'there is a machine vm-01 already' });
    assert.throws(() => machines.rename(other, 'vm-01'), { message: 'there is a machine vm-01 already' });
    machines.rename(machine, 'vm-01');
    const twice = '52:54:00:aa:bb:04' as Mac;
    assert.deepEqual(make([twice, twice]).macs, [twice], 'a MAC said twice is one');
  }));

test('what belongs to a machine goes with it', () =>
  withHarness({}, ({ db, machines, setBmc, install, addMachine, events, history }) => {
    const machine = addMachine('vm-01');
    install(machine, 'debian-12');
    setBmc(machine.id);
    events.emit({ kind: 'machine.log', text: 'hello', mac: MAC });
    machines.remove(machine.id);
    for (const table of ['machine', 'machine_mac', 'bmc_link', 'job', 'ticket', 'run_token', 'effect'])
      assert.deepEqual(db.sql.prepare(`SELECT count(*) AS n FROM ${table}`).get(), { n: 0 }, table);
    assert.equal(history.read({ mac: MAC }).at(-1)?.text, 'hello', 'but its history');
  }));

const NAMES: [string | undefined, string][] = [
  [undefined, 'm-525400aabb01'],
  ['', 'm-525400aabb01'],
  ['Not Specified', 'm-525400aabb01'],
  ['Default string', 'm-525400aabb01'],
  ['None', 'm-525400aabb01'],
  ['0000000', 'm-525400aabb01'],
  ['  /// ', 'm-525400aabb01'],
  ['7XK2', '7xk2'],
  ['ABC_123', 'abc-123'],
  ['x'.repeat(100), 'x'.repeat(40)],
  [`${'x'.repeat(39)}-y`, 'x'.repeat(39)],
];
for (const [serial, name] of NAMES)
  test(`the serial ${JSON.stringify(serial)?.slice(0, 30)} proposes ${name.slice(0, 20)}, which is a host name`, () => {
    assert.equal(proposeName(MAC, serial), name);
    assert.ok(isMachineName(proposeName(MAC, serial)));
  });
