import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CustomOption, formatOption, type OptionText, parseOption } from '../../src/wire/dhcp-option-text.ts';

const custom: CustomOption[] = [{ code: 242, name: 'vendor-blob', shape: 'sub-options' }];

/** What people write, and the bytes that go out. */
const written: [name: string, value: OptionText, hex: string][] = [
  ['vendor-encapsulated', { 'discovery-control': 8 }, '060108ff'],
  ['vendor-encapsulated', 'discovery-control=8', '060108ff'],
  [
    'vendor-encapsulated',
    'menu=0 Raspberry Pi Boot; prompt=0 PXE',
    '091400001152617370626572727920506920426f6f740a0400505845ff',
  ],
  ['vendor-encapsulated', { bootServers: ['1 10.0.0.1 10.0.0.2'] }, '080b0001020a0000010a000002ff'],
  ['vendor-encapsulated', { 241: 'c0a80101' }, 'f104c0a80101'],
  ['vendor-encapsulated', '1:c0:a8:01:01, 6:08', '0104c0a80101060108'],
  ['vendor-encapsulated', '0xf104c0a80101', 'f104c0a80101'],
  ['vendor-identifying-options', { 311: { 1: '0x01', 2: '00' } }, '0000013706010101020100'],
  ['vendor-identifying-options', '311/1=01; 311/2=00; 9/3=ff', '000001370601010102010000000009030301ff'],
  ['vendor-identifying-class', { 4491: ['docsis3.0', 'x'] }, '0000118b0c09646f63736973332e300178'],
  ['vendor-identifying-class', '4491=docsis3.0', '0000118b0a09646f63736973332e30'],
  ['ipxe', { skipProxyDhcp: true, 'keep-san': 'no', 16: '01' }, '100101b00101080100'],
  ['ipxe', 'skip-proxy-dhcp=yes; scriptlet=dhcp; chain x', 'b00101510d646863703b20636861696e2078'],
  ['vendor-blob', '1=01; 2=02', '010101020102'],
];
for (const [name, value, hex] of written) {
  test(`${name} ${JSON.stringify(value)} is 0x${hex}`, () => {
    assert.equal(parseOption(name, value, custom).bytes.toString('hex'), hex);
  });
}

/** Bytes, and how they are shown. */
const shown: [code: number, hex: string, name: string, value: OptionText, text: string][] = [
  [43, '060108ff', 'vendor-encapsulated', { 'discovery-control': 8 }, 'discovery-control=8'],
  [43, '060108', 'vendor-encapsulated', { 6: '0x08' }, '6=0x08'],
  [43, '4704000200006e0100ff', 'vendor-encapsulated', 'hex:4704000200006e0100ff', 'hex:4704000200006e0100ff'],
  [43, '0904000001610a0200 62ff', 'vendor-encapsulated', { menu: ['0 a'], prompt: '0 b' }, 'menu=0 a; prompt=0 b'],
  [43, '090700000461 2c2062ff', 'vendor-encapsulated', { menu: ['0 a, b'] }, 'hex:0907000004612c2062ff'],
  [
    125,
    '000001370601010102010 0',
    'vendor-identifying-options',
    { 311: { 1: '0x01', 2: '0x00' } },
    '311/1=0x01; 311/2=0x00',
  ],
  [124, '0000118b020161', 'vendor-identifying-class', { 4491: ['a'] }, '4491=a'],
  [175, 'b00101510161', 'ipxe', { 'skip-proxy-dhcp': true, scriptlet: 'a' }, 'skip-proxy-dhcp=yes; scriptlet=a'],
  [175, 'b00102', 'ipxe', { 'skip-proxy-dhcp': 'hex:02' }, 'skip-proxy-dhcp=hex:02'],
];
for (const [code, hex, name, value, text] of shown) {
  test(`option ${code} 0x${hex} is shown as ${text}`, () => {
    assert.deepEqual(formatOption(code, Buffer.from(hex.replaceAll(' ', ''), 'hex'), custom), { name, value, text });
  });
}

const wrong: [name: string, value: unknown, message: string][] = [
  ['43', { discoveryControl: 300 }, 'vendor-encapsulated: discoveryControl: 300 is not a whole number from 0 to 255'],
  ['43', { 6: '08', 'discovery-control': 8 }, 'vendor-encapsulated: sub-option discovery-control is given twice'],
  [
    '43',
    { 255: '08' },
    'vendor-encapsulated: "255" is not a sub-option (discovery-control, multicast-address, boot-servers, menu, prompt, or a number from 1 to 254)',
  ],
  [
    '43',
    { prompt: 'now' },
    'vendor-encapsulated: prompt: "now" is not seconds (255: wait) and a text, like "10 Press F8 for a menu"',
  ],
  [
    '43',
    { 1: '00'.repeat(256) },
    'vendor-encapsulated: sub-option length cannot be 256: whole numbers from 0 to 255 only',
  ],
  ['43', 'nonsense', 'vendor-encapsulated: "nonsense" is not a sub-option like "1=0x0a4d0001"'],
  ['125', { acme: { 1: '00' } }, 'vendor-identifying-options: "acme" is not an enterprise number (IANA, like 311)'],
  ['125', { 311: { x: '00' } }, 'vendor-identifying-options: 311: "x" is not a sub-option (a number from 1 to 254)'],
  ['124', { 311: 'a'.repeat(256) }, `vendor-identifying-class: 311: "${'a'.repeat(76)}... is longer than 255 bytes`],
];
for (const [name, value, message] of wrong) {
  test(`refuses ${message.slice(0, 100)}`, () => {
    assert.throws(() => parseOption(name, value as OptionText, custom), { name: 'OptionTextError', message, value });
  });
}
