import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type IpmiOptions, openIpmi } from '../../src/bmc/ipmi.ts';
import { type IpmiSim, missing, startIpmiSim } from './ipmi-sim.ts';
import { ipmitool } from './ipmitool.ts';

const skip = missing('ipmi_sim', 'ipmitool');
let sim: IpmiSim;
before(async () => {
  if (!skip) sim = await startIpmiSim();
});
after(() => sim?.stop());

function open(user = 'admin', password = 's3cret', options: IpmiOptions = {}) {
  return openIpmi({ driver: 'ipmi', address: '127.0.0.1', port: sim.port, user, password }, options);
}

async function powerByIpmitool(): Promise<string> {
  return (await ipmitool({ port: sim.port, suite: 3, user: 'admin', password: 's3cret' }, 'power', 'status')).text;
}

test('drives the power of ipmi_sim, and ipmitool sees the same', { skip }, async () => {
  const driver = open();
  const untilOn = async () => {
    while ((await driver.powerState()) === 'off') await sleep(200);
  };
  await driver.setPower('off');
  assert.equal(await driver.powerState(), 'off');
  assert.equal(await powerByIpmitool(), 'Chassis Power is off');

  await driver.setPower('cycle');
  await untilOn();
  assert.equal(await sim.power(), 'on');
  assert.equal(await powerByIpmitool(), 'Chassis Power is on');

  // ipmi_sim is off for a moment in a real cycle, and then on again.
  await driver.setPower('cycle');
  assert.equal((await sim.told()).at(-1), 'power 0');
  await untilOn();

  await driver.setPower('reset');
  assert.equal((await sim.told()).at(-1), 'reset 1');
  await driver.setPower('soft');
  assert.equal((await sim.told()).at(-1), 'shutdown 1');
  await driver.setPower('off');
  assert.equal(await sim.power(), 'off');
  assert.equal(await powerByIpmitool(), 'Chassis Power is off');
  await driver.setPower('on');
  assert.equal(await sim.power(), 'on');
  await driver.close();
});

test('sets the boot device of ipmi_sim once', { skip }, async () => {
  const driver = open();
  await driver.setBoot({ device: 'network', firmware: 'uefi', isPersistent: false });
  assert.equal((await sim.told()).at(-1), 'boot pxe');
  await driver.setBoot({ device: 'disk', firmware: 'bios', isPersistent: false });
  assert.equal((await sim.told()).at(-1), 'boot default');
});

test('reads the identity that ipmi_sim was given', { skip }, async () => {
  assert.deepEqual(await open().identity(), {
    manufacturer: 'IANA enterprise 4753',
    model: '',
    firmware: '9.08',
    protocol: 'IPMI 2.0',
    uuid: '674523a1-ab89-efcd-a123-456789abcdef',
    serial: '',
  });
});

test('falls back to suite 3, which ipmi_sim has, and says so', { skip }, async () => {
  const told: number[] = [];
  await open('admin', 's3cret', { onCipherSuite: (suite) => told.push(suite) }).powerState();
  assert.deepEqual(told, [3]);
});

test('tells a wrong password from a user that ipmi_sim does not have', { skip }, async () => {
  await assert.rejects(open('admin', 'a wrong one').powerState(), { kind: 'wrong-password' });
  await assert.rejects(open('nobody').powerState(), { kind: 'no-such-user' });
  // Neither leaves a session behind: ipmi_sim has four slots.
  for (let times = 0; times < 6; times++) await assert.rejects(open('admin', 'a wrong one').powerState());
  assert.match(await open().powerState(), /on|off/);
});

test('finds nobody once ipmi_sim has gone', { skip }, async () => {
  const gone = await startIpmiSim();
  await gone.stop();
  const target = { driver: 'ipmi', address: '127.0.0.1', port: gone.port, user: 'admin', password: 's3cret' } as const;
  await assert.rejects(openIpmi(target).powerState(), { kind: 'unreachable' });
});
