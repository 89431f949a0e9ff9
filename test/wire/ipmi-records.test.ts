import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '../../src/wire/bytes.ts';
import { decodeGuid } from '../../src/wire/ipmi-device.ts';
import { describeProgress, describeSensorType, eventState } from '../../src/wire/ipmi-events.ts';
import { decodeFru, encodeFru } from '../../src/wire/ipmi-fru.ts';
import { decodeSdr, encodeSdr, type FullRecord, type SdrRecord } from '../../src/wire/ipmi-sdr-record.ts';
import { decodeSelEntry, encodeSelEntry, type SelEntry } from '../../src/wire/ipmi-sel.ts';
import { convertReading, describeUnits } from '../../src/wire/ipmi-sensor.ts';
import { decodeSol, encodeSol, nextSolSequence } from '../../src/wire/ipmi-sol.ts';
import { decodeTypedText } from '../../src/wire/ipmi-text.ts';
import { SequenceWindow } from '../../src/wire/ipmi-window.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

test('turns readings into numbers as 36.3 says: formats, exponents and functions', () => {
  const plain = { m: 1, b: 0, bExponent: 0, rExponent: 0 };
  const cases: [string, number | undefined, number | undefined][] = [
    ['unsigned', convertReading(0xfe, 'unsigned', plain, 0), 254],
    ["two's complement", convertReading(0xfe, 'twosComplement', plain, 0), -2],
    ["one's complement", convertReading(0xfe, 'onesComplement', plain, 0), -1],
    ["one's complement, positive", convertReading(0x7f, 'onesComplement', plain, 0), 127],
    ['no number', convertReading(0xfe, 'none', plain, 0), undefined],
    ['12 V', convertReading(192, 'unsigned', { ...plain, m: 63, rExponent: -3 }, 0), 12.096],
    ['offset with its own exponent', convertReading(10, 'unsigned', { ...plain, b: 5, bExponent: 1 }, 0), 60],
    ['negative slope', convertReading(10, 'unsigned', { m: -2, b: 100, bExponent: 0, rExponent: 0 }, 0), 80],
    ['ln', convertReading(1, 'unsigned', plain, 1), 0],
    ['log10', convertReading(100, 'unsigned', plain, 2), 2],
    ['log2', convertReading(8, 'unsigned', plain, 3), 3],
    ['e^x', convertReading(0, 'unsigned', plain, 4), 1],
    ['10^x', convertReading(3, 'unsigned', plain, 5), 1000],
    ['2^x', convertReading(10, 'unsigned', plain, 6), 1024],
    ['1/x', convertReading(4, 'unsigned', plain, 7), 0.25],
    ['1/0', convertReading(0, 'unsigned', plain, 7), undefined],
    ['x^2', convertReading(12, 'unsigned', plain, 8), 144],
    ['x^3', convertReading(3, 'unsigned', plain, 9), 27],
    ['square root', convertReading(81, 'unsigned', plain, 10), 9],
    ['cube root', convertReading(125, 'unsigned', plain, 11), 5],
    ['a function that 43.1 does not name', convertReading(125, 'unsigned', plain, 12), undefined],
    ['non-linear: its factors were asked for this reading', convertReading(30, 'unsigned', plain, 0x70), 30],
  ];
  for (const [name, got, wanted] of cases) assert.equal(got, wanted, name);
});

test('names units by table 43-15, alone, joined and per time', () => {
  const units = { isPercentage: false, rate: 0, modifierUse: 0, base: 0, modifier: 0 };
  const bases = [0, 1, 4, 5, 6, 18, 19, 60, 70, 85, 92, 93].map((base) => describeUnits({ ...units, base }));
  assert.deepEqual(bases, ['', 'C', 'V', 'A', 'W', 'RPM', 'Hz', 'dB', 'B', 'packets', 'g', '']);
  assert.equal(describeUnits({ ...units, isPercentage: true }), '%');
  assert.equal(describeUnits({ ...units, base: 70, rate: 3 }), 'B/s');
  assert.equal(describeUnits({ ...units, base: 6, modifierUse: 2, modifier: 24 }), 'W·h');
  assert.equal(describeUnits({ ...units, base: 34, modifierUse: 1, modifier: 22 }), 'm/s');
});

// Written down by the tables of section 43, byte by byte.
const FULL = `
  0700 51 01 36                      record 7, version 1.5, full, 54 bytes follow
  20 00 30 07 01                     of the BMC, unit 0, sensor 30h, entity 7.1
  7f 68 01 01                        temperature, threshold
  957a 957a 3f3f                     masks: all six thresholds can be read
  80 01 00 00                        two's complement, degrees C, linear
  02 41 fb c1 00 1f                  M = 258, B = -5, R = 1, B exponent = -1
  01 2d 32 05 7f 80                  nominal and extreme readings
  5f 5a 50 f6 f8 fb                  thresholds from above to below
  02 02 0000 00                      hysteresis
  c8 4350553120546d70 00 00 00`;

test('reads a full record byte by byte, and the one that says its name is longer than the record', () => {
  const bytes = hex(FULL.replaceAll(/ {4,}.*$/gm, ''));
  const record: FullRecord = {
    kind: 'full',
    owner: 0x20,
    lun: 0,
    number: 0x30,
    entity: 7,
    sensorType: 1,
    eventType: 1,
    name: 'CPU1 Tmp',
    format: 'twosComplement',
    units: { isPercentage: false, rate: 0, modifierUse: 0, base: 1, modifier: 0 },
    linearization: 0,
    factors: { m: 258, b: -5, bExponent: -1, rExponent: 1 },
    thresholds: {
      lowerNonCritical: 0xfb,
      lowerCritical: 0xf8,
      lowerNonRecoverable: 0xf6,
      upperNonCritical: 0x50,
      upperCritical: 0x5a,
      upperNonRecoverable: 0x5f,
    },
  };
  assert.deepEqual(decodeSdr(bytes), [record]);
  bytes[47] = 0xdf;
  assert.equal((decodeSdr(bytes)[0] as FullRecord).name, 'CPU1 Tmp');
});

test('reads a compact record that stands for three fans, by number and by letter', () => {
  const compact = (sharing: string) =>
    hex(`0100 51 02 1f  20 00 40 1d 01  7f 40 04 08  ff7f ff7f ff7f  c0 00 00  ${sharing}  00 00 000000 00  c3 46414e`);
  const list = (sharing: string) => decodeSdr(compact(sharing)).map((one) => 'number' in one && [one.number, one.name]);
  assert.deepEqual(list('03 01'), [
    [0x40, 'FAN1'],
    [0x41, 'FAN2'],
    [0x42, 'FAN3'],
  ]);
  assert.deepEqual(list('13 99'), [
    [0x40, 'FANZ'],
    [0x41, 'FANAA'],
    [0x42, 'FANAB'],
  ]);
  assert.deepEqual(list('01 00'), [[0x40, 'FAN']]);
});

test('gives back every kind of record that it writes', () => {
  const [full] = decodeSdr(hex(FULL.replaceAll(/ {4,}.*$/gm, '')));
  const common = { owner: 0x20, lun: 2, number: 9, entity: 10, sensorType: 8, eventType: 0x6f, name: 'PS1 Status' };
  const samples: SdrRecord[] = [
    full!,
    { kind: 'compact', ...common, format: 'none', units: (full as FullRecord).units },
    { kind: 'event-only', ...common },
    { kind: 'fru', address: 0x20, fru: 3, lun: 0, isLogical: true, name: 'PS1' },
    { kind: 'controller', address: 0x2c, channel: 6, name: 'ME' },
  ];
  for (const record of samples) {
    if (record.kind !== 'other') assert.deepEqual(decodeSdr(encodeSdr(258, record)), [record], record.kind);
  }
  assert.deepEqual(decodeSdr(hex('0100 51 c0 03 010203')), [{ kind: 'other', type: 0xc0 }]);
});

test('reads the texts of records and inventories in all four types', () => {
  assert.equal(decodeTypedText(0, hex('00ff')), '00ff');
  assert.equal(decodeTypedText(1, hex('123a bcde f0aa')), '123 -.:,_0');
  // The example of the FRU definition, section 13.3: "IPMI" in 6-bit characters.
  assert.equal(decodeTypedText(2, hex('29dca6')), 'IPMI');
  assert.equal(decodeTypedText(3, Buffer.from('caf\xe9 \0\0', 'latin1')), 'café');
});

test('reads the inventory of a machine: chassis, board and product, with extra fields', () => {
  const bytes = encodeFru({
    chassis: { type: 23, fields: ['C-1', 'C-SERIAL', 'left'] },
    board: { minutes: 14_727_000, fields: ['Maker', 'Board', 'B-SERIAL', 'B-1', ''] },
    product: { fields: ['Maker', 'Server', 'P-1', 'v2', 'P-SERIAL', 'TAG', '', 'x'] },
  });
  const { fields, problems } = decodeFru(bytes);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    fields.map(({ area, name, value }) => `${area} ${name}: ${value}`),
    [
      'chassis type: rack mount chassis',
      'chassis part number: C-1',
      'chassis serial: C-SERIAL',
      'chassis extra 1: left',
      'board made: 2024-01-01',
      'board manufacturer: Maker',
      'board name: Board',
      'board serial: B-SERIAL',
      'board part number: B-1',
      'product manufacturer: Maker',
      'product name: Server',
      'product part number: P-1',
      'product version: v2',
      'product serial: P-SERIAL',
      'product asset tag: TAG',
      'product extra 1: x',
    ],
  );
});

test('reads an inventory written by hand: packed digits, 6-bit text, and Unicode in another language', () => {
  // Board area: language 12 (German), no date, manufacturer in 6-bit, name in Unicode, serial in packed digits.
  const area = '01 04 0c 000000 83 29dca6 c4 4100d600 43 12345a c1';
  const bytes = hex(`01 00 00 01 00 00 00 fe ${area}`.padEnd(200, '0'));
  const { fields } = decodeFru(Buffer.concat([bytes.subarray(0, 39), Buffer.alloc(8)]));
  assert.deepEqual(
    fields.map(({ name, value }) => [name, value]),
    [
      ['manufacturer', 'IPMI'],
      ['name', 'AÖ'],
      ['serial', '12345'],
    ],
  );
});

test('keeps what an inventory says before it breaks off, and refuses one that is none', () => {
  const bytes = encodeFru({ product: { fields: ['Maker', 'Server', '', '', 'SERIAL'] } });
  const { fields, problems } = decodeFru(bytes.subarray(0, 20));
  assert.deepEqual(fields, [{ area: 'product', name: 'manufacturer', value: 'Maker' }]);
  assert.match(problems[0]!, /^the product area: field needs 6 bytes/);
  const wrong = Buffer.from(bytes);
  wrong[7]! ^= 1;
  assert.throws(() => decodeFru(wrong), { code: 'malformed', field: 'FRU header checksum', offset: 7 });
  assert.throws(() => decodeFru(Buffer.alloc(8, 0xff)), { code: 'unsupported', field: 'FRU version', offset: 0 });
  assert.throws(() => decodeFru(Buffer.alloc(0)), WireError);
});

test('reads event log entries byte by byte', () => {
  const event = decodeSelEntry(hex('0200 02 00e1f565 2000 04 01 30 01 57 52 50'));
  assert.deepEqual(event, {
    kind: 'event',
    id: 2,
    seconds: 0x65f5e100,
    generator: 0x20,
    sensorType: 1,
    sensorNumber: 0x30,
    isAssertion: true,
    eventType: 1,
    details: hex('575250'),
  });
  const early = decodeSelEntry(hex('0300 02 05000000 4100 04 0f 00 ef c21300'));
  assert.ok(early.kind === 'event' && early.seconds === undefined && !early.isAssertion && early.generator === 0x41);
  assert.equal(decodeSelEntry(hex('0300 02 ffffffff 4100 04 0f 00 6f c21300')).seconds, undefined);
  const maker = { kind: 'oem', id: 4, seconds: 0x65f5e100, type: 0xc1, manufacturer: 674, data: hex('010203040506') };
  assert.deepEqual(decodeSelEntry(hex('0400 c1 00e1f565 a20200 010203040506')), maker);
  const other = decodeSelEntry(hex('0500 e0 0102030405060708090a0b0c0d'));
  assert.deepEqual(other, {
    kind: 'oem',
    id: 5,
    seconds: undefined,
    type: 0xe0,
    data: hex('0102030405060708090a0b0c0d'),
  });
  for (const entry of [event, maker as SelEntry, other]) assert.deepEqual(decodeSelEntry(encodeSelEntry(entry)), entry);
});

test('says what events mean and how bad they are', () => {
  assert.deepEqual(eventState(0x01, 0x01, 9), { text: 'upper critical, going high', severity: 'critical' });
  assert.deepEqual(eventState(0x01, 0x04, 0), { text: 'lower non-critical, going low', severity: 'warning' });
  assert.deepEqual(eventState(0x01, 0x04, 11), { text: 'upper non-recoverable, going high', severity: 'critical' });
  assert.deepEqual(eventState(0x6f, 0x08, 3), { text: 'input lost', severity: 'critical' });
  assert.deepEqual(eventState(0x6f, 0x0c, 0), { text: 'correctable ECC error', severity: 'warning' });
  assert.deepEqual(eventState(0x0b, 0x09, 0), { text: 'fully redundant', severity: 'info' });
  assert.equal(eventState(0x70, 0x08, 3), undefined, "of the maker's own type");
  assert.equal(eventState(0x6f, 0x22, 13), undefined, 'a hole in the table');
  assert.equal(describeProgress(0x0f, 2, hex('c21300')), 'starting OS boot');
  assert.equal(describeProgress(0x0f, 2, hex('021300')), '');
  assert.equal(describeSensorType(0x08), 'power supply');
  assert.equal(describeSensorType(0xc3), 'sensor type C3h');
});

test('knows the three orders in which BMCs give a uuid, and that all zeros or ones are none', () => {
  const uuid = '4c4c4544-0044-4d10-8031-b4c04f4d3132';
  assert.equal(decodeGuid(hex('44454c4c 4400 104d 8031 b4c04f4d3132')), uuid, 'as in SMBIOS');
  const second = '12345678-9abc-4def-8123-456789abcdef';
  assert.equal(decodeGuid(hex('efcdab8967452381ef4dbc9a78563412')), second, 'reversed, as in 20.8');
  assert.equal(decodeGuid(hex('123456789abc4def8123456789abcdef')), second, 'as it is written');
  assert.equal(decodeGuid(Buffer.alloc(16)), '');
  assert.equal(decodeGuid(Buffer.alloc(16, 0xff)), '');
  assert.equal(decodeGuid(Buffer.alloc(3)), '');
});

test('reads and writes packets of serial over LAN', () => {
  const bytes = hex('03 02 05 50 6869');
  const packet = { sequence: 3, acknowledged: 2, accepted: 5, isRefused: true, flags: 0x10, data: hex('6869') };
  assert.deepEqual(decodeSol(bytes), packet);
  assert.deepEqual(encodeSol(packet), bytes);
  assert.throws(() => decodeSol(hex('010203')), { code: 'truncated', field: 'SOL header' });
  assert.deepEqual([0, 1, 14, 15].map(nextSolSequence), [1, 2, 15, 1]);
});

test('takes each packet number of a session once, in any order within 32', () => {
  const window = new SequenceWindow();
  const take = (...sequences: number[]) => sequences.map((sequence) => window.take(sequence));
  assert.deepEqual(take(0, 1, 1, 3, 2, 2, 3), [false, true, false, true, true, false, false]);
  assert.deepEqual(take(34, 3, 2, 4, 33, 33), [true, false, false, true, true, false]);
  assert.deepEqual(take(1000, 34, 968, 969, 969, 999), [true, false, false, true, false, true]);
  assert.deepEqual(take(0xffffffff, 0xfffffffe, 1000), [true, true, false]);
});
