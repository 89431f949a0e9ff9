import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { hostAptMirror } from '../../src/boot/apt-sources.ts';
import { openRack, type Rack } from '../../src/lab/rack.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { fastArguments, openStandIns, standInArguments } from './stand-ins/stand-ins.ts';

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJEnDZ1e5sWp0v2nB8UoXQm3Xh2yK0v0J8f1uGZ0cQ1a lab@firstlight';

/**
 * The official installer, from power-on to the phone-home of the system it made. Where the package source lacks part of the
 * installer, the stand-ins fixture makes up for just that; see stand-ins/README.md.
 */
describe('a whole install by preseed', { skip: whyNotHere('scout', 'debian-12') }, () => {
  let rack: Rack;
  let appliance: TestAppliance;
  let standIns: Awaited<ReturnType<typeof openStandIns>>;

  before(async () => {
    const upstream = await hostAptMirror();
    assert.ok(upstream, 'the host has no apt source of Debian');
    standIns = await openStandIns({ upstream, folder: '/var/cache/firstlight/stand-ins' });
    rack = await openRack({
      name: 'fl-test-preseed',
      networks: [{ bridge: 'rack0', address: '10.77.0.1/24' }],
      machines: [{ firmware: 'bios', memoryMegabytes: 1200 }],
    });
    appliance = new TestAppliance([
      '--namespace',
      rack.namespace,
      '--interface',
      'rack0',
      '--unknown',
      'local',
      '--mirror-upstream',
      standIns.url,
    ]);
    await appliance.start();
  });

  after(async () => {
    await appliance?.close();
    await rack?.close();
    await standIns?.close();
  });

  test('debian-12 is installed from the mirror, reports that it is done, and starts from its own disk', async () => {
    const machine = rack.machine('vm-01');
    await appliance.request('POST', '/api/v1/machines', {
      name: 'vm-01',
      macs: [machine.mac],
      bmc: machine.bmc,
      accepted: true,
    });
    const { job } = await appliance.request<{ job: { id: number } }>('POST', '/api/v1/machines/vm-01/reimage', {
      bootenv: 'debian-12',
      params: {
        rootSshKeys: [KEY],
        kernelConsole: `${standInArguments} ${fastArguments} mitigations=off console=ttyS0,115200`,
      },
    });
    const end = await appliance.jobEnd(job.id, 2400).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await appliance.story('vm-01')}\n${tail(machine.serialLog)}`);
    });
    assert.deepEqual(
      [end.state, end.why],
      ['done', ''],
      `${await appliance.story('vm-01')}\n${tail(machine.serialLog)}`,
    );
    assert.equal((await appliance.machine('vm-01')).state, 'installed');
    const events = await appliance.timeline('vm-01');
    const served = events.filter((event) => event.kind === 'file.served').map((event) => String(event.data?.name));
    for (const name of ['linux', 'initrd.gz', 'preseed.cfg', 'early.sh', 'late.sh'])
      assert.ok(served.includes(name), `${name} was not served`);
    await until('it asks for a login by its own name', 120, async () =>
      tail(machine.serialLog).includes('vm-01 login:') ? true : undefined,
    );
  });

  test('what it fetched is in the mirror, for the next one', () => {
    const cache = join(appliance.folder, 'data/mirror');
    const packages = readdirSync(join(cache, 'pool'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.json'))
      .map((name) => (JSON.parse(readFileSync(join(cache, 'pool', name), 'utf8')) as { path: string }).path)
      .filter((path) => path.endsWith('.deb'));
    assert.ok(packages.length > 100, `${packages.length} packages`);
  });
});

/** The end of what a machine wrote to its serial port. */
function tail(path: string): string {
  return readFileSync(path, 'latin1').slice(-3000);
}
