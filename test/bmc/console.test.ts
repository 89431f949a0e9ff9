import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { BmcConsole, BmcDriver } from '../../src/bmc/driver.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import type { Patience } from '../../src/bmc/link.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { parseFaults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import { missing, startIpmiSim } from './ipmi-sim.ts';

const patience = { firstMs: 80, lastMs: 160, sends: 12 };

function open(port: number, keepAliveMs?: number, waits: Patience = patience): BmcDriver {
  const target = { driver: 'ipmi', address: '127.0.0.1', port, user: 'admin', password: 's3cret' } as const;
  return openIpmi(target, { patience: waits, ...(keepAliveMs && { keepAliveMs }) });
}

async function withConsole(
  faults: string,
  check: (console: BmcConsole, bmc: IpmiBmc, driver: BmcDriver) => Promise<void>,
  keepAliveMs?: number,
): Promise<void> {
  const bmc = await startIpmiBmc({ faults: parseFaults(faults), slots: 64 });
  try {
    const driver = open(bmc.port, keepAliveMs);
    await check(await driver.console!(), bmc, driver);
    await driver.close();
    if (!faults.includes('lost') && !bmc.faults.has('hang')) assert.equal(bmc.sessions.open, 0, 'sessions left open');
  } finally {
    await bmc.stop();
  }
}

/** Collects what comes until it is as much as was expected. */
function collect(onData: (listener: (bytes: Buffer) => void) => void) {
  let text = '';
  let check = () => {};
  onData((bytes) => {
    text += bytes.toString('latin1');
    check();
  });
  return {
    text: () => text,
    until: (wanted: string) =>
      new Promise<void>((resolve) => {
        check = () => text.length >= wanted.length && resolve();
        check();
      }),
  };
}

/** Everything that a byte can be, in more packets than there are packet numbers. */
const MUCH = Buffer.from(Array.from({ length: 8192 }, (_, index) => index & 0xff)).toString('latin1');

for (const faults of ['', 'lost=12', 'doubled=2', 'serial-slow=7', 'lost=15 doubled=7 slow=5']) {
  test(`a console brings every byte both ways, each once, with ${faults || 'no faults'}`, () =>
    withConsole(faults, async (console, bmc) => {
      const printed = collect((listener) => console.onData(listener));
      const typed = collect((listener) => bmc.serial.onInput(listener));
      const input = faults.includes('serial-slow') ? MUCH.slice(0, 600) : MUCH;
      bmc.serial.write(Buffer.from(MUCH, 'latin1'));
      console.write(Buffer.from(input.slice(0, 3), 'latin1'));
      console.write(Buffer.from(input.slice(3), 'latin1'));
      await Promise.all([printed.until(MUCH), typed.until(input)]);
      assert.ok(printed.text() === MUCH, 'what the machine printed');
      assert.ok(typed.text() === input, 'what was typed');
      await console.close();
      assert.equal(await console.ended, 'it was closed');
    }));
}

test('keeps what the machine printed before anybody listened', () =>
  withConsole('', async (console, bmc) => {
    const before = bmc.datagrams.in;
    bmc.serial.write(Buffer.from('early '));
    while (bmc.datagrams.in === before) await new Promise((resolve) => setImmediate(resolve));
    bmc.serial.write(Buffer.from('late'));
    const printed = collect((listener) => console.onData(listener));
    await printed.until('early late');
    assert.equal(printed.text(), 'early late');
  }));

test('sends a serial break', () =>
  withConsole('', async (console, bmc) => {
    const broken = new Promise<void>((resolve) => bmc.serial.onBreak(resolve));
    console.sendBreak!();
    await broken;
  }));

test('sends again what the machine refuses to take for now: characters and a break', () =>
  withConsole('serial-refuses=3', async (console, bmc) => {
    const typed = collect((listener) => bmc.serial.onInput(listener));
    let breaks = 0;
    const broken = new Promise<void>((resolve) => bmc.serial.onBreak(() => resolve(void breaks++)));
    console.sendBreak!();
    console.write(Buffer.from('abc'));
    await Promise.all([broken, typed.until('abc')]);
    assert.deepEqual([typed.text(), breaks, bmc.faults.get('serial-refuses')], ['abc', 1, 0]);
  }));

test('stays open when one sign of life has no answer, for a shared port may be away a while (B12)', async () => {
  const bmc = await startIpmiBmc();
  try {
    const driver = open(bmc.port, 30, { firstMs: 30, lastMs: 30, sends: 2 });
    const console = await driver.console!();
    bmc.faults.set('hang', 1);
    const before = bmc.datagrams.in;
    while (bmc.datagrams.in < before + 3) await new Promise((resolve) => setImmediate(resolve));
    bmc.faults.delete('hang'); // two datagrams of the first one were lost, and one of the second
    const printed = collect((listener) => console.onData(listener));
    bmc.serial.write(Buffer.from('still there'));
    await printed.until('still there');
    await driver.close();
    assert.equal(await console.ended, 'it was closed');
  } finally {
    await bmc.stop();
  }
});

test('keeps its session alive while nothing is typed, and other commands go on beside it', () =>
  withConsole(
    '',
    async (console, bmc, driver) => {
      const before = bmc.datagrams.in;
      while (bmc.datagrams.in < before + 3) await new Promise((resolve) => setImmediate(resolve));
      await driver.setPower('on');
      assert.equal(await driver.powerState(), 'on');
      const printed = collect((listener) => console.onData(listener));
      bmc.serial.write(Buffer.from('still there'));
      await printed.until('still there');
    },
    30,
  ));

test('ends with a sentence when the BMC goes away, when it ends it, and when it takes nothing more', async () => {
  await withConsole(
    '',
    async (console, bmc) => {
      bmc.faults.set('hang', 1);
      assert.equal(await console.ended, 'the BMC did not answer');
    },
    20,
  );
  await withConsole('', async (console, bmc) => {
    bmc.serial.deactivate();
    assert.equal(await console.ended, 'the BMC ended it');
    console.write(Buffer.from('into the void'));
    console.sendBreak!();
    await console.close();
  });
  await withConsole('', async (console, bmc) => {
    bmc.faults.set('hang', 1);
    console.write(Buffer.from('x'));
    assert.equal(await console.ended, 'the BMC does not take what is typed');
  });
});

test('takes the console over from whoever left it open', async () => {
  const bmc = await startIpmiBmc();
  try {
    const [first, second] = [open(bmc.port), open(bmc.port)];
    const left = await first.console!();
    const console = await second.console!();
    assert.equal(await left.ended, 'the BMC ended it');
    const printed = collect((listener) => console.onData(listener));
    bmc.serial.write(Buffer.from('mine'));
    await printed.until('mine');
    await first.close();
    await second.close();
    assert.equal(bmc.sessions.open, 0);
  } finally {
    await bmc.stop();
  }
});

test('says that serial over LAN is turned off, and logs out', async () => {
  const bmc = await startIpmiBmc({ faults: parseFaults('serial-off') });
  try {
    const driver = open(bmc.port);
    await assert.rejects(driver.console!(), {
      kind: 'refused',
      text: /serial over LAN is turned off .*\. Turn on serial over LAN in the BMC, for this user too\.$/,
    });
    assert.equal(bmc.sessions.open, 0);
  } finally {
    await bmc.stop();
  }
});

test('closing the driver closes its console', () =>
  withConsole('', async (console, _, driver) => {
    await driver.close();
    assert.equal(await console.ended, 'it was closed');
  }));

test('carries a console of ipmi_sim both ways', { skip: missing('ipmi_sim') }, async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const connected = once(server, 'connection') as Promise<[Socket]>;
  const sim = await startIpmiSim({ lan: [`  sol "tcp:127.0.0.1:${port}" 115200`] });
  try {
    const [machine] = await connected;
    const driver = open(sim.port);
    const console = await driver.console!();
    const printed = collect((listener) => console.onData(listener));
    const typed = collect((listener) => machine.on('data', listener));
    machine.write('login: ');
    await printed.until('login: ');
    console.write(Buffer.from('root\r'));
    await typed.until('root\r');
    assert.deepEqual([printed.text(), typed.text()], ['login: ', 'root\r']);
    await console.close();
    assert.equal(await console.ended, 'it was closed');
    await driver.close();
    machine.destroy();
  } finally {
    await sim.stop();
    server.close();
  }
});
