import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guessImportFormat, importFormats, leaseChecker, reservationChecker } from '../../../src/dhcp/import/index.ts';
import { parseCidr } from '../../../src/wire/address.ts';
import { fixture, read } from './read.ts';

const present = [{ name: 'all', cidr: parseCidr('10.0.0.0/8') }];
const files = [
  'reservations.csv',
  'dnsmasq.conf',
  'dnsmasq.hosts',
  'dnsmasq.leases',
  'dhcpd.conf',
  'dhcpd.leases',
  'kea-dhcp4.conf',
  'kea-leases4.csv',
];
const texts = files.map(fixture);

/** Reads and checks a text as every format; what it gives must be as the types promise. */
function readAsAll(text: string): void {
  const lines = text.split(/\r\n|\n|\r/).length;
  guessImportFormat('x', text);
  for (const format of importFormats) {
    const imported = read(format, text);
    const verdicts = imported.reservations.map(reservationChecker(imported.subnets, present).judge);
    const lost = imported.leases.map(leaseChecker(imported.subnets, present, () => imported.reservations[0]));
    const problems = [
      ...imported.problems,
      ...verdicts.flatMap((one) => one.problems),
      ...lost.flatMap((one) => one ?? []),
    ];
    for (const { line } of [...problems, ...imported.reservations, ...imported.leases, ...imported.subnets])
      assert.ok(line >= 1 && line <= lines, `${format}: line ${line} of ${lines}`);
    for (const one of imported.reservations)
      assert.ok(
        one.mac ?? one.clientId ?? one.uuid ?? one.circuitId ?? one.remoteId,
        `${format}: a reservation for nobody`,
      );
    for (const { expiresAt } of imported.leases) assert.ok(Number.isSafeInteger(expiresAt), `${format}: ${expiresAt}`);
    assert.deepEqual(
      imported.problems,
      imported.problems.toSorted((a, b) => a.line - b.line),
    );
  }
}

test('no text makes a reader throw, or name a line that is not there', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), readAsAll), { numRuns: 300 });
  const words = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ';',
    ',',
    '"',
    "'",
    '\\',
    '#',
    '=',
    ':',
    '\n',
    '\r\n',
    ' ',
    '10.0.0.5',
    '52:54:00:00:00:01',
    'host',
    'lease',
    'subnet',
    'netmask',
    'option',
    'dhcp-host=',
    'dhcp-range=',
    'id:',
    'set:',
    '/*',
    '//',
    'constructor',
    '__proto__',
    '"Dhcp4":',
    '"subnet4":',
    'mac,address',
    '&#x2c',
    '\0',
    '\uFEFF',
  );
  fc.assert(
    fc.property(fc.array(words, { maxLength: 60 }), (parts) => readAsAll(parts.join(''))),
    { numRuns: 300 },
  );
});

test('no real file with pieces cut out, doubled or mixed makes a reader throw', () => {
  const cut = fc.tuple(fc.constantFrom(...texts), fc.constantFrom(...texts), fc.nat(), fc.nat(), fc.nat());
  fc.assert(
    fc.property(cut, ([one, other, a, b, c]) => {
      const at = a % one.length;
      readAsAll(
        one.slice(0, at) + other.slice(b % other.length, (b % other.length) + (c % 200)) + one.slice(at + (c % 7)),
      );
    }),
    { numRuns: 150 },
  );
});

test('a file of one long line, deep blocks or nothing but mistakes is read through', { timeout: 60_000 }, () => {
  for (const piece of [
    '{',
    '[',
    '"',
    'a',
    ' ',
    '.',
    '0',
    ',',
    'a,',
    '\\',
    '#',
    'x {',
    '{"a":',
    ':',
    '\n',
    'x;\n',
    'x\n',
    '}\n',
    '1.',
    '"a",',
    'option x;',
    'lease 1 { }\n',
    'host a { }',
  ])
    readAsAll(piece.repeat(Math.floor(200_000 / piece.length)));
});

test('a byte order mark is no part of any format', () => {
  for (const [index, text] of texts.entries()) {
    const format = guessImportFormat('x', text);
    assert.ok(format, files[index]);
    assert.deepEqual(
      read(format, `\uFEFF${text.replace(/^\uFEFF/, '')}`),
      read(format, text.replace(/^\uFEFF/, '')),
      files[index],
    );
  }
});

test('line ends of Windows change nothing but the text of quoted fields', () => {
  for (const text of texts.slice(1)) {
    const format = guessImportFormat('x', text);
    assert.ok(format);
    assert.deepEqual(read(format, text.replace(/\r?\n/g, '\r\n')), read(format, text.replace(/\r\n/g, '\n')));
  }
});
