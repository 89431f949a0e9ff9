import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dhcpOptions, getOption, type OptionName, optionCode, optionName } from '../../src/wire/dhcp-options.ts';
import type { Shape } from '../../src/wire/dhcp-shapes.ts';
import { describeOption } from './describe-option.ts';

/** Bytes in hex, the value they are, and what a human reads. The bytes come back from the value. */
const values: [name: OptionName, hex: string, value: unknown, text: string][] = [
  ['subnetMask', 'ffffff00', '255.255.255.0', '255.255.255.0'],
  ['timeOffset', 'fffff1f0', -3600, '-3600 s'],
  ['routers', '0a4d00010a4d0002', ['10.77.0.1', '10.77.0.2'], '10.77.0.1, 10.77.0.2'],
  ['staticRoutes', '0a0000000a4d0001', [['10.0.0.0', '10.77.0.1']], '10.0.0.0 10.77.0.1'],
  ['defaultIpTtl', '40', 64, '64'],
  ['interfaceMtu', '05dc', 1500, '1500'],
  ['clientArchitectures', '00070010', [7, 16], '7, 16'],
  ['leaseSeconds', '00000e10', 3600, '3600 s'],
  ['leaseSeconds', 'ffffffff', 0xffffffff, 'for ever'],
  ['ipForwarding', '01', true, 'yes'],
  ['rapidCommit', '', true, 'yes'],
  ['hostName', '6e6f646530', 'node0', '"node0"'],
  ['hostName', '1b5b', '\x1b[', '"\\x1b["'],
  ['bootFileName', '697078652e65666900', 'ipxe.efi', '"ipxe.efi"'],
  ['vendorEncapsulated', '060108ff', Buffer.of(6, 1, 8, 255), '060108ff'],
  ['messageType', '08', 'inform', 'inform'],
  ['parameterRequestList', '0103eb43', [1, 3, 235, 67], '1, 3, 235, 67'],
  ['clientId', '01525400123456', Buffer.from('01525400123456', 'hex'), '52:54:00:12:34:56'],
  ['clientId', 'ff0001', Buffer.of(255, 0, 1), 'ff0001'],
  [
    'clientMachineId',
    '0033221100554477668899aabbccddeeff',
    '00112233-4455-6677-8899-aabbccddeeff',
    '00112233-4455-6677-8899-aabbccddeeff',
  ],
  ['clientNetworkInterface', '010310', { major: 3, minor: 16 }, 'UNDI 3.16'],
  ['userClass', '04695058450161', ['iPXE', 'a'], '"iPXE", "a"'],
  [
    'classlessRoutes',
    '180a4d010a4d0001000a4d0001',
    [
      { to: { address: '10.77.1.0', base: '10.77.1.0', prefix: 24 }, via: '10.77.0.1' },
      { to: { address: '0.0.0.0', base: '0.0.0.0', prefix: 0 }, via: '10.77.0.1' },
    ],
    '10.77.1.0/24 via 10.77.0.1, 0.0.0.0/0 via 10.77.0.1',
  ],
  ['domainSearch', '03656e67076578616d706c6500', ['eng.example'], '"eng.example"'],
  [
    'clientFqdn',
    '05ffff03656e67076578616d706c6500',
    { serverUpdates: true, overridden: false, noUpdates: false, labels: true, name: 'eng.example.' },
    '"eng.example."',
  ],
  [
    'clientFqdn',
    '0cffff03656e67',
    { serverUpdates: false, overridden: false, noUpdates: true, labels: true, name: 'eng' },
    '"eng"',
  ],
  [
    'clientFqdn',
    '02ffff656e67',
    { serverUpdates: false, overridden: true, noUpdates: false, labels: false, name: 'eng' },
    '"eng"',
  ],
  ['vendorIdentifyingClass', '0000013702abcd', [{ enterprise: 311, data: Buffer.of(0xab, 0xcd) }], '311: abcd'],
  [
    'relayInformation',
    '010465746831020200ff05040a4d00000a01800b040a4d00011300',
    {
      circuitId: Buffer.from('eth1'),
      remoteId: Buffer.of(0, 255),
      linkSelection: '10.77.0.0',
      unicast: true,
      serverId: '10.77.0.1',
      sourcePort: true,
    },
    'circuitId "eth1", remoteId 00ff, linkSelection 10.77.0.0, unicast true, serverId 10.77.0.1, sourcePort true',
  ],
  [
    'ipxe',
    'b00101b105011af41000eb03010000130101240101',
    {
      skipProxyDhcp: true,
      bus: { type: 1, vendor: 0x1af4, device: 0x1000 },
      version: '1.0.0',
      features: ['http', 'efi'],
    },
    'iPXE 1.0.0 with http, efi',
  ],
];
for (const [name, hex, value, text] of values) {
  test(`${name} ${text}`, () => {
    const shape: Shape<never> = dhcpOptions[name].shape as unknown as Shape<never>;
    const decoded = shape.decode(Buffer.from(hex, 'hex'));
    assert.deepEqual(decoded, value);
    assert.equal(shape.encode(value as never).toString('hex'), hex);
    assert.equal(describeOption(optionCode(name), Buffer.from(hex, 'hex')), `${name} (${optionCode(name)}): ${text}`);
  });
}

/** Bytes that firmware, or an attacker, sends in other ways than we do: read, and never written so. */
const lenient: [what: string, name: OptionName, hex: string, value: unknown][] = [
  ['a NUL at the end of a text', 'vendorClass', '505845436c69656e7400', 'PXEClient'],
  ['a boot file without a NUL', 'bootFileName', '697078652e656669', 'ipxe.efi'],
  ['M23 duplicates, 0 and 255', 'parameterRequestList', '01030100ff35', [1, 3, 53]],
  ['M44 iPXE without a length', 'userClass', '69505845', ['iPXE']],
  ['M44 a count that overruns', 'userClass', '0561626364', ['\x05abcd']],
  ['M44 a class of no length', 'userClass', '0161 00', ['\x01a\0']],
  [
    'host bits behind a route prefix',
    'classlessRoutes',
    '14 0aff1f 0a4d0001',
    [{ to: { address: '10.255.16.0', base: '10.255.16.0', prefix: 20 }, via: '10.77.0.1' }],
  ],
  ['a compressed name', 'domainSearch', '03656e67 076578616d706c65 00 036d6b74 c004', ['eng.example', 'mkt.example']],
  ['M29 a relay sub-option that overruns', 'relayInformation', '010161 02ff00', { circuitId: Buffer.from('a') }],
  ['a link selection of 3 bytes', 'relayInformation', '05030a4d00 010161', { circuitId: Buffer.from('a') }],
  ['an iPXE feature of version 0', 'ipxe', '130100 150101', { features: ['tftp'] }],
];
for (const [what, name, hex, value] of lenient) {
  test(`reads ${what}`, () => {
    const options = new Map([[optionCode(name), Buffer.from(hex.replaceAll(' ', ''), 'hex')]]);
    assert.deepEqual(getOption({ options }, name), value);
  });
}

const malformed: [what: string, name: OptionName, hex: string][] = [
  ['M18 an address of 3 bytes', 'requestedAddress', '0a4d00'],
  ['M18 an address of 5 bytes', 'requestedAddress', '0a4d000101'],
  ['an empty list of addresses', 'routers', ''],
  ['a list of 6 bytes', 'routers', '0a4d00010a4d'],
  ['half a pair', 'staticRoutes', '0a4d0001'],
  ['M16 a client id of 0 bytes', 'clientId', ''],
  ['M16 a client id of 1 byte', 'clientId', '01'],
  ['M39 an empty host name', 'hostName', ''],
  ['M45 a class of NULs', 'vendorClass', '0000'],
  ['M23 an empty request list', 'parameterRequestList', ''],
  ['M23 a request list of ends and pads', 'parameterRequestList', '00ff'],
  ['M40 an FQDN of 0 bytes', 'clientFqdn', ''],
  ['M40 an FQDN of 2 bytes', 'clientFqdn', '0000'],
  ['M40 an FQDN label past the end', 'clientFqdn', '0400000561'],
  ['M40 a compressed FQDN', 'clientFqdn', '0400000161c003'],
  ['an FQDN with bytes behind its root', 'clientFqdn', '040000016100ff'],
  ['M41 no architecture', 'clientArchitectures', ''],
  ['M41 an architecture of 1 byte', 'clientArchitectures', '07'],
  ['M41 an architecture of 3 bytes', 'clientArchitectures', '000700'],
  ['M42 a machine id of 1 byte', 'clientMachineId', '00'],
  ['M42 a machine id of 16 bytes', 'clientMachineId', '00112233445566778899aabbccddeeff'],
  ['M42 a machine id of 18 bytes', 'clientMachineId', `00${'11'.repeat(17)}`],
  ['M42 a machine id of type 1', 'clientMachineId', `01${'11'.repeat(16)}`],
  ['M42 a machine id of zeros', 'clientMachineId', '00'.repeat(17)],
  ['a machine id of ones', 'clientMachineId', `00${'ff'.repeat(16)}`],
  ['M44 an empty user class', 'userClass', ''],
  ['M46 vendor data that overruns', 'vendorIdentifyingOptions', '0000013703abcd'],
  ['M46 vendor data without a length', 'vendorIdentifyingOptions', '00000137'],
  ['M48 a route of 33 bits', 'classlessRoutes', '210a4d01010a4d0001'],
  ['M48 a route without a router', 'classlessRoutes', '180a4d010a4d'],
  ['M48 a name that points to itself', 'domainSearch', 'c000'],
  ['M48 a name that points forward', 'domainSearch', 'c0020361626300'],
  ['M48 two names that point at each other', 'domainSearch', '0161c0040162c000'],
  ['M48 half a pointer', 'domainSearch', '0161c0'],
  ['M48 a label of 64', 'domainSearch', `40${'61'.repeat(64)}00`],
  ['M48 a name of 256 bytes', 'domainSearch', `${`3f${'61'.repeat(63)}`.repeat(4)}00`],
  ['a label with a dot', 'domainSearch', '03612e6200'],
  ['the root alone', 'domainSearch', '00'],
  ['a boolean of 2', 'ipForwarding', '02'],
  ['a flag with a value', 'rapidCommit', '01'],
  ['an interface that is not UNDI', 'clientNetworkInterface', '020310'],
  ['M29 an empty relay option', 'relayInformation', ''],
];
for (const [what, name, hex] of malformed) {
  test(`takes ${what} as absent`, () => {
    const bytes = Buffer.from(hex, 'hex');
    assert.equal(getOption({ options: new Map([[optionCode(name), bytes]]) }, name), undefined);
    assert.match(describeOption(optionCode(name), bytes), /: unusable, ([0-9a-f]+|empty)/);
  });
}

const unencodable: [name: OptionName, value: unknown][] = [
  ['interfaceMtu', 70000],
  ['leaseSeconds', -1],
  ['leaseSeconds', 1.5],
  ['hostName', 'a\0b'],
  ['hostName', 'snow\u2603'],
  ['clientMachineId', 'not-a-guid'],
  ['domainSearch', [`${'a'.repeat(64)}.example`]],
  ['domainSearch', ['eng..example']],
  ['userClass', ['a'.repeat(256)]],
  ['parameterRequestList', [256]],
];
for (const [name, value] of unencodable) {
  test(`refuses to write ${name} ${JSON.stringify(value)}`, () => {
    const shape: Shape<never> = dhcpOptions[name].shape as unknown as Shape<never>;
    assert.throws(() => shape.encode(value as never), { name: 'WireError', code: 'unencodable' });
  });
}

test('the table has every code once', () => {
  const names = Object.keys(dhcpOptions) as OptionName[];
  for (const name of names) assert.equal(optionName(optionCode(name)), name);
  const wanted = [
    60, 61, 66, 67, 77, 80, 81, 82, 93, 94, 97, 108, 114, 116, 118, 119, 120, 121, 124, 125, 138, 150, 175,
  ];
  const rfc2132 = Array.from({ length: 76 }, (_, i) => i + 1);
  for (const code of [...rfc2132, ...wanted, 128, 135, 203, 208, 209, 210, 211, 249, 252]) {
    assert.notEqual(optionName(code), undefined, `option ${code}`);
  }
});

test('whatever the bytes are, each option decodes to undefined or to a value that is printed safely and stays itself', () => {
  const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 255 }), fc.uint8Array({ maxLength: 24, max: 8 }));
  const anyName = fc.constantFrom(...(Object.keys(dhcpOptions) as OptionName[]));
  fc.assert(
    fc.property(anyName, anyBytes, (name, bytes) => {
      const shape: Shape<never> = dhcpOptions[name].shape as unknown as Shape<never>;
      assert.match(describeOption(optionCode(name), Buffer.from(bytes)), /^[\x20-\x7e]*$/);
      const value = shape.decode(Buffer.from(bytes));
      if (value !== undefined && encodable(name, bytes)) assert.deepEqual(shape.decode(shape.encode(value)), value);
    }),
    { numRuns: 5000 },
  );
});

/** A list of sub-options with none that is understood is an empty value, and that is written as nothing at all. */
function encodable(name: OptionName, bytes: Uint8Array): boolean {
  const value = getOption({ options: new Map([[optionCode(name), Buffer.from(bytes)]]) }, name);
  if (name === 'relayInformation') return JSON.stringify(value) !== '{}';
  if (name === 'ipxe') return JSON.stringify(value) !== '{"features":[]}';
  return true;
}
