import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, leasesOf, problemsOf, read, reservationsOf } from './read.ts';

const imported = read('isc-leases', fixture('dhcpd.leases'));

test('of a dhcpd.leases the last entry of each address counts; dates are UTC, epochs or never', () => {
  assert.deepEqual(leasesOf(imported), [
    '18 10.40.0.101 52:54:00:40:00:32 - node32 bound never',
    '28 10.40.0.102 - - - declined 2030-01-01T00:00:00',
    '39 10.40.0.100 52:54:00:40:00:33 01525400400033 node33 bound 2030-01-01T00:00:00',
  ]);
});

test('hosts that OMAPI added are reservations, and those that it deleted are not', () => {
  assert.deepEqual(reservationsOf(imported), ['57 52:54:00:40:00:41 10.40.0.41 "nb41" 67=grubx64.efi 0=10.40.0.9']);
  assert.deepEqual(imported.problems, []);
});

test('an entry that frees an address takes back the lease before it', () => {
  const bound = 'lease 10.0.0.5 { ends never; binding state active; hardware ethernet 52:54:00:00:00:01; }';
  const freed =
    'lease 10.0.0.5 { ends 2 2029/01/02 03:04:05; binding state STATE; hardware ethernet 52:54:00:00:00:01; }';
  for (const state of ['free', 'expired', 'released', 'backup'])
    assert.deepEqual(
      leasesOf(read('isc-leases', `${bound}\n${freed.replace('STATE', state)}`)),
      ['2 10.0.0.5 52:54:00:00:00:01 - - released 2029-01-02T03:04:05'],
      state,
    );
  assert.deepEqual(read('isc-leases', `${bound}\nlease 10.0.0.5 { binding state free; }`).leases, []);
});

test('a lease whose address, date, hardware or end cannot be read is named', () => {
  const text = `lease 10.0.0.500 { ends never; }
lease 10.0.0.5 { ends 2 2029/13/02 03:04:05; hardware ethernet 52:54:00:00:00:01; }
lease 10.0.0.6 { ends never; hardware token-ring 52:54:00:00:00:01; uid "\\001\\002"; }
lease 10.0.0.7 { abandoned; ends never; }
ia-na "x" { }
lease 10.0.0.8 { hardware ethernet 52:54:00:00:00:01; }
leese 10.0.0.9 { ends never; }`;
  const wrong = read('isc-leases', text);
  assert.deepEqual(leasesOf(wrong), ['3 10.0.0.6 - 0102 - bound never', '4 10.0.0.7 - - - declined never']);
  assert.deepEqual(problemsOf(wrong), [
    '1: error: lease "10.0.0.500": it is not taken: that is no IPv4 address',
    '2: error: lease "10.0.0.5": "ends 2 2029/13/02 03:04:05" is no date',
    '2: error: lease "10.0.0.5": it is not taken: it does not say when it ends',
    '3: note: lease "10.0.0.6": "hardware token-ring 52:54:00:00:00:01" is not taken: it is no Ethernet address',
    '5: note: "ia-na x" is not taken: it is for IPv6',
    '6: error: lease "10.0.0.8": it is not taken: it does not say when it ends',
    '7: error: "leese 10.0.0.9" is not taken: it is no entry that we know',
  ]);
});

test('a date has each of its parts within its limits', () => {
  const ends = (date: string) =>
    read('isc-leases', `lease 10.0.0.5 { ends ${date}; hardware ethernet 52:54:00:00:00:01; }`).leases.length;
  assert.equal(ends('4 2028/2/29 3:4:5'), 1);
  for (const wrong of [
    '4 2028/0/1 0:0:0',
    '4 2028/13/1 0:0:0',
    '4 2028/1/0 0:0:0',
    '4 2028/1/32 0:0:0',
    '4 2028/1/1 24:0:0',
    '4 2028/1/1 0:60:0',
    '4 2028/1/1 0:0:61',
    '4 28/1/1 0:0:0',
    '4 2028/1/1',
    'epoch',
    'epoch x',
    'soon',
  ])
    assert.equal(ends(wrong), 0, wrong);
});
