import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { ClientKey } from '../../src/model/network.ts';
import type { Instant } from '../../src/model/time.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { type Harness, MAC, withHarness } from '../harness.ts';
import { type Answer, assertAnswered, assertRefused, type Call, withApi } from './rig.ts';

const importing = (call: Call, text: string, wishes: object = {}): Promise<Answer> =>
  call('POST', 'reservations/import', { text, ...wishes });

/** What an answer tells, in its order: `LINE TEXT`. */
const told = ({ body }: Answer, what: 'errors' | 'notes'): string[] =>
  (body[what] as { line: number; text: string }[]).map(({ line, text }) => `${line} ${text}`);

const KEA = `// the compute floor
{ "Dhcp4": {
  "interfaces-config": { "interfaces": [ "*" ] }, # not ours to say
  "client-classes": [ { "name": "uefi", "test": "option[93].hex == 0x0007" } ],
  "option-data": [ { "name": "ntp-servers", "data": "10.77.0.4" } ],
  <?include "more.json"?>
  "subnet4": [ {
    "subnet": "10.78.0.0/24", "valid-lifetime": 60,
    /* what a
       pool is for */
    "pools": [ { "pool": "10.78.0.50 - 10.78.0.99", "client-class": "uefi" } ],
    "reservations": [
      { "hw-address": "52:54:00:aa:bb:01", "ip-address": "10.78.0.20", "hostname": "node_1", "next-server": "10.9.9.9" },
    ] } ] } }
`;

test('what has no meaning here, or no place, is told and stops nothing: only errors need partial', () =>
  withApi(async ({ call, harness }) => {
    await call('POST', 'subnets', { cidr: '10.78.0.0/24', relays: ['10.78.0.1'] });
    const answer = await importing(call, KEA, { fileName: 'kea-dhcp4.conf' });
    assertAnswered(answer, 200, { format: 'kea', done: true, added: 1, skipped: 0, options: 0, errors: [] });
    assert.deepEqual(told(answer, 'notes'), [
      '4 class "uefi" is not taken: it depends on the request',
      '5 ntpServers (42) "10.77.0.4" of all subnets is not taken',
      '6 "<?include "more.json"?>" is not read: import that file on its own',
      '7 1 subnet of the file left out: --subnets makes them too',
      '11 the class "uefi" of pool 10.78.0.50 - 10.78.0.99 of 10.78.0.0/24 is not taken: it is open to every client',
      '13 the name "node_1" of 52:54:00:aa:bb:01 is not taken: it is no host name',
      '13 next-server 10.9.9.9 is not taken: this server names itself',
    ]);
    assert.equal(harness.network.reservations()[0]?.address, '10.78.0.20');
    const again = await importing(call, KEA);
    assertAnswered(again, 200, { done: true, added: 0, skipped: 1, errors: [] });
    assert.deepEqual(
      told(again, 'notes'),
      told(answer, 'notes').filter((note) => !note.startsWith('13')),
      'what is here already is not told of',
    );
  }));

test('what is wrong with the subnets of a file is an error for who wants them', () =>
  withApi(async ({ call, harness }) => {
    const refused = await importing(call, KEA, { subnets: true });
    assertRefused(refused, 422, 'bad-content', /^nothing was imported, for 1 error: line 11: /, /--partial/);
    assertAnswered(refused, 422, { done: false, added: 0, skipped: 1, subnets: [] });
    assert.deepEqual(told(refused, 'errors'), [
      '11 the class "uefi" of pool 10.78.0.50 - 10.78.0.99 of 10.78.0.0/24 is not taken: it is open to every client',
    ]);
    assert.ok(
      told(refused, 'notes').includes('7 the lease time of 10.78.0.0/24 becomes 120 seconds: 60 cannot be set'),
      JSON.stringify(refused.body.notes),
    );
    assert.equal(harness.network.subnets().length, 1);
    const partial = await importing(call, KEA, { subnets: true, partial: true });
    assertAnswered(partial, 200, { done: true, added: 1, subnets: ['10.78.0.0-24'] });
    assert.equal(harness.network.reservations()[0]?.subnetId, harness.network.subnetNamed('10.78.0.0-24').id);
  }));

test('an entry that would be lost is an error, and what is left of it is taken with partial only', () =>
  withApi(async ({ call, harness }) => {
    const isc = `host a { hardware ethernet 52:54:00:aa:bb:01; fixed-address 10.77.0.20; option root-path = concat("a", "b"); }
host b { hardware ethernet 52:54:00:aa:bb:02; fixed-address 10.77.0.1; }
host c { hardware ethernet 52:54:00:aa:bb:03; fixed-address 10.77.0.22; option ntp-servers tomorrow; }
host d { hardware infiniband 80:00:00:48:fe:80; }
host e { hardware ethernet 52:54:00:aa:bb:01; fixed-address 10.77.0.24; max-lease-time 900; }
host f { hardware ethernet 52:54:00:aa:bb:06; fixed-address 10.77.0.25; default-lease-time 900; }
`;
    const refused = await importing(call, isc);
    assert.deepEqual(told(refused, 'errors'), [
      '1 host "a": "option root-path concat ( a, b )" is not taken: its value is computed',
      "2 10.77.0.1 is no address for a machine: it is the network's, the router's, a relay's or ours",
      '3 ntp-servers: "tomorrow" is not an IPv4 address',
      '4 host "d": "hardware infiniband 80:00:00:48:fe:80" is not taken: it is no Ethernet address',
      '4 host "d": the host is not taken: it names no client (hardware ethernet, dhcp-client-identifier, host-identifier)',
      '5 52:54:00:aa:bb:01 is to have 10.77.0.24, but has 10.77.0.20 on line 1',
    ]);
    assert.deepEqual(told(refused, 'notes'), [
      '5 host "e": "max-lease-time 900" is not taken',
      '6 lease-seconds: "900" cannot be set: it is the lease time of the subnet',
    ]);
    assert.deepEqual(harness.network.reservations(), []);
    assertAnswered(await importing(call, isc, { partial: true }), 200, { done: true, added: 3, skipped: 2 });
    assert.deepEqual(
      harness.network.reservations().map(({ address, hostname }) => [address, hostname]),
      [
        ['10.77.0.20', 'a'],
        ['10.77.0.22', 'c'],
        ['10.77.0.25', 'f'],
      ],
    );
  }));

test('a subnet that is here stays as it is, and one that stands twice is an error', () =>
  withApi(async ({ call }) => {
    const isc = `subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.5 10.77.0.9; }
shared-network "lab floor" {
subnet 10.79.0.0 netmask 255.255.255.0 { default-lease-time infinite; }
}
subnet 10.79.0.0 netmask 255.255.255.0 { }
`;
    const answer = await importing(call, isc, { subnets: true, partial: true });
    assertAnswered(answer, 200, { done: true, subnets: ['10.79.0.0-24'] });
    assert.deepEqual(told(answer, 'errors'), ['5 subnet 10.79.0.0/24 stands on line 3 already']);
    assert.deepEqual(told(answer, 'notes'), [
      '1 subnet 10.77.0.0/24 is here already, and stays as it is',
      '3 the shared network "lab floor" of 10.79.0.0/24 is named lab-floor here',
      '3 the lease time of 10.79.0.0/24 becomes 31536000 seconds: 4294967295 cannot be set',
    ]);
  }));

test('a lease of nobody is an error, one that is here already or ended is not', () =>
  withApi(async ({ call, harness }) => {
    const end = harness.clock() / 1000 + 3600;
    const file = `${end} 52:54:00:aa:bb:01 10.77.0.103 node1 *\n${end} 00- 10.77.0.104 * *\n1700000000 00- 10.77.0.105 * *\n`;
    for (const leases of [false, true]) {
      const refused = await importing(call, file, { leases });
      assert.deepEqual(told(refused, 'errors'), [
        '2 the lease of 10.77.0.104 is not taken: no MAC and no client id is told',
      ]);
      assert.deepEqual(told(refused, 'notes'), ['1 1 lease of the file left out, as ended']);
    }
    const whole = file.replace(/^.*104.*\n/m, '');
    assertAnswered(await importing(call, whole, { leases: true }), 200, { done: true, leases: 1 });
    const again = await importing(call, whole, { leases: true });
    assertAnswered(again, 200, { done: true, leases: 0, errors: [] });
    assert.match(told(again, 'notes').join(), /1 lease of the file left out: the clients have them here already/);
  }));

test('an address that rests is no reservation, and that is told', () =>
  withApi(async ({ call }) => {
    const text = 'lease 10.77.0.105 { ends never; binding state abandoned; }\n';
    const answer = await importing(call, text);
    assertAnswered(answer, 200, { format: 'isc-leases', added: 0, errors: [] });
    assert.match(told(answer, 'notes').join(), /1 declined lease of the file left out: there is no client/);
    assertAnswered(await importing(call, text, { leases: true }), 200, { leases: 1 });
  }));

test('what is no text, empty, too large, or named as another format is told as that', () =>
  withApi(async ({ call }) => {
    const named = (text: string, fileName: string, more: object = {}) => importing(call, text, { fileName, ...more });
    assertRefused(
      await named('\x1f\x8b\0\0', 'dhcpd.leases.gz'),
      400,
      'bad-request',
      /^dhcpd\.leases\.gz is no text file$/,
      /unpack/,
    );
    assertRefused(await named(' \n', 'notes.txt'), 400, 'bad-request', /^notes\.txt is empty$/);
    assertRefused(
      await named('', 'hosts.csv'),
      422,
      'bad-content',
      /the file has no header line, like mac,address,hostname$/,
    );
    assertAnswered(await named('', 'dhcpd.leases'), 200, { format: 'isc-leases', added: 0, errors: [], notes: [] });
    assertRefused(
      await named('x', 'x', { format: 'windows' }),
      400,
      'bad-request',
      /^format: "windows" is no format/,
      /: csv, dns/,
    );
    assertRefused(
      await named('x'.repeat(32 * 2 ** 20), 'x'),
      413,
      'bad-request',
      /^the file is too large: an import takes at most 32 MiB/,
      /in parts/,
    );
    const forced = await named(`mac,address\n${MAC},10.77.0.20\n`, 'hosts.csv', { format: 'kea' });
    assert.deepEqual(told(forced, 'notes'), ['1 hosts.csv is read as kea, and looks like csv']);
    assert.match(told(forced, 'errors').join(), /^1 "mac,address" stands where a value should be/);
  }));

/** A table of so many hosts, or a dhcpd.leases of so many leases, on 10.80.0.0/15. */
function hosts(count: number): string {
  return `mac,address,hostname\n${rows(count, (mac, address, n) => `${mac},${address},n${n}\n`)}`;
}
function leaseFile(count: number, end: Date): string {
  const ends = end.toISOString().replace('T', ' ').replaceAll('-', '/').slice(0, 19);
  return rows(count, (mac, address) => `lease ${address} {\n  ends 4 ${ends};\n  hardware ethernet ${mac};\n}\n`);
}
function rows(count: number, row: (mac: Mac, address: Ipv4, n: number) => string): string {
  return Array.from({ length: count }, (_, n) => {
    const [high, low] = [Math.floor(n / 250), 1 + (n % 250)];
    const mac = `52:54:01:${[high >> 8, high & 255, low].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
    return row(mac as Mac, `10.${80 + (high >> 8)}.${high & 255}.${low}` as Ipv4, n);
  }).join('');
}
const makeBig = (call: Call) =>
  call('POST', 'subnets', { name: 'big', cidr: '10.80.0.0/15', relays: ['10.81.255.254'] });

test('while a large file is read, other requests are answered', () =>
  withApi(async ({ call, harness }) => {
    await makeBig(call);
    // the log of one lease: long to read, and little to write
    const text = leaseFile(1, new Date(harness.clock() + 3_600_000)).repeat(60_000);
    const order: string[] = [];
    const done = importing(call, text, { leases: true }).then((answer) => {
      order.push('import');
      return answer;
    });
    for (let n = 0; n < 20; n++) {
      assert.equal((await call('GET', 'status')).status, 200);
      assert.ok(await harness.ask({ type: 'discover' }));
      order.push('others');
    }
    assertAnswered(await done, 200, { done: true, leases: 1, errors: [] });
    assert.deepEqual(order, [...Array.from({ length: 20 }, () => 'others'), 'import']);
  }));

/** Runs until the import has written its first rows and not its last ones. */
async function untilHalf(count: () => number, all: number): Promise<void> {
  while (count() === 0) await setImmediate();
  assert.ok(count() < all, `${count()} of ${all} are written in one turn`);
}

test('while a large file is written, DHCP is answered', () =>
  withApi(async ({ call, harness }) => {
    await makeBig(call);
    const done = importing(call, hosts(6000));
    const written = (): number => harness.network.reservations().length;
    await untilHalf(written, 6000);
    assert.ok(await harness.ask({ type: 'discover' }));
    assert.ok(written() < 6000, `${written()} were written before the offer`);
    assertAnswered(await done, 200, { done: true, added: 6000 });
    assert.equal(written(), 6000);
  }));

/** A dhcpd.conf with a subnet that is not there, so many hosts on it, and one at 10.77.0.20. */
const dhcpdConf = (count: number): string =>
  [
    'subnet 10.80.0.0 netmask 255.254.0.0 { }\n',
    rows(count, (mac, address, n) => {
      const client = `hardware ethernet ${mac}; fixed-address ${address}; option ntp-servers 10.0.0.1;`;
      return `host n${n} { ${client} }\n`;
    }),
    'host last { hardware ethernet 52:54:00:aa:bb:02; fixed-address 10.77.0.20; }\n',
  ].join('');

test('an address that somebody else takes meanwhile takes everything back', () =>
  withApi(async ({ call, harness }) => {
    const done = importing(call, dhcpdConf(3000), { subnets: true });
    const { network, subnet } = harness;
    await untilHalf(() => network.reservations().length, 3000);
    network.addReservation({ subnetId: subnet.id, mac: MAC, address: '10.77.0.20' as Ipv4, hostname: '' });
    assertRefused(
      await done,
      409,
      'name-taken',
      /^nothing was imported: line 3002: 10\.77\.0\.20 is reserved for 52:54:00:aa:bb:01 already$/,
      /import the file once more/,
    );
    const left = () => [
      network.subnets().map(({ name }) => name),
      network.reservations().map(({ address }) => address),
      harness.optionSettings.all(),
    ];
    assert.deepEqual(left(), [['rack1'], ['10.77.0.20'], []]);
    for (const part of [network, harness.optionSettings]) part.reload();
    assert.deepEqual(left(), [['rack1'], ['10.77.0.20'], []], 'nor is more on the disk');
  }));

test('a subnet that somebody uses by then is not taken back', () =>
  withApi(async ({ call, harness }) => {
    const done = importing(call, dhcpdConf(3000), { subnets: true });
    const { network, subnet } = harness;
    await untilHalf(() => network.reservations().length, 3000);
    const made = network.subnetNamed('10.80.0.0-15');
    network.addReservation({ subnetId: made.id, mac: MAC, address: '10.81.0.9' as Ipv4, hostname: '' });
    network.addReservation({ subnetId: subnet.id, mac: MAC, address: '10.77.0.20' as Ipv4, hostname: '' });
    assertRefused(await done, 409, 'name-taken', /^nothing was imported/);
    assert.deepEqual(
      network.reservations().map(({ subnetId, address }) => [subnetId, address]),
      [
        [subnet.id, '10.77.0.20'],
        [made.id, '10.81.0.9'],
      ],
    );
  }));

test('a disk that refuses takes back the leases of the file, and none that was given meanwhile', () =>
  withApi(async ({ call, harness }) => {
    await makeBig(call);
    harness.db.sql.exec(`CREATE TEMP TRIGGER full BEFORE INSERT ON lease WHEN new.address = '10.80.15.250'
      BEGIN SELECT RAISE(ABORT, 'no room'); END`);
    const text = leaseFile(4000, new Date(harness.clock() + 3_600_000));
    const done = importing(call, text, { leases: true });
    await untilHalf(() => harness.leases.all().length, 4000);
    giveLease(harness, '10.80.0.1', '52:54:01:00:00:01', 7200);
    giveLease(harness, '10.77.0.101', MAC, 3600);
    assertRefused(await done, 500, 'internal', /internal error/);
    const left = () =>
      harness.leases
        .all()
        .map(({ address }) => address)
        .sort();
    assert.deepEqual(left(), ['10.77.0.101', '10.80.0.1'], 'a renewal was promised by this server');
    harness.leases.reload();
    assert.deepEqual(left(), ['10.77.0.101', '10.80.0.1']);
  }));

function giveLease({ leases, network, clock }: Harness, address: string, mac: string, seconds: number): void {
  leases.put({
    subnetId: network.subnetOf(address as Ipv4)?.id as number,
    address: address as Ipv4,
    client: `hw:1:${mac.replaceAll(':', '')}` as ClientKey,
    mac: mac as Mac,
    hostname: '',
    state: 'bound',
    startedAt: clock(),
    expiresAt: (clock() + seconds * 1000) as Instant,
    isGuest: true,
  });
}

test('a lease that is given while the file is written stays, and that is told', () =>
  withApi(async ({ call, harness }) => {
    await makeBig(call);
    const done = importing(call, leaseFile(4000, new Date(harness.clock() + 3_600_000)), { leases: true });
    await untilHalf(() => harness.leases.all().length, 4000);
    giveLease(harness, '10.80.15.250', MAC, 600);
    const answer = await done;
    assertAnswered(answer, 200, { done: true, leases: 3999, errors: [] });
    assert.ok(
      told(answer, 'notes').some((line) =>
        /the lease of 10\.80\.15\.250 is not taken: this server has given a newer one$/.test(line),
      ),
    );
    assert.equal(harness.leases.at(harness.network.subnetNamed('big').id, '10.80.15.250' as Ipv4)?.mac, MAC);
  }));

test('two imports at once come one after the other', () =>
  withApi(async ({ call }) => {
    await makeBig(call);
    const large = hosts(6000);
    const [header, ...lines] = large.trimEnd().split('\n');
    const both = [importing(call, large), importing(call, `${header}\n${lines.at(-1)}\n`)] as const;
    assertAnswered(await both[0], 200, { done: true, added: 6000, skipped: 0 });
    assertAnswered(await both[1], 200, { done: true, added: 0, skipped: 1, errors: [] });
  }));

test('a stop waits for an import that is under way', () =>
  withHarness({}, async (harness) => {
    const { api, token } = await harness.openApi();
    const headers = { authorization: `Bearer ${token}` };
    const post = (url: string, payload: object) =>
      api.inject({ method: 'POST', url: `/api/v1/${url}`, headers, payload });
    await post('subnets', { name: 'big', cidr: '10.80.0.0/15', relays: ['10.81.255.254'] });
    const done = post('reservations/import', { text: hosts(6000) });
    await untilHalf(() => harness.network.reservations().length, 6000);
    await api.close();
    assert.equal(harness.network.reservations().length, 6000);
    assert.equal((await done).statusCode, 200);
  }));
