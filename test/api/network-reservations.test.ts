import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientKey } from '../../src/model/network.ts';
import type { Instant } from '../../src/model/time.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { MAC } from '../harness.ts';
import { assertAnswered, assertRefused, type Call, items, withApi } from './rig.ts';

const SECOND = '52:54:00:aa:bb:02' as Mac;
const UUID = '4c4c4544-0035-5910-8052-b4c04f4d3232';
const HOUR = 3_600_000;

test('a reservation is for a card, a client identifier, a UUID, or a port, and is shown as it is told', () =>
  withApi(async ({ call }) => {
    const wanted = [
      { mac: MAC, address: '10.77.0.20', hostname: 'node1' },
      { clientId: '01525400aabb09', address: '10.77.0.21', hostname: '' },
      { uuid: UUID, address: '10.77.0.22', hostname: 'node3.rack1.example' },
      { circuitId: 'Gi1/0/7', remoteId: '0x0001', address: '10.77.0.23', hostname: '' },
      { remoteId: 'switch3', address: '10.77.0.24', hostname: '' },
      { mac: SECOND, hostname: 'named' },
    ];
    for (const [index, body] of wanted.entries())
      assert.deepEqual((await call('POST', 'reservations', body)).body, {
        id: index + 1,
        subnet: 'rack1',
        ...body,
        notes: [],
      });
    assert.deepEqual(
      items<object>(await call('GET', 'reservations')).map(({ ...one }) => one),
      wanted.map((body, index) => ({ id: index + 1, subnet: 'rack1', ...body })),
    );
  }));

test('bytes and UUIDs are read in their usual spellings', () =>
  withApi(async ({ call }) => {
    assertAnswered(
      await call('POST', 'reservations', {
        clientId: '01:52:54:00:AA:BB:09',
        uuid: UUID.toUpperCase(),
        mac: '5254.00aa.bb09',
        circuitId: '0x4769',
        address: '10.77.0.21',
      }),
      201,
      { clientId: '01525400aabb09', uuid: UUID, mac: '52:54:00:aa:bb:09', circuitId: 'Gi' },
    );
  }));

test('a client gets what is reserved for the port that it stands at, and its machine is known by it', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    await call('PATCH', 'subnets/rack1', { relays: ['10.77.0.2'] });
    await call('POST', 'reservations', { circuitId: 'Gi1/0/7', address: '10.77.0.23', machine: 'vm-01' });
    const options: [number, Buffer][] = [[82, Buffer.concat([Buffer.from([1, 7]), Buffer.from('Gi1/0/7')])]];
    const relay = '10.77.0.2' as Ipv4;
    const offer = await harness.ask({ type: 'discover', mac: SECOND, relay, options });
    assert.equal(offer?.yiaddr, '10.77.0.23');
    assert.equal(harness.network.reservations()[0]?.machineId, id);
    assertAnswered(await call('GET', 'reservations?machine=vm-01'), 200, [{ address: '10.77.0.23', machine: 'vm-01' }]);
  }));

test('for a machine with one card, the machine is enough', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    assertAnswered(await call('POST', 'reservations', { machine: 'vm-01', address: '10.77.0.20' }), 201, {
      mac: MAC,
      machine: 'vm-01',
    });
    assert.partialDeepStrictEqual(harness.told.at(-1), {
      kind: 'network.changed',
      machine: 'vm-01',
      data: { what: 'reservation', by: 'ada', change: 'added' },
    });
    harness.machines.addMac(harness.machines.named('vm-01').id, SECOND);
    assertRefused(
      await call('POST', 'reservations', { machine: 'vm-01', address: '10.77.0.21' }),
      400,
      'bad-request',
      /^vm-01 has 2 cards \(52:54:00:aa:bb:01, 52:54:00:aa:bb:02\)$/,
      /--mac/,
    );
    await call('DELETE', 'machines/vm-01');
    const [left] = items<object>(await call('GET', 'reservations'));
    assert.equal('machine' in (left as object), false, 'what names a machine that is gone names it no more');
    assert.equal(harness.network.reservations()[0]?.machineId, undefined);
  }));

const BAD: [string, object, number, string, RegExp, RegExp?][] = [
  ['nobody', { address: '10.77.0.30' }, 400, 'bad-request', /^a reservation is for somebody/, /firstlight reserve/],
  [
    'an address that is reserved',
    { mac: SECOND, address: '10.77.0.20' },
    409,
    'name-taken',
    /^10\.77\.0\.20 is reserved for 52:54:00:aa:bb:01 already$/,
    /unreserve 10\.77\.0\.20/,
  ],
  [
    'a card that has one',
    { mac: MAC, address: '10.77.0.21' },
    409,
    'name-taken',
    /^52:54:00:aa:bb:01 has 10\.77\.0\.20 reserved already$/,
    /unreserve 10\.77\.0\.20/,
  ],
  [
    'an address on no subnet',
    { mac: SECOND, address: '10.99.0.1' },
    404,
    'no-such-subnet',
    /^10\.99\.0\.1 is on no subnet that is served$/,
    /subnets add/,
  ],
  ['our own address', { mac: SECOND, address: '10.77.0.1' }, 400, 'bad-request', /^10\.77\.0\.1 is no address for a/],
  ['the broadcast', { mac: SECOND, address: '10.77.0.255' }, 400, 'bad-request', /^10\.77\.0\.255 is no address for a/],
  ['the network', { mac: SECOND, address: '10.77.0.0' }, 400, 'bad-request', /^10\.77\.0\.0 is no address for a/],
  ['the router', { mac: SECOND, address: '10.77.0.254' }, 400, 'bad-request', /^10\.77\.0\.254 is no address for a/],
  ['a relay', { mac: SECOND, address: '10.77.0.253' }, 400, 'bad-request', /^10\.77\.0\.253 is no address for a/],
  [
    'an address outside of the subnet that is named',
    { mac: SECOND, address: '10.78.0.1', subnet: 'rack1' },
    400,
    'bad-request',
    /^10\.78\.0\.1 is outside of rack1 \(10\.77\.0\.0\/24\)$/,
  ],
  ['no such subnet', { mac: SECOND, subnet: 'nosuch' }, 404, 'no-such-subnet', /nosuch/],
  ['no such machine', { mac: SECOND, address: '10.77.0.30', machine: 'nosuch' }, 404, 'no-such-machine', /nosuch/],
  [
    'the card of another machine',
    { mac: SECOND, address: '10.77.0.30', machine: 'vm-01' },
    400,
    'bad-request',
    /^52:54:00:aa:bb:02 is a card of vm-02, not of vm-01$/,
  ],
  ['what is no address', { mac: SECOND, address: 'x' }, 400, 'bad-request', /^address: "x" is not an IPv4 address$/],
  ['what is no MAC', { mac: 'x', address: '10.77.0.30' }, 400, 'bad-request', /"x" is not a MAC address/],
  ['what is no UUID', { uuid: 'x', address: '10.77.0.30' }, 400, 'bad-request', /^uuid: "x" is not a UUID/],
  [
    'a UUID that tells nothing',
    { uuid: '00000000-0000-0000-0000-000000000000', address: '10.77.0.30' },
    400,
    'bad-request',
    /^uuid: "0{8}-/,
  ],
  ['what is no hex', { clientId: 'xyz', address: '10.77.0.30' }, 400, 'bad-request', /^clientId: "xyz" is not bytes/],
  ['an empty port', { circuitId: '', address: '10.77.0.30' }, 400, 'bad-request', /^circuitId: "" is not a text/],
  ['odd hex of a port', { circuitId: '0x1', address: '10.77.0.30' }, 400, 'bad-request', /^circuitId: "0x1" is not/],
  [
    'a name that option 12 cannot have',
    { mac: SECOND, address: '10.77.0.30', hostname: 'a b' },
    400,
    'bad-request',
    /^hostname: "a b" is not a host name/,
  ],
  ['a field that there is not', { mac: SECOND, ip: '10.77.0.30' }, 400, 'bad-request', /additional properties/],
];
for (const [what, body, status, code, error, next] of BAD)
  test(`a reservation is refused for ${what}`, () =>
    withApi(
      async ({ call, harness }) => {
        harness.addMachine('vm-01');
        harness.addMachine('vm-02', { mac: SECOND });
        await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20' });
        assertRefused(await call('POST', 'reservations', body), status, code, error, next);
        assert.equal(harness.network.reservations().length, 1);
      },
      { subnet: { gateway: '10.77.0.254' as Ipv4, relays: ['10.77.0.253' as Ipv4] } },
    ));

test('a reservation without an address has to say on which of several subnets', () =>
  withApi(async ({ call }) => {
    await call('POST', 'subnets', { name: 'far', cidr: '10.78.0.0/24' });
    assertRefused(
      await call('POST', 'reservations', { mac: MAC, hostname: 'a' }),
      400,
      'bad-request',
      /^a reservation without an address needs a subnet: there are 2$/,
    );
    assertAnswered(await call('POST', 'reservations', { mac: MAC, hostname: 'a', subnet: 'far' }), 201, {
      subnet: 'far',
    });
  }));

test('who holds an address that is reserved for somebody else is told', () =>
  withApi(async ({ call, harness }) => {
    await harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4 });
    const own = await call('POST', 'reservations', { mac: MAC, address: '10.77.0.105' });
    assert.deepEqual(own.body.notes, []);
    await call('DELETE', 'reservations/1');
    const other = await call('POST', 'reservations', { mac: SECOND, address: '10.77.0.105' });
    assert.match(String(other.body.notes), /^10\.77\.0\.105 is leased to 52:54:00:aa:bb:01 until 2026-01-01T13/);
  }));

test('a reservation goes by its number, its address, or the MAC that has one on each subnet, with its options', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', { name: 'far', cidr: '10.78.0.0/24' });
    for (const [mac, address] of [
      [MAC, '10.77.0.20'],
      [MAC, '10.78.0.20'],
      [SECOND, '10.77.0.21'],
      ['52:54:00:aa:bb:03', '10.77.0.22'],
    ])
      await call('POST', 'reservations', { mac, address });
    await call('PUT', 'options/reservation/1/ntp-servers', { value: '10.77.0.3' });
    for (const [which, left] of [
      ['52-54-00-AA-BB-01', 2],
      ['3', 1],
      ['10.77.0.22', 0],
    ] as const) {
      assert.equal((await call('DELETE', `reservations/${which}`)).status, 204);
      assert.equal(harness.network.reservations().length, left);
    }
    assert.deepEqual(harness.optionSettings.all(), []);
    for (const which of [MAC, '1', '10.77.0.22'])
      assertRefused(
        await call('DELETE', `reservations/${which}`),
        404,
        'not-found',
        /has no reservation$/,
        /firstlight reservations/,
      );
    assertRefused(await call('DELETE', 'reservations/nonsense'), 400, 'bad-request', /"nonsense" is not a MAC address/);
  }));

test('reservations are found by subnet, MAC, machine and text, and come page by page', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('web-1');
    await call('POST', 'subnets', { name: 'far', cidr: '10.78.0.0/24' });
    await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20', hostname: 'One' });
    await call('POST', 'reservations', { mac: SECOND, address: '10.78.0.21', hostname: 'two' });
    await call('POST', 'reservations', { circuitId: 'Gi1/0/7', address: '10.77.0.22' });
    const ids = async (query: string): Promise<string> =>
      items<{ id: number }>(await call('GET', `reservations${query}`))
        .map((one) => one.id)
        .join('');
    for (const [query, found] of [
      ['', '123'],
      ['?subnet=far', '2'],
      ['?mac=5254.00aa.bb02', '2'],
      ['?machine=web-1', '1'],
      ['?text=one', '1'],
      ['?text=web', '1'],
      ['?text=gi1/0', '3'],
      ['?text=.77.', '13'],
      ['?limit=2', '12'],
      ['?limit=2&after=2', '3'],
    ])
      assert.equal(await ids(query as string), found, query);
    assert.equal((await call('GET', 'reservations?limit=2')).headers['x-next'], '2');
  }));

test('what is exported is read back, on another appliance too', async () => {
  const rows = [
    { mac: MAC, address: '10.77.0.20', hostname: 'node1' },
    { clientId: 'ff0102', address: '10.77.0.21' },
    { uuid: UUID, address: '10.77.0.22' },
    { circuitId: 'Gi1/0/7', remoteId: '0x0001', address: '10.77.0.23' },
    { mac: SECOND, hostname: 'named' },
  ];
  let text = '';
  let before: object[] = [];
  await withApi(async ({ call }) => {
    for (const row of rows) assert.equal((await call('POST', 'reservations', row)).status, 201);
    const answer = await call('GET', 'reservations/export');
    assert.match(String(answer.headers['content-type']), /^text\/csv/);
    text = String(answer.body.text);
    before = items<object>(await call('GET', 'reservations'));
    assert.equal(String((await call('GET', 'reservations/export?text=node1')).body.text).split('\r\n').length, 3);
  });
  await withApi(async ({ call }) => {
    const answer = await call('POST', 'reservations/import', { text, fileName: 'reservations.csv' });
    assertAnswered(answer, 200, { format: 'csv', done: true, added: 5, skipped: 0, errors: [], notes: [] });
    assert.deepEqual(items<object>(await call('GET', 'reservations')), before);
    assertAnswered(await call('POST', 'reservations/import', { text }), 200, { done: true, added: 1 - 1, skipped: 5 });
  });
});

const DNSMASQ = `
dhcp-range=10.77.0.50,10.77.0.99,12h
dhcp-host=52:54:00:aa:bb:01,10.77.0.20,node1
dhcp-host=52:54:00:aa:bb:02,10.77.0.21,node2
dhcp-host=52:54:00:aa:bb:03,10.77.0.20,node3
dhcp-host=52:54:00:aa:bb:04,10.99.0.1,node4
dhcp-host=52:54:00:aa:bb:05,10.77.0.1,node5
`;

const importing = (call: Call, text: string, wishes: object = {}) =>
  call('POST', 'reservations/import', { text, ...wishes });
const errorsOf = (body: unknown): [number, string][] =>
  (body as { errors: { line: number; text: string }[] }).errors.map(({ line, text }) => [line, text]);

test('a file with a conflict is taken as a whole or not at all, and each conflict has its line', () =>
  withApi(async ({ call, harness }) => {
    const refused = await importing(call, DNSMASQ);
    assertRefused(refused, 422, 'bad-content', /^nothing was imported, for 3 errors: line 5: /, /--partial/);
    assertAnswered(refused, 422, { format: 'dnsmasq', done: false, added: 0, skipped: 5 });
    const errors = errorsOf(refused.body);
    assert.deepEqual(
      errors.map(([line]) => line),
      [5, 6, 7],
    );
    assert.match(errors[0]?.[1] ?? '', /10\.77\.0\.20 .*52:54:00:aa:bb:03.*52:54:00:aa:bb:01.*line 3/);
    assert.match(errors[1]?.[1] ?? '', /10\.99\.0\.1 .*in no subnet/);
    assert.match(errors[2]?.[1] ?? '', /^10\.77\.0\.1 is no address for a machine/);
    assert.deepEqual(harness.network.reservations(), []);
    assert.equal(harness.network.reservationAt(harness.subnet.id, '10.77.0.20' as Ipv4), undefined, 'nor in memory');

    const dry = await importing(call, DNSMASQ, { dryRun: true });
    assertAnswered(dry, 200, { done: false, added: 2, skipped: 3 });
    assert.deepEqual(errorsOf(dry.body), errors);
    assert.deepEqual(harness.network.reservations(), []);

    assertAnswered(await importing(call, DNSMASQ, { partial: true }), 200, { done: true, added: 2, skipped: 3 });
    assert.deepEqual(
      harness.network.reservations().map(({ mac, address, hostname }) => [mac, address, hostname]),
      [
        [MAC, '10.77.0.20', 'node1'],
        [SECOND, '10.77.0.21', 'node2'],
      ],
    );
  }));

test('a conflict with what is here is told, and the same once more is no conflict', () =>
  withApi(async ({ call }) => {
    await call('POST', 'reservations', { mac: SECOND, address: '10.77.0.20' });
    await call('POST', 'reservations', { clientId: 'ff01', address: '10.77.0.30' });
    const csv = `mac,address,client-id\n${MAC},10.77.0.20,\n${SECOND},10.77.0.21,\n,10.77.0.30,ff:01\n`;
    const errors = errorsOf((await importing(call, csv)).body);
    assert.deepEqual(
      errors.map(([line]) => line),
      [2, 3],
    );
    assert.match(errors[0]?.[1] ?? '', /10\.77\.0\.20 .*reserved for 52:54:00:aa:bb:02/);
    assert.match(errors[1]?.[1] ?? '', /52:54:00:aa:bb:02 .*has 10\.77\.0\.20/);
    const same = `mac,address\n${SECOND},10.77.0.20\n${MAC},10.77.0.40\n${MAC},10.77.0.40\n`;
    assertAnswered(await importing(call, same), 200, { added: 1, skipped: 2, errors: [] });
  }));

test('options of a host come along, and a text of theirs is no template of ours', () =>
  withApi(async ({ call, harness }) => {
    const isc = `host node1 {
  hardware ethernet 52:54:00:aa:bb:01;
  fixed-address 10.77.0.20;
  option ntp-servers 10.77.0.3, 10.77.0.4;
  option domain-name "rack{{1}}.example";
  next-server 10.9.9.9;
}
`;
    const answer = await importing(call, isc, { fileName: 'dhcpd.conf' });
    assertAnswered(answer, 200, { format: 'isc', done: true, added: 1, options: 2 });
    assert.match(JSON.stringify(answer.body.notes), /next-server 10\.9\.9\.9 is not taken/);
    assert.deepEqual(
      harness.optionSettings.all().map(({ scope, scopeId, name, value }) => [scope, scopeId, name, value]),
      [
        ['reservation', '1', 'domain-name', `hex:${Buffer.from('rack{{1}}.example').toString('hex')}`],
        ['reservation', '1', 'ntp-servers', ['10.77.0.3', '10.77.0.4']],
      ],
    );
    const ack = await harness.ask({ type: 'discover', wants: [42, 15] });
    assert.deepEqual(ack?.options.get(42), Buffer.from([10, 77, 0, 3, 10, 77, 0, 4]));
    assert.equal(ack?.options.get(15)?.toString(), 'rack{{1}}.example', 'a text of theirs is no template of ours');
  }));

test('the subnets of a configuration are made when that is wished', () =>
  withApi(async ({ call, harness }) => {
    const isc = `default-lease-time 60;
subnet 10.78.0.0 netmask 255.255.255.0 {
  range 10.78.0.50 10.78.0.99;
  option routers 10.78.0.1;
  host a { hardware ethernet 52:54:00:aa:bb:01; fixed-address 10.78.0.20; }
}
subnet 10.77.0.0 netmask 255.255.0.0 { }
`;
    const without = await importing(call, isc, { dryRun: true });
    assert.match(errorsOf(without.body)[0]?.[1] ?? '', /in no subnet yet: the file has it in 10\.78\.0\.0\/24/);
    assert.match(JSON.stringify(without.body.notes), /2 subnets of the file left out/);
    const answer = await importing(call, isc, { subnets: true, partial: true });
    assertAnswered(answer, 200, { done: true, added: 1, subnets: ['10.78.0.0-24'] });
    assert.match(JSON.stringify(errorsOf(answer.body)), /10\.77\.0\.0\/16 overlaps subnet rack1/);
    assert.partialDeepStrictEqual(harness.network.subnetNamed('10.78.0.0-24'), {
      gateway: '10.78.0.1',
      leaseSeconds: 120,
      pools: [{ first: '10.78.0.50', last: '10.78.0.99' }],
    });
    assert.equal(harness.network.reservations()[0]?.address, '10.78.0.20');
  }));

/** dnsmasq.leases: two that live, the second of the same card at another address, and one that is over. */
const leaseFile = (now: number): string =>
  [
    `${now / 1000 + 3600} 52:54:00:aa:bb:01 10.77.0.103 node1 01:52:54:00:aa:bb:01`,
    `${now / 1000 + 7200} 52:54:00:aa:bb:02 10.77.0.104 bad_name *`,
    `${now / 1000 - 10} 52:54:00:aa:bb:03 10.77.0.105 gone *`,
    '',
  ].join('\n');

test('the leases of a lease file become reservations', () =>
  withApi(async ({ call, harness }) => {
    const answer = await importing(call, leaseFile(harness.clock()), { fileName: 'dnsmasq.leases' });
    assertAnswered(answer, 200, { format: 'dnsmasq-leases', done: true, added: 2, leases: 0, errors: [] });
    assert.match(
      JSON.stringify(answer.body.notes),
      /1 lease of the file left out, as ended.*\\"bad_name\\" of 52:54:00:aa:bb:02/,
    );
    assert.deepEqual(
      harness.network.reservations().map(({ mac, clientId, address, hostname }) => [mac, clientId, address, hostname]),
      [
        [MAC, undefined, '10.77.0.103', 'node1'],
        [SECOND, undefined, '10.77.0.104', ''],
      ],
    );
    assert.deepEqual(harness.leases.all(), []);
  }));

test('or leases, so that the clients of another server keep their addresses', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-02', { mac: SECOND });
    const answer = await importing(call, leaseFile(harness.clock()), { leases: true });
    assertAnswered(answer, 200, { done: true, added: 0, leases: 2 });
    assert.deepEqual(
      harness.leases.all().map(({ address, mac, isGuest, expiresAt }) => [address, mac, isGuest, expiresAt]),
      [
        ['10.77.0.103', MAC, true, harness.clock() + HOUR],
        ['10.77.0.104', SECOND, false, harness.clock() + 2 * HOUR],
      ],
    );
    const renewal = await harness.ask({ type: 'request', has: '10.77.0.104' as Ipv4, unicast: true, mac: SECOND });
    assert.deepEqual([renewal?.yiaddr, renewal?.options.get(53)], ['10.77.0.104', Buffer.of(5)], 'an ACK');
  }));

test('a lease out of every pool is taken, with a note', () =>
  withApi(async ({ call, harness }) => {
    const text = leaseFile(harness.clock()).replace('10.77.0.103', '10.77.0.60');
    const answer = await importing(call, text, { leases: true });
    assertAnswered(answer, 200, { leases: 2 });
    assert.match(JSON.stringify(answer.body.notes), /10\.77\.0\.60 is in no pool of rack1: its client gets another/);
  }));

test('leases that this server gave are newer than those of a file', () =>
  withApi(async ({ call, harness }) => {
    const give = (address: string, mac: Mac): void =>
      harness.leases.put({
        subnetId: harness.subnet.id,
        address: address as Ipv4,
        client: `hw:1:${mac.replaceAll(':', '')}` as ClientKey,
        mac,
        hostname: '',
        state: 'bound',
        startedAt: harness.clock(),
        expiresAt: (harness.clock() + 1000) as Instant,
        isGuest: false,
      });
    give('10.77.0.101', MAC); // the first client of the file has another address here
    give('10.77.0.104', '52:54:00:aa:bb:09' as Mac); // and the second one's address is another's
    const answer = await importing(call, leaseFile(harness.clock()), { leases: true });
    assertAnswered(answer, 200, { done: true, leases: 0 });
    assert.match(
      JSON.stringify(answer.body.notes),
      /10\.77\.0\.103 is not taken: this server has given a newer one.*10\.77\.0\.104/,
    );
    assert.deepEqual(
      harness.leases.all().map(({ address }) => address),
      ['10.77.0.101', '10.77.0.104'],
    );
  }));

test('a refused import leaves no lease behind, in memory or on disk', () =>
  withApi(async ({ call, harness }) => {
    const text = `${leaseFile(harness.clock())}${harness.clock() / 1000 + 60} 52:54:00:aa:bb:04 10.99.0.1 far *\n`;
    assertRefused(
      await importing(call, text, { leases: true }),
      422,
      'bad-content',
      /line 4: the lease of 10\.99\.0\.1/,
    );
    assert.deepEqual(harness.leases.all(), []);
    harness.leases.reload();
    assert.deepEqual(harness.leases.all(), []);
  }));

test('what is of no known format is refused with those that are', () =>
  withApi(async ({ call }) => {
    assertRefused(
      await importing(call, 'hello\n', { fileName: 'notes.txt' }),
      400,
      'bad-request',
      /^notes\.txt is of no format that is known here$/,
      /csv, dnsmasq, dnsmasq-leases, isc, isc-leases, kea, kea-leases/,
    );
    assertRefused(await importing(call, '', { format: 'windows' }), 400, 'bad-request', /format/);
    const kea = '{"Dhcp4": {"reservations": [{"hw-address": "52:54:00:aa:bb:01", "ip-address": "10.77.0.20"}]}}';
    assertAnswered(await importing(call, kea), 200, { format: 'kea', added: 1 });
  }));

test('a file of ten thousand hosts is taken', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', { name: 'big', cidr: '10.80.0.0/16' });
    const rows = Array.from({ length: 10_000 }, (_, index) => {
      const mac = `525401${index.toString(16).padStart(6, '0')}`;
      return `${mac},10.80.${1 + Math.floor(index / 250)}.${1 + (index % 250)},n${index}`;
    });
    const answer = await importing(call, `mac,address,hostname\n${rows.join('\n')}\n`);
    assertAnswered(answer, 200, { done: true, added: rows.length, errors: [] });
    assert.equal(harness.network.reservations().length, rows.length);
  }));
