import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/bytes.ts';
import { decodeTftp, encodeTftp, negotiate, type TftpPacket, type TftpRequest } from '../../src/wire/tftp.ts';

/** `\0` in the text is a NUL, as on the wire. */
function request(opcode: number, text: string): Buffer {
  return Buffer.concat([Buffer.of(0, opcode), Buffer.from(text, 'latin1')]);
}

const packets: [what: string, hex: string, packet: TftpPacket][] = [
  [
    "OVMF's read request",
    Buffer.from('\0\x01b/x/ipxe.efi\0octet\0tsize\x000\0blksize\x001468\0windowsize\x004\0').toString('hex'),
    {
      kind: 'read',
      name: 'b/x/ipxe.efi',
      mode: 'octet',
      options: new Map([
        ['tsize', '0'],
        ['blksize', '1468'],
        ['windowsize', '4'],
      ]),
    },
  ],
  [
    'a write request',
    '0002610 06e6574617363696900'.replace(' ', ''),
    { kind: 'write', name: 'a', mode: 'netascii', options: new Map() },
  ],
  ['data', '0003ffff616263', { kind: 'data', block: 65535, data: Buffer.from('abc') }],
  ['the last, empty data', '00030000', { kind: 'data', block: 0, data: Buffer.alloc(0) }],
  ['an acknowledgement', '00040102', { kind: 'ack', block: 0x0102 }],
  ['an error', '0005000161626300', { kind: 'error', code: 1, text: 'abc' }],
  ['options', '0006747369 7a6500313200'.replace(' ', ''), { kind: 'options', options: new Map([['tsize', '12']]) }],
];
for (const [what, hex, packet] of packets) {
  test(`${what}: bytes to object to bytes`, () => {
    assert.deepEqual(decodeTftp(Buffer.from(hex, 'hex')), packet);
    assert.equal(encodeTftp(packet).toString('hex'), hex);
  });
}

const rejected: [what: string, bytes: Buffer, code: string, field: string, offset: number][] = [
  ['N1 nothing', Buffer.alloc(0), 'truncated', 'packet', 0],
  ['N1 1 byte', Buffer.of(0), 'truncated', 'packet', 1],
  ['N1 2 bytes', Buffer.of(0, 1), 'truncated', 'packet', 2],
  ['N1 3 bytes', Buffer.of(0, 4, 0), 'truncated', 'packet', 3],
  ['N2 opcode 0', request(0, 'a\0octet\0'), 'unsupported', 'opcode', 0],
  ['N2 opcode 7', request(7, 'a\0octet\0'), 'unsupported', 'opcode', 0],
  ['N2 opcode 65535', Buffer.of(255, 255, 0, 0), 'unsupported', 'opcode', 0],
  ['N4 a request without a NUL', request(1, 'ipxe.efi'), 'malformed', 'mode', 11],
  ['N4 a request without a mode', request(1, 'ipxe.efi\0'), 'malformed', 'mode', 11],
  ['N5 an empty name', request(1, '\0octet\0'), 'malformed', 'name', 2],
  ['N6 mode mail', request(1, 'a\0mail\0'), 'malformed', 'mode', 4],
  ['N6 an empty mode', request(1, 'a\0\0'), 'malformed', 'mode', 4],
  ['N6 a mode with a control character', request(1, 'a\0octet\x01\0'), 'malformed', 'mode', 4],
];
for (const [what, bytes, code, field, offset] of rejected) {
  test(`rejects ${what}`, () => {
    assert.throws(
      () => decodeTftp(bytes),
      (error) => {
        assert.ok(error instanceof WireError);
        assert.deepEqual([error.code, error.field, error.offset], [code, field, offset]);
        return true;
      },
    );
  });
}

const tolerated: [what: string, text: string, options: Record<string, string>][] = [
  ['N4 a missing last NUL', 'a\0octet', {}],
  ['N6 a mode in any case', 'a\0OcTeT\0', {}],
  ['T-4 a missing last NUL of an option', 'a\0octet\0blksize\x001024', { blksize: '1024' }],
  ['T-4 a name without a value', 'a\0octet\0tsize\x000\0blksize\0', { tsize: '0' }],
  ['T-4 names in any case', 'a\0octet\0BlkSize\x001024\0', { blksize: '1024' }],
  ['N10 an option twice, the first counts', 'a\0octet\0blksize\x001024\0BLKSIZE\x0099\0', { blksize: '1024' }],
  ['an empty value', 'a\0octet\0tsize\0\0blksize\x00512\0', { tsize: '', blksize: '512' }],
  ['an option without a name', 'a\0octet\0\x009\0blksize\x00512\0', { blksize: '512' }],
];
for (const [what, text, options] of tolerated) {
  test(`tolerates ${what}`, () => {
    const packet = decodeTftp(request(1, text));
    assert.ok(packet.kind === 'read');
    assert.equal(packet.mode, 'octet');
    assert.deepEqual(Object.fromEntries(packet.options), options);
  });
}

test('N10 of 200 options the first twenty are read', () => {
  const packet = decodeTftp(request(1, `a\0octet\0${Array.from({ length: 200 }, (_, i) => `o${i}\x001\0`).join('')}`));
  assert.ok(packet.kind === 'read');
  assert.deepEqual([packet.options.size, packet.options.has('o19'), packet.options.has('o20')], [20, true, false]);
});

test('T-15 the text of an ERROR is printable, ended and not longer than 500 bytes', () => {
  const bytes = encodeTftp({ kind: 'error', code: 1, text: `a\n\x1b\0\xff\u2603${'x'.repeat(2000)}` });
  assert.equal(bytes.length, 4 + 500 + 1);
  assert.equal(bytes.at(-1), 0);
  assert.match(bytes.toString('latin1', 4, 504), /^a\\x0a\\x1b\\x00\\xff\\x2603x+$/);
});

function agreed(options: Record<string, string>, mode: TftpRequest['mode'] = 'octet') {
  const asked: TftpRequest = { kind: 'read', name: 'a', mode, options: new Map(Object.entries(options)) };
  const { blockSize, windowSize, timeoutSeconds, accepted } = negotiate(asked, {
    size: 5_000_000_000,
    maxBlockSize: 1468,
    maxWindow: 16,
  });
  return { blockSize, windowSize, timeoutSeconds, oack: Object.fromEntries(accepted) };
}
const plain = { blockSize: 512, windowSize: 1, timeoutSeconds: undefined, oack: {} };

test('Q21 takes what was asked, up to what fits, in the order of the asking', () => {
  assert.deepEqual(agreed({}), plain);
  assert.deepEqual(agreed({ blksize: '1432', tsize: '0' }), {
    ...plain,
    blockSize: 1432,
    oack: { blksize: '1432', tsize: '5000000000' },
  });
  assert.deepEqual(agreed({ blksize: '65464', windowsize: '64', timeout: '5' }), {
    blockSize: 1468,
    windowSize: 16,
    timeoutSeconds: 5,
    oack: { blksize: '1468', windowsize: '16', timeout: '5' },
  });
  assert.deepEqual(agreed({ blksize: '8', windowsize: '1', timeout: '1' }).oack, {
    blksize: '8',
    windowsize: '1',
    timeout: '1',
  });
  assert.deepEqual(Object.keys(agreed({ tsize: '0', windowsize: '4', blksize: '512' }).oack), [
    'tsize',
    'windowsize',
    'blksize',
  ]);
});

const ignored: [string, string[]][] = [
  ['blksize', ['0', '7', '65465', '99999999999', '-1', '1e3', ' 512', '', '512\n', '0x200', '+512', '5.0']],
  ['windowsize', ['0', '65536', '-1', '']],
  ['timeout', ['0', '31', '256', '1.5', '']],
  ['tsize', ['abc', '', '-1']],
  ['foo', ['bar']],
  ['multicast', ['']],
  ['rollover', ['0']],
  ['utimeout', ['1000']],
];
for (const [name, values] of ignored) {
  test(`N9 N11-N14 leaves out ${name} of ${values.map((value) => JSON.stringify(value)).join(' ')}`, () => {
    for (const value of values) assert.deepEqual(agreed({ [name]: value }), plain, JSON.stringify(value));
  });
}

test('T-3 netascii has neither tsize nor windows', () => {
  assert.deepEqual(agreed({ tsize: '0', windowsize: '4', blksize: '1024' }, 'netascii'), {
    ...plain,
    blockSize: 1024,
    oack: { blksize: '1024' },
  });
});

test('an OACK never has what was not asked, nor a larger value', () => {
  const value = fc.oneof(fc.nat(70000).map(String), fc.string());
  const asked = fc.dictionary(fc.constantFrom('blksize', 'windowsize', 'timeout', 'x'), value);
  fc.assert(
    fc.property(asked, (options) => {
      const { oack } = agreed(options);
      for (const [name, text] of Object.entries(oack)) {
        assert.ok(name in options && Number(text) <= Number(options[name]));
        if (name === 'timeout') assert.equal(text, options[name]);
      }
    }),
  );
});

test('any bytes give a packet that stays itself, or a WireError', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 600 }), (opcode, tail) => {
      let packet: TftpPacket;
      try {
        packet = decodeTftp(Buffer.concat([Buffer.of(0, opcode), tail]));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
        return;
      }
      if (packet.kind === 'options' && packet.options.size === 0) return; // Two bytes, and no packet of ours.
      if (packet.kind !== 'error') assert.deepEqual(decodeTftp(encodeTftp(packet)), packet);
    }),
    { numRuns: 2000 },
  );
});
