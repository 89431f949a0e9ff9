import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, problemsOf, read, reservationsOf, subnetsOf } from './read.ts';

const config = read('kea', fixture('kea-dhcp4.conf'));

test('a Kea configuration with comments and trailing commas gives its subnets, those of shared networks too', () => {
  assert.deepEqual(subnetsOf(config), [
    '25 10.60.0.0/24 10.60.0.100-10.60.0.149+10.60.0.192-10.60.0.207 10.60.0.1 10.60.0.2+10.60.0.3 example.net 600 -',
    '63 10.61.0.0/23 10.61.1.10-10.61.1.99 - 10.60.0.2+10.60.0.3 lab.example.net 4000 lab floor',
    '64 10.62.0.0/24 - - 10.60.0.2+10.60.0.3 lab.example.net 4000 lab floor',
  ]);
});

test('reservations of a subnet and global ones are taken by MAC, client id and circuit id', () => {
  assert.deepEqual(reservationsOf(config), [
    '22 52:54:00:60:00:01 10.60.0.11 "node01"',
    '36 52:54:00:60:00:02 10.60.0.12 "node02" 224=10.60.0.7 17=nfs:10.60.0.8:/srv,ro 43=0x060108 67=pxelinux.0',
    '49 52:54:00:60:00:03+id:01525400600003 10.60.0.13 ""',
    `50 id:${Buffer.from('node-04').toString('hex')} 10.60.0.14 ""`,
    '51 circuit:Gi1/0/7 10.60.0.15 ""',
    '54 52:54:00:60:00:08 - "node08"',
  ]);
});

test('what is not taken of a Kea configuration is named with its line', () => {
  assert.deepEqual(problemsOf(config), [
    '14: note: ntpServers (42) "10.60.0.4" of all subnets is not taken',
    '17: note: class "uefi" is not taken: it depends on the request',
    '28: note: next-server "10.60.0.9" of subnet 10.60.0.0/24 is not taken',
    '32: error of subnets: the class "uefi" of pool 10.60.0.192/28 of 10.60.0.0/24 is not taken: it is open to every client',
    '45: error: option "tftp-servers" "0A3C0009" of the reservation of 52:54:00:60:00:02 is not taken: it goes inside of another option',
    '47: note: "client-classes" of the reservation of 52:54:00:60:00:02 is not taken',
    '52: error: duid "01:02:03:04:05" is not taken: the DUID alone does not make the client id that the client sends (RFC 4361 6.1)',
    '52: error: the reservation of 10.60.0.16 is not taken: it names no client that we can know',
    `53: error: flex-id "'s0mEVaLue'" is not taken: it is the value of an expression over the request`,
    '53: error: the reservation of 10.60.0.17 is not taken: it names no client that we can know',
    '64: error of subnets: the class "uefi" of subnet 10.62.0.0/24 is not taken: it is open to every client',
  ]);
});

test('the answer to config-get is read like the file, and its empty values say nothing', () => {
  const answer = `[ { "result": 0, "arguments": { "Dhcp4": { "next-server": "0.0.0.0", "boot-file-name": "", "hosts-databases": [ ],
    "subnet4": [ { "subnet": "10.0.0.0/24", "pools": [], "reservations": [
      { "hw-address": "52:54:00:00:00:01", "ip-address": "10.0.0.5", "client-classes": [ ], "next-server": "0.0.0.0" } ] } ] } } } ]`;
  const imported = read('kea', answer);
  assert.deepEqual(reservationsOf(imported), ['3 52:54:00:00:00:01 10.0.0.5 ""']);
  assert.deepEqual(imported.problems, []);
});

test('a subnet, a pool, a list and a host that are none are named with their lines', () => {
  const text = `{ "Dhcp4": { "subnet4": [
{ "subnet": "10.0.0.0/33" },
{ "subnet": "10.0.1.0/24", "pools": [
  { "pool": "10.0.1.5" } ], "reservations": {} },
{ "subnet": "10.0.2.0/24", "reservations": [ 7,
  { "hw-address": "52:54:00", "client-id": "01:02", "ip-address": "10.0.2.500" } ] } ],
"hosts-database": { "type": "mysql", "password": "secret" } } }`;
  const imported = read('kea', text);
  assert.deepEqual(problemsOf(imported), [
    '2: error of subnets: subnet "10.0.0.0/33" is not taken: it is no network like 10.77.0.0/24',
    '4: error of subnets: pool "10.0.1.5" of 10.0.1.0/24 is not taken: it is no range of IPv4 addresses',
    '4: error: "reservations" is not taken: it is no list',
    '5: error: a reservation is not taken: it is no object',
    '6: error: hw-address "52:54:00" is not taken: it is no such identifier',
    '6: error: "10.0.2.500" is not an IPv4 address: the reservation has none',
    '7: note: hosts-database: what that database holds is not read',
  ]);
  assert.deepEqual(reservationsOf(imported), ['6 id:0102 - ""']);
});

test('a file that is not of DHCPv4 is named as that', () => {
  assert.deepEqual(problemsOf(read('kea', '\n{ "Dhcp6": {} }')), [
    '2: error: the file is for IPv6: nothing of it is taken',
  ]);
  assert.deepEqual(problemsOf(read('kea', '[ ]')), ['1: error: the file has no Dhcp4: nothing of it is taken']);
});

test('an include is named where it stands, and the rest is read', () => {
  const text = `{ "Dhcp4": { <?include "common.json"?>
"subnet4": [ { "subnet": "10.0.0.0/24" }, <?include "more.json"?> ],
"reservations": <?include "hosts.json"?> } }`;
  const imported = read('kea', text);
  assert.equal(imported.subnets.length, 1);
  assert.deepEqual(problemsOf(imported), [
    '1: note: "<?include "common.json"?>" is not read: import that file on its own',
    '2: note: "<?include "more.json"?>" is not read: import that file on its own',
    '3: note: "<?include "hosts.json"?>" is not read: import that file on its own',
  ]);
});

test('an option for a class of clients, one of no known name, and one in hexadecimal where text is needed are named', () => {
  const text = `{ "Dhcp4": { "option-data": [
{ "name": "domain-name", "data": "a", "client-classes": [ "x" ] },
{ "name": "moon", "data": "1" },
{ "code": 300, "data": "1" },
{ "code": 6, "data": "0A000001", "csv-format": false },
{ "data": "1" } ],
"subnet4": [ { "subnet": "10.0.0.0/24" } ] } }`;
  const imported = read('kea', text);
  assert.deepEqual(subnetsOf(imported), ['7 10.0.0.0/24 - - - - - -']);
  assert.deepEqual(problemsOf(imported), [
    '2: note: option "domain-name" "a" of all subnets is not taken: it depends on the class of the client',
    '3: note: option "moon" "1" of all subnets is not taken: we know no such option',
    '4: note: option "300" "1" of all subnets is not taken: we know no such option',
    '5: error of subnets: option "6" "0A000001" of all subnets is not taken: its value is told byte by byte',
    '6: note: option "without a name" "1" of all subnets is not taken: we know no such option',
  ]);
});

test('options have the codes 1 to 254', () => {
  const withCode = (code: number) =>
    read(
      'kea',
      `{ "Dhcp4": { "reservations": [ { "hw-address": "52:54:00:00:00:01", "option-data": [ { "code": ${code}, "data": "x" } ] } ] } }`,
    ).reservations[0]?.options.length;
  assert.deepEqual([0, 1, 254, 255, 1.5].map(withCode), [0, 1, 1, 0, 0]);
});

test('classes that only add options are a note, those that keep clients out are an error', () => {
  const text = `{ "Dhcp4": { "subnet4": [ { "subnet": "10.0.0.0/24",
"require-client-classes": [ "a", "b" ],
"client-classes": [ "c" ],
"reservations": [
  { "hw-address": "52:54:00:00:00:01", "client-classes": [ "d" ] },
  { "hw-address": "52:54:00:00:00:02", "client-classes": [ "d", "DROP" ] } ] } ] } }`;
  assert.deepEqual(problemsOf(read('kea', text)), [
    '2: note: require-client-classes "a, b" of subnet 10.0.0.0/24 is not taken',
    '3: error of subnets: the class "c" of subnet 10.0.0.0/24 is not taken: it is open to every client',
    '5: note: "client-classes" of the reservation of 52:54:00:00:00:01 is not taken',
    '6: error: the reservation of 52:54:00:00:00:02 is for a client to be ignored (class DROP): that is not taken, it is answered',
  ]);
});

test('an option that cannot be read is an error in a reservation', () => {
  const text = `{ "Dhcp4": { "reservations": [ { "hw-address": "52:54:00:00:00:01", "option-data": [
{ "name": "moon", "data": "1" },
{ "name": "domain-name", "data": "a", "client-classes": [ "x" ] } ] } ] } }`;
  assert.deepEqual(
    read('kea', text).problems.map(({ line, severity }) => `${line} ${severity}`),
    ['2 error', '3 error'],
  );
});
