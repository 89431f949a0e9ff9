import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixture, leasesOf, problemsOf, read } from './read.ts';

const text = fixture('kea-leases4.csv');

test('of a kea-leases4.csv the last line of each address counts, and a lifetime of 0 is a lease that was removed', () => {
  const imported = read('kea-leases', text);
  assert.deepEqual(leasesOf(imported), [
    '3 10.60.0.101 52:54:00:60:00:32 - node32.example.net bound 2030-01-01T00:00:00',
    '4 10.60.0.102 - - - declined 2030-01-01T00:00:00',
    '5 10.60.0.103 52:54:00:60:00:33 - - released 2030-01-01T00:00:00',
    '6 10.60.0.104 52:54:00:60:00:34 ff006000340001 a,b bound never',
    '8 10.60.0.105 52:54:00:60:00:35 - node35 released 2030-01-01T00:00:00',
    '9 10.60.0.100 52:54:00:60:00:31 01525400600031 node31 bound 2030-01-01T00:00:00',
  ]);
  assert.deepEqual(imported.problems, []);
});

test('columns are found by their names, so that older and newer files are read', () => {
  const older = text
    .replace(',state,user_context', '')
    .replaceAll(/,[0-9],[^,\n]*\n/g, '\n')
    .split('\n')
    .slice(0, 2)
    .join('\n');
  assert.deepEqual(leasesOf(read('kea-leases', older)), [
    '2 10.60.0.100 52:54:00:60:00:31 01525400600031 node31 bound 2029-12-31T23:00:00',
  ]);
});

test('a file without its header is named as that', () => {
  const { problems } = read('kea-leases', text.split('\n').slice(1).join('\n'));
  assert.match(
    problems[0]?.text ?? '',
    /^the first line is no header of a Kea lease file: address, hwaddr, client_id, /,
  );
  assert.equal(problems.length, 1);
});

test('a line that is no lease is named with its value', () => {
  const header = text.split('\n')[0];
  const lines = [
    '10.0.0.500,52:54:00:00:00:01,,600,1893456000,1,0,0,a,0,',
    '10.0.0.5,52:54:00:00:00:01,,x,1893456000,1,0,0,a,0,',
    '10.0.0.5,52:54:00:00:00:01,,600,,1,0,0,a,0,',
    '10.0.0.5,52:54:00:00:00:01,,600,1893456000,1,0,0,a,9,',
    '10.0.0.5,52:54:00:00:00:01:02:03,,600,1893456000,1,0,0,a,0,',
    '10.0.0.6,52:54:00:00:00:01,zz,600,1893456000,1,0,0,a,0,',
    '10.0.0.7,52:54:00:00:00:01,,600,1893456000,1,0,0,a,0,,,',
  ];
  const imported = read('kea-leases', [header, ...lines].join('\n'));
  assert.deepEqual(
    imported.leases.map(({ address }) => address),
    ['10.0.0.5', '10.0.0.6'],
  );
  assert.deepEqual(problemsOf(imported), [
    '2: error: "10.0.0.500" is not an IPv4 address',
    '3: error: lease 10.0.0.5: valid_lifetime "x" is no number of seconds',
    '4: error: lease 10.0.0.5: expire "" is no number of seconds',
    '5: error: lease 10.0.0.5: "9" is no state of a lease that we know',
    '6: note: lease 10.0.0.5: hwaddr "52:54:00:00:00:01:02:03" is not an Ethernet address and is not taken',
    '7: note: lease 10.0.0.6: client_id "zz" is not hexadecimal and is not taken',
    '8: error: the line has 13 fields, the header 11: "10.0.0.7,52:54:00:00:00:01,,600,1893456000,1,0,0,a,0,,,"',
  ]);
});
