import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRedfishSim, type RedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { missing } from './ipmi-sim.ts';
import { PASSWORD } from './redfish.ts';

// Clients that are not ours check the BMC that is: what they make of it is what ours may rely on.

/** Debian's own, which has Debian's packages; there may be another one before it in the path. */
const PYTHON = '/usr/bin/python3';
const hasSushy = spawnSync(PYTHON, ['-c', 'import sushy']).status === 0;

/** What a sushy program prints on a BMC, as JSON. The password goes by the environment. */
async function sushy(sim: RedfishSim, program: string): Promise<unknown> {
  const start = `
import json, os, sushy
from sushy import auth
login = auth.SessionAuth('admin', os.environ['BMC_PASSWORD'])
root = sushy.Sushy('https://127.0.0.1:${sim.port}', auth=login, verify=False)
system = root.get_system(root.get_system_collection().members_identities[0])
out = []
`;
  const end = '\nlogin.close()\nprint(json.dumps(out))\n';
  const { code, text } = await run(PYTHON, ['-W', 'ignore', '-'], start + program + end);
  assert.equal(code, 0, text);
  return JSON.parse(text.trim().split('\n').at(-1) as string);
}

function run(command: string, args: string[], input = ''): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    // Nothing else of our environment: proxies and certificate authorities of this host are not for them.
    const env = { PATH: process.env.PATH, BMC_PASSWORD: PASSWORD };
    const child = spawn(command, args, { env });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (data) => {
        text += data;
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text }));
    child.stdin.end(input);
  });
}

test('sushy powers, boots and reads our BMC', {
  skip: hasSushy ? false : 'python3-sushy is not installed',
}, async () => {
  const sim = await openRedfishSim();
  try {
    const seen = await sushy(
      sim,
      `
out.append([root.redfish_version, system.serial_number, system.uuid, system.power_state.value])
out.append(sorted(one.value for one in system.get_allowed_reset_system_values()))
system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE, mode=sushy.BootSourceOverrideMode.UEFI)
system.refresh()
out.append([system.boot.target.value, system.boot.enabled.value, system.boot.mode.value])
system.reset_system(sushy.ResetType.ON)
system.refresh(force=True)
out.append([system.power_state.value, system.boot.enabled.value])
system.set_indicator_led(sushy.IndicatorLED.BLINKING)
manager = system.managers[0]
media = manager.virtual_media.get_members()
out.append([manager.firmware_version, [[one.identity, one.inserted] for one in media]])
media[1].insert_media('http://10.77.0.1/boot.iso')
media[1].refresh(force=True)
out.append([media[1].inserted, media[1].image])
media[1].eject_media()
chassis = system.chassis[0]
out.append([one.reading_celsius for one in chassis.thermal.temperatures])
out.append([one.name for one in chassis.power.power_supplies])
out.append([system.processors.summary.count, {mac: state.value for mac, state in system.ethernet_interfaces.summary.items()}])
out.append([one.total_threads for one in system.processors.get_members()])
out.append([drive.serial_number for one in system.storage.get_members() for drive in one.drives])
`,
    );
    const [system] = sim.model.systems;
    assert.deepEqual(seen, [
      ['1.15.0', 'SIM0001', system?.uuid, 'Off'],
      ['ForceOff', 'ForceRestart', 'GracefulShutdown', 'Nmi', 'On', 'PowerCycle', 'PushPowerButton'],
      ['Pxe', 'Once', 'UEFI'],
      ['On', 'Disabled'],
      [
        '1.2.3',
        [
          ['Floppy1', false],
          ['CD1', false],
        ],
      ],
      [true, 'http://10.77.0.1/boot.iso'],
      [41, 46],
      ['PSU1'],
      [16, { '52:54:00:00:00:01': 'Enabled' }],
      [16],
      ['S3X1'],
    ]);
    assert.deepEqual(sim.model.done, [
      'node1 boot Pxe Once UEFI',
      'node1 On',
      'node1 lamp on',
      'CD1 insert http://10.77.0.1/boot.iso',
      'CD1 eject',
    ]);
    assert.deepEqual(system?.starts, ['Pxe UEFI']);
    assert.equal(sim.openSessions(), 0);
  } finally {
    await sim.stop();
  }
});

test('sushy meets the faults that it works around as we do', {
  skip: hasSushy ? false : 'python3-sushy is not installed',
}, async () => {
  const boot = 'system.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)\n';
  for (const name of ['weak-etag', 'etag-refused', 'boot-in-settings', 'etag-needed'] as const) {
    const sim = await openRedfishSim({ faults: [{ name }] });
    try {
      await sushy(sim, boot);
      assert.deepEqual(sim.model.done, ['node1 boot Pxe Once UEFI'], name);
    } finally {
      await sim.stop();
    }
  }
});

test('redfishtool finds its way on our BMC', { skip: missing('redfishtool') }, async () => {
  const sim = await openRedfishSim({ systems: [{ power: 'On' }] });
  const folder = await mkdtemp(join(tmpdir(), 'firstlight-redfishtool-'));
  const config = join(folder, 'config');
  await writeFile(config, JSON.stringify({ user: 'admin', password: PASSWORD }), { mode: 0o600 });
  const redfishtool = async (...command: string[]) => {
    const args = ['-r', `127.0.0.1:${sim.port}`, '-S', 'Always', '-c', config, ...command];
    const { code, text } = await run('redfishtool', args);
    assert.equal(code, 0, text);
    return text;
  };
  try {
    assert.match(await redfishtool('Systems', '-1', 'get', '-P', 'SerialNumber'), /SIM0001/);
    assert.match(await redfishtool('-A', 'Session', 'Chassis', '-1', 'Thermal'), /CPU1 Temp/);
    assert.equal(sim.madeSessions(), 1);
    await redfishtool('Systems', '-1', 'setBootOverride', 'Once', 'Pxe');
    await redfishtool('Systems', '-1', 'reset', 'ForceRestart');
    await redfishtool('Systems', '-1', 'setIndicatorLed', 'Lit');
    assert.match(await redfishtool('Managers', '-1', 'get', '-P', 'FirmwareVersion'), /1\.2\.3/);
    assert.deepEqual(sim.model.done, ['node1 boot Pxe Once UEFI', 'node1 ForceRestart', 'node1 lamp on']);
    assert.deepEqual(sim.model.systems[0]?.starts, ['Pxe UEFI']);
  } finally {
    await sim.stop();
    await rm(folder, { recursive: true });
  }
});
