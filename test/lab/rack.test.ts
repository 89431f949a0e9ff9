import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findChildren } from '../../src/lab/children.ts';
import { LabError, type Machine, openRack, type Rack } from '../../src/lab/rack.ts';
import { listenForDiscovers } from './discovers.ts';
import { sayAndPowerOff, sayAndReset, sayAndStay, writeDisk } from './sectors.ts';

const PATIENCE_MS = 180_000;
const skip = process.getuid?.() === 0 ? false : 'a virtual rack needs root';

const newName = () => `fl-rack-${randomBytes(2).toString('hex')}`;

describe('a rack of three machines', { skip }, () => {
  let rack: Rack;
  let discovers: Awaited<ReturnType<typeof listenForDiscovers>>;
  before(async () => {
    rack = await openRack({ name: newName() });
    discovers = await listenForDiscovers(rack.namespace, 'rack0');
  });
  after(async () => {
    await discovers?.close();
    await rack?.close();
  });

  test('begins with every machine off, and its BMC says so', async () => {
    for (const machine of rack.machines) {
      assert.equal(machine.powerState(), 'off');
      assert.equal(await bmcPower(machine), 'off');
    }
  });

  test('a machine follows its BMC, and the BMC the machine that switches itself off', async () => {
    const machine = rack.machine('vm-01');
    await writeDisk(machine.diskPath, sayAndStay('DISK RUNS'));
    await ipmitool(machine, 'power', 'on');
    await until('the disk runs', () => serial(machine).includes('DISK RUNS'));
    assert.equal(await bmcPower(machine), 'on');
    await ipmitool(machine, 'power', 'off');
    assert.equal(machine.powerState(), 'off');
    assert.equal(await bmcPower(machine), 'off');

    await writeDisk(machine.diskPath, sayAndPowerOff('DISK GOES'));
    await ipmitool(machine, 'power', 'on');
    await until('the disk ran', () => serial(machine).includes('DISK GOES'));
    await until('the BMC says off', async () => (await bmcPower(machine)) === 'off');
    assert.equal(machine.powerState(), 'off');
  });

  test('boots from the network once after bootdev pxe, and from the disk at the next reset', async () => {
    const machine = rack.machine('vm-01');
    await writeDisk(machine.diskPath, sayAndStay('DISK RUNS'));
    const asked = () => serialOfLastStart(machine).includes('Configuring (net0');
    const ran = () => serialOfLastStart(machine).includes('DISK RUNS');

    await ipmitool(machine, 'chassis', 'bootdev', 'pxe');
    await ipmitool(machine, 'power', 'on');
    await until('the network is asked', asked);
    assert.equal(ran(), false);
    assert.equal(machine.bootOverride(), 'none');

    await resetByBmc(machine);
    await until('the disk runs', ran);
    assert.equal(asked(), false);

    await ipmitool(machine, 'chassis', 'bootdev', 'pxe');
    await resetByBmc(machine);
    await until('the network is asked again', asked);
    assert.equal(ran(), false);

    await resetByBmc(machine);
    await until('the disk runs again', ran);
    assert.equal(asked(), false);
    await ipmitool(machine, 'power', 'off');
  });

  test('a machine that resets itself stays on, and boots then as its BMC was told meanwhile', async () => {
    const machine = rack.machine('vm-01');
    await writeDisk(machine.diskPath, sayAndReset('DISK RESETS'));
    const resets = () => serial(machine).split('DISK RESETS').length - 1;
    await machine.powerOn();
    await until('it reset itself twice', () => {
      assert.equal(machine.powerState(), 'on');
      return resets() >= 2;
    });
    await ipmitool(machine, 'chassis', 'bootdev', 'pxe');
    await until('the network is asked', () => serialOfLastStart(machine).includes('Configuring (net0'));
    assert.equal(await bmcPower(machine), 'on');
    assert.equal(machine.bootOverride(), 'none');
    await machine.powerOff();
  });

  test('a machine that is set to the network first asks it at every start', async () => {
    const machine = rack.machine('vm-01');
    await machine.setNetworkFirst(true);
    await machine.powerOn();
    const asked = () => serialOfLastStart(machine).includes('Configuring (net0');
    await until('the network is asked', asked);
    await resetByBmc(machine);
    await until('the network is asked again', asked);
    await machine.powerOff();
    await machine.setNetworkFirst(false);
  });

  test('sends the DHCPDISCOVER of its firmware', async () => {
    const kinds = [
      { name: 'vm-01', architecture: 0, vendorClass: 'PXEClient:Arch:00000:UNDI:002001' },
      { name: 'vm-02', architecture: 7, vendorClass: 'PXEClient:Arch:00007:UNDI:003000' },
      { name: 'vm-03', architecture: 16, vendorClass: 'HTTPClient:Arch:00016:UNDI:003000' },
    ];
    for (const { name, architecture, vendorClass } of kinds) {
      const machine = rack.machine(name);
      await ipmitool(machine, 'chassis', 'bootdev', 'pxe');
      await ipmitool(machine, 'power', 'on');
      await until(`${name} asks`, () => discovers.seen().some(({ mac }) => mac === machine.mac));
      const seen = discovers.seen().find(({ mac }) => mac === machine.mac);
      assert.deepEqual(seen, { mac: machine.mac, architecture, vendorClass });
      await ipmitool(machine, 'power', 'off');
    }
  });

  test('refuses a second rack of the same name and stays as it was', async () => {
    await assert.rejects(openRack({ name: rack.name }), (error) => {
      return error instanceof LabError && error.message.includes(`rack ${rack.name} is up already`);
    });
    assert.equal(await bmcPower(rack.machine('vm-01')), 'off');
  });

  test('leaves nothing when closed with a machine on', async () => {
    await rack.machine('vm-02').powerOn();
    await discovers.close();
    await rack.close();
    assertNothingLeft(rack.name);
  });
});

test('a rack on two networks has each machine on its own', { skip }, async () => {
  const rack = await openRack({
    name: newName(),
    networks: [
      { bridge: 'rack0', address: '10.77.0.1/24' },
      { bridge: 'rack1', address: '10.78.0.1/24' },
    ],
    machines: [{ nics: [{ network: 'rack1' }], bmc: false, disks: [] }],
  });
  const discovers = await listenForDiscovers(rack.namespace, 'rack1');
  try {
    const machine = rack.machine('vm-01');
    assert.equal(machine.bmc, undefined);
    await machine.powerOn();
    await until('it asks on rack1', () => discovers.seen().some(({ mac }) => mac === machine.mac));
  } finally {
    await discovers.close();
    await rack.close();
  }
  assertNothingLeft(rack.name);
});

test('a rack killed by kill -9 loses its processes at once and the rest at the next start', { skip }, async () => {
  const name = newName();
  const child = startRackProcess(name, 'await rack.machines[0].powerOn();');
  await once(child.stdout!, 'data');
  assert.notDeepEqual(findChildren(`/run/firstlight/${name}`), []);
  child.kill('SIGKILL');
  await once(child, 'exit');
  await until('its processes are gone', () => findChildren(`/run/firstlight/${name}`).length === 0);
  assert.equal(existsSync(`/run/netns/${name}`), true);

  const other = await openRack({ name: newName(), machines: [] });
  await other.close();
  assertNothingLeft(name);
});

test('a signal at any moment leaves nothing', { skip }, async () => {
  for (const delayMs of [100, 200, 300, 400, 600, 900, 1500]) {
    const name = newName();
    const child = startRackProcess(name);
    await sleep(delayMs);
    child.kill(delayMs % 200 === 0 ? 'SIGINT' : 'SIGTERM');
    await once(child, 'exit');
    assertNothingLeft(name);
  }
});

/** A process of its own with a rack in it, which says so when it is open. */
function startRackProcess(name: string, then = ''): ChildProcess {
  const library = fileURLToPath(new URL('../../src/lab/rack.ts', import.meta.url));
  const program = `
    import { openRack } from ${JSON.stringify(library)};
    const rack = await openRack({ name: ${JSON.stringify(name)}, machines: [{ firmware: 'bios' }] });
    ${then}
    console.log('open');
    setInterval(() => undefined, 1000);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'ignore'] });
}

function assertNothingLeft(name: string): void {
  assert.deepEqual(findChildren(`/run/firstlight/${name}`), []);
  const left = [`/run/netns/${name}`, `/run/firstlight/${name}`, `/var/cache/firstlight/${name}`].filter(existsSync);
  assert.deepEqual(left, []);
}

async function ipmitool(machine: Machine, ...command: string[]): Promise<string> {
  const { address, user, password } = machine.bmc!;
  const { stdout } = await promisify(execFile)(
    'ipmitool',
    ['-I', 'lanplus', '-C', '3', '-H', address, '-U', user, '-E', ...command],
    { env: { ...process.env, IPMITOOL_PASSWORD: password } },
  );
  return stdout;
}

async function bmcPower(machine: Machine): Promise<string> {
  return (await ipmitool(machine, 'power', 'status')).trim().replace('Chassis Power is ', '');
}

/** Resets and waits until the new start shows, so that what is read next is not of the start before. */
async function resetByBmc(machine: Machine): Promise<void> {
  const starts = () => serial(machine).split('SeaBIOS (version').length;
  const before = starts();
  await ipmitool(machine, 'power', 'reset');
  await until('the firmware starts again', () => starts() > before);
}

function serial(machine: Machine): string {
  return readFileSync(machine.serialLog, 'latin1');
}

function serialOfLastStart(machine: Machine): string {
  return serial(machine).split('SeaBIOS (version').at(-1)!;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) assert.fail(`not seen: ${what}`);
    await sleep(100);
  }
}
