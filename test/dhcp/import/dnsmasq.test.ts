import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, problemsOf, read, reservationsOf, subnetsOf } from './read.ts';

const config = read('dnsmasq', fixture('dnsmasq.conf'));

test('a dhcp-range gives a subnet with the options of its tag, ranges of one network become its pools', () => {
  assert.deepEqual(subnetsOf(config), [
    '10 10.20.0.0/24 10.20.0.100-10.20.0.199+10.20.0.220-10.20.0.229 10.20.0.1 10.20.0.2+10.20.0.3 lab.example.net 43200 -',
    '12 10.20.8.0/22 - 10.20.8.1 10.20.0.2+10.20.0.3 store.example.net 4294967295 -',
    '13 192.168.50.0/24 192.168.50.10-192.168.50.20 - 10.20.0.2+10.20.0.3 lab.example.net - -',
  ]);
});

test('a dhcp-host gives a reservation, with the options whose tags it sets', () => {
  assert.deepEqual(reservationsOf(config), [
    '28 52:54:00:20:00:11 10.20.0.11 "node01"',
    '29 52:54:00:20:00:12 10.20.0.12 "node02" 51=86400',
    '30 52:54:00:20:00:13 10.20.0.13 "node03" 51=4294967295 66=tftp.lab.example.net 67=pxelinux.0 0=10.20.0.9',
    '31 52:54:00:20:00:14+id:01525400200014 10.20.0.14 "node04"',
    `32 id:${Buffer.from('rack,pdu 5').toString('hex')} 10.20.0.15 ""`,
    '33 52:54:00:20:00:16 10.20.0.16 "node06"',
    '34 52:54:00:20:00:17 10.20.9.17 "san01.store.example.net"',
    '35 52:54:00:20:00:18 - "wap" 51=2700',
    '36 52:54:00:20:00:19 10.20.0.19 ""',
    '41 52:54:00:20:00:23 - ""',
  ]);
});

test('options have the names of our table', () => {
  assert.deepEqual(
    config.reservations[2]?.options.map(({ name }) => name),
    ['leaseSeconds', 'tftpServerName', 'bootFileName', 'next-server'],
  );
});

test('what is not taken of a dnsmasq.conf is named with its line', () => {
  assert.deepEqual(problemsOf(config), [
    '13: the range "dhcp-range=192.168.50.10,192.168.50.20" names no netmask: 192.168.50.0/24 is assumed',
    '14: the range 10.30.0.0 is not taken: it is for proxy DHCP, and another server gives the addresses',
    '15: the IPv6 range "dhcp-range=fd00:20::100,fd00:20::1ff,64,12h" is not taken',
    '20: ntpServers (42) "10.20.0.4" of all subnets is not taken',
    '22: bootFileName (67) "grubx64.efi" is not taken: it hangs on the tag "efi" that no dhcp-range and no dhcp-host here sets',
    '23: the option "dhcp-option=vendor:PXEClient,6,2b" is not taken: options inside of others, or by vendor, are not read',
    '25: bootFileName (67) "undionly.kpxe" of all subnets is not taken',
    '29: 52:54:00:20:00:92 is not taken: 10.20.0.12 can be kept for one client only, here 52:54:00:20:00:12',
    '33: the IPv6 address "[fd00:20::16]" is not taken',
    '36: that the line counts only for requests with the tag "known" is not taken',
    '37: 52:54:00:20:00:20 is to be ignored by the server, which is not taken',
    '38: "52:54:00:20:00:*" is not taken: it stands for several MAC addresses',
    '38: "dhcp-host=52:54:00:20:00:*,ignore" is to be ignored by the server, which is not taken',
    '39: "06-00:20:e0:3b:13:af" is not taken: it is no Ethernet address',
    '39: the line has no MAC or client id that can be taken: "dhcp-host=06-00:20:e0:3b:13:af,10.20.0.21"',
    '40: the line has no MAC or client id that can be taken: "dhcp-host=printer,10.20.0.22"',
    '41: "10.20.0.300" is not an IPv4 address: the reservation has none',
    '43: "dhcp-mac=set:bench,52:54:00:99:*:*:*" is not taken',
    '44: conf-file "/etc/dnsmasq.more.conf" is not read: import that file on its own',
    '45: dhcp-hostsfile "/etc/dnsmasq.hosts" is not read: import that file on its own',
  ]);
});

test('a dhcp-hostsfile is the same without the keyword', () => {
  const imported = read('dnsmasq', fixture('dnsmasq.hosts'));
  assert.deepEqual(reservationsOf(imported), [
    '2 52:54:00:21:00:01 10.20.0.31 "blade01"',
    '4 52:54:00:21:00:02 10.20.0.32 "blade02" 51=7200',
    '5 id:ff001122330001 10.20.0.33 "blade03"',
  ]);
  assert.deepEqual(imported.problems, []);
});

test('a lease time is told in seconds, minutes, hours, days or weeks, and is two minutes at least', () => {
  for (const [told, seconds] of [
    ['3600', 3600],
    ['90m', 5400],
    ['12h', 43_200],
    ['2d', 172_800],
    ['1w', 604_800],
    ['30', 120],
    ['infinite', 4_294_967_295],
  ])
    assert.deepEqual(
      read('dnsmasq', `dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0,${told}`).subnets[0]?.leaseSeconds,
      seconds,
      String(told),
    );
});

test('a range without a netmask is in the /24 of its ends, or in what holds both', () => {
  const ofRange = (text: string) => subnetsOf(read('dnsmasq', `dhcp-range=${text}`)).map((line) => line.split(' ')[1]);
  assert.deepEqual(ofRange('10.0.0.10,10.0.0.20'), ['10.0.0.0/24']);
  assert.deepEqual(ofRange('10.0.0.10,10.0.3.20'), ['10.0.0.0/22']);
  assert.deepEqual(ofRange('10.0.0.20,10.0.0.10,12h'), ['10.0.0.0/24']);
  assert.deepEqual(ofRange('0.0.0.1,255.0.0.1'), ['0.0.0.0/0']);
});

test('a netmask with a hole, or one that does not hold both ends, leaves the range out', () => {
  for (const mask of ['255.0.255.0', '255.255.255.240']) {
    const imported = read('dnsmasq', `dhcp-range=10.0.0.10,10.0.0.200,${mask}`);
    assert.deepEqual(imported.subnets, []);
    assert.deepEqual(problemsOf(imported), [
      `1: the range "dhcp-range=10.0.0.10,10.0.0.200,${mask}" is not taken: "${mask}" is no netmask that holds both ends`,
    ]);
  }
});

test('an option of a tag goes to nobody else, and one without a value takes the gateway away', () => {
  const imported = read(
    'dnsmasq',
    `dhcp-range=lan,10.0.0.10,10.0.0.20,255.255.255.0
dhcp-range=set:wan,10.1.0.10,10.1.0.20,255.255.255.0
dhcp-option=3,10.0.0.1
dhcp-option=wan,3
dhcp-option=lan,option:domain-name,"lan.example.net"`,
  );
  assert.deepEqual(subnetsOf(imported), [
    '1 10.0.0.0/24 10.0.0.10-10.0.0.20 10.0.0.1 - lan.example.net - -',
    '2 10.1.0.0/24 10.1.0.10-10.1.0.20 - - - - -',
  ]);
  assert.deepEqual(imported.problems, []);
});

test('0.0.0.0 as a value is the old server, whose address is not told', () => {
  const imported = read('dnsmasq', 'dhcp-option=option:router,0.0.0.0');
  assert.deepEqual(problemsOf(imported), [
    '1: the option "dhcp-option=option:router,0.0.0.0" is not taken: 0.0.0.0 means the address of the old server, which the file does not tell',
  ]);
});

test('quotes take the meaning from commas, colons, hashes and blanks, and keep their escapes', () => {
  const imported = read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,"a b,c:d # e\\"f",10.0.0.5 # a comment');
  assert.deepEqual(reservationsOf(imported), ['1 52:54:00:00:00:01 10.0.0.5 "a b,c:d # e\\"f"']);
  assert.deepEqual(problemsOf(read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,"a\ndhcp-authoritative')), [
    '1: a quote is never closed, and the line not read: "dhcp-host=52:54:00:00:00:01,"a"',
  ]);
});

test('a second name and a second address of one line are named', () => {
  const imported = read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,a,10.0.0.5,b,10.0.0.6');
  assert.deepEqual(reservationsOf(imported), ['1 52:54:00:00:00:01 10.0.0.5 "a"']);
  assert.deepEqual(problemsOf(imported), [
    '1: the name "b" is not taken: the line has "a" already',
    '1: 10.0.0.6 is not taken: the line has 10.0.0.5 already',
  ]);
});

test('how the server runs is no problem, and what hangs on requests is', () => {
  const silent = [
    'port=0',
    'server=1.1.1.1',
    'address=/x/10.0.0.1',
    'dhcp-authoritative',
    'dhcp-lease-max=500',
    'no-resolv',
  ];
  assert.deepEqual(read('dnsmasq', silent.join('\n')).problems, []);
  const spoken = [
    'dhcp-ignore=tag:!known',
    'dhcp-match=set:efi,option:client-arch,7',
    'pxe-service=x86PC,"Boot",pxelinux',
    'read-ethers',
  ];
  assert.equal(read('dnsmasq', spoken.join('\n')).problems.length, spoken.length);
});

test('ranges of one network with different lease times have that of the first', () => {
  const range = 'dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0';
  const imported = read('dnsmasq', `${range},1h\n${range},2h\n${range},1h\n${range}`);
  assert.equal(imported.subnets[0]?.leaseSeconds, 3600);
  assert.deepEqual(problemsOf(imported), [
    '2: the lease time 7200 of this range is not taken: 10.0.0.0/24 has 3600 already',
    '4: the lease time that is not told of this range is not taken: 10.0.0.0/24 has 3600 already',
  ]);
});

test('an option can be a lease time, a number, or unknown', () => {
  const imported = read(
    'dnsmasq',
    'dhcp-option=51,2h\ndhcp-range=10.0.0.10,10.0.0.20,255.255.255.0\ndhcp-option=option:moon,1\ndhcp-option=255,1\ndhcp-option=option6:dns-server,::',
  );
  assert.equal(imported.subnets[0]?.leaseSeconds, 7200);
  assert.deepEqual(problemsOf(imported), [
    '3: the option "dhcp-option=option:moon,1" is not taken: "moon" is the name of no option that we know',
    '4: the option "dhcp-option=255,1" is not taken: 255 is the code of no option',
    '5: the option "dhcp-option=option6:dns-server,::" is not taken: it is for IPv6',
  ]);
});

test('a client id has 1 to 255 bytes', () => {
  const withId = (id: string) => read('dnsmasq', `dhcp-host=id:${id},10.0.0.5`);
  assert.equal(withId('x'.repeat(255)).reservations.length, 1);
  for (const id of ['', 'x'.repeat(256), '01:0g'])
    assert.match(
      problemsOf(withId(id))[0] ?? '',
      /^1: the client id ".*" is not taken: it has not 1 to 255 bytes$/,
      id,
    );
});

test('a domain for one network goes to that one, and a domain for anything else is named', () => {
  const imported = read(
    'dnsmasq',
    'domain=a.example.net,10.0.0.0/16\ndomain=b.example.net,10.1.0.1,10.1.0.9\ndhcp-range=10.0.0.10,10.0.0.20,255.255.255.0\ndhcp-range=10.1.0.10,10.1.0.20,255.255.255.0',
  );
  assert.deepEqual(
    imported.subnets.map(({ domain }) => domain),
    ['a.example.net', ''],
  );
  assert.deepEqual(problemsOf(imported), [
    '2: the domain "domain=b.example.net,10.1.0.1,10.1.0.9" is not taken: only a network like 10.77.0.0/24 can follow it',
  ]);
});

test('a range that has not two addresses is left out, and one for a tag is taken with a problem', () => {
  const imported = read(
    'dnsmasq',
    'dhcp-range=10.0.0.10\ndhcp-range=lan\ndhcp-range=10.0.0.10,10.0.0.x\ndhcp-range=tag:pxe,10.0.0.10,10.0.0.20,255.255.255.0,soon',
  );
  assert.deepEqual(subnetsOf(imported), ['4 10.0.0.0/24 10.0.0.10-10.0.0.20 - - - - -']);
  assert.deepEqual(problemsOf(imported), [
    '1: the range is not taken: it has not two IPv4 addresses: "dhcp-range=10.0.0.10"',
    '2: the range is not taken: it has not two IPv4 addresses: "dhcp-range=lan"',
    '3: the range is not taken: it has not two IPv4 addresses: "dhcp-range=10.0.0.10,10.0.0.x"',
    '4: that the range counts only for requests with the tag "pxe" is not taken',
    '4: "soon" of the range 10.0.0.10 is not taken: it is no lease time',
  ]);
});
