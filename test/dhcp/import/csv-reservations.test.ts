import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { macOfClientId, readUuid } from '../../../src/dhcp/import/client.ts';
import { exportReservationsCsv } from '../../../src/dhcp/import/index.ts';
import { ipv4FromNumber, type Mac, macFromBytes } from '../../../src/wire/address.ts';
import { fixture, problemsOf, read, reservationsOf } from './read.ts';

test('a spreadsheet with semicolons, quotes, CRLF and a byte order mark gives its reservations', () => {
  const imported = read('csv', fixture('reservations.csv'));
  assert.deepEqual(reservationsOf(imported), [
    '2 52:54:00:70:00:01 10.70.0.11 "node01"',
    '3 52:54:00:70:00:02 10.70.0.12 "node;\\"two\\""',
    '4 52:54:00:70:00:03+id:01525400700003 10.70.0.13 "node03"',
    '5 uuid:4c4c4544-0044-4810-8031-b2c04f584e31 10.70.0.14 "node\\r\\n04"',
    '7 circuit:Gi1/0/7+remote:aabbcc 10.70.0.15 "port7"',
  ]);
});

test('each record that is not taken is named with its line, counted over line breaks in quotes', () => {
  assert.deepEqual(problemsOf(read('csv', fixture('reservations.csv'))), [
    '1: note: column "Room" is not read',
    '8: error: "10.70.0.300" is not an IPv4 address',
    '9: error: "52:54:00:70:00" is not a MAC address',
    '10: error: the record names no client: ",10.70.0.18,node08,,,,,"',
    '11: error: the record has 9 fields, the header 8: "52:54:00:70:00:09,10.70.0.19,node09,,,,,C1,C2"',
  ]);
});

test('columns stand in any order, under the names that other tools have for them', () => {
  for (const header of [
    'ip,name,hw-address',
    'IP Address\tHost\tMAC',
    'ipv4,fqdn,"Physical Address"',
    'Address;Hostname;mac_addr',
  ])
    assert.deepEqual(
      reservationsOf(
        read('csv', `${header}\n${['10.0.0.5', 'a', '52:54:00:00:00:01'].join(/[;\t]/.exec(header)?.[0] ?? ',')}`),
      ),
      ['2 52:54:00:00:00:01 10.0.0.5 "a"'],
      header,
    );
});

test('the export of Windows Server has the MAC in its column ClientId', () => {
  const text =
    '"IPAddress","ClientId","Name","ScopeId"\r\n"10.0.0.5","52-54-00-00-00-01","a.example.net","10.0.0.0"\r\n';
  const imported = read('csv', `#TYPE Microsoft.Management\r\n${text}`);
  assert.deepEqual(reservationsOf(imported), ['3 52:54:00:00:00:01 10.0.0.5 "a.example.net"']);
  assert.deepEqual(problemsOf(imported), ['2: note: column "ScopeId" is not read']);
});

test('sep=; before the header says what separates, and comments and blank lines are no records', () => {
  const text = 'sep=;\n# ours\n\nmac;address\n\n52:54:00:00:00:01;10.0.0.5\n#52:54:00:00:00:02;10.0.0.6\n';
  assert.deepEqual(reservationsOf(read('csv', text)), ['6 52:54:00:00:00:01 10.0.0.5 ""']);
});

test('a table without a header, or without a column for the client, is named as that', () => {
  assert.deepEqual(problemsOf(read('csv', '\n# nothing\n')), [
    '1: error: the file has no header line, like mac,address,hostname',
  ]);
  assert.deepEqual(problemsOf(read('csv', '52:54:00:00:00:01,10.0.0.5,a\n')), [
    '1: error: the first line names no column for the client (mac, client-id, uuid, circuit-id): "52:54:00:00:00:01,10.0.0.5,a"',
  ]);
});

test('a quote that is never closed ends the reading, text behind a closed one leaves its record out', () => {
  const open = read('csv', 'mac,address,name\n52:54:00:00:00:01,10.0.0.5,"a\n52:54:00:00:00:02,10.0.0.6,b\n');
  assert.deepEqual(open.reservations, []);
  assert.deepEqual(problemsOf(open), [
    '2: error: the quote that opens here is never closed: nothing from here on is read',
  ]);
  const behind = read('csv', 'mac,address,name\n52:54:00:00:00:01,10.0.0.5,"a"b\n52:54:00:00:00:02,10.0.0.6,b\n');
  assert.deepEqual(reservationsOf(behind), ['3 52:54:00:00:00:02 10.0.0.6 "b"']);
  assert.deepEqual(problemsOf(behind), ['2: error: "b" stands after a closing quote: this record is not taken']);
});

test('a column that stands twice is read once', () => {
  const imported = read('csv', 'mac,ip,address\n52:54:00:00:00:01,10.0.0.5,10.0.0.6\n');
  assert.deepEqual(reservationsOf(imported), ['2 52:54:00:00:00:01 10.0.0.5 ""']);
  assert.deepEqual(problemsOf(imported), ['1: error: column "address" is not read: "ip" is the address already']);
});

const bytes = fc.uint8Array({ minLength: 1, maxLength: 255 }).map((one) => Buffer.from(one));
const hostname = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: fc.constantFrom(...'",;\t\r\n #a\uFEFF'), maxLength: 8 }),
);
const mark = fc.record({
  mac: fc.uint8Array({ minLength: 6, maxLength: 6 }).map((one) => macFromBytes(Buffer.from(one))),
  clientId: bytes,
  uuid: fc.uuid().filter((one) => readUuid(one) !== undefined),
  port: fc
    .tuple(...[1, 2].map(() => fc.option(bytes, { nil: Buffer.alloc(0) })))
    .map(([circuitId = Buffer.alloc(0), remoteId = Buffer.alloc(0)]) => ({ circuitId, remoteId }))
    .filter(({ circuitId, remoteId }) => circuitId.length + remoteId.length > 0),
});
const reservation = fc
  .tuple(mark, fc.subarray(['mac', 'clientId', 'uuid', 'port'] as const, { minLength: 1 }), hostname)
  .chain(([marks, chosen, name]) =>
    fc.option(fc.integer({ min: 0, max: 0xffffffff }).map(ipv4FromNumber), { nil: undefined }).map((address) => ({
      ...Object.fromEntries(chosen.map((one) => [one, marks[one]])),
      ...(address && { address }),
      hostname: name,
    })),
  );

test('what is exported is read back as it was, whatever marks it has and whatever is in them', () => {
  const nothing = Buffer.alloc(0);
  fc.assert(
    fc.property(fc.array(reservation), (list: Parameters<typeof exportReservationsCsv>[0][number][]) => {
      const imported = read('csv', exportReservationsCsv(list));
      assert.deepEqual(imported.problems, []);
      assert.deepEqual(
        imported.reservations.map(({ line: _, options: __, circuitId, remoteId, ...one }) => ({
          ...one,
          ...((circuitId ?? remoteId) && { port: { circuitId: circuitId ?? nothing, remoteId: remoteId ?? nothing } }),
        })),
        list.map((one) => {
          const mac = one.mac ?? macOfClientId(one.clientId);
          return { ...one, ...(mac && { mac }) };
        }),
      );
    }),
    { numRuns: 300 },
  );
});

test('the exported table has a header and ends each line as RFC 4180 has it', () => {
  const list = [
    { mac: '52:54:00:00:00:01' as Mac, address: ipv4FromNumber(0x0a000005), hostname: 'a,"b"' },
    { port: { circuitId: Buffer.from('Gi1'), remoteId: Buffer.alloc(0) }, hostname: '' },
  ];
  assert.equal(
    exportReservationsCsv(list),
    'mac,address,hostname,client-id,uuid,circuit-id,remote-id\r\n52:54:00:00:00:01,10.0.0.5,"a,""b""",,,,\r\n,,,,,47:69:31,\r\n',
  );
});
