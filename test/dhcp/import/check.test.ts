import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkImport, type Present } from '../../../src/dhcp/import/index.ts';
import { type Ipv4, type Mac, parseCidr } from '../../../src/wire/address.ts';
import { read } from './read.ts';

const nothing: Present = { subnets: [], reservations: [], leases: [] };
const rack = { name: 'rack1', cidr: parseCidr('10.0.0.0/24') };
const lab = { name: 'lab', cidr: parseCidr('10.1.0.0/24') };
const mac = (last: number) => `52:54:00:00:00:0${last}` as Mac;
const present: Present = {
  subnets: [rack, lab],
  reservations: [{ mac: mac(9), address: '10.0.0.9' as Ipv4 }],
  leases: [{ address: '10.0.0.8' as Ipv4, mac: mac(8) }],
};

/** The problems of reservations `MAC,ADDRESS,NAME,CLIENT-ID`, the first one on line 2. */
function check(rows: string[], there = present): string[] {
  const imported = read('csv', ['mac,address,name,client-id', ...rows].join('\n'));
  assert.deepEqual(imported.problems, []);
  return checkImport(imported, there).map(({ line, text }) => `${line}: ${text}`);
}

test('reservations that agree with each other and with what is there have no problems', () => {
  assert.deepEqual(
    check([
      `${mac(1)},10.0.0.1,a`,
      `${mac(1)},10.0.0.1,a`, // again
      `${mac(1)},10.1.0.1,a`, // in another subnet
      `${mac(9)},10.0.0.9,b`, // is there already
      `${mac(8)},10.0.0.8,c`, // holds it already
      `,10.0.0.2,d,01:02:03`,
    ]),
    [],
  );
});

test('one client with two addresses of a subnet is named with the line of the first', () => {
  assert.deepEqual(check([`${mac(1)},10.0.0.1`, `${mac(1)},10.0.0.2`]), [
    `3: ${mac(1)} is to have 10.0.0.2, but has 10.0.0.1 on line 2`,
  ]);
  assert.deepEqual(check([`,10.0.0.1,,01:02:03`, `,10.0.0.2,,01:02:03`]), [
    '3: client id 01:02:03 is to have 10.0.0.2, but has 10.0.0.1 on line 2',
  ]);
  assert.deepEqual(check([`${mac(9)},10.0.0.2`]), [`2: ${mac(9)} is to have 10.0.0.2, but has 10.0.0.9 here already`]);
});

test('one address for two clients is named with the line of the first', () => {
  assert.deepEqual(check([`${mac(1)},10.0.0.1`, `${mac(2)},10.0.0.1`]), [
    `3: 10.0.0.1 is to be for ${mac(2)}, but is reserved for ${mac(1)} on line 2`,
  ]);
  assert.deepEqual(check([`${mac(1)},10.0.0.9`]), [
    `2: 10.0.0.9 is to be for ${mac(1)}, but is reserved for ${mac(9)} here already`,
  ]);
});

test('one reservation under two names is named', () => {
  assert.deepEqual(check([`${mac(1)},10.0.0.1,a`, `${mac(1)},10.0.0.1,b`]), [
    `3: ${mac(1)} with 10.0.0.1 stands on line 2 already, with the name "a"`,
  ]);
});

test('an address in no subnet, the network address and the broadcast address are named', () => {
  assert.deepEqual(check([`${mac(1)},10.2.0.1`, `${mac(2)},10.0.0.0`, `${mac(3)},10.0.0.255`]), [
    `2: 10.2.0.1 for ${mac(1)} is in no subnet`,
    `3: 10.0.0.0 for ${mac(2)} is the network address of 10.0.0.0/24`,
    `4: 10.0.0.255 for ${mac(3)} is the broadcast address of 10.0.0.0/24`,
  ]);
  const pair = { ...nothing, subnets: [{ name: 'pair', cidr: parseCidr('10.0.0.0/31') }] };
  assert.deepEqual(check([`${mac(2)},10.0.0.0`, `${mac(3)},10.0.0.1`], pair), []);
});

test('an address that a live lease of another client holds is a warning', () => {
  assert.deepEqual(check([`${mac(1)},10.0.0.8`]), [
    `2: 10.0.0.8 for ${mac(1)} is held by a live lease of ${mac(8)}: it can have it when that ends`,
  ]);
});

test('a reservation without an address needs a single subnet that it can be in', () => {
  assert.deepEqual(check([`${mac(1)},,a`]), [
    `2: ${mac(1)} has no address, and so the file does not say in which subnet it is`,
  ]);
  assert.deepEqual(check([`${mac(1)},,a`], { ...nothing, subnets: [rack] }), []);
});

test('an address in a subnet that only the file has says that the subnet comes first', () => {
  const text =
    'subnet 10.5.0.0 netmask 255.255.255.0 { }\nhost a { hardware ethernet 52:54:00:00:00:01; fixed-address 10.5.0.5; }';
  const problems = checkImport(read('isc', text), present);
  assert.deepEqual(problems, [
    { line: 2, text: `10.5.0.5 for ${mac(1)} is in no subnet yet: the file has it in 10.5.0.0/24 (line 1)` },
  ]);
  const there = { ...present, subnets: [rack, { name: 'new', cidr: parseCidr('10.5.0.0/24') }] };
  assert.deepEqual(checkImport(read('isc', text), there), []);
});

test('subnets that lie in each other, stand twice, or do not hold their pools are named', () => {
  const text = `subnet 10.0.0.0 netmask 255.255.255.128 { }
subnet 10.0.0.0 netmask 255.255.0.0 { }
subnet 10.7.0.0 netmask 255.255.255.0 { range 10.7.0.5 10.7.1.5; }
subnet 10.7.0.0 netmask 255.255.255.0 { }
subnet 10.1.0.0 netmask 255.255.255.0 { }`;
  const problems = checkImport(read('isc', text), present).map(({ line, text }) => `${line}: ${text}`);
  assert.deepEqual(problems, [
    '1: subnet 10.0.0.0/25 is inside of rack1 (10.0.0.0/24)',
    '1: subnet 10.0.0.0/25 is inside of 10.0.0.0/16 on line 2',
    '2: subnet 10.0.0.0/16 has rack1 (10.0.0.0/24) inside of it',
    '3: the pool 10.7.0.5 to 10.7.1.5 is not inside of its subnet 10.7.0.0/24',
    '4: subnet 10.7.0.0/24 stands on line 3 already',
  ]);
});

test('leases are checked against subnets, live leases and reservations', () => {
  const leases = [
    `1893456000 ${mac(1)} 10.0.0.1 a *`,
    `1893456000 ${mac(1)} 10.2.0.1 a *`,
    `1893456000 ${mac(1)} 10.0.0.8 a *`,
    `1893456000 ${mac(1)} 10.0.0.9 a *`,
    `1893456000 ${mac(9)} 10.0.0.9 a *`,
  ];
  const problems = (lines: string[]) =>
    checkImport(read('dnsmasq-leases', lines.join('\n')), present).map(({ line, text }) => `${line}: ${text}`);
  assert.deepEqual(problems(leases.slice(0, 4)), [
    `2: the lease of 10.2.0.1 to ${mac(1)} is not for us: the address is in no subnet`,
    `3: 10.0.0.8 is leased to ${mac(1)}, but held by a live lease of ${mac(8)} here`,
    `4: 10.0.0.9 is leased to ${mac(1)}, but reserved for ${mac(9)}`,
  ]);
  assert.deepEqual(problems(leases.slice(4)), []);
});
