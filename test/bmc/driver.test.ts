import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BmcDriver, BmcError, type BmcErrorKind } from '../../src/bmc/driver.ts';
import { type IpmiOptions, openIpmi } from '../../src/bmc/ipmi.ts';
import type { Patience } from '../../src/bmc/link.ts';
import { PRIVILEGE } from '../../src/wire/ipmi.ts';
import { BOOT_SELECTOR, decodeBootFlags } from '../../src/wire/ipmi-boot.ts';
import type { CipherSuite } from '../../src/wire/rakp.ts';
import { freePort } from './ipmi-sim.ts';
import { startWireBmc, type WireBmcOptions } from './wire-bmc.ts';

type WireBmc = Awaited<ReturnType<typeof startWireBmc>>;
/** Long enough that a loaded computer loses nothing; short where a test waits for silence or for a busy BMC. */
const STEADY = { firstMs: 2000, lastMs: 3000, sends: 4 };
const SHORT = { firstMs: 300, lastMs: 300, sends: 4 };

function open(port: number, user = 'admin', password = 's3cret', options: IpmiOptions = {}): BmcDriver {
  return openIpmi({ driver: 'ipmi', address: '127.0.0.1', port, user, password }, { patience: STEADY, ...options });
}

/** Runs `check` with a BMC of ours and a driver for it; whatever happens, no session may be left open on it. */
async function withBmc(
  options: WireBmcOptions,
  check: (driver: BmcDriver, bmc: WireBmc) => Promise<void>,
  patience: Patience = STEADY,
): Promise<void> {
  const bmc = await startWireBmc(options);
  try {
    const driver = open(bmc.port, 'admin', 's3cret', { patience });
    await check(driver, bmc);
    await driver.close();
    assert.equal(bmc.openSessions(), 0, 'sessions left open');
  } finally {
    await bmc.stop();
  }
}

async function assertBmcError(promise: Promise<unknown>, kind: BmcErrorKind, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BmcError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.text, text);
    assert.match(error.text, /^BMC 127\.0\.0\.1 port \d+ .+\. .+\.$/, 'names the BMC, what happened and what to do');
    assert.doesNotMatch(`${error.stack}`, /s3cret|a wrong one/);
    return true;
  });
}

test('turns power on and off and reads it, and leaves alone what is already so', () =>
  withBmc({}, async (driver, bmc) => {
    assert.equal(await driver.powerState(), 'off');
    await driver.setPower('on');
    await driver.setPower('on'); // this BMC refuses it with D5h, as some do
    assert.equal(await driver.powerState(), 'on');
    await driver.setPower('off');
    await driver.setPower('off');
    await driver.setPower('soft');
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual(bmc.done, ['on', 'off']);
  }));

test('cycles a machine that is off by turning it on', () =>
  withBmc({}, async (driver, bmc) => {
    await driver.setPower('cycle');
    await driver.setPower('cycle');
    assert.deepEqual(bmc.done, ['on', 'cycle']);
  }));

test('says that a machine that is off cannot be reset', () =>
  withBmc({}, (driver) =>
    assertBmcError(driver.setPower('reset'), 'refused', /cannot reset a machine whose power is off/),
  ));

test('sets the boot device once, with the EFI bit only for UEFI', () =>
  withBmc({}, async (driver, bmc) => {
    await driver.setBoot({ device: 'network', firmware: 'uefi', isPersistent: false });
    assert.deepEqual(bmc.done, [
      'boot option 0: 01',
      'boot option 4: 0101',
      'boot option 3: 08',
      'boot option 5: a004000000',
      'boot option 0: 02',
      'boot option 0: 00',
    ]);
    await driver.setBoot({ device: 'disk', firmware: 'bios', isPersistent: false });
    const flags = { isValid: true, isPersistent: false, isEfi: false, selector: BOOT_SELECTOR.disk };
    assert.deepEqual(decodeBootFlags(bmc.bootFlags), flags);
  }));

test('sets the boot device on a BMC that knows nothing but the boot flags', () =>
  withBmc({ faults: { 'flags-only': 1 } }, async (driver, bmc) => {
    await driver.setBoot({ device: 'network', firmware: 'bios', isPersistent: false });
    assert.deepEqual(bmc.done, ['boot option 5: 8004000000']);
    assert.deepEqual(driver.quirks?.(), [
      { id: 'B5', text: 'Supermicro: UEFI firmware knows the disk by the selector 24h' },
      { id: 'B1', text: 'forgets the boot device 60 seconds after it was set' },
    ]);
  }));

test('fails when the boot flags are refused, and ends "set in progress"', () =>
  withBmc({ faults: { 'flags-locked': 1 } }, async (driver, bmc) => {
    const wish = { device: 'network', firmware: 'uefi', isPersistent: false } as const;
    await assertBmcError(driver.setBoot(wish), 'refused', /this boot option can only be read/);
    assert.equal(bmc.done.at(-1), 'boot option 0: 00');
  }));

test('says who made the BMC', () =>
  withBmc({}, async (driver) => {
    assert.deepEqual(await driver.identity(), {
      manufacturer: 'Supermicro',
      model: 'FL-Server 1',
      firmware: '3.88',
      protocol: 'IPMI 2.0',
      uuid: '33221100-5544-7766-8899-aabbccddeeff',
      serial: 'S0042',
    });
  }));

test('lights the lamp as long as IPMI counts, and refuses what is longer', () =>
  withBmc({}, async (driver, bmc) => {
    const { machine } = bmc.bmc;
    await driver.identify!(255);
    assert.equal(machine.identifySeconds, 255);
    await assertBmcError(driver.identify!(256), 'unsupported', /cannot light its lamp for 256 s: IPMI counts to 255 s/);
    assert.equal(machine.identifySeconds, 255);
    await driver.identify!(0);
    assert.equal(machine.identifySeconds, 0);
  }));

test('runs calls made at once one after the other, with an id of their own each', () =>
  withBmc({ slots: 1 }, async (driver, bmc) => {
    const wish = { device: 'disk', firmware: 'uefi', isPersistent: false } as const;
    const calls = [driver.powerState(), driver.setPower('on'), driver.powerState(), driver.setBoot(wish)];
    assert.deepEqual(await Promise.all(calls), ['off', undefined, 'on', undefined]);
    assert.equal(new Set(bmc.consoleIds).size, 4);
  }));

test('tries suite 17 first, falls back to 3, tells which one worked and starts with it next time', () =>
  withBmc({ suites: [3] }, async (_, bmc) => {
    const told: CipherSuite[] = [];
    const first = open(bmc.port, 'admin', 's3cret', { onCipherSuite: (suite) => told.push(suite) });
    await first.powerState();
    await first.powerState();
    assert.deepEqual([told, bmc.consoleIds.length], [[3], 3], 'one refusal, then two logins with suite 3');
    const second = open(bmc.port, 'admin', 's3cret', { cipherSuite: 3, onCipherSuite: (suite) => told.push(suite) });
    await second.powerState();
    assert.deepEqual([told, bmc.consoleIds.length], [[3], 4]);
  }));

test('finds suite 17 again when the remembered suite 3 was turned off', () =>
  withBmc({ suites: [17] }, async (_, bmc) => {
    const told: CipherSuite[] = [];
    const driver = open(bmc.port, 'admin', 's3cret', { cipherSuite: 3, onCipherSuite: (suite) => told.push(suite) });
    await driver.powerState();
    assert.deepEqual(told, [17]);
  }));

test('says that no cipher suite is taken', () =>
  withBmc({ suites: [] }, (driver) =>
    assertBmcError(driver.powerState(), 'wrong-cipher-suite', /refused cipher suite/),
  ));

test('tells a wrong password, once, and frees the slot', () =>
  withBmc({ slots: 1 }, async (driver, bmc) => {
    await assertBmcError(open(bmc.port, 'admin', 'a wrong one').powerState(), 'wrong-password', /user admin/);
    assert.equal(bmc.consoleIds.length, 1, 'a second try could lock the account');
    assert.equal(await driver.powerState(), 'off');
  }));

test('tells a user that does not exist from a wrong password', () =>
  withBmc({}, (_, bmc) => assertBmcError(open(bmc.port, 'nobody').powerState(), 'no-such-user', /user nobody/)));

test('refuses names and passwords longer than IPMI has room for without asking the BMC', () =>
  withBmc({}, async (_, bmc) => {
    await assertBmcError(open(bmc.port, 'seventeen-letters').powerState(), 'no-such-user', /at most 16 bytes/);
    await assertBmcError(open(bmc.port, 'admin', '123456789012345678901').powerState(), 'wrong-password', /20 bytes/);
    assert.equal(bmc.consoleIds.length, 0);
  }));

const operator = { op: { password: 's3cret', privilege: PRIVILEGE.operator } };
const viewer = { viewer: { password: 's3cret', privilege: PRIVILEGE.user } };

test('works as OPERATOR when the user may not be ADMINISTRATOR', () =>
  withBmc({ users: operator }, async (_, bmc) => {
    await open(bmc.port, 'op').setPower('on');
    assert.deepEqual(bmc.done, ['on']);
  }));

test('asks for the role OPERATOR when the BMC refuses ADMINISTRATOR in the login, and for nothing below that', async () => {
  await withBmc({ users: operator, faults: { 'refuses-role': 1 } }, async (_, bmc) => {
    await open(bmc.port, 'op').setPower('on');
    assert.deepEqual(bmc.done, ['on']);
  });
  await withBmc({ users: viewer, faults: { 'refuses-role': 1 } }, (_, bmc) =>
    assertBmcError(open(bmc.port, 'viewer').powerState(), 'privilege', /at RAKP 1: this user may not have/),
  );
});

test('says that a user has too little privilege, and logs out', () =>
  withBmc({ users: viewer }, (_, bmc) =>
    assertBmcError(open(bmc.port, 'viewer').setPower('on'), 'privilege', /gives user viewer too little privilege/),
  ));

test('reads the power state as a mere USER, and asks for more privilege when the BMC wants it for that', async () => {
  await withBmc({ users: viewer }, async (_, bmc) => assert.equal(await open(bmc.port, 'viewer').powerState(), 'off'));
  await withBmc({ completions: { 'Get Chassis Status': [0xd4] } }, async (driver) =>
    assert.equal(await driver.powerState(), 'off'),
  );
});

test('costs 10 datagrams to read the power state, and 2 more the first time', () =>
  withBmc({}, async (driver, { bmc: { datagrams } }) => {
    const costs: number[] = [];
    for (let before = 0, times = 0; times < 4; times++) {
      await driver.powerState();
      costs.push(datagrams.in + datagrams.out - before);
      before = datagrams.in + datagrams.out;
    }
    assert.deepEqual(costs, [12, 10, 10, 10]);
  }));

test('says that no session slot is free', () =>
  withBmc({ slots: 0 }, (driver) => assertBmcError(driver.powerState(), 'no-session-slot', /no free session slot/)));

test('asks a busy BMC again', () =>
  withBmc(
    { completions: { 'Chassis Control': [0xc0, 0xd2, 0xc3] } },
    async (driver, bmc) => {
      await driver.setPower('on');
      assert.deepEqual(bmc.done, ['on']);
    },
    SHORT,
  ));

test('gives up on a BMC that stays busy, and logs out', () =>
  withBmc(
    { completions: { 'Get Chassis Status': Array(9).fill(0xc0) } },
    (driver) => assertBmcError(driver.powerState(), 'busy', /it is busy \(completion code C0h\)/),
    SHORT,
  ));

test('passes on why a command was refused', () =>
  withBmc({ completions: { 'Get Device ID': [0xd4, 0xd4], 'Get Chassis Status': [0xa7] } }, async (driver) => {
    await assertBmcError(driver.identity(), 'privilege', /does not have the privilege/);
    await assertBmcError(driver.powerState(), 'refused', /A7h, which no standard names/);
  }));

test('reads the power state when the answer to a power command is lost', async () => {
  await withBmc(
    { faults: { 'mute-control': 1 } },
    async (driver, bmc) => {
      await driver.setPower('on');
      assert.deepEqual(bmc.done, ['on']);
    },
    SHORT,
  );
  await withBmc(
    { faults: { 'lost-control': 1 } },
    async (driver) => {
      await assertBmcError(driver.setPower('on'), 'unreachable', /whether it acted is not known/);
      assert.deepEqual(driver.quirks?.(), [{ id: 'B12', text: 'did not answer the power command "on"' }]);
    },
    SHORT,
  );
});

test('says that nobody listens, and that an address does not exist', async () => {
  await assertBmcError(open(await freePort()).powerState(), 'unreachable', /nothing listens on that port\. Check/);
  const target = { driver: 'ipmi', address: 'bmc.invalid', port: 623, user: '', password: '' } as const;
  await assert.rejects(openIpmi(target).powerState(), { kind: 'unreachable' });
});

test('says that a BMC speaks IPMI 1.5 only', () =>
  withBmc(
    { faults: { 'only-1.5': 1 } },
    (driver) => assertBmcError(driver.powerState(), 'protocol', /speaks IPMI 1\.5 only/),
    SHORT,
  ));

test('asks a BMC that refuses the bit of IPMI 2.0 once more without it', () =>
  withBmc(
    { faults: { 'only-1.5': 1 }, completions: { 'Get Channel Authentication Capabilities': [0xcc] } },
    async (driver, { bmc: { datagrams } }) => {
      await assertBmcError(driver.powerState(), 'protocol', /speaks IPMI 1\.5 only/);
      assert.equal(datagrams.out, 2);
    },
    SHORT,
  ));

test('logs in to a BMC that tells in neither way what it can do', () =>
  withBmc({ completions: { 'Get Channel Authentication Capabilities': [0xcc, 0xcc] } }, async (driver) =>
    assert.equal(await driver.powerState(), 'off'),
  ));

test('refuses calls after it is closed, and lets the running one end', () =>
  withBmc({}, async (driver, bmc) => {
    const running = driver.powerState();
    const waiting = driver.setPower('on');
    while (bmc.consoleIds.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const closing = driver.close();
    await assertBmcError(waiting, 'refused', /no longer in use/);
    await closing;
    assert.equal(await running, 'off');
    await assertBmcError(driver.powerState(), 'refused', /no longer in use/);
  }));

test('logs out when the listener of the cipher suite fails', () =>
  withBmc({}, async (_, bmc) => {
    const fail = () => {
      throw new Error('the disk is full');
    };
    await assert.rejects(open(bmc.port, 'admin', 's3cret', { onCipherSuite: fail }).powerState(), /the disk is full/);
  }));
