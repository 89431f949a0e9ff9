import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, leasesOf, problemsOf, read } from './read.ts';

const imported = read('dnsmasq-leases', fixture('dnsmasq.leases'));

test('a dnsmasq.leases gives its leases: 0 is for ever, a small end is a length from now', () => {
  assert.deepEqual(leasesOf(imported), [
    '1 10.20.0.131 52:54:00:20:00:31 01525400200031 node31 bound 2030-01-01T00:00:00',
    '2 10.20.0.132 52:54:00:20:00:32 - - bound 2030-01-01T00:01:00',
    '3 10.20.0.133 52:54:00:20:00:33 ff00200033000100012a3b4c5d525400200033 node33 bound never',
    '4 10.20.0.134 52:54:00:20:00:34 - node34 bound 2030-01-01T12:00:00',
    '5 10.20.0.135 - ffaabbccdd ib35 bound 2030-01-01T00:00:00',
  ]);
});

test('lines of IPv6, of vendor classes and hardware that is not Ethernet are named', () => {
  assert.deepEqual(problemsOf(imported), [
    '5: note: lease 10.20.0.135: "20-80:00:02:08:fe:80:00:00:00:00:00:00:00:02:c9:03" is not an Ethernet address and is not taken',
    '7: note: a lease of an IPv6 address is not taken: "1893456000 2097152 fd00:20::131 node31 00:01:00:01:2a:3b:4c:5d:52:54:00:20:00:31"',
    '8: note: the vendorclass of a lease is not taken: "vendorclass 10.20.0.131 50:58:45:43:6c:69:65:6e:74"',
  ]);
});

test('the last line of an address counts, and a line that is no lease is named', () => {
  const text =
    '1893456000 52:54:00:00:00:01 10.0.0.5 a *\n  \nnonsense\n1893456000 52:54:00:00:00:02 10.0.0.5 b *\n1 2 10.0.0.500 c *\n';
  const twice = read('dnsmasq-leases', text);
  assert.deepEqual(leasesOf(twice), ['4 10.0.0.5 52:54:00:00:00:02 - b bound 2030-01-01T00:00:00']);
  assert.deepEqual(problemsOf(twice), [
    '3: error: this is no lease (end, MAC, address, name, client id): "nonsense"',
    '5: error: this is no lease (end, MAC, address, name, client id): "1 2 10.0.0.500 c *"',
  ]);
});
