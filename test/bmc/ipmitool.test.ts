import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missing } from './ipmi-sim.ts';
import { ipmitool } from './ipmitool.ts';
import { startWireBmc } from './wire-bmc.ts';

const skip = missing('ipmitool');

// ipmitool checks what our BMC proves and signs, and our BMC checks what ipmitool does.
for (const suite of [3, 17] as const) {
  test(`ipmitool and our wire code understand each other in suite ${suite}`, { skip }, async () => {
    const bmc = await startWireBmc({ suites: [suite] });
    const target = { port: bmc.port, suite, user: 'admin', password: 's3cret' };
    try {
      const status = await ipmitool(target, 'chassis', 'status');
      assert.match(status.text, /System Power +: off/);
      assert.match(status.text, /Power Restore Policy : previous/);
      assert.deepEqual(await ipmitool(target, 'power', 'on'), { code: 0, text: 'Chassis Power Control: Up/On' });
      await ipmitool(target, 'chassis', 'bootdev', 'pxe', 'options=efiboot');
      assert.deepEqual(bmc.done.slice(0, 1), ['on']);
      assert.equal(bmc.bootFlags.toString('hex'), 'a004000000');
      const flags = await ipmitool(target, 'chassis', 'bootparam', 'get', '5');
      assert.match(flags.text, /BIOS EFI boot/);
      assert.match(flags.text, /Force PXE/);
      assert.match((await ipmitool(target, 'mc', 'info')).text, /Manufacturer ID +: 10876/);
      assert.equal(bmc.suite, suite);
      assert.equal(bmc.openSessions(), 0);
      const refused = await ipmitool({ ...target, password: 'a wrong one' }, 'power', 'off');
      assert.equal(refused.code, 1);
      assert.equal(bmc.isOn, true);
    } finally {
      await bmc.stop();
    }
  });
}

test('ipmitool reads our list of cipher suites', { skip }, async () => {
  const bmc = await startWireBmc();
  try {
    const target = { port: bmc.port, suite: 17, user: 'admin', password: 's3cret' };
    const { text } = await ipmitool(target, 'channel', 'getciphers', 'ipmi');
    assert.match(text, /^3 +.*hmac_sha1 +hmac_sha1_96 +aes_cbc_128/m);
    assert.match(text, /^17 +.*hmac_sha256 +sha256_128 +aes_cbc_128/m);
  } finally {
    await bmc.stop();
  }
});
