import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withCli } from './rig.ts';

test('each driver of a chain gets its own settings, and only the BMC itself its password', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-cli-bmc-'));
  const file = join(folder, 'password');
  writeFileSync(file, 's3cret\n');
  try {
    await withCli(async (run, harness) => {
      const { id } = harness.addMachine('vm-01');
      const set = await run(
        ...['bmc', 'set', 'vm-01', '10.9.0.7', '--user', 'ada', '--password-file', file],
        ...['--driver', 'redfish', '--driver', 'ipmi', '--driver', 'wol'],
        ...['--setting', 'redfish.quirks=R4b', '--setting', 'ipmi.quirks=B5', '--setting', 'wol.mac=52:54:00:aa:bb:01'],
      );
      assert.deepEqual(set, {
        out: 'vm-01: redfish at 10.9.0.7:443 as ada, then ipmi at 10.9.0.7:623 as ada, then wol at 10.9.0.7:9\n',
        err: '',
        code: 0,
      });
      assert.deepEqual(
        harness.bmcs.chain(id).map(({ driver, user, settings }) => [driver, user, settings]),
        [
          ['redfish', 'ada', { quirks: 'R4b' }],
          ['ipmi', 'ada', { quirks: 'B5' }],
          ['wol', '', { mac: '52:54:00:aa:bb:01' }],
        ],
      );
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
