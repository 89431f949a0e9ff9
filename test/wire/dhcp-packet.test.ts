import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIpv4 } from '../../src/wire/address.ts';
import { WireError } from '../../src/wire/bytes.ts';
import { getOption, setOption } from '../../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, dhcpReplyLimit, encodeDhcp } from '../../src/wire/dhcp-packet.ts';

const folder = new URL('../fixtures/dhcp/', import.meta.url);
const captures = readdirSync(folder).filter((name) => name.endsWith('.hex'));

/** A DISCOVER of 52:54:00:12:34:56 up to its options, which follow in hex. */
function discover(options: string, change: (bytes: Buffer) => void = () => {}): Buffer {
  const bytes = Buffer.alloc(240);
  bytes.write('01010600deadbeef', 'hex');
  bytes.write('525400123456', 28, 'hex');
  bytes.write('63825363', 236, 'hex');
  change(bytes);
  return Buffer.concat([bytes, Buffer.from(options.replaceAll(' ', ''), 'hex')]);
}

/** Options in both name fields, sname and file. */
function both(sname: string, file: string): (bytes: Buffer) => void {
  return (bytes) => {
    bytes.write(sname, 44, 'hex');
    bytes.write(file, 108, 'hex');
  };
}

function reply(options: [number, Buffer][]): DhcpPacket {
  return { ...decodeDhcp(discover('ff')), op: 'reply', options: new Map(options) };
}

function codesOf(packet: DhcpPacket): string {
  return [...packet.options].map(([code, value]) => `${code}:${value.toString('hex')}`).join(' ');
}

/** The codes as they lie in the packet's main area, pads left out. */
function layout(bytes: Buffer): number[] {
  const codes: number[] = [];
  for (let at = 240; bytes[at] !== 255; at += 2 + bytes[at + 1]!) codes.push(bytes[at]!);
  return [...codes, 255];
}

for (const name of captures) {
  test(`${name} comes back from its object as it was captured`, () => {
    const bytes = Buffer.from(readFileSync(new URL(name, folder), 'utf8').trim(), 'hex');
    const packet = decodeDhcp(bytes);
    const again = encodeDhcp(packet, { maxSize: 1472 });
    assert.deepEqual(again.dropped, []);
    assert.deepEqual(decodeDhcp(again.bytes), packet);
    assert.equal(again.bytes.length, bytes.length);
    assert.equal(again.bytes.toString('hex', 0, 240), bytes.toString('hex', 0, 240));
    // iPXE puts the server identifier behind its own options; ours comes second. All others are byte-identical.
    const serverIdIsLate = [...packet.options.keys()].indexOf(54) > 1;
    if (!serverIdIsLate) assert.equal(again.bytes.toString('hex'), bytes.toString('hex'));
    else assert.ok(name.includes('ipxe'));
  });
}

test('the captures are read as what they are', () => {
  assert.equal(captures.length, 11);
  const bytes = readFileSync(new URL('PXEClient-arch0007-type3-port67.hex', folder), 'utf8').trim();
  const packet = decodeDhcp(Buffer.from(bytes, 'hex'));
  assert.equal(getOption(packet, 'messageType'), 'request');
  assert.equal(getOption(packet, 'serverId'), '10.22.0.1');
  assert.equal(getOption(packet, 'requestedAddress'), '10.22.9.9');
  assert.deepEqual(getOption(packet, 'clientArchitectures'), [7]);
  assert.equal(getOption(packet, 'vendorClass'), 'PXEClient:Arch:00007:UNDI:003000');
  assert.equal(getOption(packet, 'clientMachineId'), undefined);
  assert.equal(dhcpReplyLimit(getOption(packet, 'maxMessageSize')), 1472);
  assert.equal(packet.broadcast, true);
  assert.equal(packet.chaddr.toString('hex'), '525400123456');
});

const rejected: [name: string, bytes: Buffer, code: string, field: string, offset: number][] = [
  ['M1 nothing', Buffer.alloc(0), 'truncated', 'packet', 0],
  ['M1 one byte', Buffer.of(1), 'truncated', 'packet', 1],
  ['M2 235 bytes', discover('').subarray(0, 235), 'truncated', 'packet', 235],
  ['M2 236 bytes', discover('').subarray(0, 236), 'truncated', 'packet', 236],
  ['M2 239 bytes', discover('').subarray(0, 239), 'truncated', 'packet', 239],
  ['M4 cookie 0', discover('350101ff', (b) => b.writeUInt32BE(0, 236)), 'malformed', 'cookie', 236],
  ['M4 cookie off by one', discover('350101ff', (b) => b.writeUInt32BE(0x63825364, 236)), 'malformed', 'cookie', 236],
  ['M5 op 0', discover('350101ff', (b) => b.writeUInt8(0, 0)), 'malformed', 'op', 0],
  ['M5 op 255', discover('350101ff', (b) => b.writeUInt8(255, 0)), 'malformed', 'op', 0],
  ['M6 hlen 17', discover('350101ff', (b) => b.writeUInt8(17, 2)), 'malformed', 'hlen', 2],
  ['M6 hlen 255', discover('350101ff', (b) => b.writeUInt8(255, 2)), 'malformed', 'hlen', 2],
  ['P-2 htype 0 with hlen 6', discover('350101ff', (b) => b.writeUInt8(0, 1)), 'malformed', 'htype', 1],
  ['M14 type of length 0', discover('3500 ff'), 'malformed', 'messageType', 240],
  ['M14 type of length 2', discover('0c0161 35020101 ff'), 'malformed', 'messageType', 243],
  ['M14 type 0', discover('350100 ff'), 'malformed', 'messageType', 240],
  ['M14 type 9', discover('350109 ff'), 'malformed', 'messageType', 240],
  ['M14 type 255', discover('3501ff ff'), 'malformed', 'messageType', 240],
  ['M15 type twice', discover('350101 350107 ff'), 'malformed', 'messageType', 240],
  ['M20 server identifier of 3 bytes', discover('350103 36030a0000 ff'), 'malformed', 'serverId', 243],
  ['M20 server identifier of 5 bytes', discover('350103 36050a00000001 ff'), 'malformed', 'serverId', 243],
  ['M49 65507 bytes of host names', discover('0c0161'.repeat(21755).slice(0, 130534)), 'oversized', 'packet', 4096],
];
for (const [name, bytes, code, field, offset] of rejected) {
  test(`rejects ${name}`, () => {
    assert.throws(
      () => decodeDhcp(bytes),
      (error) => {
        assert.ok(error instanceof WireError);
        assert.deepEqual([error.code, error.field, error.offset], [code, field, offset]);
        return true;
      },
    );
  });
}

const accepted: [name: string, bytes: Buffer, options: string][] = [
  ['M3 no options at all', discover(''), ''],
  ['M5 op 2, a reply', discover('350102ff', (b) => b.writeUInt8(2, 0)), '53:02'],
  ['M8 htype 44', discover('350101ff', (b) => b.writeUInt8(44, 1)), '53:01'],
  ['M10 an option past the end, and what came before it', discover('350101 0c0366'), '53:01'],
  ['M11 a code without a length', discover('350101 0c'), '53:01'],
  ['M12 no end mark', discover('350101'), '53:01'],
  ['M13 garbage behind the end mark', discover('350101 ff 0c0161ffff0c'), '53:01'],
  ['pads between options', discover('00 350101 0000 0c0161 00 ff'), '53:01 12:61'],
  ['M16 a client id of nothing', discover('350101 3d00 ff'), '53:01 61:'],
  ['M29 a relay option twice', discover('350101 52030101aa 52030201bb ff'), '53:01 82:0101aa0201bb'],
  ['RFC 3396 parts, joined in order', discover('0c026162 350101 0c0163 0c0164 ff'), '12:61626364 53:01'],
  ['M26 overload 0', discover('350101 340100 ff'), '53:01'],
  ['M26 overload 4', discover('350101 340104 ff', (b) => b.write('0c0161ff', 108, 'hex')), '53:01'],
  ['M26 overload of two bytes', discover('350101 34020101 ff', (b) => b.write('0c0161ff', 108, 'hex')), '53:01'],
  ['M26 overload twice', discover('350101 340101 340101 ff', (b) => b.write('0c0161ff', 108, 'hex')), '53:01'],
  ['overload of file', discover('350101 340101 ff', (b) => b.write('0c0161ff', 108, 'hex')), '53:01 12:61'],
  ['overload of sname', discover('350101 340102 ff', (b) => b.write('0c0161ff', 44, 'hex')), '53:01 12:61'],
  ['RFC 3396 order: options, file, sname', discover('340103 0c0131 ff', both('0c0133ff', '0c0132ff')), '12:313233'],
  [
    'M27 overload inside of file, one level only',
    discover('350101 340101 ff', both('0c0162ff', '3401030c0161ff')),
    '53:01 12:61',
  ],
  ['M28 overload of a file full of 255', discover('350101 340101 ff', (b) => b.fill(255, 108, 236)), '53:01'],
  [
    'M28 overload of a file without an end',
    discover('350101 340101 ff', (b) => b.write('0c7e', 108, 'hex')),
    `53:01 12:${'00'.repeat(126)}`,
  ],
  [
    'an overloaded option does not run into the next field',
    discover('340102 ff', (b) => b.write('0c3f', 44, 'hex')),
    '',
  ],
  ['M41 option 92 past the end', discover('350101 5cff02f9 ff'), '53:01'],
];
for (const [name, bytes, options] of accepted) {
  test(`accepts ${name}`, () => assert.equal(codesOf(decodeDhcp(bytes)), options));
}

test('keeps a hardware address of any length up to 16, as M7 and M9 have it', () => {
  for (const hlen of [0, 1, 6, 8, 16]) {
    const bytes = discover('350101 3d03aabbcc ff', (b) => {
      b.writeUInt8(hlen, 2);
      b.fill(0x77, 28, 28 + hlen);
      b.fill(0, 28 + hlen, 44);
    });
    const packet = decodeDhcp(bytes);
    assert.equal(packet.chaddr.toString('hex'), '77'.repeat(hlen));
    assert.equal(encodeDhcp(packet).bytes.toString('hex', 0, 44), bytes.toString('hex', 0, 44));
  }
});

test('M50 of the flags only the broadcast bit is kept', () => {
  const packet = decodeDhcp(discover('ff', (b) => b.writeUInt32BE(0xffff_7fff, 8)));
  assert.deepEqual([packet.secs, packet.broadcast], [0xffff, false]);
  assert.equal(encodeDhcp({ ...packet, broadcast: true }).bytes.readUInt16BE(10), 0x8000);
});

test('a name without a NUL ends before the last byte of its field', () => {
  const packet = decodeDhcp(discover('ff', (b) => b.fill('x', 44, 236)));
  assert.deepEqual([packet.sname.length, packet.file.length], [63, 127]);
  assert.deepEqual(decodeDhcp(encodeDhcp(packet).bytes), packet);
});

test('fields that carry options are not names', () => {
  const packet = decodeDhcp(discover('340103 ff', both('0c0161ff', '0f0161ff')));
  assert.deepEqual([packet.sname, packet.file], ['', '']);
});

test('writes 53, 54, 51 first, then the map in its order, 82 last, and pads to 300', () => {
  const one = Buffer.of(1);
  const four = Buffer.of(10, 0, 0, 1);
  const packet = reply([
    [82, Buffer.of(1, 1, 7)],
    [67, Buffer.from('ipxe.efi\0')],
    [51, four],
    [3, four],
    [0, one],
    [52, one],
    [255, one],
    [54, four],
    [1, four],
    [53, Buffer.of(2)],
  ]);
  const { bytes, dropped } = encodeDhcp(packet);
  assert.deepEqual(layout(bytes), [53, 54, 51, 67, 3, 1, 82, 255]);
  assert.equal(bytes.length, 300);
  assert.deepEqual(dropped, []);
  assert.ok(bytes.subarray(240 + 3 + 6 * 4 + 11 + 5 + 1).every((byte) => byte === 0));
});

test('splits an option of more than 255 bytes, and reads it as one', () => {
  for (const length of [255, 256, 510, 511, 700]) {
    const value = Buffer.alloc(length, 'q');
    const { bytes } = encodeDhcp(reply([[119, value]]), { maxSize: 1472 });
    assert.equal(layout(bytes).filter((code) => code === 119).length, Math.ceil(length / 255), String(length));
    assert.deepEqual(decodeDhcp(bytes).options.get(119), value);
  }
});

test('says which options did not fit, and keeps what no reply can miss', () => {
  const big = (code: number): [number, Buffer] => [code, Buffer.alloc(90, code)];
  const packet = reply([[53, Buffer.of(2)], big(6), big(15), big(43), big(12), big(82)]);
  const { bytes, dropped } = encodeDhcp(packet, { maxSize: 548 });
  assert.deepEqual(layout(bytes), [53, 6, 43, 82, 255], '6 comes before 15 and 12 in the map');
  assert.deepEqual(dropped, [15, 12]);
  assert.ok(bytes.length <= 548);
});

test('uses empty name fields for what does not fit, when it may', () => {
  const big = (code: number, length: number): [number, Buffer] => [code, Buffer.alloc(length, code)];
  const packet = reply([
    [53, Buffer.of(2)],
    big(6, 200),
    big(15, 80),
    big(12, 50),
    big(17, 40),
    big(56, 60),
    big(82, 20),
  ]);
  assert.deepEqual(encodeDhcp(packet).dropped, [15, 17, 56]);
  const { bytes, dropped } = encodeDhcp(packet, { overload: true });
  assert.deepEqual(dropped, []);
  assert.ok(bytes.length <= 548);
  assert.deepEqual(layout(bytes), [53, 6, 12, 52, 82, 255]);
  assert.deepEqual(decodeDhcp(bytes), packet);
  const named = encodeDhcp({ ...packet, file: 'ipxe.efi' }, { overload: true });
  assert.equal(decodeDhcp(named.bytes).file, 'ipxe.efi');
  assert.deepEqual(named.dropped, [15, 56]);
});

test('the mark of the overload has its place in what may be sent', () => {
  const packet = reply([
    [6, Buffer.alloc(200, 6)],
    [12, Buffer.alloc(102, 12)],
    [15, Buffer.alloc(20, 15)],
  ]);
  // 6 and 12 have 306 of the 307 bytes: with the mark's 3 one of them has to go to the file field.
  const { bytes, dropped } = encodeDhcp(packet, { maxSize: 548, overload: true });
  assert.deepEqual(dropped, []);
  assert.deepEqual(layout(bytes), [6, 15, 52, 255]);
  assert.ok(bytes.length <= 548);
});

test('refuses what the header cannot carry, by name', () => {
  const packet = reply([]);
  const broken: [Partial<DhcpPacket>, string][] = [
    [{ file: 'x'.repeat(128) }, 'file'],
    [{ sname: 'x'.repeat(64) }, 'sname'],
    [{ file: 'snow\u2603' }, 'file'],
    [{ chaddr: Buffer.alloc(17) }, 'chaddr'],
    [{ xid: 2 ** 32 }, 'xid'],
    [{ hops: -1 }, 'hops'],
  ];
  for (const [part, field] of broken) {
    assert.throws(() => encodeDhcp({ ...packet, ...part }), { code: 'unencodable', field });
  }
});

test('M24 M25 the reply limit follows option 57 between one minimum and one Ethernet frame', () => {
  const limits = [undefined, 0, 100, 575, 576, 1000, 1472, 1500, 65280, 65535].map((size) => dhcpReplyLimit(size));
  assert.deepEqual(limits, [548, 548, 548, 548, 548, 972, 1444, 1472, 1472, 1472]);
});

test('typed options go in and come out', () => {
  const packet = reply([]);
  setOption(packet.options, 'messageType', 'offer');
  setOption(packet.options, 'serverId', parseIpv4('10.77.0.1'));
  setOption(packet.options, 'leaseSeconds', 3600);
  setOption(packet.options, 'routers', [parseIpv4('10.77.0.1'), parseIpv4('10.77.0.2')]);
  const { bytes } = encodeDhcp(packet);
  assert.equal(
    bytes.toString('hex', 240, 266),
    '350102 36040a4d0001 330400000e10 03080a4d00010a4d0002 ff'.replaceAll(' ', ''),
  );
  assert.deepEqual(getOption(decodeDhcp(bytes), 'routers'), ['10.77.0.1', '10.77.0.2']);
  assert.equal(getOption(packet, 'hostName'), undefined);
});

const anyText = (max: number) =>
  fc.array(fc.integer({ min: 1, max: 255 }), { maxLength: max }).map((codes) => String.fromCharCode(...codes));
const anyAddress = fc.tuple(...Array(4).fill(fc.nat(255))).map((parts) => parseIpv4(parts.join('.')));
const anyPacket = fc.record(
  {
    op: fc.constantFrom<'request' | 'reply'>('request', 'reply'),
    htype: fc.integer({ min: 1, max: 255 }),
    hops: fc.nat(255),
    xid: fc.nat(0xffffffff),
    secs: fc.nat(0xffff),
    broadcast: fc.boolean(),
    ciaddr: anyAddress,
    yiaddr: anyAddress,
    siaddr: anyAddress,
    giaddr: anyAddress,
    chaddr: fc.uint8Array({ maxLength: 16 }).map((bytes) => Buffer.from(bytes)),
    sname: anyText(63),
    file: anyText(127),
    options: fc
      .array(fc.tuple(fc.integer({ min: 1, max: 254 }), fc.uint8Array({ maxLength: 400 })), { maxLength: 7 })
      .map(
        (list) =>
          new Map(
            list.filter(([code]) => ![52, 53, 54].includes(code)).map(([code, bytes]) => [code, Buffer.from(bytes)]),
          ),
      ),
  },
  { noNullPrototype: true },
);

test('any packet comes back from its bytes', () => {
  fc.assert(
    fc.property(anyPacket, (packet) => {
      const { bytes, dropped } = encodeDhcp(packet, { maxSize: 4096 });
      assert.deepEqual(dropped, []);
      assert.deepEqual(decodeDhcp(bytes), packet);
      assert.ok(encodeDhcp(decodeDhcp(bytes), { maxSize: 4096 }).bytes.equals(bytes));
    }),
  );
});

test('no reply is larger than it may be, and every option is in it or reported', () => {
  fc.assert(
    fc.property(anyPacket, fc.integer({ min: 0, max: 1472 }), fc.boolean(), (packet, maxSize, overload) => {
      const { bytes, dropped } = encodeDhcp(packet, { maxSize, overload });
      assert.ok(bytes.length <= Math.max(300, maxSize) && bytes.length >= 300);
      const there = decodeDhcp(bytes).options;
      for (const [code, value] of packet.options) {
        if (dropped.includes(code)) assert.ok(!there.has(code));
        else assert.deepEqual(there.get(code), value);
      }
    }),
  );
});

test('any bytes give a packet or a WireError', () => {
  const head = discover('');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2048 }), fc.boolean(), (tail, framed) => {
      try {
        decodeDhcp(framed ? Buffer.concat([head, tail]) : Buffer.from(tail));
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
