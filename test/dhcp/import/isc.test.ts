import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, problemsOf, read, reservationsOf, subnetsOf } from './read.ts';

const config = read('isc', fixture('dhcpd.conf'));

test('a subnet has what it says itself, else what the blocks around it say, before or after it', () => {
  assert.deepEqual(subnetsOf(config), [
    '25 10.40.0.0/24 10.40.0.100-10.40.0.149+10.40.0.190-10.40.0.199 10.40.0.1 10.40.0.2+10.40.0.3 example.net 7200 -',
    '42 10.41.0.0/23 10.41.1.10-10.41.1.99 10.41.0.1 10.40.0.2+10.40.0.3 lab.example.net 600 lab floor',
    '52 10.42.0.0/24 10.42.0.50-10.42.0.60 - 10.42.0.2 lab.example.net 7200 lab floor',
  ]);
  const after = read('isc', 'subnet 10.0.0.0 netmask 255.255.255.0 { }\noption domain-name "late.example.net";');
  assert.equal(after.subnets[0]?.domain, 'late.example.net');
});

test('a host has its own options and those of the groups around it', () => {
  assert.deepEqual(reservationsOf(config), [
    '37 52:54:00:40:00:11 10.40.0.11 "node01"',
    '61 52:54:00:40:00:12 10.40.0.12 "storage-two" 0=10.40.0.9 67=pxelinux.0 224=10.40.0.7',
    '69 52:54:00:40:00:13+id:01525400400013 10.40.0.13 "node03" 0=10.40.0.9 67=grubx64.efi 66=boot "one" 51=3600',
    '79 id:006e6f64650434 - "node04"',
    '83 circuit:Gi1/0/7 10.40.0.17 "switchport7"',
    '89 52:54:00:40:00:16 10.40.0.16 "node06"',
  ]);
});

test('what is not taken of a dhcpd.conf is named with its line', () => {
  assert.deepEqual(problemsOf(config), [
    '6: note: ntpServers (42) "10.40.0.4" of all subnets is not taken',
    '16: note: "include /etc/dhcp/more.conf" is not taken: that file is not read, import it on its own',
    '18: note: "class pxe" is not taken: it depends on the request',
    '22: note: "class bench" is not taken: it depends on the request',
    '23: note: "subclass bench 1:52:54:00:40:99:01" is not taken: it depends on the request',
    '31: note: next-server "10.40.0.9" of subnet 10.40.0.0/24 is not taken',
    '32: note: "if option arch = 00:07" is not taken: it depends on the request',
    '34: note: "else" is not taken: it depends on the request',
    '43: note: routers (3) "10.41.0.1, 10.41.1.1" of subnet 10.41.0.0/23 has several addresses: only 10.41.0.1 is taken',
    '46: error of subnets: "deny members of pxe" is not taken: every client is let into a pool of subnet 10.41.0.0/23',
    '49: note: leaseSeconds (51) "300" of a pool of subnet 10.41.0.0/23 is not taken: a subnet has it for all its pools',
    '53: error of subnets: dnsServers (6) "ns1.example.net, 10.42.0.2" of subnet 10.42.0.0/24 is not taken as far as "ns1.example.net": that is no IPv4 address',
    '63: error: host "node02": fixed-address 10.41.0.12 is not taken: the host has 10.40.0.12 already',
    '74: error: host "node03": "deny booting" is not taken: the host is answered',
    '81: error: host "node04": fixed-address "node04.example.net" is not taken: it is a name',
    '87: error: host "infiniband": "hardware infiniband 80:00:00:48:fe:80" is not taken: it is no Ethernet address',
    '87: error: host "infiniband": the host is not taken: it names no client (hardware ethernet, dhcp-client-identifier, host-identifier)',
    '88: error: host "nobody": the host is not taken: it names no client (hardware ethernet, dhcp-client-identifier, host-identifier)',
    '92: error: host "node06": "if known" is not taken: it depends on the request',
  ]);
});

test('the secret of a key is in no problem, also when its braces are broken', () => {
  for (const text of [fixture('dhcpd.conf'), 'key k { algorithm hmac-md5; secret "c2Vj" }', 'key k { secret c2Vj'])
    assert.ok(!problemsOf(read('isc', text)).some((problem) => problem.includes('c2Vj')), text.slice(0, 40));
});

test('a host is known by its UUID or by the port of its switch where host-identifier says so', () => {
  const text = `host a { host-identifier option pxe-client-id 00:44:45:4c:4c:44:00:10:48:80:31:b2:c0:4f:58:4e:31; }
host b { host-identifier option agent.remote-id aa:bb:cc; }
host c { host-identifier option host-name "c"; }`;
  const imported = read('isc', text);
  assert.deepEqual(reservationsOf(imported), [
    '1 uuid:4c4c4544-0044-4810-8031-b2c04f584e31 - "a"',
    '2 remote:aabbcc - "b"',
  ]);
  assert.deepEqual(problemsOf(imported), [
    '3: error: host "c": "host-identifier option host-name c" is not taken: hosts cannot be told by host-name',
    '3: error: host "c": the host is not taken: it names no client (hardware ethernet, dhcp-client-identifier, host-identifier)',
  ]);
});

test('strings have octal and hexadecimal escapes, and may hold braces, semicolons and hashes', () => {
  const imported = read('isc', String.raw`host a { uid "\001RT\000\252\273\x01"; filename "a{b};#\"c\\"; } # end`);
  assert.deepEqual(reservationsOf(imported), [
    String.raw`1 52:54:00:aa:bb:01+id:01525400aabb01 - "a" 67=a{b};#"c\ `.trim(),
  ]);
  assert.deepEqual(imported.problems, []);
});

test('keywords count in any case, and a comment ends only at the end of its line', () => {
  const imported = read('isc', 'HOST a#x {\n{ Hardware ETHERNET 8:0:20:A:B:C; Fixed-Address 10.0.0.5; }');
  assert.deepEqual(reservationsOf(imported), ['1 08:00:20:0a:0b:0c 10.0.0.5 "a"']);
});

test('braces, semicolons and quotes that are missing are named, and what stands before them is taken', () => {
  const subnet = 'subnet 10.0.0.0 netmask 255.255.255.0 {\n  range 10.0.0.5 10.0.0.9';
  const unclosed = read('isc', `${subnet};\n`);
  assert.deepEqual(subnetsOf(unclosed), ['1 10.0.0.0/24 10.0.0.5-10.0.0.9 - - - - -']);
  assert.deepEqual(problemsOf(unclosed), ['1: error: the block that opens here is never closed']);
  assert.deepEqual(problemsOf(read('isc', `${subnet}\n}\n`)), ['3: error: a semicolon is missing before this brace']);
  assert.deepEqual(problemsOf(read('isc', '}\nhost a')), [
    '1: error: this brace closes nothing',
    '2: error: this statement is not taken: its semicolon is missing',
  ]);
  assert.deepEqual(problemsOf(read('isc', '\nfilename "x;\n')), [
    '2: error: the string that opens here is never closed: nothing from here on is read',
    '2: error: this statement is not taken: its semicolon is missing',
  ]);
});

test('a network that is none, a range that is none, and a mask that disagrees are named', () => {
  const text = `subnet 10.0.0.0 netmask 255.0.255.0 { range 10.0.0.5; }
subnet 10.0.1.7 netmask 255.255.255.0 { }
subnet 10.0.2.0 netmask 255.255.255.0 { range 10.0.2.5 10.0.2.x; option subnet-mask 255.255.0.0; range 10.0.2.9; }
subnet6 2001:db8::/64 { range6 2001:db8::1 2001:db8::9; }
shared-network x { pool { range 10.9.0.1 10.9.0.9; } }`;
  const imported = read('isc', text);
  assert.deepEqual(subnetsOf(imported), ['3 10.0.2.0/24 10.0.2.9-10.0.2.9 - - - - -']);
  assert.deepEqual(problemsOf(imported), [
    '1: error of subnets: "subnet 10.0.0.0 netmask 255.0.255.0" is not taken: "255.0.255.0" is no netmask',
    '2: error of subnets: "subnet 10.0.1.7 netmask 255.255.255.0" is not taken: 10.0.1.7 is not the first address of 10.0.1.0/24',
    '3: error of subnets: subnetMask (1) "255.255.0.0" is not taken: the subnet itself gives 255.255.255.0',
    '3: error of subnets: "range 10.0.2.5 10.0.2.x" is not taken: it has not two IPv4 addresses',
    '4: note: "subnet6 2001:db8::/64" is not taken: it is for IPv6',
    '5: error of subnets: "range 10.9.0.1 10.9.0.9" is not taken: no subnet around it has these addresses',
  ]);
});

test('an option that nobody knows and one that is computed are named', () => {
  const text =
    'option tftp-moon 5;\nhost a { hardware ethernet 52:54:00:00:00:01; option root-path = concat("a", "b"); next-server boot.example.net; }';
  assert.deepEqual(problemsOf(read('isc', text)), [
    '1: note: all subnets: "option tftp-moon 5" is not taken: we know no option of that name',
    '2: error: host "a": "option root-path concat ( a, b )" is not taken: its value is computed',
    '2: note: host "a": next-server "boot.example.net" is not taken: it is a name',
  ]);
});

test('a block that we do not know and a lease time that is none are named', () => {
  const text = `default-lease-time 0;
moon "x" { phase 3; }
subnet 10.0.0.0 netmask 255.255.255.0 { default-lease-time -1; }
zone example.net. { primary 10.0.0.1; }`;
  const imported = read('isc', text);
  assert.equal(imported.subnets[0]?.leaseSeconds, 0xffffffff);
  assert.deepEqual(problemsOf(imported), [
    '1: error of subnets: leaseSeconds (51) "0" of all subnets is not taken: it is no number of seconds from 1 to 4294967295',
    '2: error: "moon x" is not taken: we know no such block',
  ]);
});

test('a client identifier may stand behind an equals sign, and has 1 to 255 bytes', () => {
  const withId = (id: string) => read('isc', `host a { option dhcp-client-identifier ${id}; }`);
  assert.deepEqual(reservationsOf(withId('= "ab"')), ['1 id:6162 - "a"']);
  assert.equal(withId(`"${'x'.repeat(255)}"`).reservations.length, 1);
  for (const id of ['""', `"${'x'.repeat(256)}"`, '01:0g', 'concat(hardware, "x")'])
    assert.equal(withId(id).reservations.length, 0, id);
});

test('what only defines options sends none, and an option of another space is named', () => {
  const text = `option space PXE;
option PXE.mtftp-ip code 1 = ip-address;
option local-thing code 230 = text;
subnet 10.0.0.0 netmask 255.255.255.0 { }
host a { hardware ethernet 52:54:00:00:00:01; option local-thing "x"; option PXE.mtftp-ip 10.0.0.9; }`;
  const imported = read('isc', text);
  assert.deepEqual(reservationsOf(imported), ['5 52:54:00:00:00:01 - "a" 230=x']);
  assert.deepEqual(problemsOf(imported), [
    '5: error: host "a": "option pxe.mtftp-ip 10.0.0.9" is not taken: we know no option of that name',
  ]);
});

test('who may have an address is lost, where that is not everybody', () => {
  const text = `allow booting; allow bootp; allow unknown-clients;
deny unknown-clients;
ignore bootp;
subnet 10.0.0.0 netmask 255.255.255.0 {
pool { allow members of "lab"; range 10.0.0.5 10.0.0.9; }
pool { deny dynamic bootp clients; range 10.0.0.15 10.0.0.19; }
}
host a { hardware ethernet 52:54:00:00:00:01; ignore booting; }
host b { hardware ethernet 52:54:00:00:00:02; allow booting; always-broadcast on; }`;
  assert.deepEqual(problemsOf(read('isc', text)), [
    '1: note: "allow bootp" is not taken: there is no BOOTP here',
    '2: error of subnets: "deny unknown-clients" is not taken: every client is let into all subnets',
    '3: note: "ignore bootp" is not taken: there is no BOOTP here',
    '5: error of subnets: "allow members of lab" is not taken: every client is let into a pool of subnet 10.0.0.0/24',
    '6: note: "deny dynamic bootp clients" is not taken: there is no BOOTP here',
    '8: error: host "a": "ignore booting" is not taken: the host is answered',
    '9: note: host "b": "allow booting" is not taken',
    '9: note: host "b": "always-broadcast on" is not taken',
  ]);
});

test('an option that cannot be read is an error where hosts would have it, or a subnet', () => {
  const text = `group { option moon 1; next-server boot.example.net; group { host a { hardware ethernet 52:54:00:00:00:01; } } }
group { option moon 2; subnet 10.0.0.0 netmask 255.255.255.0 { option routers = concat("a", "b"); option moon 3; } }`;
  assert.deepEqual(problemsOf(read('isc', text)), [
    '1: error: a group: "option moon 1" is not taken: we know no option of that name',
    '1: note: a group: next-server "boot.example.net" is not taken: it is a name',
    '2: note: a group: "option moon 2" is not taken: we know no option of that name',
    '2: error of subnets: subnet 10.0.0.0/24: "option routers concat ( a, b )" is not taken: its value is computed',
    '2: note: subnet 10.0.0.0/24: "option moon 3" is not taken: we know no option of that name',
  ]);
});
