import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClientKey, isHeld, type Lease } from '../../src/model/network.ts';
import type { Instant } from '../../src/model/time.ts';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { type Harness, MAC, withHarness } from '../harness.ts';

const A = '10.77.0.100' as Ipv4;
const B = '10.77.0.101' as Ipv4;

function lease({ subnet, clock }: Harness, more: Partial<Lease> = {}): Lease {
  return {
    subnetId: subnet.id,
    address: A,
    client: 'hw:1:aa' as ClientKey,
    mac: MAC,
    clientId: Buffer.from([1, 2, 3]),
    hostname: 'vm',
    state: 'bound',
    startedAt: clock(),
    isGuest: false,
    expiresAt: (clock() + 1000) as Instant,
    ...more,
  };
}

test('a lease comes back as it was written', () =>
  withHarness({}, (harness) => {
    const written = lease(harness);
    harness.leases.put(written);
    assert.deepEqual(harness.leases.of(harness.subnet.id, 'hw:1:aa' as ClientKey), written);
    assert.deepEqual(harness.leases.at(harness.subnet.id, A), written);
    assert.deepEqual(harness.leases.all(), [written]);
  }));

test('a client that takes another address gives up the one it had', () =>
  withHarness({}, (harness) => {
    const { leases, subnet } = harness;
    leases.put(lease(harness));
    leases.put(lease(harness, { address: B }));
    assert.deepEqual(
      leases.all().map((one) => one.address),
      [B],
    );
    assert.equal(leases.at(subnet.id, A), undefined);
  }));

test('an address knows whose it is while it is bound', () =>
  withHarness({}, (harness) => {
    const { leases, machines, addMachine } = harness;
    addMachine('vm-01');
    assert.equal(leases.macAt(A), undefined);
    leases.put(lease(harness));
    assert.equal(leases.macAt(A), MAC);
    assert.equal(machines.named('vm-01').address, A);
    leases.put(lease(harness, { state: 'released' }));
    assert.equal(leases.macAt(A), undefined);
    assert.equal(machines.named('vm-01').address, undefined);
  }));

const HELD: [Lease['state'], number, boolean][] = [
  ['bound', 1, true],
  ['bound', 0, false],
  ['released', 1, false],
  ['declined', 1, true],
  ['declined', 0, false],
];
for (const [state, left, held] of HELD)
  test(`a ${state} lease with ${left} ms left is ${held ? '' : 'not '}held`, () =>
    withHarness({}, (harness) => {
      const now = harness.clock();
      assert.equal(isHeld(lease(harness, { state, expiresAt: (now + left) as Instant }), now), held);
    }));

test('addresses that ended come the longest ended first, and none that is held', () =>
  withHarness({}, (harness) => {
    const { leases, subnet, clock } = harness;
    const at = (host: number, ms: number, state: Lease['state']): void =>
      leases.put({
        ...lease(harness),
        client: `hw:${host}` as ClientKey,
        address: `10.77.0.${host}` as Ipv4,
        state,
        expiresAt: (clock() + ms) as Instant,
      });
    at(1, -10, 'bound');
    at(2, -30, 'declined');
    at(3, 20, 'bound');
    at(4, -20, 'released');
    at(5, 20, 'declined');
    assert.deepEqual(leases.ended(subnet.id, clock()), ['10.77.0.2', '10.77.0.4', '10.77.0.1']);
  }));

test('a reservation is one address for one MAC', () =>
  withHarness({}, ({ network, subnet }) => {
    const other = '52:54:00:aa:bb:02' as Mac;
    const { id } = network.addReservation({ subnetId: subnet.id, mac: MAC, address: A, hostname: '' });
    assert.throws(() => network.addReservation({ subnetId: subnet.id, mac: other, address: A, hostname: '' }), {
      code: 'name-taken',
      message: `${A} is reserved for ${MAC} already`,
    });
    assert.throws(() => network.addReservation({ subnetId: subnet.id, mac: MAC, address: B, hostname: '' }), {
      message: `${MAC} has ${A} reserved already`,
    });
    assert.deepEqual(
      [network.reservationAt(subnet.id, A)?.mac, network.reservationOf(subnet.id, { mac: MAC })?.address],
      [MAC, A],
    );
    assert.equal(network.removeReservation(id), true);
    assert.equal(network.removeReservation(id), false);
  }));

test('a subnet follows its settings at the next start, and keeps its leases', () =>
  withHarness({}, (harness) => {
    const { network, leases, subnet } = harness;
    leases.put(lease(harness));
    const { id, ...settings } = subnet;
    const changed = {
      ...settings,
      name: 'rack2',
      interface: 'eth7',
      pools: [{ first: B, last: B }],
      gateway: '10.77.0.254' as Ipv4,
      dns: [B],
      domain: 'x',
      leaseSeconds: 7200,
      authoritative: false,
    };
    assert.deepEqual(network.putSubnet(changed), { ...changed, id, cidr: parseCidr('10.77.0.0/24') });
    assert.equal(leases.all().length, 1);
  }));

test('an interface that got another network serves that one alone', () =>
  withHarness({}, ({ network, subnet }) => {
    network.putSubnet({ ...subnet, cidr: parseCidr('10.88.0.1/24') });
    assert.deepEqual(
      network
        .subnets()
        .filter((one) => one.interface === 'rack1')
        .map((one) => one.cidr.base),
      ['10.88.0.0'],
    );
  }));
