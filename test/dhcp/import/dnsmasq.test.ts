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
    '13: note: the range "dhcp-range=192.168.50.10,192.168.50.20" names no netmask: 192.168.50.0/24 is assumed',
    '14: note: the range 10.30.0.0 is not taken: it is for proxy DHCP, and another server gives the addresses',
    '15: note: the IPv6 range "dhcp-range=fd00:20::100,fd00:20::1ff,64,12h" is not taken',
    '20: note: ntpServers (42) "10.20.0.4" of all subnets is not taken',
    '22: note: bootFileName (67) "grubx64.efi" is not taken: it hangs on the tag "efi" that no dhcp-range and no dhcp-host here sets',
    '23: note: the option "dhcp-option=vendor:PXEClient,6,2b" is not taken: options inside of others, or by vendor, are not read',
    '25: note: bootFileName (67) "undionly.kpxe" of all subnets is not taken',
    '29: error: 52:54:00:20:00:92 is not taken: 10.20.0.12 can be kept for one client only, here 52:54:00:20:00:12',
    '33: note: the IPv6 address "[fd00:20::16]" is not taken',
    '36: error: "tag:known" is not taken: the line counts for every request of its client',
    '37: error: 52:54:00:20:00:20 is to be ignored by the server: that is not taken, it is answered',
    '38: error: "52:54:00:20:00:*" is not taken: it stands for several MAC addresses',
    '38: error: "dhcp-host=52:54:00:20:00:*,ignore" is to be ignored by the server: that is not taken, it is answered',
    '39: error: "06-00:20:e0:3b:13:af" is not taken: it is no Ethernet address',
    '39: error: the line has no MAC or client id that can be taken: "dhcp-host=06-00:20:e0:3b:13:af,10.20.0.21"',
    '40: error: the line has no MAC or client id that can be taken: "dhcp-host=printer,10.20.0.22"',
    '41: error: "10.20.0.300" is not an IPv4 address: the reservation has none',
    '43: note: "dhcp-mac=set:bench,52:54:00:99:*:*:*" is not taken',
    '44: note: conf-file "/etc/dnsmasq.more.conf" is not read: import that file on its own',
    '45: note: dhcp-hostsfile "/etc/dnsmasq.hosts" is not read: import that file on its own',
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
      `1: error of subnets: the range "dhcp-range=10.0.0.10,10.0.0.200,${mask}" is not taken: "${mask}" is no netmask that holds both ends`,
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
    '1: error of subnets: the option "dhcp-option=option:router,0.0.0.0" is not taken: 0.0.0.0 means the address of the old server, which the file does not tell',
  ]);
});

test('quotes take the meaning from commas, colons, hashes and blanks, and keep their escapes', () => {
  const imported = read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,"a b,c:d # e\\"f",10.0.0.5 # a comment');
  assert.deepEqual(reservationsOf(imported), ['1 52:54:00:00:00:01 10.0.0.5 "a b,c:d # e\\"f"']);
  assert.deepEqual(problemsOf(read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,"a\ndhcp-authoritative')), [
    '1: error: a quote is never closed, and the line not read: "dhcp-host=52:54:00:00:00:01,"a"',
  ]);
});

test('a second name and a second address of one line are named', () => {
  const imported = read('dnsmasq', 'dhcp-host=52:54:00:00:00:01,a,10.0.0.5,b,10.0.0.6');
  assert.deepEqual(reservationsOf(imported), ['1 52:54:00:00:00:01 10.0.0.5 "a"']);
  assert.deepEqual(problemsOf(imported), [
    '1: error: the name "b" is not taken: the line has "a" already',
    '1: error: 10.0.0.6 is not taken: the line has 10.0.0.5 already',
  ]);
});

test('how the server runs is no problem, and what hangs on requests is a note', () => {
  const silent = [
    'port=0',
    'server=1.1.1.1',
    'address=/x/10.0.0.1',
    'dhcp-authoritative',
    'dhcp-lease-max=500',
    'no-resolv',
  ];
  assert.deepEqual(read('dnsmasq', silent.join('\n')).problems, []);
  const spoken = ['dhcp-match=set:efi,option:client-arch,7', 'pxe-service=x86PC,"Boot",pxelinux', 'read-ethers'];
  assert.deepEqual(
    read('dnsmasq', spoken.join('\n')).problems.map(({ severity }) => severity),
    spoken.map(() => 'note'),
  );
  assert.deepEqual(problemsOf(read('dnsmasq', 'dhcp-ignore=tag:!known')), [
    '1: error of subnets: "dhcp-ignore=tag:!known" is not taken: every client is answered',
  ]);
});

test('ranges of one network with different lease times have that of the first', () => {
  const range = 'dhcp-range=10.0.0.10,10.0.0.20,255.255.255.0';
  const imported = read('dnsmasq', `${range},1h\n${range},2h\n${range},1h\n${range}`);
  assert.equal(imported.subnets[0]?.leaseSeconds, 3600);
  assert.deepEqual(problemsOf(imported), [
    '2: note: the lease time 7200 of this range is not taken: 10.0.0.0/24 has 3600 already',
    '4: note: the lease time that is not told of this range is not taken: 10.0.0.0/24 has 3600 already',
  ]);
});

test('an option can be a lease time, a number, or unknown', () => {
  const imported = read(
    'dnsmasq',
    'dhcp-option=51,2h\ndhcp-range=10.0.0.10,10.0.0.20,255.255.255.0\ndhcp-option=option:moon,1\ndhcp-option=255,1\ndhcp-option=option6:dns-server,::',
  );
  assert.equal(imported.subnets[0]?.leaseSeconds, 7200);
  assert.deepEqual(problemsOf(imported), [
    '3: note: the option "dhcp-option=option:moon,1" is not taken: "moon" is the name of no option that we know',
    '4: error: the option "dhcp-option=255,1" is not taken: 255 is the code of no option',
    '5: note: the option "dhcp-option=option6:dns-server,::" is not taken: it is for IPv6',
  ]);
});

test('a client id has 1 to 255 bytes', () => {
  const withId = (id: string) => read('dnsmasq', `dhcp-host=id:${id},10.0.0.5`);
  assert.equal(withId('x'.repeat(255)).reservations.length, 1);
  for (const id of ['', 'x'.repeat(256), '01:0g'])
    assert.match(
      problemsOf(withId(id))[0] ?? '',
      /^1: error: the client id ".*" is not taken: it has not 1 to 255 bytes$/,
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
    '2: error of subnets: the domain "domain=b.example.net,10.1.0.1,10.1.0.9" is not taken: only a network like 10.77.0.0/24 can follow it',
  ]);
});

test('a range that has not two addresses is left out, and one for a tag is taken with a problem', () => {
  const imported = read(
    'dnsmasq',
    'dhcp-range=10.0.0.10\ndhcp-range=lan\ndhcp-range=10.0.0.10,10.0.0.x\ndhcp-range=tag:pxe,10.0.0.10,10.0.0.20,255.255.255.0,soon',
  );
  assert.deepEqual(subnetsOf(imported), ['4 10.0.0.0/24 10.0.0.10-10.0.0.20 - - - - -']);
  assert.deepEqual(problemsOf(imported), [
    '1: error of subnets: the range is not taken: it has not two IPv4 addresses: "dhcp-range=10.0.0.10"',
    '2: error of subnets: the range is not taken: it has not two IPv4 addresses: "dhcp-range=lan"',
    '3: error of subnets: the range is not taken: it has not two IPv4 addresses: "dhcp-range=10.0.0.10,10.0.0.x"',
    '4: error of subnets: "tag:pxe" is not taken: the range is open to every client',
    '4: error of subnets: "soon" of the range 10.0.0.10 is not taken: it is no lease time',
  ]);
});

test('an option that cannot be read is an error where a dhcp-host has its tag: that client goes without it', () => {
  const imported = read(
    'dnsmasq',
    `dhcp-range=set:lan,10.0.0.10,10.0.0.20,255.255.255.0
dhcp-host=52:54:00:00:00:01,set:pxe,set:lab,10.0.0.5
dhcp-option=tag:pxe,option:moon,1
dhcp-option=tag:pxe,tag:lab,encap:175,190,x
dhcp-option=tag:pxe,option:router,0.0.0.0
dhcp-option=tag:lan,option:router,0.0.0.0
dhcp-option=tag:lan,option:ntp-server,0.0.0.0
dhcp-option=tag:pxe,option6:dns-server,[::]
dhcp-option=tag:pxe
dhcp-boot=tag:pxe,pxelinux.0,,boot.example.net`,
  );
  const told = imported.problems.map(
    ({ line, severity, ofSubnets }) => `${line} ${severity}${ofSubnets ? ' of subnets' : ''}`,
  );
  assert.deepEqual(told, [
    '3 error',
    '4 error',
    '5 error',
    '6 error of subnets',
    '7 note',
    '8 note',
    '9 error',
    '10 note',
  ]);
});
