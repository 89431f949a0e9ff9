import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optionCode } from '../../src/wire/dhcp-options.ts';
import { type Ask, type Harness, withHarness } from '../harness.ts';

const bytesOf = async (harness: Harness, ask: Partial<Ask>, name: 'ipxe' | 'vendorEncapsulated') =>
  (await harness.ask({ type: 'discover', ...ask }))?.options.get(optionCode(name))?.toString('hex');

test('what people set for iPXE goes to iPXE behind what makes it boot, which counts', () =>
  withHarness({}, async (harness) => {
    assert.equal(await bytesOf(harness, { as: 'ipxe-uefi' }, 'ipxe'), 'b00101');
    harness.optionSettings.put({
      scope: 'global',
      scopeId: '',
      name: 'ipxe',
      value: { 'keep-san': true, 'skip-proxy-dhcp': false },
      force: false,
    });
    assert.equal(await bytesOf(harness, { as: 'ipxe-uefi' }, 'ipxe'), 'b00101080101');
    assert.equal(await bytesOf(harness, { as: 'uefi' }, 'ipxe'), undefined, 'a ROM that is no iPXE reads none');
  }));

test('what people set for PXE clients keeps the end mark of PXE', () =>
  withHarness({}, async (harness) => {
    harness.optionSettings.put({
      scope: 'global',
      scopeId: '',
      name: 'vendor-encapsulated',
      value: { 'multicast-address': '239.0.0.9' },
      force: false,
    });
    assert.equal(await bytesOf(harness, { as: 'uefi' }, 'vendorEncapsulated'), '0601080704ef000009ff');
  }));

test('a sub-option that a boot client cannot be told is refused when it is set', () =>
  withHarness({}, async (harness) => {
    const { check } = harness.dhcp.levels;
    assert.match(
      String(check({ name: 'ipxe', value: { 'skip-proxy-dhcp': false } })),
      /^ipxe: skip-proxy-dhcp is yes for every iPXE/,
    );
    assert.match(
      String(check({ name: 'vendor-encapsulated', value: { 'discovery-control': 3 } })),
      /^vendor-encapsulated: discovery-control is 8 for every PXE client/,
    );
    assert.match(
      String(check({ name: 'vendor-encapsulated', value: { 'boot-servers': ['1 10.77.0.9'] } })),
      /^vendor-encapsulated: boot-servers would send/,
    );
    for (const value of ['0x060108ff', '0xf1040a4d0001', { menu: ['0 Local disk'] }, '{{machine.name}}'])
      assert.equal(check({ name: 'vendor-encapsulated', value }), undefined);
    assert.equal(check({ name: 'ipxe', value: { 'keep-san': true } }), undefined);
  }));
