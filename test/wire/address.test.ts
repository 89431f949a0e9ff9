import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cidrBroadcast,
  cidrContains,
  cidrFirstHost,
  cidrLastHost,
  cidrNetmask,
  cidrToText,
  ipv4FromBytes,
  ipv4FromNumber,
  ipv4ToBytes,
  ipv4ToNumber,
  isIpv4,
  isMac,
  macFromBytes,
  macFromHyphens,
  macToBytes,
  macToHyphens,
  parseCidr,
  parseIpv4,
  parseMac,
} from '../../src/wire/address.ts';
import { WireError } from '../../src/wire/bytes.ts';

test('a MAC in any usual spelling becomes the one that we keep', () => {
  for (const text of [
    '52:54:00:AA:bb:01',
    '52-54-00-aa-bb-01',
    '5254.00aa.bb01',
    '525400AABB01',
    ' 52:54:00:aa:bb:01 ',
  ]) {
    assert.equal(parseMac(text), '52:54:00:aa:bb:01', text);
  }
});

test('what is no MAC is refused by name', () => {
  for (const text of [
    '',
    '52:54:00:aa:bb',
    '52:54:00:aa:bb:0g',
    '52:54-00:aa-bb:01',
    '52:54:00:aa:bb:01:02',
    '5254:00aa:bb01',
  ]) {
    assert.throws(() => parseMac(text), {
      name: 'WireError',
      code: 'malformed',
      message: new RegExp(`^"${text}" is not`),
    });
  }
});

test('only the kept spelling is a Mac or an Ipv4', () => {
  assert.ok(isMac('52:54:00:aa:bb:01'));
  assert.ok(!isMac('52:54:00:AA:bb:01'));
  assert.ok(!isMac('52:54:00:aa:bb:01\n'));
  assert.ok(isIpv4('0.0.0.0') && isIpv4('255.255.255.255'));
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '1.2.3.-4',
    '1e1.2.3.4',
    '1.2.3.4\n',
  ]) {
    assert.ok(!isIpv4(text), text);
    assert.throws(() => parseIpv4(text), WireError);
  }
});

test('a network knows its mask, its ends and what is in it', () => {
  const net = parseCidr('10.77.3.9/22');
  assert.deepEqual({ ...net }, { address: '10.77.3.9', base: '10.77.0.0', prefix: 22 });
  assert.equal(cidrToText(net), '10.77.0.0/22');
  assert.equal(cidrNetmask(net), '255.255.252.0');
  assert.equal(cidrBroadcast(net), '10.77.3.255');
  assert.equal(cidrFirstHost(net), '10.77.0.1');
  assert.equal(cidrLastHost(net), '10.77.3.254');
  assert.ok(cidrContains(net, parseIpv4('10.77.3.255')));
  assert.ok(!cidrContains(net, parseIpv4('10.77.4.0')));
});

test('the edges of prefix length', () => {
  const ends = (text: string) => [
    cidrFirstHost(parseCidr(text)),
    cidrLastHost(parseCidr(text)),
    cidrNetmask(parseCidr(text)),
  ];
  assert.deepEqual(ends('10.0.0.7/32'), ['10.0.0.7', '10.0.0.7', '255.255.255.255']);
  assert.deepEqual(ends('10.0.0.7/31'), ['10.0.0.6', '10.0.0.7', '255.255.255.254']);
  assert.deepEqual(ends('200.0.0.7/0'), ['0.0.0.1', '255.255.255.254', '0.0.0.0']);
  assert.ok(cidrContains(parseCidr('0.0.0.0/0'), parseIpv4('255.255.255.255')));
  for (const text of ['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/08', '10.0.0/8', '/8']) {
    assert.throws(() => parseCidr(text), { code: 'malformed' }, text);
  }
});

test('numbers, bytes and hyphens lead back to the same address', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), (number) => {
      const address = ipv4FromNumber(number);
      assert.equal(ipv4ToNumber(address), number);
      assert.equal(ipv4FromBytes(ipv4ToBytes(address)), address);
      assert.ok(isIpv4(address));
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const mac = macFromBytes(Buffer.from(bytes));
      assert.ok(isMac(mac));
      assert.deepEqual([...macToBytes(mac)], [...bytes]);
      assert.equal(macFromHyphens(macToHyphens(mac)), mac);
    }),
  );
});

test('bytes and names that are no address are refused', () => {
  assert.throws(() => macFromBytes(Buffer.alloc(5)), { code: 'malformed' });
  assert.throws(() => ipv4FromBytes(Buffer.alloc(6), 3), { code: 'truncated', offset: 3 });
  assert.throws(() => ipv4FromNumber(2 ** 32), { code: 'malformed' });
  assert.throws(() => ipv4FromNumber(-1), { code: 'malformed' });
  assert.throws(() => macFromHyphens('52:54:00:aa:bb:01'), { code: 'malformed' });
});
