import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatOption, type OptionText, parseOption } from '../../src/wire/dhcp-option-text.ts';

// Each form under the name of an option that has it. dhcp-option-text.test.ts reads random values of all of them again.

/** What people write, and the bytes that go out. */
const written: [name: string, value: OptionText, hex: string][] = [
  ['dns-servers', '10.0.0.1, 10.0.0.2', '0a0000010a000002'],
  ['subnet-mask', ' 255.255.255.0 ', 'ffffff00'],
  ['static-routes', '10.1.0.0 10.0.0.1, 10.2.0.0 10.0.0.2', '0a0100000a0000010a0200000a000002'],
  ['static-routes', [['10.1.0.0', '10.0.0.1']], '0a0100000a000001'],
  ['default-ip-ttl', 64, '40'],
  ['netbios-node-type', '0x8', '08'],
  ['interface-mtu', '9000', '2328'],
  ['path-mtu-plateaus', '576, 1500', '024005dc'],
  ['path-mtu-plateaus', [576, '1500'], '024005dc'],
  ['renewal-seconds', 3600, '00000e10'],
  ['renewal-seconds', '3600', '00000e10'],
  ['renewal-seconds', '12h', '0000a8c0'],
  ['renewal-seconds', '1d 1h 1m 1s', '00015fcd'],
  ['renewal-seconds', 'for ever', 'ffffffff'],
  ['pxelinux-reboot-seconds', '10 s', '0000000a'],
  ['time-offset', '-5h', 'ffffb9b0'],
  ['time-offset', 3600, '00000e10'],
  ['time-offset', '+1h30m', '00001518'],
  ['ip-forwarding', 'yes', '01'],
  ['ip-forwarding', 'Off', '00'],
  ['ip-forwarding', false, '00'],
  ['host-name', 'node1', '6e6f646531'],
  ['domain-name', 'a, b', '612c2062'],
  ['boot-file-name', 'ipxe.efi', '697078652e65666900'],
  ['pxelinux-magic', 'f1:00:74:7e', 'f100747e'],
  ['pxelinux-magic', '0xF100747E', 'f100747e'],
  ['pxelinux-config-file', 'pxelinux.cfg/default', Buffer.from('pxelinux.cfg/default').toString('hex')],
  ['tftp-servers', '10.0.0.1', '0a000001'],
  ['domain-search', 'eng.example, example.', '03656e67076578616d706c6500076578616d706c6500'],
  ['classless-routes', '10.1.0.0/16 via 10.0.0.1, default via 10.0.0.254', '100a010a000001000a0000fe'],
  ['classless-routes', [{ to: '10.1.2.3', via: '10.0.0.1' }, '0.0.0.0/0 via 10.0.0.1'], '200a0102030a000001000a000001'],
  ['host-name', 'hex:00ff', '00ff'],
  ['dns-servers', 'hex:', ''],
];
for (const [name, value, hex] of written) {
  test(`${name} ${JSON.stringify(value)} is 0x${hex}`, () => {
    assert.equal(parseOption(name, value).bytes.toString('hex'), hex);
  });
}

/** Bytes, and how they are shown. */
const shown: [code: number, hex: string, name: string, value: OptionText, text: string][] = [
  [6, '0a0000010a000002', 'dns-servers', ['10.0.0.1', '10.0.0.2'], '10.0.0.1, 10.0.0.2'],
  [58, '0000a8c0', 'renewal-seconds', '12h', '12h'],
  [58, '00000000', 'renewal-seconds', '0s', '0s'],
  [58, 'ffffffff', 'renewal-seconds', 'for ever', 'for ever'],
  [2, 'ffffb9b0', 'time-offset', '-5h', '-5h'],
  [19, '01', 'ip-forwarding', true, 'yes'],
  [12, '6efc', 'host-name', 'n\u00fc', 'hex:6efc'],
  [12, '1b5b', 'host-name', '\x1b[', 'hex:1b5b'],
  [12, '6865783a3030', 'host-name', 'hex:6865783a3030', 'hex:6865783a3030'],
  [12, '', 'host-name', 'hex:', 'hex:'],
  [6, '0a0000', 'dns-servers', 'hex:0a0000', 'hex:0a0000'],
  [
    121,
    '100a010a000001000a0000fe',
    'classless-routes',
    ['10.1.0.0/16 via 10.0.0.1', 'default via 10.0.0.254'],
    '10.1.0.0/16 via 10.0.0.1, default via 10.0.0.254',
  ],
  [121, '140aff1f0a4d0001', 'classless-routes', 'hex:140aff1f0a4d0001', 'hex:140aff1f0a4d0001'],
];
for (const [code, hex, name, value, text] of shown) {
  test(`option ${code} 0x${hex} is shown as ${text}`, () => {
    assert.deepEqual(formatOption(code, Buffer.from(hex.replaceAll(' ', ''), 'hex')), { name, value, text });
  });
}

const wrong: [name: string, value: unknown, message: string][] = [
  ['dns-servers', '10.0.0', 'dns-servers: "10.0.0" is not an IPv4 address'],
  ['6', '10.0.0.1, 10.0.0.256', 'dns-servers: "10.0.0.256" is not an IPv4 address'],
  ['dnsServers', ['10.0.0.1', null], 'dns-servers: null is not an IPv4 address'],
  ['dns-servers', [], 'dns-servers: [] is empty: leave the option out instead'],
  ['dns-servers', ' ', 'dns-servers: " " is empty: leave the option out instead'],
  ['subnet-mask', undefined, 'subnet-mask: undefined is not an IPv4 address'],
  ['static-routes', '10.1.0.0', 'static-routes: "10.1.0.0" is not a pair of IPv4 addresses like "10.1.0.0 10.0.0.1"'],
  ['interface-mtu', 70000, 'interface-mtu: 70000 is not a whole number from 0 to 65535'],
  ['interface-mtu', '1.5', 'interface-mtu: "1.5" is not a whole number from 0 to 65535'],
  [
    'renewal-seconds',
    '12 moons',
    'renewal-seconds: "12 moons" is not a time like "12h", "1h30m", 3600 (seconds) or "for ever"',
  ],
  [
    'renewal-seconds',
    '50000d',
    'renewal-seconds: "50000d" is not a time like "12h", "1h30m", 3600 (seconds) or "for ever"',
  ],
  ['time-offset', '69000d', 'time-offset: "69000d" is not a time like "-5h" or 3600 (seconds), at most 68 years'],
  ['ip-forwarding', 'maybe', 'ip-forwarding: "maybe" is not yes or no'],
  ['ip-forwarding', '\x9b2J', 'ip-forwarding: "\\u009b2J" is not yes or no'],
  ['host-name', 42, 'host-name: 42 is not a text: write it in quotes'],
  ['host-name', '', 'host-name: "" is empty: leave the option out instead'],
  ['host-name', '\u2603', 'host-name: "\u2603" is not a text of one-byte characters (Latin-1, no NUL)'],
  ['pxelinux-magic', 0xf1, 'pxelinux-magic: 241 is not bytes: write them in quotes, like "0x0a4d0001"'],
  ['pxelinux-magic', 'f1:0', 'pxelinux-magic: "f1:0" is not bytes in hex like "0x0a4d0001" or "0a:4d:00:01"'],
  ['host-name', 'hex:f', 'host-name: "f" is not bytes in hex like "0x0a4d0001" or "0a:4d:00:01"'],
  ['domain-search', 'a..example', 'domain-search: "a..example" is not a domain name like "rack1.example"'],
  ['classless-routes', '10.1.0.0/16', 'classless-routes: "10.1.0.0/16" is not a route like "10.1.0.0/16 via 10.0.0.1"'],
  ['classless-routes', '10.1.0.5/16 via 10.0.0.1', 'classless-routes: "10.1.0.5/16" is inside the network 10.1.0.0/16'],
  ['classless-routes', [{ to: 1, via: 2 }], 'classless-routes: 1 is not a network like "10.1.0.0/16"'],
];
for (const [name, value, message] of wrong) {
  test(`refuses ${message.slice(0, 100)}`, () => {
    assert.throws(() => parseOption(name, value as OptionText), { name: 'OptionTextError', message, value });
  });
}
