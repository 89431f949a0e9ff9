import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type BmcDriver, BmcError, type BmcErrorKind } from '../../src/bmc/driver.ts';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import type { Patience } from '../../src/bmc/link.ts';
import { type IpmiBmc, type IpmiBmcOptions, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { FAULTS, parseFaults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import { after, type Instant } from '../../src/model/time.ts';
import { STATUS } from '../../src/wire/rakp.ts';

const STEADY: Patience = { firstMs: 2000, lastMs: 3000, sends: 4 };
const SHORT: Patience = { firstMs: 100, lastMs: 200, sends: 3 };

/** Runs `check` with a BMC that has these faults; no session may be left open on it. */
async function withFaults(
  faults: string,
  check: (driver: BmcDriver, bmc: IpmiBmc) => Promise<void>,
  options: IpmiBmcOptions & { patience?: Patience; cipherSuite?: 3 | 17 } = {},
): Promise<void> {
  const bmc = await startIpmiBmc({ ...options, faults: parseFaults(faults) });
  const target = { driver: 'ipmi', address: '127.0.0.1', port: bmc.port, user: 'admin', password: 's3cret' } as const;
  try {
    const { patience = STEADY, cipherSuite = 17 } = options;
    const driver = openIpmi(target, { patience, cipherSuite });
    await check(driver, bmc);
    await driver.close();
    if (!faults.includes('hang') && !faults.includes('lost')) assert.equal(bmc.sessions.open, 0, 'sessions left open');
  } finally {
    await bmc.stop();
  }
}

const quirksOf = (driver: BmcDriver) => driver.quirks!().map(({ id }) => id);
/** In force at our BMC, which says that it is Supermicro's. */
const OURS = ['B5'];

async function assertKind(promise: Promise<unknown>, kind: BmcErrorKind, text: RegExp): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof BmcError, String(error));
    assert.deepEqual([error.kind, text.test(error.text)], [kind, true], error.text);
    assert.doesNotMatch(`${error.stack}`, /s3cret/);
    return true;
  });
}

test('faults are named in words, and a word that is none is told', () => {
  assert.deepEqual(
    parseFaults('lost=7, strict'),
    new Map([
      ['lost', 7],
      ['strict', 1],
    ]),
  );
  assert.throws(() => parseFaults('lots=7'), /no fault "lots"\. It has lost, doubled/);
  assert.throws(() => parseFaults('lost'), /"lost" needs a whole number of datagrams/);
  assert.throws(() => parseFaults('lost=x'), /"lost=x" needs a whole number/);
  assert.throws(() => parseFaults('strict=2'), /"strict=2" takes no number/);
  assert.ok(Object.values(FAULTS).every(({ what }) => /^[a-z].{10,}[^.]$/.test(what)));
});

test('works through lost and doubled datagrams, and starts each login over with a new id', async () => {
  for (const faults of ['lost=10', 'lost=15', 'doubled=1', 'doubled=3', 'lost=12 doubled=5']) {
    await withFaults(
      faults,
      async (driver, bmc) => {
        await driver.setPower('on');
        await driver.setPower('cycle');
        assert.equal(await driver.powerState(), 'on', faults);
        assert.equal((await driver.sensors!()).length, 12, faults);
        // What is doubled on its way is the same login: its two ids come one after the other.
        const logins = bmc.sessions.consoleIds.filter((id, index, ids) => id !== ids[index - 1]);
        assert.equal(new Set(logins).size, logins.length, faults);
      },
      { patience: { firstMs: 60, lastMs: 120, sends: 16 }, slots: 64 },
    );
  }
});

/** What each status of table 13-15 means at each step of a login, and how many logins are then tried. */
const REFUSALS: [string, number, BmcErrorKind, number][] = [
  ['refuse-open', STATUS.noResources, 'no-session-slot', 1],
  ['refuse-open', STATUS.noSuiteMatch, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.invalidAuthentication, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.invalidIntegrity, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.noAuthenticationMatch, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.noIntegrityMatch, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.invalidConfidentiality, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.invalidRole, 'wrong-cipher-suite', 2],
  ['refuse-open', STATUS.noResourcesForRole, 'no-session-slot', 1],
  ['refuse-open', 0x12, 'protocol', 1],
  ['refuse-open', 0x7f, 'protocol', 1],
  ['refuse-rakp1', STATUS.noResources, 'no-session-slot', 1],
  ['refuse-rakp1', STATUS.invalidSession, 'unreachable', 6],
  ['refuse-rakp1', STATUS.inactiveSession, 'unreachable', 6],
  ['refuse-rakp1', STATUS.invalidRole, 'privilege', 2],
  ['refuse-rakp1', STATUS.unauthorizedRole, 'privilege', 2],
  ['refuse-rakp1', STATUS.noResourcesForRole, 'no-session-slot', 1],
  ['refuse-rakp1', STATUS.invalidNameLength, 'no-such-user', 1],
  ['refuse-rakp1', STATUS.unauthorizedName, 'no-such-user', 1],
  ['refuse-rakp1', 0x0e, 'protocol', 1],
  ['refuse-rakp3', STATUS.invalidSession, 'unreachable', 6],
  // It proved in RAKP 2 that it has the same password: once more with the other proof (B9), and that is all.
  ['refuse-rakp3', STATUS.invalidIntegrityValue, 'wrong-password', 2],
  ['refuse-rakp3', STATUS.noResources, 'no-session-slot', 1],
];

for (const [step, status, kind, logins] of REFUSALS) {
  test(`${step} with status ${status.toString(16)}h is ${kind}, after ${logins} logins`, () =>
    withFaults(
      `${step}=${status}`,
      async (driver, bmc) => {
        await assertKind(driver.powerState(), kind, /./);
        assert.equal(bmc.sessions.consoleIds.length, logins);
      },
      { patience: SHORT },
    ));
}

test('a BMC without a free slot is told so, and works again once there is one', () =>
  withFaults('no-slots=2', async (driver) => {
    await assertKind(driver.powerState(), 'no-session-slot', /no free session slot/);
    await assertKind(driver.powerState(), 'no-session-slot', /Close other sessions/);
    assert.equal(await driver.powerState(), 'off');
  }));

test('a busy BMC is asked again, and remembered as such (B8)', () =>
  withFaults(
    'busy=3',
    async (driver) => {
      assert.equal(await driver.powerState(), 'off');
      assert.deepEqual(quirksOf(driver), ['B8']);
    },
    { patience: SHORT },
  ));

test('a slow BMC is waited for; its late answers pass for no others', () =>
  withFaults(
    'slow=150',
    async (driver, bmc) => {
      bmc.machine.isOn = true;
      assert.equal(await driver.powerState(), 'on');
      assert.equal((await driver.identity()).serial, 'S0042');
    },
    // The first wait is over before the answer is there: everything is sent twice, and each Open Session takes a slot.
    { patience: { firstMs: 60, lastMs: 400, sends: 6 }, slots: 64 },
  ));

test('a BMC that hangs is unreachable, and does not hold up its driver', () =>
  withFaults(
    'hang',
    async (driver) => {
      await assertKind(driver.powerState(), 'unreachable', /did not answer/);
    },
    { patience: SHORT },
  ));

test('a BMC that answers no capabilities is logged in to all the same', () =>
  withFaults('no-1.5', async (driver) => assert.equal(await driver.powerState(), 'off'), { patience: SHORT }));

for (const [faults, wanted] of Object.entries({ 'intel-plus': 2, 'intel-82571': 1 })) {
  for (const cipherSuite of [3, 17] as const) {
    test(`a BMC with the login of ${faults} in suite ${cipherSuite} is understood, and remembered as such (B9)`, () =>
      withFaults(
        faults,
        async (driver, bmc) => {
          assert.equal(await driver.powerState(), 'off');
          assert.equal(bmc.sessions.consoleIds.length, wanted);
          assert.equal(await driver.powerState(), 'off');
          assert.equal(bmc.sessions.consoleIds.length, wanted + 1, 'known by now');
          assert.deepEqual(quirksOf(driver), ['B9']);
          const target = { address: '127.0.0.1', port: bmc.port, user: 'admin', password: 'a wrong one' };
          const wrong = openIpmi({ driver: 'ipmi', ...target });
          await assert.rejects(wrong.powerState(), { kind: 'wrong-password' });
        },
        { cipherSuite },
      ));
  }
}

test('a command for what is so already is done, whatever the BMC says (B2)', () =>
  withFaults('strict', async (driver, bmc) => {
    await driver.setPower('off');
    assert.deepEqual(quirksOf(driver), ['B2']);
    await driver.setPower('cycle');
    assert.deepEqual(bmc.machine.done, ['on']);
  }));

/** A clock that stands still until it is told, and a sleep that moves it. */
function ownClock() {
  let now = Date.UTC(2030, 0, 1) as Instant;
  const clock = () => now;
  const sleep = async (ms: number) => {
    now = after(now, ms);
  };
  return { clock, sleep };
}

test('a state that follows late, or flips once, is read as the BMC says it (B3)', async () => {
  const { clock, sleep } = ownClock();
  const cases: [string, string[]][] = [
    ['settles=2500', ['off', 'off', 'off', 'on', 'on']],
    ['flips', ['on', 'off', 'on', 'on', 'on']],
    ['flips settles=500', ['off', 'off', 'on', 'on', 'on']],
  ];
  for (const [faults, wanted] of cases) {
    await withFaults(
      faults,
      async (driver) => {
        await driver.setPower('on');
        const states: string[] = [];
        for (const _ of wanted) {
          states.push(await driver.powerState());
          await sleep(1000);
        }
        assert.deepEqual(states, wanted, faults);
      },
      { clock },
    );
  }
});

test('a BMC that lies says success, and its state says that nothing happened', () =>
  withFaults('lies', async (driver) => {
    await driver.setPower('on');
    assert.equal(await driver.powerState(), 'off');
  }));

test('the boot device is dropped after 60 seconds by a BMC that cannot be told otherwise (B1), and kept by others', async () => {
  const wish = { device: 'network', firmware: 'uefi', isPersistent: false } as const;
  const { clock, sleep } = ownClock();
  await withFaults(
    'forgets',
    async (driver) => {
      await driver.setBoot(wish);
      assert.deepEqual(quirksOf(driver), [...OURS, 'B1']);
      await sleep(59_000);
      assert.deepEqual(await driver.boot(), wish);
      await sleep(1_000);
      assert.deepEqual(await driver.boot(), { device: 'none', isPersistent: false });
      assert.deepEqual(quirksOf(driver), [...OURS, 'B1', 'B6']);
    },
    { clock },
  );
  await withFaults(
    '',
    async (driver, bmc) => {
      await driver.setBoot(wish);
      await sleep(3_600_000);
      assert.deepEqual(await driver.boot(), wish);
      await driver.setPower('on');
      assert.deepEqual(await driver.boot(), { device: 'none', isPersistent: false }, 'once means once');
      assert.deepEqual(bmc.machine.starts, [1]);
    },
    { clock },
  );
});

test('a BMC that drops the EFI bit, or takes no persistent boot device, is told of (B4)', async () => {
  await withFaults('no-efi', async (driver) => {
    await driver.setBoot({ device: 'cd', firmware: 'uefi', isPersistent: false });
    assert.deepEqual(quirksOf(driver), [...OURS, 'B4']);
    assert.equal(driver.quirks!().at(-1)?.text, 'takes boot flags and drops the EFI bit');
    assert.deepEqual(await driver.boot(), { device: 'cd', firmware: 'bios', isPersistent: false });
  });
  await withFaults('only-once', async (driver, bmc) => {
    const wish = { device: 'disk', firmware: 'bios', isPersistent: true } as const;
    await assertKind(driver.setBoot(wish), 'unsupported', /refuses to boot from disk for good/);
    assert.equal(bmc.machine.done.at(-1), 'boot option 0: 00', '"set in progress" was ended');
    await driver.setBoot({ ...wish, isPersistent: false });
  });
});

test('a BMC that gives boot flags back without their first byte is seen to, and its device believed (B16)', () =>
  withFaults('no-valid', async (driver) => {
    await driver.setBoot({ device: 'setup', firmware: 'uefi', isPersistent: false });
    assert.deepEqual(quirksOf(driver), [...OURS, 'B16']);
    assert.deepEqual(await driver.boot(), { device: 'setup', isPersistent: false });
  }));

test('a BMC that gives little at a time, or drops its reservation, is read to the end', async () => {
  const whole: Record<string, unknown> = {};
  await withFaults('', async (driver) => {
    Object.assign(whole, { sensors: await driver.sensors!(), inventory: await driver.inventory!() });
  });
  for (const faults of ['small-reads=32', 'small-reads=20', 'small-reads=9', 'small-reads=16 forgets-reservation=7']) {
    await withFaults(faults, async (driver) => {
      const read = { sensors: await driver.sensors!(), inventory: await driver.inventory!() };
      assert.deepEqual(read, whole, faults);
    });
  }
  await withFaults('small-reads=16 forgets-reservation=1', (driver) =>
    assertKind(driver.sensors!(), 'refused', /Get SDR: the reservation is gone/),
  );
  await withFaults('small-reads=4', (driver) =>
    assertKind(driver.sensors!(), 'refused', /Get SDR: it cannot return that many bytes/),
  );
});

test('a BMC whose memory is in words is read as any other', () =>
  withFaults('words small-reads=32', async (driver) => {
    const serial = (await driver.inventory!()).find(({ part, name }) => part === 'product' && name === 'serial');
    assert.equal(serial?.value, 'S0042');
  }));

test('a BMC without a repository lists its sensors by itself, and one without either has none', async () => {
  const device = { hasSdrRepository: false, hasDeviceSdrs: true };
  const readAll = async (driver: BmcDriver) => assert.equal((await driver.sensors!()).length, 12);
  await withFaults('small-reads=16', readAll, { device });
  const readNone = async (driver: BmcDriver) => assert.deepEqual(await driver.sensors!(), []);
  await withFaults('', readNone, { device: { ...device, hasDeviceSdrs: false } });
});
