import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guessImportFormat } from '../../../src/dhcp/import/index.ts';
import { fixture } from './read.ts';

test('every file is known by what stands in it, whatever it is called', () => {
  for (const [file, format] of [
    ['reservations.csv', 'csv'],
    ['dnsmasq.conf', 'dnsmasq'],
    ['dnsmasq.hosts', 'dnsmasq'],
    ['dnsmasq.leases', 'dnsmasq-leases'],
    ['dhcpd.conf', 'isc'],
    ['dhcpd.leases', 'isc-leases'],
    ['kea-dhcp4.conf', 'kea'],
    ['kea-leases4.csv', 'kea-leases'],
  ] as const) {
    assert.equal(guessImportFormat('upload', fixture(file)), format, file);
    assert.equal(guessImportFormat('dnsmasq.leases', fixture(file)), format, `${file} under another name`);
  }
});

test('a file that says nothing is known by its name, and else not at all', () => {
  for (const [name, format] of [
    ['kea-leases4.csv.2', 'kea-leases'],
    ['kea-dhcp4.conf', 'kea'],
    ['dhcpd.leases~', 'isc-leases'],
    ['dhcpd.conf', 'isc'],
    ['dnsmasq.leases', 'dnsmasq-leases'],
    ['dnsmasq.d-lab.conf', 'dnsmasq'],
    ['Rack 7.CSV', 'csv'],
    ['notes.txt', undefined],
  ] as const)
    assert.equal(guessImportFormat(name, '# empty\n'), format, name);
  assert.equal(guessImportFormat('x', 'Dear all,\nthe server is down.\n'), undefined);
});

test('a dhcpd.conf that begins with a host, and one that begins with options, are both known', () => {
  assert.equal(guessImportFormat('x', 'host a { hardware ethernet 52:54:00:00:00:01; }'), 'isc');
  assert.equal(guessImportFormat('x', '# mac,address\nhost a {\n}'), 'isc');
  assert.equal(guessImportFormat('x', 'option domain-name "example.net";'), 'isc');
  assert.equal(guessImportFormat('x', 'subnet 10.0.0.0 netmask 255.0.0.0\n{\n}'), 'isc');
  assert.equal(guessImportFormat('x', 'lease 10.0.0.5 { ends never; }'), 'isc-leases');
});
