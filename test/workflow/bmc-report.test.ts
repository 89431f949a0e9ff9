import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Value } from 'typebox/value';
import { Inventory } from '../../src/model/inventory.ts';
import { type IpmiSim, missing, startIpmiSim } from '../bmc/ipmi-sim.ts';
import { ipmitool } from '../bmc/ipmitool.ts';
import { REPOSITORY } from '../harness.ts';
import { type FakeFiles, makeMachineTree } from '../scout/machine-tree.ts';

const skip = missing('ipmi_sim', 'ipmitool');

/** What the scout reports of a machine with these files; with a simulator, that is what answers behind /dev/ipmi0. */
function report(t: TestContext, files: FakeFiles, sim?: IpmiSim): unknown {
  const root = makeMachineTree(t, files, []);
  copyFileSync(join(REPOSITORY, 'templates/partials/pick-disk.sh.hbs'), join(root, 'disks.sh'));
  const tool = sim
    ? `ipmitool -I lanplus -H 127.0.0.1 -p ${sim.port} -U admin -E -C 3 -N 2 -R 4`
    : '/nonexistent/ipmitool';
  const { stdout, stderr } = spawnSync('sh', [join(REPOSITORY, 'scout/inventory')], {
    env: {
      PATH: process.env.PATH,
      INVENTORY_ROOT: root,
      INVENTORY_LIB: root,
      INVENTORY_IPMITOOL: tool,
      IPMITOOL_PASSWORD: 's3cret',
    },
  });
  assert.equal(stderr.toString(), '');
  const inventory = JSON.parse(stdout.toString());
  assert.deepEqual([...Value.Errors(Inventory, inventory)], []);
  return inventory.bmc;
}

test('reports the address, the MAC and the maker of a BMC', { skip }, async (t) => {
  const sim = await startIpmiSim();
  t.after(() => sim.stop());
  const files = { 'dev/ipmi0': '' };
  assert.deepEqual(report(t, files, sim), { address: '', mac: '', vendor: 'MontaVista Software, Inc.' });

  const admin = { port: sim.port, suite: 3, user: 'admin', password: 's3cret' } as const;
  await ipmitool(admin, 'lan', 'set', '1', 'macaddr', '52:54:00:aa:bb:99');
  await ipmitool(admin, 'lan', 'set', '1', 'ipaddr', '10.77.1.20');
  assert.deepEqual(report(t, files, sim), {
    address: '10.77.1.20',
    mac: '52:54:00:aa:bb:99',
    vendor: 'MontaVista Software, Inc.',
  });
});

test('reports a BMC of which only the SMBIOS table tells', (t) => {
  const unknown = { address: '', mac: '', vendor: '' };
  assert.deepEqual(report(t, { 'sys/firmware/dmi/entries/38-0/type': '38' }), unknown);
  assert.deepEqual(report(t, { 'sys/firmware/dmi/entries/42-0/type': '42' }), unknown);
  assert.equal(report(t, { 'sys/firmware/dmi/entries/4-0/type': '4', 'sys/firmware/dmi/entries/3-8/type': '3' }), null);
});

test('reports none where an IPMI device is there and does not answer, nor does anything tell of one', (t) => {
  assert.equal(report(t, { 'dev/ipmi0': '' }), null);
});
