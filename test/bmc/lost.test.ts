import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BmcDriver } from '../../src/bmc/driver.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { PAYLOAD } from '../../src/wire/rmcp.ts';
import { startRelay } from './relay.ts';
import { startWireBmc } from './wire-bmc.ts';

const patience = { firstMs: 150, lastMs: 400, sends: 6 };

const OPERATIONS: Record<string, (driver: BmcDriver) => Promise<unknown>> = {
  powerState: (driver) => driver.powerState(),
  'setPower on': (driver) => driver.setPower('on'),
  'setPower cycle': (driver) => driver.setPower('cycle'),
  'setPower reset': (driver) => driver.setPower('reset'),
  setBoot: (driver) => driver.setBoot({ device: 'network', firmware: 'uefi', isPersistent: false }),
  identity: (driver) => driver.identity(),
};

/** Runs one operation through a relay that drops; gives how many datagrams passed by and what the BMC saw. */
async function run(operation: (driver: BmcDriver) => Promise<unknown>, drops: (number: number) => boolean) {
  const bmc = await startWireBmc({ slots: 16 });
  const relay = await startRelay(bmc.port, drops);
  const target = { driver: 'ipmi', address: '127.0.0.1', port: relay.port, user: 'admin', password: 's3cret' } as const;
  try {
    bmc.isOn = true;
    const result = await operation(openIpmi(target, { patience }));
    return { result, datagrams: relay.seen(), bmc };
  } finally {
    await relay.stop();
    await bmc.stop();
  }
}

/** Datagrams that do not get through, from the one whose number is given. */
const LOSSES: Record<string, (from: number) => (number: number) => boolean> = {
  'any datagram': (from) => (number) => number === from,
  'any two in a row': (from) => (number) => number === from || number === from + 1,
};

for (const [name, operation] of Object.entries(OPERATIONS)) {
  for (const [loss, dropsFrom] of Object.entries(LOSSES)) {
    test(`${name} succeeds when ${loss} of its session is lost`, async () => {
      const whole = await run(operation, () => false);
      assert.ok(whole.datagrams >= 12, 'capabilities, login, command and close, both ways');
      const numbers = Array.from({ length: whole.datagrams }, (_, index) => index + 1);
      await Promise.all(
        numbers.map(async (from) => {
          const { result, bmc } = await run(operation, dropsFrom(from));
          assert.deepEqual(result, whole.result, `from datagram ${from}`);
          assert.equal(new Set(bmc.consoleIds).size, bmc.consoleIds.length, 'a login starts over with a new id');
          if (name === 'setPower cycle') assert.deepEqual(bmc.done, ['cycle']);
        }),
      );
    });
  }
}

test('frees the slot of a login whose last answer was lost', async () => {
  const bmc = await startWireBmc({ slots: 1 });
  let lost = 0;
  // 13.6: the payload type is the sixth byte.
  const relay = await startRelay(bmc.port, (_, datagram) => (datagram[5]! & 0x3f) === PAYLOAD.rakp4 && ++lost === 1);
  try {
    const target = {
      driver: 'ipmi',
      address: '127.0.0.1',
      port: relay.port,
      user: 'admin',
      password: 's3cret',
    } as const;
    assert.equal(await openIpmi(target, { patience }).powerState(), 'off');
    assert.deepEqual([lost, bmc.consoleIds.length, bmc.openSessions()], [2, 2, 0]);
  } finally {
    await relay.stop();
    await bmc.stop();
  }
});
