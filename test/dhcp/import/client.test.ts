import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  colonHex,
  macOfClientId,
  readHex,
  readIdentifier,
  readMac,
  readUuid,
  uuidOfOption97,
} from '../../../src/dhcp/import/client.ts';

test('a MAC is understood in every spelling that servers and switches have', () => {
  for (const text of ['52:54:00:0A:BB:01', '52-54-00-0a-bb-01', '5254.000A.bb01', '5254000abb01', '52:54:0:a:bb:1'])
    assert.equal(readMac(text), '52:54:00:0a:bb:01', text);
  for (const text of [
    '',
    '52:54:00:0a:bb',
    '52:54:00:0a:bb:01:02',
    '52:54-00:0a:bb:01',
    '5254.000a.bb',
    'node01',
    '52:54:00:0a:bb:*',
  ])
    assert.equal(readMac(text), undefined, text);
});

test('hexadecimal text gives its bytes, anything else nothing', () => {
  for (const text of [
    '01:52:54:00:aa:bb:01',
    '1:52:54:0:aa:bb:1',
    '01-52-54-00-AA-BB-01',
    '0152.5400.aabb.01',
    '0x01525400aabb01',
    '01525400aabb01',
  ])
    assert.equal(readHex(text)?.toString('hex'), '01525400aabb01', text);
  for (const text of ['', '0x', '0x1', '1:2:', ':1:2', '1:2-3', '123', 'abc.defg', 'node', '01 02', '0x01:02'])
    assert.equal(readHex(text), undefined, text);
  assert.equal(readHex('5'.repeat(510))?.length, 255);
  assert.equal(readHex('5'.repeat(512)), undefined);
});

test('an identifier is hexadecimal where it can be, and its characters where it is quoted or cannot', () => {
  assert.equal(readIdentifier('cafe')?.toString('hex'), 'cafe');
  assert.equal(readIdentifier("'cafe'")?.toString(), 'cafe');
  assert.equal(readIdentifier('node-7')?.toString(), 'node-7');
  assert.equal(readIdentifier(''), undefined);
  assert.equal(readIdentifier("''"), undefined);
  assert.equal(readIdentifier('x'.repeat(256)), undefined);
});

test('only a client id of 01 and six bytes has a MAC in it', () => {
  assert.equal(macOfClientId(Buffer.from('01525400aabb01', 'hex')), '52:54:00:aa:bb:01');
  assert.equal(macOfClientId(Buffer.from('06525400aabb01', 'hex')), undefined);
  assert.equal(macOfClientId(Buffer.from('01525400aabb0101', 'hex')), undefined);
  assert.equal(macOfClientId(undefined), undefined);
});

test('a UUID is kept in one spelling, and those that tell nothing are none', () => {
  assert.equal(readUuid('4C4C4544-0044-4810-8031-B2C04F584E31'), '4c4c4544-0044-4810-8031-b2c04f584e31');
  assert.equal(readUuid('4C4C4544004448108031B2C04F584E31'), '4c4c4544-0044-4810-8031-b2c04f584e31');
  for (const text of [
    '00000000-0000-0000-0000-000000000000',
    'F'.repeat(32),
    '4C4C4544-00444810-8031-B2C04F584E31',
    'x',
  ])
    assert.equal(readUuid(text), undefined, text);
  // RFC 4578 2.3: the first three parts come with their low byte first
  const bytes = Buffer.from('4445 4c4c 4400 1048 8031 b2c04f584e31'.replaceAll(' ', ''), 'hex');
  assert.equal(uuidOfOption97(bytes), '4c4c4544-0044-4810-8031-b2c04f584e31');
  assert.equal(uuidOfOption97(Buffer.concat([Buffer.of(0), bytes])), '4c4c4544-0044-4810-8031-b2c04f584e31');
});

test('bytes are written so that they are read back, also a single one', () => {
  for (const hex of ['00', '7f', '0102', 'ff00aa'])
    assert.equal(readHex(colonHex(Buffer.from(hex, 'hex')))?.toString('hex'), hex);
});
