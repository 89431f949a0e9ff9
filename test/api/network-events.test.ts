import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Event } from '../../src/model/event.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { type Harness, MAC } from '../harness.ts';
import { assertRefused, type Call, items, withApi } from './rig.ts';

const SECOND = '52:54:00:aa:bb:02' as Mac;

/** What was told of changes since the last time. */
function teller(harness: Harness): () => Event[] {
  let seen = 0;
  return () => {
    const all = harness.told.filter((one) => one.kind === 'network.changed');
    const fresh = all.slice(seen);
    seen = all.length;
    return fresh;
  };
}
const texts = (events: readonly Event[]): string[] => events.map((event) => event.text);
const listed = async (call: Call, path: string): Promise<string[]> => texts(items<Event>(await call('GET', path)));

test('a subnet that is added, changed or removed is told of with who did it, and each value from what to what', () =>
  withApi(async ({ call, harness }) => {
    const told = teller(harness);
    await call('POST', 'subnets', {
      name: 'far',
      cidr: '10.78.0.0/24',
      relays: ['10.78.0.1'],
      gateway: '10.78.0.1',
      dns: ['10.78.0.2', '10.78.0.3'],
      pools: [{ first: '10.78.0.50', last: '10.78.0.59' }],
      loaders: { 'uefi-x64': 'ipxe.efi' },
      guests: 0,
      conflictDetection: false,
    });
    assert.deepEqual(texts(told()), [
      'subnet far was added by ada: cidr 10.78.0.0/24; pools 10.78.0.50-10.78.0.59; gateway 10.78.0.1; dns 10.78.0.2, 10.78.0.3; lease seconds 3600; authoritative yes; relays 10.78.0.1; guests 0; conflict detection no; loaders uefi-x64=ipxe.efi',
    ]);
    await call('PATCH', 'subnets/far', { name: 'away', gateway: null, guests: 5, leaseSeconds: 7200, dns: [] });
    const [changed, ...more] = told();
    assert.deepEqual(more, []);
    assert.partialDeepStrictEqual(changed, {
      text: 'subnet far was changed by ada: name from far to away; gateway from 10.78.0.1 to none; dns from 10.78.0.2, 10.78.0.3 to none; lease seconds from 3600 to 7200; guests from 0 to 5',
      data: {
        what: 'subnet',
        name: 'far',
        by: 'ada',
        change: 'changed',
        changes: [
          { field: 'name', from: 'far', to: 'away' },
          { field: 'gateway', from: '10.78.0.1' },
          { field: 'dns', from: '10.78.0.2, 10.78.0.3' },
          { field: 'leaseSeconds', from: '3600', to: '7200' },
          { field: 'guests', from: '0', to: '5' },
        ],
      },
    });
    await call('DELETE', 'subnets/away');
    assert.match(
      texts(told()).join(),
      /^subnet away was removed by ada: cidr 10\.78\.0\.0\/24; .*; guests 5; conflict detection no; loaders uefi-x64=ipxe.efi$/,
    );
  }));

test('what changes nothing, and what is refused, is not told of', () =>
  withApi(async ({ call, harness }) => {
    await call('PUT', 'options/global/ntp-servers', { value: '10.0.0.1' });
    await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' });
    await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20' });
    const told = teller(harness);
    told();
    assert.equal((await call('PATCH', 'subnets/rack1', { leaseSeconds: 3600, dns: [] })).status, 200);
    assert.equal((await call('PUT', 'options/global/42', { value: ['10.0.0.1'] })).status, 200);
    assert.equal((await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' })).status, 200);
    for (const [method, path, body] of [
      ['POST', 'subnets', { cidr: '10.77.0.0/24' }],
      ['PATCH', 'subnets/rack1', { gateway: '10.9.9.9' }],
      ['DELETE', 'subnets/rack1', undefined],
      ['POST', 'reservations', { mac: SECOND, address: '10.77.0.20' }],
      ['DELETE', 'reservations/10.77.0.21', undefined],
      ['PUT', 'options/global/ntp-servers', { value: 'x' }],
      ['DELETE', 'options/subnet/rack1/ntp-servers', undefined],
      ['DELETE', 'options/custom/225', undefined],
    ] as const)
      assert.ok((await call(method, path, body)).status >= 400, `${method} ${path}`);
    assert.deepEqual(told(), []);
  }));

test('an option is told of with its value as people read it, and whom it is sent to', () =>
  withApi(async ({ call, harness }) => {
    const told = teller(harness);
    await call('PUT', 'options/subnet/rack1/42', { value: ['10.0.0.1', '10.0.0.2'] });
    await call('PUT', 'options/subnet/rack1/ntp-servers', { value: 'hex:0a000003', force: true });
    await call('DELETE', 'options/subnet/rack1/ntp-servers');
    assert.deepEqual(texts(told()), [
      'option ntp-servers at subnet rack1 was added by ada: value 10.0.0.1, 10.0.0.2; sent when asked for',
      'option ntp-servers at subnet rack1 was changed by ada: value from 10.0.0.1, 10.0.0.2 to 10.0.0.3; sent from when asked for to always',
      'option ntp-servers at subnet rack1 was removed by ada: value 10.0.0.3; sent always',
    ]);
    await call('PUT', 'options/profile/gpu/domain-name', { value: '{{machine.name}}.example' });
    assert.deepEqual(texts(told()), [
      'option domain-name at profile gpu was added by ada: value {{machine.name}}.example; sent when asked for',
    ]);
    await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' });
    await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'text' });
    await call('DELETE', 'options/custom/224');
    assert.deepEqual(texts(told()), [
      'option definition 224 was added by ada: name switch-config; shape ips',
      'option definition 224 was changed by ada: shape from ips to text',
      'option definition 224 was removed by ada: name switch-config; shape text',
    ]);
  }));

test('a reservation is told of by everything that its client is known by', () =>
  withApi(async ({ call, harness }) => {
    const told = teller(harness);
    await call('POST', 'reservations', { circuitId: 'Gi1/0/7', remoteId: '0x0001', address: '10.77.0.23' });
    await call('POST', 'reservations', { clientId: 'ff:01', hostname: 'named' });
    await call('DELETE', 'reservations/10.77.0.23');
    assert.deepEqual(texts(told()), [
      'reservation 1 was added by ada: address 10.77.0.23; subnet rack1; circuit id Gi1/0/7; remote id 0x0001',
      'reservation 2 was added by ada: hostname named; subnet rack1; client id ff01',
      'reservation 1 was removed by ada: address 10.77.0.23; subnet rack1; circuit id Gi1/0/7; remote id 0x0001',
    ]);
    const address = '10.77.0.105' as Ipv4;
    await harness.ask({ type: 'request', asks: address });
    await call('POST', `leases/${address}/reserve`);
    assert.deepEqual(texts(told()), [`reservation 3 was added by ada: address ${address}; mac ${MAC}; subnet rack1`]);
  }));

test('what goes with a subnet, and with a reservation, is counted', () =>
  withApi(async ({ call, harness }) => {
    const told = teller(harness);
    const lastText = (): string => told().at(-1)?.text ?? '';
    const far = { name: 'far', cidr: '10.78.0.0/24', relays: ['10.78.0.1'], conflictDetection: false };
    await call('POST', 'subnets', far);
    await call('POST', 'reservations', { mac: SECOND, address: '10.78.0.20' });
    await call('POST', 'reservations', { mac: SECOND, address: '10.77.0.20' });
    await call('PUT', 'options/subnet/far/ntp-servers', { value: '10.78.0.3' });
    for (const number of [1, 2]) await call('PUT', `options/reservation/${number}/ntp-servers`, { value: '10.78.0.4' });
    const relay = { relay: '10.78.0.1' as Ipv4 };
    const offer = await harness.ask({ type: 'discover', ...relay });
    await harness.ask({ type: 'request', asks: offer?.yiaddr, names: '10.77.0.1' as Ipv4, ...relay });
    await call('DELETE', 'subnets/far?force=true');
    assert.match(lastText(), /^subnet far was removed by ada: .*; reservations 1; leases 1; options 2$/);
    await call('DELETE', 'reservations/2');
    assert.match(lastText(), /^reservation 2 was removed by ada: .*; options 1$/);
  }));

test('a file that is imported is one event, and one that is only tried is none', () =>
  withApi(async ({ call, harness }) => {
    const told = teller(harness);
    const file = { fileName: 'hosts.conf', format: 'dnsmasq', subnets: true };
    const text = 'dhcp-range=10.78.0.50,10.78.0.99,255.255.255.0,12h\ndhcp-host=52:54:00:aa:bb:01,10.78.0.20,node1\n';
    assert.equal((await call('POST', 'reservations/import', { ...file, text, dryRun: true })).status, 200);
    assert.deepEqual(told(), []);
    assert.equal((await call('POST', 'reservations/import', { ...file, text })).status, 200);
    assert.deepEqual(texts(told()), [
      'file hosts.conf was imported by ada: format dnsmasq; subnets 10.78.0.0-24; reservations 1',
    ]);
    assert.equal((await call('POST', 'reservations/import', { ...file, text })).status, 200);
    assert.deepEqual(told(), [], 'all of it was here already');
  }));

test('the appliance has a list of its own; what is of a machine is on the timeline of that machine', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    await call('PUT', 'options/global/ntp-servers', { value: '10.0.0.1' });
    await call('PUT', 'options/machine/vm-01/ntp-servers', { value: '10.0.0.2' });
    await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20' });
    await call('POST', 'reservations', { mac: SECOND, address: '10.77.0.21' });
    await harness.ask({ type: 'discover', mac: SECOND });
    await call('PATCH', 'subnets/rack1', { guests: 3 });
    const [first, ...rest] = items<Event>(await call('GET', 'timeline'));
    assert.deepEqual(texts([first as Event, ...rest]), [
      'option ntp-servers at global was added by ada: value 10.0.0.1; sent when asked for',
      `reservation 2 was added by ada: address 10.77.0.21; mac ${SECOND}; subnet rack1`,
      'subnet rack1 was changed by ada: guests from none to 3',
    ]);
    assert.deepEqual(await listed(call, 'machines/vm-01/timeline'), [
      'option ntp-servers at machine vm-01 was added by ada: value 10.0.0.2; sent when asked for',
      `reservation 1 was added by ada: address 10.77.0.20; mac ${MAC}; subnet rack1; machine vm-01`,
    ]);
    assert.deepEqual(await listed(call, `timeline?after=${first?.id}&last=1`), texts(rest.slice(-1)));
    assertRefused(await call('GET', 'timeline?boot=1'), 400, 'bad-request', /additional properties/);
    assertRefused(await call('GET', 'timeline?last=0'), 400, 'bad-request', /last/);
  }));

test('a value that is long, or has more than one line, is short and one line in the text, and whole in the data', () =>
  withApi(async ({ call, harness }) => {
    const value = `{{machine.name}}\u001b[2J\n${'x'.repeat(300)}`;
    assert.equal((await call('PUT', 'options/global/root-path', { value })).status, 200);
    const event = harness.told.at(-1);
    assert.equal(
      event?.text,
      `option root-path at global was added by ada: value {{machine.name}} [2J ${'x'.repeat(179)}…; sent when asked for`,
    );
    assert.partialDeepStrictEqual(event?.data, { changes: [{ field: 'value', to: value }] });
  }));
