import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import type { BmcDriver } from '../../src/bmc/driver.ts';
import { type IpmiOptions, openIpmi } from '../../src/bmc/ipmi.ts';
import { openIpmitool } from '../../src/bmc/ipmitool.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { parseFaults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import { freePort, missing } from './ipmi-sim.ts';
import { commandLines } from './ipmitool.ts';

// What a driver takes at most of its own process, and what a BMC can do about it: nothing.

const SHORT = { firstMs: 50, lastMs: 100, sends: 3 };
const admin = { user: 'admin', password: 's3cret' };

function open({ address, port }: Pick<IpmiBmc, 'address' | 'port'>, options: IpmiOptions = {}): BmcDriver {
  return openIpmi({ driver: 'ipmi', address, port, ...admin }, options);
}

/** File descriptors and timers that this process holds. */
const held = () => ({
  files: readdirSync('/proc/self/fd').length,
  timers: process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length,
});

/** As many BMCs as asked for, all on one port, each on a loopback address of its own. */
async function startRack(count: number, faultsOf: (index: number) => string = () => ''): Promise<IpmiBmc[]> {
  const port = await freePort();
  const places = Array.from({ length: count }, (_, index) => index);
  return Promise.all(
    places.map((index) => {
      const address = `127.20.${index >> 8}.${index & 0xff}`;
      return startIpmiBmc({ address, port, faults: parseFaults(faultsOf(index)) });
    }),
  );
}

test('500 BMCs in one process are polled by 500 drivers that hold nothing in between', async () => {
  const rack = await startRack(500);
  try {
    for (const [index, { machine }] of rack.entries()) machine.isOn = index % 3 === 0;
    const drivers = rack.map((bmc) => open(bmc));
    const before = held();
    for (let round = 0; round < 2; round++) {
      for (let from = 0; from < drivers.length; from += 50) {
        const states = await Promise.all(drivers.slice(from, from + 50).map((driver) => driver.powerState()));
        const wanted = states.map((_, index) => ((from + index) % 3 === 0 ? 'on' : 'off'));
        assert.deepEqual(states, wanted);
      }
    }
    assert.deepEqual(held(), before);
    assert.equal(rack.filter(({ sessions }) => sessions.open > 0).length, 0);
  } finally {
    await Promise.all(rack.map((bmc) => bmc.stop()));
  }
});

test('BMCs that hang leave nothing behind, and those beside them are answered first', async () => {
  const rack = await startRack(30, (index) => (index % 6 === 0 ? 'hang' : ''));
  try {
    const before = held();
    const ended: string[] = [];
    await Promise.all(
      rack.map((bmc, index) =>
        open(bmc, { patience: { firstMs: 1000, lastMs: 1000, sends: 2 } })
          .powerState()
          .then(
            () => ended.push('answered'),
            ({ kind }) => ended.push(`${index % 6 === 0 ? 'hangs' : 'is there'}: ${kind}`),
          ),
      ),
    );
    assert.deepEqual(ended, [...Array(25).fill('answered'), ...Array(5).fill('hangs: unreachable')]);
    assert.deepEqual(held(), before);
  } finally {
    await Promise.all(rack.map((bmc) => bmc.stop()));
  }
});

test('a BMC that answers everything, but slowly, is given up when its time is over', async () => {
  const bmc = await startIpmiBmc({ faults: parseFaults('slow=60') });
  const before = held();
  try {
    const late = { kind: 'unreachable', text: /was too slow: it took more than 0\.1 s in all/ };
    const hasted = open(bmc, { limits: { commandMs: 100, listMs: 20_000 } });
    await assert.rejects(hasted.powerState(), late);
    await assert.rejects(hasted.console!(), late);
    assert.equal((await hasted.inventory!()).length > 0, true, 'a list may take longer');
    const patient = open(bmc, { limits: { commandMs: 20_000, listMs: 1000 } });
    assert.equal(await patient.powerState(), 'off');
    const lateList = { kind: 'unreachable', text: /was too slow: it took more than 1 s in all when asked for / };
    await assert.rejects(patient.sensors!(), lateList);
    await assert.rejects(patient.log!(), lateList);
    assert.deepEqual(held(), before);
  } finally {
    await bmc.stop();
  }
});

test('a BMC that is busy for ever is given up', async () => {
  const bmc = await startIpmiBmc({ faults: parseFaults('busy=1000') });
  try {
    const driver = open(bmc, { patience: SHORT });
    await assert.rejects(driver.powerState(), { kind: 'busy' });
    await assert.rejects(driver.setPower('on'), { kind: 'busy' });
    assert.equal(bmc.sessions.open, 0);
  } finally {
    await bmc.stop();
  }
});

test('a console outlives the time that opening it may take', async () => {
  const bmc = await startIpmiBmc();
  try {
    const driver = open(bmc, { limits: { commandMs: 300, listMs: 300 } });
    const console = await driver.console!();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const typed = new Promise<string>((resolve) => bmc.serial.onInput((bytes) => resolve(bytes.toString())));
    console.write(Buffer.from('x'));
    assert.equal(await typed, 'x');
    await driver.close();
    assert.equal(bmc.sessions.open, 0, 'it still logs out');
  } finally {
    await bmc.stop();
  }
});

test('a BMC that has gone is known by the second refusal of its network, whatever was remembered of it', async () => {
  const bmc = await startIpmiBmc();
  const driver = open(bmc);
  assert.equal(await driver.powerState(), 'off');
  await bmc.stop();
  for (let times = 0; times < 2; times++) {
    await assert.rejects(driver.powerState(), { kind: 'unreachable', text: /port \d+ answered that nothing listens/ });
  }
  const again = await startIpmiBmc({ port: bmc.port });
  try {
    assert.equal(await driver.powerState(), 'off');
  } finally {
    await again.stop();
  }
});

test('an empty name is no address, and a name is asked for both families', async () => {
  await assert.rejects(open({ address: '', port: 623 }).powerState(), { kind: 'unreachable', text: /has no address/ });
  const bmc = await startIpmiBmc();
  try {
    assert.equal(await open({ address: 'localhost', port: bmc.port }).powerState(), 'off');
  } finally {
    await bmc.stop();
  }
});

test('ipmitool is ended when the time is over', { skip: missing('ipmitool') }, async () => {
  const bmc = await startIpmiBmc({ faults: parseFaults('hang') });
  try {
    const target = { driver: 'ipmitool', address: '127.0.0.1', port: bmc.port, ...admin } as const;
    const driver = openIpmitool(target, { limits: { commandMs: 300, listMs: 300 } });
    await assert.rejects(driver.powerState(), { kind: 'unreachable', text: /was too slow for ipmitool/ });
    await driver.close();
    const its = commandLines().filter((line) => line.includes('ipmitool') && line.includes(`-p ${bmc.port} `));
    assert.deepEqual(its, []);
  } finally {
    await bmc.stop();
  }
});
