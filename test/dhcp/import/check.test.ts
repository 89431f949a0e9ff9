import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ImportedReservation,
  type ImportedSubnet,
  leaseChecker,
  type Marks,
  type PresentReservation,
  reservationChecker,
} from '../../../src/dhcp/import/index.ts';
import { type Ipv4, type Mac, parseCidr } from '../../../src/wire/address.ts';
import { problemsOf, read } from './read.ts';

const rack = { name: 'rack1', cidr: parseCidr('10.0.0.0/24') };
const lab = { name: 'lab', cidr: parseCidr('10.1.0.0/24') };
const mac = (last: number) => `52:54:00:00:00:0${last}` as Mac;
const uuid = '4c4c4544-0044-4810-8031-b2c04f584e31';
type Present = { subnets: (typeof rack)[]; reservations: PresentReservation[] };
const present: Present = {
  subnets: [rack, lab],
  reservations: [
    { subnet: 'rack1', mac: mac(9), address: '10.0.0.9' as Ipv4, hostname: 'nine' },
    { subnet: 'rack1', clientId: Buffer.from([255, 1]), address: '10.0.0.30' as Ipv4, hostname: '' },
    { subnet: 'rack1', uuid, address: '10.0.0.31' as Ipv4, hostname: '' },
    { subnet: 'rack1', circuitId: Buffer.from('Gi1'), address: '10.0.0.32' as Ipv4, hostname: '' },
    { subnet: 'lab', mac: mac(8), hostname: 'eight' },
  ],
};
const alone: Present = { subnets: [lab], reservations: present.reservations.filter(({ subnet }) => subnet === 'lab') };

/** What becomes of reservations `MAC,ADDRESS,NAME,CLIENT-ID,UUID,CIRCUIT-ID`, the first one on line 2: `LINE STATE`, then its problems. */
function judge(rows: string[], there = present): string[] {
  const imported = read('csv', ['mac,address,name,client-id,uuid,circuit-id', ...rows].join('\n'));
  assert.deepEqual(imported.problems, []);
  return judgeAll(imported.reservations, [], there);
}

function judgeAll(list: ImportedReservation[], subnets: ImportedSubnet[], there: Present): string[] {
  const checker = reservationChecker(subnets, there.subnets);
  for (const one of there.reservations) checker.know(one);
  return list.flatMap((one) => {
    const { state, problems } = checker.judge(one);
    return [`${one.line} ${state}`, ...problemsOf({ problems })];
  });
}

test('reservations that agree with each other are new, those that stand before in the file or are here are there', () => {
  assert.deepEqual(
    judge([
      `${mac(1)},10.0.0.1,a`,
      `${mac(1)},10.0.0.1,a`, // again
      `${mac(1)},10.1.0.1,a`, // in another subnet
      `${mac(9)},10.0.0.9,nine`, // is here already
      ',10.0.0.30,,ff01',
      `,10.0.0.31,,,${uuid}`,
      ",10.0.0.32,,,,'Gi1'",
      `,10.0.0.2,d,01:02:03`,
    ]),
    ['2 new', '3 there', '4 new', '5 there', '6 there', '7 there', '8 there', '9 new'],
  );
});

test('one client with two addresses of a subnet is told with the line of the first, whatever it is known by', () => {
  const wrong = (line: number, text: string) => [`${line} wrong`, `${line}: error: ${text}`];
  assert.deepEqual(judge([`${mac(1)},10.0.0.1`, `${mac(1)},10.0.0.2`]), [
    '2 new',
    ...wrong(3, `${mac(1)} is to have 10.0.0.2, but has 10.0.0.1 on line 2`),
  ]);
  assert.deepEqual(judge([`,10.0.0.1,,01:02:03`, `,10.0.0.2,,01:02:03`]), [
    '2 new',
    ...wrong(3, 'client id 01:02:03 is to have 10.0.0.2, but has 10.0.0.1 on line 2'),
  ]);
  assert.deepEqual(judge([`${mac(9)},10.0.0.2`, ',10.0.0.3,,ff01', `,10.0.0.4,,,${uuid}`, ",10.0.0.5,,,,'Gi1'"]), [
    ...wrong(2, `${mac(9)} is to have 10.0.0.2, but has 10.0.0.9 here already`),
    ...wrong(3, 'client id ff:01 is to have 10.0.0.3, but has 10.0.0.30 here already'),
    ...wrong(4, `UUID ${uuid} is to have 10.0.0.4, but has 10.0.0.31 here already`),
    ...wrong(5, 'circuit id 47:69:31 is to have 10.0.0.5, but has 10.0.0.32 here already'),
  ]);
});

test('one address for two clients is told with the line of the first', () => {
  assert.deepEqual(judge([`${mac(1)},10.0.0.1`, `${mac(2)},10.0.0.1`]), [
    '2 new',
    '3 wrong',
    `3: error: 10.0.0.1 is to be for ${mac(2)}, but is reserved for ${mac(1)} on line 2`,
  ]);
  assert.deepEqual(judge([`${mac(1)},10.0.0.9`]), [
    '2 wrong',
    `2: error: 10.0.0.9 is to be for ${mac(1)}, but is reserved for ${mac(9)} here already`,
  ]);
});

test('what is wrong keeps nothing for itself: the next one can have it', () => {
  assert.deepEqual(judge([`${mac(1)},10.0.0.1`, `${mac(1)},10.0.0.2`, `${mac(2)},10.0.0.2`]).at(-1), '4 new');
});

test('one reservation under two names is wrong within the file; one that is here keeps its name, and that is told', () => {
  assert.deepEqual(judge([`${mac(1)},10.0.0.1,a`, `${mac(1)},10.0.0.1,b`]), [
    '2 new',
    '3 wrong',
    `3: error: ${mac(1)} with 10.0.0.1 stands on line 2 already, with the name "a"`,
  ]);
  assert.deepEqual(judge([`${mac(9)},10.0.0.9,b`]), [
    '2 there',
    `2: note: ${mac(9)} with 10.0.0.9 is here already, with the name "nine": it does not become "b"`,
  ]);
});

test('an address in no subnet, the network address and the broadcast address are errors', () => {
  assert.deepEqual(judge([`${mac(1)},10.2.0.1`, `${mac(2)},10.0.0.0`, `${mac(3)},10.0.0.255`]), [
    '2 wrong',
    `2: error: 10.2.0.1 for ${mac(1)} is in no subnet`,
    '3 wrong',
    `3: error: 10.0.0.0 for ${mac(2)} is the network address of 10.0.0.0/24`,
    '4 wrong',
    `4: error: 10.0.0.255 for ${mac(3)} is the broadcast address of 10.0.0.0/24`,
  ]);
  const pair = { subnets: [{ name: 'pair', cidr: parseCidr('10.0.0.0/31') }], reservations: [] };
  assert.deepEqual(judge([`${mac(2)},10.0.0.0`, `${mac(3)},10.0.0.1`], pair), ['2 new', '3 new']);
});

test('a reservation without an address needs a single subnet that it can be in', () => {
  assert.deepEqual(judge([`${mac(1)},,a`]), [
    '2 wrong',
    `2: error: ${mac(1)} has no address, and so the file does not say in which subnet it is`,
  ]);
  assert.deepEqual(judge([`${mac(1)},,a`, `${mac(1)},,a`, `${mac(8)},,eight`], alone), ['2 new', '3 there', '4 there']);
});

test('one client is not to have both an address of its own and one of the pool', () => {
  assert.deepEqual(judge([`${mac(1)},,a`, `${mac(1)},10.1.0.1,a`, `${mac(8)},10.1.0.8,eight`], alone), [
    '2 new',
    '3 wrong',
    `3: error: ${mac(1)} is to have 10.1.0.1, but has an address of the pool on line 2`,
    '4 wrong',
    `4: error: ${mac(8)} is to have 10.1.0.8, but has an address of the pool here already`,
  ]);
  assert.deepEqual(judge([`${mac(1)},10.1.0.1,a`, `${mac(1)},,a`, `${mac(1)},,b`], alone), [
    '2 new',
    '3 wrong',
    `3: error: ${mac(1)} is to have an address of the pool, but has 10.1.0.1 on line 2`,
    '4 wrong',
    `4: error: ${mac(1)} is to have an address of the pool, but has 10.1.0.1 on line 2`,
  ]);
});

test('an address in a subnet that only the file has says that the subnet comes first', () => {
  const text =
    'subnet 10.5.0.0 netmask 255.255.255.0 { }\nhost a { hardware ethernet 52:54:00:00:00:01; fixed-address 10.5.0.5; }';
  const { subnets, reservations } = read('isc', text);
  assert.deepEqual(judgeAll(reservations, subnets, present), [
    '2 wrong',
    `2: error: 10.5.0.5 for ${mac(1)} is in no subnet yet: the file has it in 10.5.0.0/24 (line 1)`,
  ]);
  const made = { ...present, subnets: [rack, { name: 'new', cidr: parseCidr('10.5.0.0/24') }] };
  assert.deepEqual(judgeAll(reservations, subnets, made), ['2 new']);
});

test('leases are judged by subnets and reservations', () => {
  const lines = [
    `1893456000 ${mac(1)} 10.0.0.1 a *`,
    `1893456000 ${mac(1)} 10.2.0.1 a *`,
    `1893456000 ${mac(1)} 10.0.0.9 a *`,
    `1893456000 ${mac(9)} 10.0.0.10 a *`,
    `1893456000 ${mac(2)} 10.0.0.30 a ff:01`, // known by its client id
    `1893456000 ${mac(2)} 10.0.0.31 a *`,
    `1893456000 ${mac(2)} 10.0.0.40 a *`,
  ];
  const { leases } = read('dnsmasq-leases', lines.join('\n'));
  const { reservations } = read('csv', `mac,address\n${mac(3)},10.0.0.40\n`);
  const known: Marks[] = [...present.reservations, ...reservations];
  const check = leaseChecker([], present.subnets, (address) => known.find((one) => one.address === address));
  const problems = leases.flatMap((lease) => check(lease) ?? []);
  assert.deepEqual(problemsOf({ problems }), [
    `2: error: the lease of 10.2.0.1 to ${mac(1)} is not for us: the address is in no subnet`,
    `3: error: 10.0.0.9 is leased to ${mac(1)}, but reserved for ${mac(9)}`,
    `6: error: 10.0.0.31 is leased to ${mac(2)}, but reserved for UUID ${uuid}`,
    `7: error: 10.0.0.40 is leased to ${mac(2)}, but reserved for ${mac(3)}`,
  ]);
});

test('a declined address is judged by its subnet alone: nobody has it', () => {
  const { leases } = read(
    'isc-leases',
    'lease 10.0.0.9 { ends never; binding state abandoned; }\nlease 10.2.0.9 { ends never; binding state abandoned; }',
  );
  const check = leaseChecker([], present.subnets, () => present.reservations[0]);
  assert.deepEqual(problemsOf({ problems: leases.flatMap((lease) => check(lease) ?? []) }), [
    '2: error: the lease of 10.2.0.9 to an unnamed client is not for us: the address is in no subnet',
  ]);
});
