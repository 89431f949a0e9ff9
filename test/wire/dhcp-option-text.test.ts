import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipv4FromNumber, parseCidr, parseIpv4 } from '../../src/wire/address.ts';
import {
  type CustomOption,
  checkCustomOption,
  formatOption,
  listOptions,
  type OptionLine,
  type OptionText,
  OptionTextError,
  parseOption,
  type ShapeName,
} from '../../src/wire/dhcp-option-text.ts';
import { dhcpOptions, type OptionName, optionCode } from '../../src/wire/dhcp-options.ts';
import { encodeSubOptions, type Route, type Shape, vendorData, withDefaultRoute } from '../../src/wire/dhcp-shapes.ts';
import { encodePxe, ipxeSubOptions } from '../../src/wire/pxe.ts';

const custom: CustomOption[] = [
  { code: 239, name: 'provision-url', shape: 'text' },
  { code: 240, name: 'rack-height', shape: 'u32' },
  { code: 241, name: 'is-leaf', shape: 'flag' },
  { code: 242, name: 'vendor-blob', shape: 'sub-options' },
];

/** What people write, and the bytes that go out. */
const written: [name: string, value: OptionText, hex: string][] = [
  ['dnsServers', ['10.0.0.1', '10.0.0.2'], '0a0000010a000002'],
  ['6', '10.0.0.1 10.0.0.2', '0a0000010a000002'],
  ['option-6', '10.0.0.1', '0a000001'],
  ['224', '01 02-03:04', '01020304'],
  ['provision-url', 'http://x/', '687474703a2f2f782f'],
  ['240', 70000, '00011170'],
  ['is-leaf', 'yes', ''],
];
for (const [name, value, hex] of written) {
  test(`${name} ${JSON.stringify(value)} is 0x${hex}`, () => {
    assert.equal(parseOption(name, value, custom).bytes.toString('hex'), hex);
  });
}

/** Bytes, and how they are shown. */
const shown: [code: number, hex: string, name: string, value: OptionText, text: string][] = [
  [224, '0102', 'option-224', '0x0102', '0x0102'],
  [51, '00000e10', 'lease-seconds', '1h', '1h'],
  [53, '01', 'message-type', '0x01', '0x01'],
  [240, '00000001', 'rack-height', 1, '1'],
];
for (const [code, hex, name, value, text] of shown) {
  test(`option ${code} 0x${hex} is shown as ${text}`, () => {
    assert.deepEqual(formatOption(code, Buffer.from(hex.replaceAll(' ', ''), 'hex'), custom), { name, value, text });
  });
}

const wrong: [name: string, value: unknown, message: string][] = [
  ['is-leaf', 'no', 'is-leaf: "no" cannot be said by an option without a value: leave the option out instead'],
  ['domain-name', 'a'.repeat(1025), `domain-name: "${'a'.repeat(76)}... has 1025 bytes, a reply has room for 1024`],
  ['lease-seconds', '12h', 'lease-seconds: "12h" cannot be set: it is the lease time of the subnet'],
  ['53', 1, 'message-type: 1 cannot be set: it says what kind of message the reply is'],
  ['255', 'x', 'option-255: "x" cannot be set: it ends the options'],
  ['dns-server', 'x', '"dns-server": no DHCP option has this name (value "x"); is it dns-servers?'],
  ['__proto__', 'x', '"__proto__": no DHCP option has this name (value "x")'],
  ['256', 'x', '"256": no DHCP option has this number (value "x"): 1 to 254'],
];
for (const [name, value, message] of wrong) {
  test(`refuses ${message.slice(0, 100)}`, () => {
    assert.throws(() => parseOption(name, value as OptionText, custom), { name: 'OptionTextError', message, value });
  });
}

test('what a client, a relay or the server itself says cannot be set, by number or by name', () => {
  const theirs = [0, 50, 51, 52, 53, 54, 55, 56, 57, 61, 77, 80, 81, 82, 93, 94, 97, 118, 255];
  for (const code of theirs) assert.throws(() => parseOption(String(code), 'hex:00'), /: "hex:00" cannot be set: /);
  const names = listOptions().flatMap((line) => ('refused' in line ? [line.code] : []));
  assert.deepEqual(names, theirs.slice(1, -1));
});

test('every row is listed once, and its example can be set', () => {
  const lines = listOptions();
  assert.deepEqual(
    lines.map(({ code }) => code),
    Object.values(dhcpOptions).map(({ code }) => code),
  );
  for (const line of lines) {
    if ('refused' in line) continue;
    const { code, bytes } = parseOption(line.name, line.example);
    assert.equal(code, line.code);
    assert.deepEqual(formatOption(code, bytes).value, line.example, line.name);
  }
});

test('only rows of mere bytes are shown in hex', () => {
  const inHex = listOptions().flatMap((line) => ('shape' in line && line.shape === 'hex' ? [line.code] : []));
  assert.deepEqual(inHex, [63, 120, 128, 129, 130, 131, 132, 133, 134, 135, 208]);
});

test('a custom option is checked', () => {
  const good = { code: 128, name: 'switch-config', shape: 'text' };
  assert.deepEqual(checkCustomOption(good, custom), good);
  const bad: [option: { code: number; name: string; shape: string }, message: string][] = [
    [{ ...good, code: 0 }, '"switch-config": 0 is no option code: 1 to 254'],
    [{ ...good, code: 255 }, '"switch-config": 255 is no option code: 1 to 254'],
    [{ ...good, code: 128.5 }, '"switch-config": 128.5 is no option code: 1 to 254'],
    [{ ...good, code: 6 }, '"switch-config": 6 has a name and a shape already: dns-servers'],
    [{ ...good, code: 43 }, '"switch-config": 43 has a name and a shape already: vendor-encapsulated'],
    [
      { ...good, code: 82 },
      '"switch-config": 82 is relay-information, which cannot be set: it is the relay\'s own, echoed (RFC 3046)',
    ],
    [{ ...good, code: 239 }, '"switch-config": 239 is given twice: provision-url is option 239'],
    [{ ...good, name: 'rack-height' }, '"rack-height": 128 is given twice: rack-height is option 240'],
    [{ ...good, name: 'routers' }, '"routers": "routers" is the name of option 3'],
    ...['6', 'option-6', 'Switch', 'a b', '-a', ''].map((name): [typeof good, string] => [
      { ...good, name },
      `"${name}": "${name}" is no name for an option: small letters, digits and hyphens, like "switch-config"`,
    ]),
  ];
  for (const [option, message] of bad) assert.throws(() => checkCustomOption(option, custom), { message });
  for (const shape of ['', 'int', 'toString', '__proto__']) {
    assert.throws(
      () => checkCustomOption({ ...good, shape }),
      /^OptionTextError: "switch-config": ".*" is no shape: ip, /,
    );
  }
});

test('routes carry the gateway along, unless they have a default route or there is nothing to carry', () => {
  const gateway = parseIpv4('10.0.0.254');
  const net: Route = { to: parseCidr('10.1.0.0/16'), via: parseIpv4('10.0.0.1') };
  const all: Route = { to: parseCidr('0.0.0.0/0'), via: parseIpv4('10.0.0.1') };
  assert.deepEqual(withDefaultRoute([net], gateway), [net, { ...all, via: gateway }]);
  assert.deepEqual(withDefaultRoute([all, net], gateway), [all, net]);
  assert.deepEqual(withDefaultRoute([net], undefined), [net]);
  assert.deepEqual(withDefaultRoute([], gateway), []);
});

const ipv4 = fc.nat({ max: 0xffffffff }).map(ipv4FromNumber);
const u8 = fc.nat({ max: 0xff });
const u16 = fc.nat({ max: 0xffff });
const u32 = fc.nat({ max: 0xffffffff });
const word = fc.string({ unit: fc.constantFrom(...'abc-09 ,;=:/."'), minLength: 1, maxLength: 20 });
const label = fc.stringMatching(/^[a-z0-9_]([a-z0-9_-]{0,20}[a-z0-9])?$/);
const data = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const many = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 1, maxLength: 5 });
const subs = fc.array(fc.tuple(fc.integer({ min: 1, max: 254 }), data), { minLength: 1, maxLength: 5 });
const sorted = (pairs: [number, Buffer][]) => encodeSubOptions(new Map(pairs.toSorted(([a], [b]) => a - b)));
const encoded = <T>(shape: Shape<T>, values: fc.Arbitrary<T>) => values.map((value) => shape.encode(value));
const { hostName, routers, classlessRoutes, domainSearch, renewalSeconds, timeOffset, policyFilter } = dhcpOptions;
const text = encoded(hostName.shape, word);
const route = fc.record({
  to: fc.tuple(ipv4, fc.nat({ max: 32 })).map(([address, prefix]) => {
    const { base } = parseCidr(`${address}/${prefix}`);
    return { address: base, base, prefix };
  }),
  via: ipv4,
});

/** Bytes of random legal values of each shape; `hex:` is no way to show them. */
const legal: Record<ShapeName, fc.Arbitrary<Buffer>> = {
  ip: encoded(dhcpOptions.subnetMask.shape, ipv4),
  ips: encoded(routers.shape, many(ipv4)),
  'ip-pairs': encoded(policyFilter.shape, many(fc.tuple(ipv4, ipv4))),
  u8: encoded(dhcpOptions.defaultIpTtl.shape, u8),
  u16: encoded(dhcpOptions.interfaceMtu.shape, u16),
  u16s: encoded(dhcpOptions.pathMtuPlateaus.shape, many(u16)),
  u32: encoded(renewalSeconds.shape, u32),
  seconds: encoded(renewalSeconds.shape, fc.oneof(u32, fc.constant(0xffffffff))),
  'signed-seconds': encoded(timeOffset.shape, fc.integer()),
  bool: encoded(dhcpOptions.ipForwarding.shape, fc.boolean()),
  flag: fc.constant(Buffer.alloc(0)),
  text,
  textz: encoded(dhcpOptions.bootFileName.shape, word),
  hex: data,
  domains: encoded(domainSearch.shape, many(many(label).map((labels) => labels.join('.')))),
  routes: encoded(classlessRoutes.shape, many(route)),
  'sub-options': subs.map(sorted),
  pxe: fc
    .record({
      discoveryControl: u8,
      multicastAddress: ipv4,
      bootServers: many(fc.record({ type: u16, addresses: many(ipv4) })),
      menu: many(fc.record({ type: u16, text: word })),
      prompt: fc.record({ timeout: u8, text: word }),
    })
    .map(encodePxe),
  ipxe: fc.tuple(u8, fc.boolean(), word).map(([priority, keepSan, scriptlet]) =>
    encodeSubOptions(
      new Map([
        [ipxeSubOptions.priority.code, ipxeSubOptions.priority.shape.encode(priority)],
        [ipxeSubOptions.keepSan.code, ipxeSubOptions.keepSan.shape.encode(keepSan)],
        [ipxeSubOptions.scriptlet.code, ipxeSubOptions.scriptlet.shape.encode(scriptlet)],
      ]),
    ),
  ),
  'vendor-class': fc
    .tuple(u32, many(text))
    .map(([enterprise, texts]) =>
      vendorData.encode([
        { enterprise, data: Buffer.concat(texts.map((one) => Buffer.concat([Buffer.of(one.length), one]))) },
      ]),
    ),
  'vendor-options': fc
    .tuple(fc.nat({ max: 1000 }), subs)
    .map(([enterprise, pairs]) => vendorData.encode([{ enterprise, data: sorted(pairs) }])),
};

const settable = listOptions().filter((line): line is Extract<OptionLine, { shape: ShapeName }> => 'shape' in line);

for (const { code, name, shape } of settable) {
  test(`random legal values of ${name} are the same bytes when read again`, () => {
    fc.assert(
      fc.property(legal[shape], (bytes) => {
        const { value } = readsAgain(code, bytes);
        if (!(typeof value === 'string' && /^hex:/.test(value))) return;
        assert.equal(shape, 'text', 'only a text may look like hex:');
      }),
      { numRuns: 100 },
    );
  });
}

test('every shape of a custom option reads its own legal values again', () => {
  for (const shape of Object.keys(legal) as ShapeName[]) {
    const options = [checkCustomOption({ code: 230, name: 'mine', shape })];
    fc.assert(
      fc.property(legal[shape], (bytes) => void readsAgain(230, bytes, options)),
      { numRuns: 50 },
    );
  }
});

test('whatever the bytes are, every option that can be set is shown in a way that gives the same bytes', () => {
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 255 }),
    fc.uint8Array({ maxLength: 24, max: 12 }),
    fc.string({ unit: 'binary-ascii' }).map((one) => Buffer.from(one)),
  );
  const refusedCodes = new Set(listOptions().flatMap((line) => ('refused' in line ? [line.code] : [])));
  fc.assert(
    fc.property(fc.nat({ max: 255 }), anyBytes, (code, array) => {
      const bytes = Buffer.from(array);
      if (code > 0 && code < 255 && !refusedCodes.has(code)) readsAgain(code, bytes);
      else assert.match(formatOption(code, bytes).text, /^[\x20-\x7e]*$/);
    }),
    { numRuns: 5000 },
  );
});

function readsAgain(code: number, bytes: Buffer, options: CustomOption[] = []): { value: OptionText } {
  const { name, value, text } = formatOption(code, bytes, options);
  assert.match(text, /^[\x20-\x7e]*$/);
  for (const again of [JSON.parse(JSON.stringify(value)) as OptionText, text]) {
    const read = parseOption(name, again, options);
    assert.equal(read.code, code);
    assert.equal(read.bytes.toString('hex'), bytes.toString('hex'), `${name} ${JSON.stringify(again)}`);
  }
  return { value };
}

test('junk gives bytes that are shown again, or an OptionTextError that names the option, and nothing else', () => {
  const pieces = [
    '10.0.0.1',
    '/16',
    ' via ',
    'default',
    ',',
    ';',
    '=',
    ':',
    ' ',
    '0x',
    'ff',
    '311',
    '/',
    '12h',
    '-',
    'hex:',
    'yes',
    'menu',
    '0 a',
    '\0',
    '\u2603',
    '\x1b',
  ];
  const line = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
  const key = fc.oneof(
    line,
    fc.constantFrom('1', '6', '311', 'menu', 'prompt', 'to', 'via', '__proto__', 'constructor'),
  );
  const junk = fc.oneof(
    { arbitrary: line, weight: 5 },
    fc.array(line, { maxLength: 3 }),
    fc.dictionary(key, fc.oneof(line, fc.dictionary(key, line), fc.array(line))),
    fc.anything({ withBigInt: true, withNullPrototype: true, withTypedArray: true, withDate: true, withMap: true }),
    fc.func(fc.nat()),
    fc.constant(Symbol('junk')),
    fc.constant(circle()),
  );
  const names = [...(Object.keys(dhcpOptions) as OptionName[]), ...custom.map((one) => one.name), '224'];
  const seen = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof({ arbitrary: fc.constantFrom(...names), weight: 9 }, line), junk, (name, value) => {
      const read = attempt(() => parseOption(name, value as OptionText, custom));
      if (read instanceof OptionTextError) {
        seen.refused++;
        assert.ok(read.option !== '' && read.message.startsWith(`${read.option}: `));
        assert.ok(!/[\x00-\x1f\x7f-\x9f]/.test(read.message) && read.message.length < 600, read.message);
        return;
      }
      seen.accepted++;
      readsAgain(read.code, read.bytes, custom);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(seen.accepted > 100 && seen.refused > 1000, JSON.stringify(seen));
});

function attempt<T>(run: () => T): T | OptionTextError {
  try {
    return run();
  } catch (error) {
    if (error instanceof OptionTextError) return error;
    throw error;
  }
}

function circle(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

test('a name is the same option in each of its spellings', () => {
  for (const camel of Object.keys(dhcpOptions) as OptionName[]) {
    const code = optionCode(camel);
    const { name } = formatOption(code, Buffer.of(1));
    const line = settable.find((one) => one.code === code);
    if (line === undefined) continue;
    for (const spelling of [camel, name, String(code), `option-${code}`]) {
      assert.equal(parseOption(spelling, line.example).code, code, spelling);
    }
  }
});
