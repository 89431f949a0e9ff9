import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualText, openManual } from '../../src/bmc/manual.ts';

const target = { driver: 'manual', address: '', port: 0, user: '', password: '' } as const;

test('takes every command at once, and cannot tell what only a BMC can', async () => {
  const driver = openManual(target);
  await driver.setPower('on');
  await driver.setBoot({ device: 'network', firmware: 'uefi', isPersistent: false });
  for (const call of ['powerState', 'boot', 'identity'] as const)
    await assert.rejects(
      driver[call](),
      { kind: 'unsupported', text: /nothing but a person reaches this machine/ },
      call,
    );
  await driver.close();
  await assert.rejects(driver.setPower('on'), { kind: 'refused' });
});

test('says what to do in a sentence that names the machine', () => {
  for (const [action, text] of [
    ['on', 'Press the power button of web-$1.'],
    ['off', 'Hold the power button of web-$1 for five seconds, until it is off.'],
    ['cycle', 'Hold the power button of web-$1 until it is off, wait ten seconds and press it once more.'],
    ['soft', 'Shut web-$1 down in its operating system, or press its power button once and wait until it is off.'],
  ] as const)
    assert.equal(manualText(action, 'web-$1'), text);
  assert.match(manualText('reset', 'web-1'), /^Press the reset button of web-1; if it has none, .+\.$/);
});

test('says how the next boot is chosen at the machine', () => {
  const wish = { firmware: 'uefi', isPersistent: false } as const;
  assert.equal(
    manualText({ ...wish, device: 'network' }, 'web-1'),
    'When web-1 starts, open its boot menu (on most machines with F12 or F11) and choose the network (PXE) in UEFI mode.',
  );
  assert.equal(
    manualText({ device: 'disk', firmware: 'bios', isPersistent: true }, 'web-1'),
    'In the firmware setup of web-1, put its own disk in legacy BIOS mode first in the boot order.',
  );
  assert.match(
    manualText({ ...wish, device: 'http', httpUri: 'http://10.0.0.1/a.efi' }, 'x'),
    /\(http:\/\/10\.0\.0\.1\/a\.efi\) in UEFI/,
  );
  assert.match(manualText({ ...wish, device: 'setup' }, 'web-1'), /open its firmware setup/);
});
