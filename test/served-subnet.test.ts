import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServedSubnet } from '../src/config.ts';
import { defaultPool, newSubnet, type Subnet } from '../src/model/network.ts';
import { subnetToServe } from '../src/served-subnet.ts';
import { type Ipv4, parseCidr } from '../src/wire/address.ts';

const CIDR = parseCidr('10.0.0.1/24');
const SERVED: ServedSubnet = { interface: 'eth1', cidr: CIDR, relays: [] };
const ip = (text: string): Ipv4 => text as Ipv4;

function stored(changes: Partial<Subnet>): Subnet {
  return { id: 1, ...newSubnet({ name: 'eth1', cidr: CIDR }), interface: 'eth1', ...changes };
}

test('an interface without flags gets its own name and what is usual', () => {
  const subnet = subnetToServe(SERVED, {}, []);
  assert.equal(subnet.name, 'eth1');
  assert.equal(subnet.interface, 'eth1');
  assert.deepEqual(subnet.pools, [defaultPool(CIDR)]);
  assert.equal(subnet.leaseSeconds, 3600);
});

test('what a person has set stays, but for what the flags say', () => {
  const pools = [{ first: ip('10.0.0.5'), last: ip('10.0.0.9') }];
  const present = stored({
    name: 'floor2',
    pools,
    gateway: ip('10.0.0.2'),
    dns: [ip('10.0.0.3')],
    domain: 'old.example',
  });
  const same = subnetToServe(SERVED, {}, [present]);
  assert.deepEqual({ id: 1, ...same }, present);
  const range = { first: ip('10.0.0.100'), last: ip('10.0.0.200') };
  const changed = subnetToServe(
    { ...SERVED, pool: range },
    { gateway: ip('10.0.0.254'), dns: [], domain: '', leaseSeconds: 600 },
    [present],
  );
  assert.deepEqual(
    { id: 1, ...changed },
    {
      ...present,
      pools: [range],
      gateway: '10.0.0.254',
      dns: [],
      domain: '',
      leaseSeconds: 600,
    },
  );
});

test('relays of the flags are added to those of the store', () => {
  const present = stored({ relays: [ip('10.0.0.2')] });
  const { relays } = subnetToServe({ ...SERVED, relays: [ip('10.0.0.2'), ip('10.0.0.3')] }, {}, [present]);
  assert.deepEqual(relays, ['10.0.0.2', '10.0.0.3']);
});

test('a name that another subnet has is not taken from it', () => {
  const other = stored({ cidr: parseCidr('10.9.0.1/24'), interface: 'eth2' });
  assert.equal(subnetToServe(SERVED, {}, [other]).name, 'eth1 10.0.0.0/24');
  const earlier = stored({ cidr: parseCidr('10.9.0.1/24') });
  assert.equal(subnetToServe(SERVED, {}, [earlier]).name, 'eth1', 'a network that this interface had gives it up');
});
