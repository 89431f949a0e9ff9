import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeText, Reader, textFromBytes, textToBytes, Writer } from '../../src/wire/bytes.ts';

test('what is written is read again, in both byte orders', () => {
  const out = new Writer(32).u8(1, 'a').u16(0x0203, 'b').u32(0x04050607, 'c').u16le(0x0908, 'd').u32le(0x0d0c0b0a, 'e');
  const bytes = out.put(Buffer.of(14), 'f').skip(1, 'g').done();
  assert.equal(bytes.toString('hex'), '0102030405060708090a0b0c0d0e00');
  const read = new Reader(bytes);
  assert.deepEqual(
    [read.u8('a'), read.u16('b'), read.u32('c'), read.u16le('d'), read.u32le('e')],
    [1, 0x0203, 0x04050607, 0x0908, 0x0d0c0b0a],
  );
  assert.deepEqual([...read.take(1, 'f')], [14]);
  assert.equal(read.remaining, 1);
  assert.deepEqual([...read.rest()], [0]);
});

test('a read past the end names its field and place, and leaves the reader where it was', () => {
  const read = new Reader(Buffer.of(1, 2, 3), 1);
  assert.throws(() => read.u32('xid'), { code: 'truncated', field: 'xid', offset: 1 });
  assert.throws(() => read.take(3, 'data'), { code: 'truncated', field: 'data', offset: 1 });
  assert.equal(read.u16('length'), 0x0203);
});

test('a write past the end, or of a number that does not fit, is refused', () => {
  const out = new Writer(2).u8(1, 'a');
  assert.throws(() => out.u16(1, 'port'), { code: 'oversized', field: 'port', offset: 1 });
  for (const bad of [256, -1, 1.5, Number.NaN]) {
    assert.throws(() => out.u8(bad, 'ttl'), { code: 'unencodable', field: 'ttl' });
  }
  assert.deepEqual([...out.u8(255, 'ttl').done()], [1, 255]);
});

test('text is one byte per character and ends at the first NUL', () => {
  assert.equal(textFromBytes(Buffer.from('ab\0cd')), 'ab');
  assert.equal(textFromBytes(Buffer.from('ab')), 'ab');
  assert.deepEqual([...textToBytes('\xe9', 'name')], [0xe9]);
  assert.throws(() => textToBytes('a\0b', 'name'), { code: 'unencodable', field: 'name', offset: 1 });
  assert.throws(() => textToBytes('snow \u2603', 'name'), { code: 'unencodable', offset: 5 });
  assert.equal(escapeText('a\\b\n\x1b[31m\xff'), 'a\\\\b\\x0a\\x1b[31m\\xff');
});
