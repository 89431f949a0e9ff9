import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { MAC } from '../harness.ts';
import { assertAnswered, assertRefused, items, withApi } from './rig.ts';

const SECOND = '52:54:00:aa:bb:02' as Mac;
const INTERFACES = { interfaces: () => [{ name: 'eth1', cidr: parseCidr('10.90.0.5/24') }] };

test('a subnet of a CIDR alone has what is usual', () =>
  withApi(async ({ call, harness }) => {
    const made = await call('POST', 'subnets', { cidr: '10.78.0.0/24' });
    assertAnswered(made, 201, {
      name: '10.78.0.0-24',
      cidr: '10.78.0.0/24',
      interface: '',
      pools: [{ first: '10.78.0.128', last: '10.78.0.254' }],
      dns: [],
      leaseSeconds: 3600,
      authoritative: true,
      conflictDetection: true,
      relays: [],
      loaders: {},
    });
    assert.match(String(made.body.notes), /no request comes from 10\.78\.0\.0-24 yet/);
    assert.equal('gateway' in made.body || 'guests' in made.body, false);
    assert.equal(items(await call('GET', 'subnets')).length, 2);
    assert.equal(harness.network.subnetNamed('10.78.0.0/24').name, '10.78.0.0-24');
  }));

test('a subnet of an interface alone has that one’s name and network', () =>
  withApi(
    async ({ call }) => {
      const made = await call('POST', 'subnets', { interface: 'eth1' });
      assertAnswered(made, 201, { name: 'eth1', cidr: '10.90.0.0/24', interface: 'eth1' });
      assert.match(String(made.body.notes), /^interface eth1 is not served: start with --interface eth1$/);
      assertRefused(
        await call('POST', 'subnets', { interface: 'eth9' }),
        400,
        'bad-request',
        /^there is no interface "eth9" with an IPv4 address here \(here are eth1 10\.90\.0\.5\/24\)$/,
        /--cidr/,
      );
      assertRefused(
        await call('POST', 'subnets', { interface: 'rack1' }),
        409,
        'name-taken',
        /^interface rack1 has subnet rack1 \(10\.77\.0\.0\/24\) already$/,
        /--cidr/,
      );
    },
    {},
    INTERFACES,
  ));

test('without a list of its own, the interfaces are those of the host', () =>
  withApi(async ({ call }) => {
    const answer = await call('POST', 'subnets', { interface: 'nosuch0' });
    assertRefused(answer, 400, 'bad-request', /^there is no interface "nosuch0" with an IPv4 address here \(here are /);
  }));

test('a machine of a new subnet behind a relay gets its address from there', () =>
  withApi(async ({ call, harness }) => {
    const made = await call('POST', 'subnets', {
      name: 'far',
      cidr: '10.78.0.0/24',
      relays: ['10.78.0.1'],
      gateway: '10.78.0.1',
      dns: ['10.78.0.2'],
      domain: 'far.example',
      pools: [{ first: '10.78.0.50', last: '10.78.0.59' }],
      guests: 5,
      conflictDetection: false,
    });
    assertAnswered(made, 201, { gateway: '10.78.0.1', guests: 5, notes: [] });
    const offer = await harness.ask({ type: 'discover', relay: '10.78.0.1' as Ipv4, source: '10.78.0.1' as Ipv4 });
    assert.match(offer?.yiaddr ?? '', /^10\.78\.0\.5\d$/);
    const changed = await call('PATCH', 'subnets/far', { guests: 0 });
    assertAnswered(changed, 200, { guests: 0, gateway: '10.78.0.1', name: 'far' });
    const none = await harness.ask({ type: 'discover', relay: '10.78.0.1' as Ipv4, mac: SECOND });
    assert.equal(none, undefined, 'nobody may be a guest any more');
  }));

const BAD_SUBNETS: [string, object, number, string, RegExp, RegExp?][] = [
  ['nothing', {}, 400, 'bad-request', /^a subnet needs a cidr, or an interface/, /--cidr/],
  ['a CIDR that is none', { cidr: '10.78.0.0' }, 400, 'bad-request', /"10\.78\.0\.0" is not a network/],
  ['a network without room', { cidr: '10.78.0.0/31' }, 400, 'bad-request', /^10\.78\.0\.0\/31 has no room/],
  ['the whole internet', { cidr: '0.0.0.0/0' }, 400, 'bad-request', /^0\.0\.0\.0\/0 is a network without hosts/],
  ['half of the internet', { cidr: '64.0.0.0/2' }, 400, 'bad-request', /larger than any network/],
  ['multicast', { cidr: '239.0.0.0/24' }, 400, 'bad-request', /^239\.0\.0\.0\/24 is a network without hosts/],
  ['a name with a blank', { name: 'rack 2', cidr: '10.78.0.0/24' }, 400, 'bad-request', /^"rack 2" is no name/],
  [
    'the name of another',
    { name: 'rack1', cidr: '10.78.0.0/24' },
    409,
    'name-taken',
    /^there is a subnet rack1 already$/,
    /subnets set rack1/,
  ],
  [
    'the network of another',
    { cidr: '10.77.0.0/24' },
    409,
    'name-taken',
    /^10\.77\.0\.0\/24 overlaps subnet rack1/,
    /subnets remove rack1/,
  ],
  ['a part of another', { cidr: '10.77.0.128/25' }, 409, 'name-taken', /overlaps subnet rack1 \(10\.77\.0\.0\/24\)$/],
  ['what has another in it', { cidr: '10.0.0.0/8' }, 409, 'name-taken', /^10\.0\.0\.0\/8 overlaps subnet rack1/],
  [
    'an overlap on the same interface',
    { cidr: '10.77.0.0/25', interface: 'rack1' },
    409,
    'name-taken',
    /overlaps subnet rack1/,
  ],
  [
    'an overlap in the same shared network',
    { cidr: '10.77.0.0/25', interface: 'eth7', sharedNetwork: 'floor' },
    409,
    'name-taken',
    /overlaps subnet rack1/,
  ],
  [
    'one shared network on two interfaces',
    { cidr: '10.78.0.0/24', interface: 'eth7', sharedNetwork: 'floor' },
    400,
    'bad-request',
    /^shared network floor is on rack1 \(subnet rack1\), and 10\.78\.0\.0-24 on eth7$/,
  ],
  [
    'a pool outside',
    { cidr: '10.78.0.0/24', pools: [{ first: '10.78.0.250', last: '10.78.1.5' }] },
    400,
    'bad-request',
    /^pool 10\.78\.0\.250-10\.78\.1\.5 is outside of 10\.78\.0\.0\/24$/,
    /--pool/,
  ],
  [
    'a pool that ends before it begins',
    { cidr: '10.78.0.0/24', pools: [{ first: '10.78.0.9', last: '10.78.0.5' }] },
    400,
    'bad-request',
    /^pool 10\.78\.0\.9-10\.78\.0\.5 ends before it begins$/,
  ],
  [
    'pools that overlap',
    {
      cidr: '10.78.0.0/24',
      pools: [
        { first: '10.78.0.50', last: '10.78.0.60' },
        { first: '10.78.0.10', last: '10.78.0.50' },
      ],
    },
    400,
    'bad-request',
    /^pools 10\.78\.0\.10-10\.78\.0\.50 and 10\.78\.0\.50-10\.78\.0\.60 overlap$/,
  ],
  [
    'a pool of what is no address',
    { cidr: '10.78.0.0/24', pools: [{ first: '10.78.0.300', last: '10.78.0.5' }] },
    400,
    'bad-request',
    /^pool: "10\.78\.0\.300" is not an IPv4 address$/,
  ],
  [
    'a gateway elsewhere',
    { cidr: '10.78.0.0/24', gateway: '10.79.0.1' },
    400,
    'bad-request',
    /^gateway 10\.79\.0\.1 is no host of 10\.78\.0\.0\/24/,
  ],
  ['a gateway that is none', { cidr: '10.78.0.0/24', gateway: 'x' }, 400, 'bad-request', /^gateway: "x" is not/],
  ['the broadcast as gateway', { cidr: '10.78.0.0/24', gateway: '10.78.0.255' }, 400, 'bad-request', /^gateway 10/],
  [
    'a relay that is no host',
    { cidr: '10.78.0.0/24', relays: ['127.0.0.1'] },
    400,
    'bad-request',
    /^relay 127\.0\.0\.1/,
  ],
  ['a multicast relay', { cidr: '10.78.0.0/24', relays: ['224.0.0.9'] }, 400, 'bad-request', /^relay 224\.0\.0\.9/],
  [
    'ourselves as relay',
    { cidr: '10.78.0.0/24', relays: ['10.77.0.1'] },
    400,
    'bad-request',
    /is this appliance itself$/,
  ],
  ['a domain that is none', { cidr: '10.78.0.0/24', domain: 'a b' }, 400, 'bad-request', /^domain: "a b" is not/],
  [
    'a loader for no firmware',
    { cidr: '10.78.0.0/24', loaders: { 'uefi-riscv': 'ipxe.efi' } },
    400,
    'bad-request',
    /^loaders: there is none for "uefi-riscv"$/,
    /uefi-x64/,
  ],
  [
    'a loader that there is not',
    { cidr: '10.78.0.0/24', loaders: { 'uefi-x64': 'undionly.kpxe' } },
    400,
    'bad-request',
    /^loaders: "undionly\.kpxe" is no loader for uefi-x64$/,
    /snponly\.efi, ipxe\.efi/,
  ],
  ['Q32 a lease of a minute', { cidr: '10.78.0.0/24', leaseSeconds: 60 }, 400, 'bad-request', /leaseSeconds.* 120/],
  ['guests below zero', { cidr: '10.78.0.0/24', guests: -1 }, 400, 'bad-request', /guests/],
  ['a field that there is not', { cidr: '10.78.0.0/24', pool: 'x' }, 400, 'bad-request', /additional properties/],
];
for (const [what, body, status, code, error, next] of BAD_SUBNETS)
  test(`a new subnet is refused for ${what}`, () =>
    withApi(
      async ({ call, harness }) => {
        assertRefused(await call('POST', 'subnets', body), status, code, error, next);
        assert.equal(harness.network.subnets().length, 1);
      },
      { subnet: { sharedNetwork: 'floor' } },
    ));

test('networks on two interfaces that never meet may overlap', () =>
  withApi(async ({ call }) => {
    assertAnswered(await call('POST', 'subnets', { cidr: '10.77.0.0/16', interface: 'eth7' }), 201, {
      name: '10.77.0.0-16',
      interface: 'eth7',
    });
  }));

test('a change leaves what it does not name, and null takes away', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.subnet;
    assertAnswered(await call('PATCH', 'subnets/rack1', { gateway: '10.77.0.254', guests: 3, name: 'lab' }), 200, {
      id,
      name: 'lab',
      gateway: '10.77.0.254',
      guests: 3,
      pools: [{ first: '10.77.0.100', last: '10.77.0.109' }],
    });
    const back = await call('PATCH', 'subnets/lab', {
      gateway: null,
      guests: null,
      loaders: { 'uefi-x64': 'ipxe.efi' },
    });
    assertAnswered(back, 200, { name: 'lab', loaders: { 'uefi-x64': 'ipxe.efi' } });
    assert.equal('gateway' in back.body || 'guests' in back.body, false);
    assertRefused(
      await call('PATCH', 'subnets/lab', { gateway: '10.9.9.9', name: 'x' }),
      400,
      'bad-request',
      /gateway/,
    );
    assertRefused(await call('PATCH', 'subnets/rack1', {}), 404, 'no-such-subnet', /rack1/, /firstlight subnets/);
    assert.equal(harness.network.subnets()[0]?.name, 'lab', 'nothing of a change that is refused');
  }));

test('a network can grow, and cannot leave anybody outside', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', {
      name: 'far',
      cidr: '10.78.0.0/25',
      relays: ['10.78.0.1'],
      conflictDetection: false,
    });
    await call('POST', 'reservations', { mac: MAC, address: '10.78.0.20' });
    const { id } = harness.network.subnetNamed('far');
    assertAnswered(await call('PATCH', 'subnets/far', { cidr: '10.78.0.0/24' }), 200, { id, cidr: '10.78.0.0/24' });
    assert.equal(harness.network.reservations()[0]?.subnetId, id);
    const small = { cidr: '10.78.0.64/26', pools: [] };
    assertRefused(
      await call('PATCH', 'subnets/far', small),
      409,
      'expectation-failed',
      /^10\.78\.0\.20 is reserved in far and is outside of 10\.78\.0\.64\/26$/,
      /unreserve 10\.78\.0\.20/,
    );
    await call('DELETE', 'reservations/10.78.0.20');
    const relay = { relay: '10.78.0.1' as Ipv4 };
    const offer = await harness.ask({ type: 'discover', ...relay });
    await harness.ask({ type: 'request', asks: offer?.yiaddr, names: '10.77.0.1' as Ipv4, ...relay });
    assertRefused(
      await call('PATCH', 'subnets/far', { cidr: '10.78.0.128/26', pools: [] }),
      409,
      'expectation-failed',
      /is in use in far and is outside of 10\.78\.0\.128\/26$/,
      /lease free/,
    );
  }));

test('the network of a served interface stays as the interface says', () =>
  withApi(async ({ call }) => {
    for (const change of [{ cidr: '10.77.0.0/25' }, { interface: 'eth7' }])
      assertRefused(
        await call('PATCH', 'subnets/rack1', change),
        400,
        'bad-request',
        /^rack1 is the network of rack1, where 10\.77\.0\.1 serves/,
        /start again/,
      );
    assertRefused(
      await call('DELETE', 'subnets/rack1?force=true'),
      400,
      'bad-request',
      /^rack1 is the network of rack1, which is served$/,
      /without --interface rack1/,
    );
  }));

test('a subnet goes with what belongs to it, and only when that is said', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', {
      name: 'far',
      cidr: '10.78.0.0/24',
      relays: ['10.78.0.1'],
      conflictDetection: false,
    });
    await call('POST', 'reservations', { mac: SECOND, address: '10.78.0.20' });
    await call('PUT', 'options/subnet/far/ntp-servers', { value: '10.78.0.3' });
    const relay = { relay: '10.78.0.1' as Ipv4 };
    const offer = await harness.ask({ type: 'discover', ...relay });
    await harness.ask({ type: 'request', asks: offer?.yiaddr, names: '10.77.0.1' as Ipv4, ...relay });
    assertRefused(
      await call('DELETE', 'subnets/far'),
      409,
      'expectation-failed',
      /^far has 1 reservation and 1 lease in use$/,
      /--force/,
    );
    assert.equal((await call('DELETE', 'subnets/far?force=true')).status, 204);
    assert.deepEqual(
      [harness.network.reservations(), harness.leases.all(), harness.optionSettings.all()],
      [[], [], []],
      'in memory as on disk',
    );
    assertRefused(await call('DELETE', 'subnets/far'), 404, 'no-such-subnet', /far/);
  }));

test('a relay on the network of another subnet is told of', () =>
  withApi(async ({ call }) => {
    const made = await call('POST', 'subnets', { name: 'far', cidr: '10.78.0.0/24', relays: ['10.77.0.9'] });
    assert.match(String(made.body.notes), /^relay 10\.77\.0\.9 stands on rack1: it has to tell the link/);
  }));

test('the state of DHCP: what was counted, how full the pools are, who else serves', () =>
  withApi(
    async ({ call, harness }) => {
      await harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4 });
      harness.leases.put({
        subnetId: harness.subnet.id,
        address: '10.77.0.106' as Ipv4,
        hostname: '',
        state: 'declined',
        startedAt: harness.clock(),
        expiresAt: (harness.clock() + 1000) as never,
        isGuest: false,
      });
      await call('POST', 'reservations', { mac: SECOND, address: '10.77.0.107' });
      await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20' });
      await call('POST', 'reservations', { clientId: 'ff01', address: '10.77.0.108' });
      const { body } = await call('GET', 'dhcp');
      assert.partialDeepStrictEqual(body, {
        serves: [{ interface: 'rack1', address: '10.77.0.1', mode: 'server' }],
        counts: { received: 1, sent: 1 },
        foreignServers: [{ serverId: '10.77.0.66' }],
      });
      // .108 is a name server's, and so is nobody's
      assert.deepEqual(body.pools, [
        {
          subnet: 'rack1',
          cidr: '10.77.0.0/24',
          size: 9,
          held: 2,
          declined: 1,
          reserved: 1,
          free: 6,
          guests: 1,
          guestLimit: 4,
        },
      ]);
      harness.pass(3_600_001);
      assert.partialDeepStrictEqual((await call('GET', 'dhcp')).body.pools as object, [
        { held: 0, declined: 0, reserved: 1, free: 8, guests: 0 },
      ]);
    },
    { subnet: { dns: ['10.77.0.108' as Ipv4], guests: 4 } },
    { foreignServers: () => [{ serverId: '10.77.0.66' } as never] },
  ));
