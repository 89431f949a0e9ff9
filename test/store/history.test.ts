import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event, isOfAppliance } from '../../src/model/event.ts';
import type { Mac } from '../../src/wire/address.ts';
import { MAC, withHarness } from '../harness.ts';

const texts = (events: readonly Event[]): string[] => events.map((event) => event.text);

test('events come back in the order they happened, with all they carry', () =>
  withHarness({}, ({ events, history, addMachine, machines, clock, pass }) => {
    const machine = addMachine('vm-01');
    machines.setBoot(machine.id, 3, 'ipxe', clock());
    const because = [{ rule: 'r', text: 't', ref: 'x' }];
    const first = events.emit({ kind: 'machine.log', text: 'one', mac: MAC, because, data: { a: 1 } });
    pass(5);
    events.emit({ kind: 'machine.log', text: 'two', machineId: machine.id });
    events.emit({ kind: 'appliance.started', text: 'three' });
    const read = history.read({});
    assert.deepEqual(texts(read), ['one', 'two', 'three']);
    assert.deepEqual(read[0], first);
    assert.deepEqual([read[0]?.machine, read[0]?.boot, read[0]?.machineId], ['vm-01', 3, machine.id]);
    assert.deepEqual(
      read.map((event) => event.at - (first.at as number)),
      [0, 5, 5],
    );
    assert.equal(history.newestId(), read.at(-1)?.id);
  }));

test('a question has its answer: machine, MAC, boot, since, and the newest of many in their order', () =>
  withHarness({}, ({ events, history, addMachine, machines, clock }) => {
    const first = addMachine('vm-01');
    addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as Mac });
    const tell = (text: string, mac = MAC): Event => events.emit({ kind: 'machine.log', text, mac });
    tell('a');
    tell('b', '52:54:00:aa:bb:02' as Mac);
    const c = tell('c');
    machines.setBoot(first.id, 1, 'ipxe', clock());
    tell('d');
    tell('stranger', '52:54:00:aa:bb:09' as Mac);
    assert.deepEqual(texts(history.read({ machineId: first.id })), ['a', 'c', 'd']);
    assert.deepEqual(texts(history.read({ machineId: first.id, boot: 1 })), ['d']);
    assert.deepEqual(texts(history.read({ machineId: first.id, afterId: c.id })), ['d']);
    assert.deepEqual(texts(history.read({ mac: '52:54:00:aa:bb:09' as Mac })), ['stranger']);
    assert.deepEqual(texts(history.read({ last: 2 })), ['d', 'stranger']);
    assert.deepEqual(texts(history.read({ machineId: 99 })), []);
  }));

test('what is no machine’s has a list of its own, where strangers and the mirror’s fetching do not stand', () =>
  withHarness({}, ({ events, history, addMachine, machines }) => {
    const { id } = addMachine('vm-01');
    const start = events.emit({ kind: 'appliance.started', text: 'start' });
    events.emit({ kind: 'dhcp.offered', text: 'a stranger', mac: '52:54:00:aa:bb:09' as Mac });
    events.emit({ kind: 'network.changed', text: 'of a card', mac: '52:54:00:aa:bb:09' as Mac });
    events.emit({ kind: 'mirror.fetched', text: 'a package' });
    events.emit({ kind: 'network.changed', text: 'an option of a machine', machineId: id });
    events.emit({ kind: 'job.created', text: 'a job', machineId: id });
    events.emit({ kind: 'network.changed', text: 'a subnet' });
    events.emit({ kind: 'dhcp.server', text: 'another server' });
    const list = history.readOfAppliance({});
    assert.deepEqual(texts(list), ['start', 'a subnet', 'another server']);
    assert.deepEqual(texts(history.readOfAppliance({ last: 2 })), ['a subnet', 'another server']);
    assert.deepEqual(texts(history.readOfAppliance({ afterId: start.id, last: 1 })), ['another server']);
    assert.deepEqual(texts(history.read({}).filter(isOfAppliance)), texts(list), 'as the stream chooses them');
    machines.remove(id);
    assert.ok(!texts(history.readOfAppliance({})).includes('a job'), 'what happened to a machine that is gone');
  }));

test('listeners hear what was kept, after the transaction, in order, and what they cause after that', () =>
  withHarness({}, ({ events, history, db }) => {
    const heard: string[] = [];
    const stop = events.listen((event) => {
      assert.ok(!db.sql.inTransaction, 'told after the commit');
      heard.push(event.text);
      if (event.text === 'one') events.emit({ kind: 'machine.log', text: 'caused' });
    });
    events.settle(() => {
      events.emit({ kind: 'machine.log', text: 'one' });
      events.settle(() => events.emit({ kind: 'machine.log', text: 'two' }));
      assert.deepEqual(heard, []);
    });
    assert.deepEqual(heard, ['one', 'two', 'caused']);
    assert.deepEqual(texts(history.read({})), ['one', 'two', 'caused']);
    stop();
    events.emit({ kind: 'machine.log', text: 'unheard' });
    assert.equal(heard.length, 3);
  }));

test('what was rolled back is neither kept nor told', () =>
  withHarness({}, ({ events, history }) => {
    const heard: string[] = [];
    events.listen((event) => void heard.push(event.text));
    assert.throws(() =>
      events.settle(() => {
        events.emit({ kind: 'machine.log', text: 'undone' });
        throw new Error('no');
      }),
    );
    events.emit({ kind: 'machine.log', text: 'kept' });
    assert.deepEqual([heard, texts(history.read({}))], [['kept'], ['kept']]);
  }));

test('a listener that fails keeps neither the others from hearing nor the caller from going on', () =>
  withHarness({}, ({ events }) => {
    const heard: string[] = [];
    const stop = events.listen(() => {
      throw new Error('a broken listener');
    });
    events.listen((event) => void heard.push(event.text));
    const complaints: unknown[] = [];
    const { error } = console;
    console.error = (line: unknown) => void complaints.push(line);
    try {
      events.settle(() => events.emit({ kind: 'machine.log', text: 'one' }));
    } finally {
      console.error = error;
    }
    stop();
    assert.deepEqual(heard, ['one']);
    assert.match(String(complaints[0]), /a broken listener/);
  }));
