import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientKey, Lease } from '../../src/model/network.ts';
import type { Instant } from '../../src/model/time.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { type Harness, MAC } from '../harness.ts';
import { assertAnswered, assertRefused, type Call, items, withApi } from './rig.ts';

const HOUR = 3_600_000;

/** A lease of the card ..:00:NN at 10.77.0.NN. */
function put(harness: Harness, number: number, change: Partial<Lease> = {}): Lease {
  const mac = `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
  const lease: Lease = {
    subnetId: harness.subnet.id,
    address: `10.77.0.${number}` as Ipv4,
    client: `hw:1:${mac.replaceAll(':', '')}` as ClientKey,
    mac,
    hostname: `node${number}`,
    state: 'bound',
    startedAt: harness.clock(),
    expiresAt: (harness.clock() + HOUR) as Instant,
    isGuest: false,
    ...change,
  };
  harness.leases.put(lease);
  return lease;
}

async function addressesOf(call: Call, query: string): Promise<string> {
  const leases = items<{ address: string }>(await call('GET', `leases${query}`));
  return leases.map(({ address }) => address.slice('10.77.0.'.length)).join(' ');
}

test('leases are found by state, subnet, MAC, machine and text', () =>
  withApi(async ({ call, harness }) => {
    const past = (harness.clock() - 1) as Instant;
    put(harness, 9);
    put(harness, 100, { isGuest: true });
    put(harness, 11, { expiresAt: past });
    put(harness, 12, { state: 'released', expiresAt: past });
    harness.leases.put({
      subnetId: harness.subnet.id,
      address: '10.77.0.13' as Ipv4,
      hostname: '',
      state: 'declined',
      startedAt: harness.clock(),
      expiresAt: (harness.clock() + HOUR) as Instant,
      isGuest: false,
    });
    harness.addMachine('web-1', { mac: '52:54:00:00:00:64' as Mac });
    await call('POST', 'subnets', { name: 'far', cidr: '10.78.0.0/24' });
    put(harness, 14, { subnetId: harness.network.subnetNamed('far').id, address: '10.78.0.9' as Ipv4 });
    for (const [query, found] of [
      ['?subnet=rack1', '9 11 12 13 100'],
      ['?state=bound&subnet=rack1', '9 100'],
      ['?state=expired', '11'],
      ['?state=released', '12'],
      ['?state=declined', '13'],
      ['?mac=52-54-00-00-00-0B', '11'],
      ['?machine=web-1', '100'],
      ['?machine=52:54:00:00:00:64', '100'],
      ['?text=NODE1&subnet=rack1', '11 12 100'],
      ['?text=web', '100'],
      ['?text=77.0.1&state=bound', '100'],
      ['?text=nothing', ''],
    ])
      assert.equal(await addressesOf(call, query as string), found, query);
    for (const [query, status, error] of [
      ['?state=gone', 400, /state/],
      ['?subnet=nosuch', 404, /^there is no subnet nosuch$/],
      ['?machine=nosuch', 404, /^there is no machine nosuch$/],
      ['?mac=x', 400, /"x" is not a MAC address/],
      ['?after=x', 400, /^after: "x" is not an IPv4 address$/],
      ['?limit=0', 400, /limit/],
      ['?nosuch=1', 400, /additional properties/],
    ] as const) {
      const answer = await call('GET', `leases${query}`);
      assert.equal(answer.status, status, query);
      assert.match(answer.body.error ?? '', error);
    }
  }));

test('a lease is shown with its client, its machine and the port that its relay told', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    await call('POST', 'subnets', {
      name: 'far',
      cidr: '10.78.0.0/24',
      relays: ['10.78.0.1'],
      conflictDetection: false,
    });
    const relay = '10.78.0.1' as Ipv4;
    const options: [number, Buffer][] = [
      [82, Buffer.concat([Buffer.from([1, 7]), Buffer.from('Gi1/0/7'), Buffer.from([2, 2, 0, 1])])],
      [61, Buffer.from([1, 2])],
      [12, Buffer.from('vm')],
    ];
    const offer = await harness.ask({ type: 'discover', relay, options });
    await harness.ask({ type: 'request', relay, options, asks: offer?.yiaddr, names: '10.77.0.1' as Ipv4 });
    const [lease] = items<object>(await call('GET', 'leases'));
    assert.deepEqual(lease, {
      address: offer?.yiaddr,
      subnet: 'far',
      mac: MAC,
      clientId: '0102',
      machine: 'vm-01',
      hostname: 'vm',
      state: 'bound',
      startedAt: harness.clock(),
      expiresAt: harness.clock() + HOUR,
      isGuest: false,
      relay,
      circuitId: 'Gi1/0/7',
      remoteId: '0x0001',
    });
  }));

test('leases come page by page, each one once, while others come and go', () =>
  withApi(async ({ call, harness }) => {
    for (const number of [5, 100, 20, 3, 12, 200]) put(harness, number);
    const first = await call('GET', 'leases?limit=2');
    assert.deepEqual([first.headers['x-total-count'], first.headers['x-next']], [6, '10.77.0.5'].map(String));
    assert.equal(await addressesOf(call, '?limit=2'), '3 5');
    harness.leases.remove(harness.leases.at(harness.subnet.id, '10.77.0.5' as Ipv4) as Lease);
    put(harness, 4);
    assert.equal(await addressesOf(call, '?limit=2&after=10.77.0.5'), '12 20');
    const last = await call('GET', 'leases?limit=2&after=10.77.0.20');
    assert.equal(items(last).length, 2);
    assert.equal(last.headers['x-next'], undefined);
    assert.equal(await addressesOf(call, '?after=10.77.0.200'), '');
  }));

test('one address on two subnets is not torn apart by a page', () =>
  withApi(async ({ call, harness }) => {
    assert.equal((await call('POST', 'subnets', { cidr: '10.77.0.0/16', interface: 'eth7' })).status, 201);
    const other = harness.network.subnetNamed('10.77.0.0-16').id;
    put(harness, 5);
    put(harness, 5, { subnetId: other });
    put(harness, 6);
    assert.equal(await addressesOf(call, '?limit=1'), '5 5');
    assertRefused(await call('DELETE', 'leases/10.77.0.5'), 400, 'bad-request', /leased on 2 subnets$/, /\?subnet=/);
    assert.equal((await call('DELETE', 'leases/10.77.0.5?subnet=10.77.0.0-16')).status, 204);
    assert.deepEqual(
      harness.leases.all().map((lease) => lease.subnetId),
      [harness.subnet.id, harness.subnet.id],
    );
  }));

test('100,000 leases are paged through in no time', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', { name: 'big', cidr: '10.80.0.0/15', relays: ['10.80.0.1'] });
    const { id } = harness.network.subnetNamed('big');
    const count = 100_000;
    harness.db.transact(() => {
      for (let n = 0; n < count; n++) {
        const place = (n * 7919) % count; // not in the order of the addresses
        const mac = `52:54:${(place >> 16).toString(16).padStart(2, '0')}:${((place >> 8) & 255).toString(16).padStart(2, '0')}:${(place & 255).toString(16).padStart(2, '0')}:00`;
        const address = `10.${80 + (place >> 16)}.${(place >> 8) & 255}.${place & 255}` as Ipv4;
        put(harness, 1, {
          subnetId: id,
          address,
          mac: mac as Mac,
          client: `hw:1:${mac.replaceAll(':', '')}` as ClientKey,
        });
      }
    });
    const seen = new Set<string>();
    let after = '';
    let pages = 0;
    for (;;) {
      const answer = await call('GET', `leases?limit=10000${after}`);
      pages++;
      for (const { address } of items<{ address: string }>(answer)) seen.add(address);
      if (answer.headers['x-next'] === undefined) break;
      after = `&after=${answer.headers['x-next']}`;
    }
    assert.equal(seen.size, count);
    assert.equal(pages, 10);
    const small = performance.now();
    await call('GET', 'leases?limit=100&after=10.80.100.0');
    const took = performance.now() - small;
    assert.ok(took < 1000, `a page of 100 took ${took} ms`);
  }));

test('a lease becomes a reservation of its card, and the client has the same address for good', () =>
  withApi(async ({ call, harness }) => {
    await harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4, options: [[12, Buffer.from('vm')]] });
    const made = await call('POST', 'leases/10.77.0.105/reserve');
    assertAnswered(made, 201, { address: '10.77.0.105', mac: MAC, hostname: 'vm', subnet: 'rack1' });
    assert.equal('clientId' in made.body, false);
    assertRefused(
      await call('POST', 'leases/10.77.0.105/reserve'),
      409,
      'name-taken',
      /^10\.77\.0\.105 is reserved for 52:54:00:aa:bb:01 already$/,
      /unreserve 10\.77\.0\.105/,
    );
    harness.pass(30 * 24 * HOUR);
    assert.equal((await harness.ask({ type: 'discover' }))?.yiaddr, '10.77.0.105');
    const other = await harness.ask({ type: 'discover', mac: '52:54:00:aa:bb:02' as Mac, asks: '10.77.0.105' as Ipv4 });
    assert.notEqual(other?.yiaddr, '10.77.0.105');
  }));

test('a lease is reserved under another name, and for a machine', () =>
  withApi(async ({ call, harness }) => {
    const machine = harness.addMachine('vm-01');
    put(harness, 50, { mac: MAC, hostname: 'old' });
    const made = await call('POST', 'leases/10.77.0.50/reserve', { hostname: 'new', machine: 'vm-01' });
    assertAnswered(made, 201, { hostname: 'new', machine: 'vm-01' });
    assert.equal(harness.network.reservations()[0]?.machineId, machine.id);
    assert.partialDeepStrictEqual(harness.told.at(-1), {
      kind: 'network.changed',
      machine: 'vm-01',
      data: { what: 'reservation', by: 'ada', change: 'added' },
    });
  }));

test('what is no lease, and one that nobody has, is not reserved', () =>
  withApi(async ({ call, harness }) => {
    put(harness, 60, { state: 'declined' });
    harness.leases.put({ ...put(harness, 61), state: 'declined', client: undefined, mac: undefined } as never);
    assertRefused(
      await call('POST', 'leases/10.77.0.61/reserve'),
      400,
      'bad-request',
      /^10\.77\.0\.61 is declined: there is no client to reserve it for$/,
      /firstlight reserve 10\.77\.0\.61 --mac/,
    );
    assertRefused(
      await call('POST', 'leases/10.77.0.99/reserve'),
      404,
      'not-found',
      /^there is no lease of 10\.77\.0\.99$/,
      /firstlight leases/,
    );
    assertRefused(await call('POST', 'leases/x/reserve'), 400, 'bad-request', /^address: "x" is not/);
    harness.addMachine('vm-01');
    harness.addMachine('vm-02', { mac: '52:54:00:00:00:3e' as Mac });
    put(harness, 62);
    assertRefused(
      await call('POST', 'leases/10.77.0.62/reserve', { machine: 'vm-01' }),
      400,
      'bad-request',
      /^52:54:00:00:00:3e is a card of vm-02, not of vm-01$/,
    );
    assertRefused(await call('POST', 'leases/10.77.0.62/reserve', { hostname: 'a b' }), 400, 'bad-request', /"a b"/);
    assert.deepEqual(harness.network.reservations(), []);
  }));

test('a lease that is ended gives its address to the next, and the timeline says who did it', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    const pool = Array.from({ length: 10 }, (_, index) => put(harness, 100 + index));
    const next = { type: 'discover', mac: MAC } as const;
    assert.equal(await harness.ask(next), undefined, 'the pool is full');
    const [lease] = pool as [Lease];
    harness.leases.put({ ...lease, mac: MAC, client: 'hw:1:525400aabbff' as ClientKey });
    assert.equal((await call('DELETE', 'leases/10.77.0.100')).status, 204);
    assert.partialDeepStrictEqual(harness.told.at(-1), {
      kind: 'dhcp.released',
      machine: 'vm-01',
      text: `the lease of 10.77.0.100 (${MAC}, bound) was ended by ada`,
    });
    assert.equal((await harness.ask(next))?.yiaddr, '10.77.0.100');
    assertRefused(
      await call('DELETE', 'leases/10.77.0.100'),
      404,
      'not-found',
      /^there is no lease of 10\.77\.0\.100$/,
    );
  }));
