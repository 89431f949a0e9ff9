import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BootWish } from '../../src/bmc/driver.ts';
import { chooseQuirks, type Facts, QUIRKS, rulesOf } from '../../src/bmc/redfish/quirks.ts';
import { assertBmcError, withBmc } from './redfish.ts';

const PXE: BootWish = { device: 'network', firmware: 'uefi', isPersistent: false };
const NOBODY: Facts = { vendor: '', product: '', managerModel: '', managerFirmware: '', manufacturer: '', model: '' };

test('every row has an id of its own, says who and what, and where it was seen', () => {
  const ids = QUIRKS.map(({ id }) => id);
  assert.deepEqual([...new Set(ids)], ids);
  for (let number = 1; number <= 18; number++)
    assert.ok(
      ids.some((id) => id.replace(/[a-z]$/, '') === `R${number}`),
      `R${number} has no row`,
    );
  for (const { id, who, what, source } of QUIRKS) assert.ok(who && what && source, id);
});

test('chooses rows by what root, manager and System say, or because somebody says so', () => {
  const idsOf = (facts: Partial<Facts>, forced: string[] = []) =>
    chooseQuirks({ ...NOBODY, ...facts }, forced).map(({ id }) => id);
  assert.deepEqual(idsOf({}), []);
  assert.deepEqual(idsOf({ manufacturer: 'Supermicro', model: 'SYS-1029P' }), ['R4a', 'R15a']);
  assert.deepEqual(idsOf({ manufacturer: 'Supermicro', model: 'ARS-111GL-NHR' }), ['R4a']);
  assert.deepEqual(idsOf({ vendor: 'AMI' }), ['R4b']);
  assert.deepEqual(idsOf({ manufacturer: 'Micro-Star' }), [], 'ami is a word of its own');
  assert.deepEqual(idsOf({ vendor: 'Dell', product: 'Integrated Dell Remote Access Controller' }), [
    'R11',
    'R16',
    'R19',
  ]);
  assert.deepEqual(idsOf({ manufacturer: 'Nokia Solutions and Networks' }), ['R14']);
  assert.deepEqual(idsOf({}, ['R4b', 'R16']), ['R4b', 'R16']);
  assert.equal(rulesOf(chooseQuirks(NOBODY, [])).bootRequest, 'changes');
  assert.equal(rulesOf(chooseQuirks({ ...NOBODY, vendor: 'AMI' }, [])).bootRequest, 'whole');
});

test('R1: closes each connection, and asks for no packed bodies', () =>
  withBmc({}, async ({ driver, sim }) => {
    await driver.setPower('on');
    for (const headers of sim.headers) {
      assert.equal(headers.connection, 'close');
      assert.equal(headers['accept-encoding'], 'identity');
      assert.equal(headers['odata-version'], '4.0');
    }
    assert.ok(sim.headers.length > 5);
  }));

test('R2: asks without "identity" where that is refused, and unpacks what comes', () =>
  withBmc({ faults: [{ name: 'no-identity' }] }, async ({ driver, sim, ids }) => {
    await driver.setPower('on');
    assert.equal(await driver.powerState(), 'on');
    assert.equal(sim.headers.filter((headers) => headers['accept-encoding'] !== undefined).length, 1);
    assert.ok(ids().includes('R2'));
  }));

/** What is sent as If-Match, one try after the other. */
const LADDERS: [name: 'weak-etag' | 'etag-refused' | 'etag-empty' | 'etag-needed', RegExp[]][] = [
  ['weak-etag', [/^W\/"[0-9a-f]+"$/, /^"[0-9a-f]+"$/]],
  ['etag-refused', [/^"[0-9a-f]+"$/, /^undefined$/]],
  ['etag-empty', [/^undefined$/]],
  ['etag-needed', [/^"[0-9a-f]+"$/]],
];
for (const [name, ladder] of LADDERS)
  test(`R3: climbs the ladder of ETags: ${name}`, () =>
    withBmc({ faults: [{ name }] }, async ({ driver, sim, ids }) => {
      await driver.setBoot(PXE);
      const tried = sim.headers
        .filter((_, index) => sim.asked[index]?.startsWith('PATCH'))
        .map((one) => one['if-match']);
      assert.equal(tried.length, ladder.length, String(tried));
      for (const [index, rung] of ladder.entries()) assert.match(String(tried[index]), rung);
      assert.equal(ids().includes('R3'), ladder.length > 1);
    }));

test('R3: climbs to the end when a weak ETag is refused in each form', () =>
  withBmc({ faults: [{ name: 'weak-etag' }, { name: 'etag-refused' }] }, async ({ driver, sim }) => {
    await driver.setBoot(PXE);
    assert.equal(sim.asked.filter((one) => one.startsWith('PATCH')).length, 3);
  }));

test('R4: sends what changed, and to those who want it all of it', async () => {
  const bootsOf = (written: Readonly<Record<string, unknown>>[]) => written.flatMap(({ Boot }) => (Boot ? [Boot] : []));
  await withBmc(
    { systems: [{ boot: { target: 'Hdd', enabled: 'Once', mode: 'UEFI', httpUri: null } }] },
    async ({ driver, sim }) => {
      await driver.setBoot(PXE);
      assert.deepEqual(bootsOf(sim.written), [{ BootSourceOverrideTarget: 'Pxe' }]);
    },
  );
  for (const [manufacturer, name, more] of [
    ['Supermicro', 'enabled-needed', {}],
    ['ASRockRack', 'whole-needed', { BootSourceOverrideMode: 'UEFI' }],
  ] as const) {
    const systems = [{ manufacturer, boot: { target: 'Hdd', enabled: 'Once', mode: 'UEFI', httpUri: null } as const }];
    await withBmc({ systems, faults: [{ name }] }, async ({ driver, sim }) => {
      await driver.setBoot(PXE);
      const boot = { BootSourceOverrideTarget: 'Pxe', BootSourceOverrideEnabled: 'Once', ...more };
      assert.deepEqual(bootsOf(sim.written), [boot]);
    });
  }
  await withBmc({ settings: { quirks: 'R4b' }, faults: [{ name: 'whole-needed' }] }, ({ driver }) =>
    driver.setBoot(PXE),
  );
});

test('R5: what cannot be set for good is not set once instead, and is told as such', () =>
  withBmc({ faults: [{ name: 'no-continuous' }] }, async ({ driver, ids }) => {
    await assert.rejects(driver.setBoot({ ...PXE, isPersistent: true }), {
      kind: 'unsupported',
      message: /sets a boot device for the next boot only: .*Continuous is not in its list/,
    });
    assert.deepEqual(await driver.boot(), { device: 'none', isPersistent: false, firmware: 'uefi' });
    assert.ok(ids().includes('R5'));
  }));

test('R6: sets the mode again when the device takes it away', () =>
  withBmc({ faults: [{ name: 'mode-lost' }] }, async ({ driver, ids }) => {
    await driver.setBoot(PXE);
    assert.deepEqual(await driver.boot(), { device: 'network', isPersistent: false, firmware: 'uefi' });
    assert.ok(ids().includes('R6'));
  }));

test('R7: waits for a machine in POST, with patience of its own', () =>
  withBmc({ faults: [{ name: 'during-post', times: 6 }] }, async ({ driver, sim, waits, ids }) => {
    await driver.setBoot(PXE);
    assert.deepEqual(waits, [5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
    assert.ok(ids().includes('R7'));
    sim.faults.add({ name: 'during-post' });
    await assertBmcError(driver.setBoot(PXE), 'busy', /cannot be changed during POST/);
  }));

test('R8: waits for an iDRAC 10 that has just powered off', () =>
  withBmc({ faults: [{ name: 'on-conflict', times: 3 }] }, async ({ driver, sim, waits, ids }) => {
    await driver.setPower('on');
    assert.deepEqual(waits, [10_000, 10_000, 10_000]);
    assert.deepEqual(sim.model.done, ['node1 On']);
    assert.ok(ids().includes('R8'));
    await driver.setPower('off');
    sim.faults.add({ name: 'on-conflict' });
    await assertBmcError(driver.setPower('on'), 'refused', /conflicts/);
  }));

test('R9: believes the power state and not the refusal, before it waits for anything', () =>
  withBmc({ faults: [{ name: 'ilo-power' }] }, async ({ driver, sim, waits }) => {
    await driver.setPower('on');
    await driver.setPower('on');
    await driver.setPower('off');
    await driver.setPower('soft');
    sim.faults.add({ name: 'on-conflict' });
    sim.model.systems[0]!.power = 'On';
    await driver.setPower('on');
    assert.deepEqual(waits, []);
  }));

test('R11: does not wait to see a mode that a Dell shows after its next reset', () =>
  withBmc({ vendor: 'Dell', faults: [{ name: 'mode-later' }] }, async ({ driver, sim, waits, ids }) => {
    await driver.setBoot({ ...PXE, firmware: 'bios' });
    assert.deepEqual(sim.model.systems[0]?.boot.mode, 'Legacy');
    assert.deepEqual(
      await driver.boot(),
      { device: 'network', isPersistent: false },
      'the mode that it reads is the old one',
    );
    assert.deepEqual(waits, []);
    assert.ok(ids().includes('R11'));
  }));

test('R12: leaves alone a mode that cannot be read', () =>
  withBmc({ faults: [{ name: 'no-mode' }] }, async ({ driver, ids }) => {
    await driver.setBoot(PXE);
    assert.deepEqual(await driver.boot(), { device: 'network', isPersistent: false });
    assert.ok(ids().includes('R12'));
  }));

test('R14: sets the boot in the settings where the System has none', () =>
  withBmc({ faults: [{ name: 'boot-in-settings' }] }, async ({ driver, sim, ids }) => {
    await driver.setBoot({ ...PXE, firmware: 'bios' });
    assert.deepEqual(await driver.boot(), { device: 'network', isPersistent: false, firmware: 'bios' });
    assert.ok(sim.asked.includes('PATCH /redfish/v1/Systems/node1/Settings'));
    assert.ok(ids().includes('R14'));
  }));

test('R16: tells a Dell by its BIOS what to load by HTTP, and only when it is something new', () =>
  withBmc(
    { vendor: 'Dell', systems: [{ biosAttributes: { HttpDev1EnDis: 'Disabled', HttpDev1Uri: '' } }] },
    async ({ driver, sim, ids }) => {
      const wish: BootWish = {
        device: 'http',
        firmware: 'uefi',
        isPersistent: false,
        httpUri: 'http://10.0.0.1/x.efi',
      };
      await driver.setBoot(wish);
      await driver.setBoot(wish);
      const [system] = sim.model.systems;
      assert.deepEqual(system?.biosAttributes, { HttpDev1EnDis: 'Enabled', HttpDev1Uri: 'http://10.0.0.1/x.efi' });
      assert.equal(system?.boot.httpUri, null);
      assert.deepEqual(sim.model.done, [
        'node1 bios HttpDev1EnDis HttpDev1Uri',
        'node1 boot UefiHttp Once UEFI',
        'node1 boot UefiHttp Once UEFI',
      ]);
      assert.ok(ids().includes('R16'));
    },
  ));

test('R16: says so when a Dell has no such BIOS attribute', () =>
  withBmc({ vendor: 'Dell' }, ({ driver }) =>
    assertBmcError(
      driver.setBoot({ device: 'http', firmware: 'uefi', isPersistent: false, httpUri: 'http://10.0.0.1/x.efi' }),
      'unsupported',
      /no attribute HttpDev1Uri/,
    ),
  ));

test('R19: has the serial number that a Dell shows to its operating system', () =>
  withBmc({ vendor: 'Dell', systems: [{ sku: '5B5XQN2' }] }, async ({ driver }) => {
    assert.equal((await driver.identity()).serial, '5B5XQN2');
  }));

test('says that a boot setting was taken and not kept', () =>
  withBmc({ faults: [{ name: 'boot-ignored' }] }, async ({ driver, waits }) => {
    await assertBmcError(
      driver.setBoot(PXE),
      'refused',
      /said yes .* told BootSourceOverrideEnabled Once and reads "Disabled"/,
    );
    assert.deepEqual(waits, [2000, 2000, 2000, 2000]);
  }));

test('says that a BMC takes no URI for HTTP boot', () =>
  withBmc({ faults: [{ name: 'no-http-uri' }] }, ({ driver }) =>
    assertBmcError(
      driver.setBoot({ device: 'http', firmware: 'uefi', isPersistent: false, httpUri: 'http://10.0.0.1/x.efi' }),
      'unsupported',
      /no HttpBootUri/,
    ),
  ));

test('tries all where the BMC does not say what it allows, and the next name when it refuses one', () =>
  withBmc(
    { systems: [{ manufacturer: 'Supermicro' }], faults: [{ name: 'no-allowed-values' }, { name: 'no-usb-cd' }] },
    async ({ driver, sim }) => {
      await driver.setPower('on');
      await driver.setBoot({ ...PXE, device: 'cd' });
      assert.deepEqual(sim.model.done, ['node1 On', 'node1 boot Cd Once UEFI']);
    },
  ));

test('tries the next ResetType where the BMC does not say which it has, and none when it refuses another way', () =>
  withBmc({ faults: [{ name: 'no-allowed-values' }], systems: [{ power: 'On' }] }, async ({ driver, sim }) => {
    const resets = () => sim.written.map(({ ResetType }) => ResetType).filter((type) => type !== undefined);
    sim.faults.add({ name: 'status', status: 400, id: 'ActionParameterNotSupported', path: 'Reset', times: 1 });
    await driver.setPower('reset');
    assert.deepEqual(resets(), ['ForceRestart', 'PowerCycle']);
    assert.deepEqual(sim.model.done, ['node1 PowerCycle']);
    sim.faults.add({ name: 'status', status: 409, id: 'ResourceInUse', text: 'In use.', path: 'Reset', times: 1 });
    await assertBmcError(driver.setPower('reset'), 'refused', /"ForceRestart" with 409/);
    sim.faults.add({ name: 'status', status: 400, id: 'ActionNotSupported', text: 'No.', path: 'Reset' });
    await assertBmcError(driver.setPower('reset'), 'unsupported', /"ForceRestart" with 400 \(No\)/);
    assert.deepEqual(sim.model.done, ['node1 PowerCycle']);
  }));

test('reads what is allowed from an ActionInfo', () =>
  withBmc({ faults: [{ name: 'action-info' }] }, async ({ driver, sim }) => {
    await driver.setPower('on');
    assert.ok(sim.asked.includes('GET /redfish/v1/Systems/node1/ResetActionInfo'));
  }));

test('falls back to what the BMC allows', async () => {
  await withBmc({ faults: [{ name: 'reset-types', text: 'On ForceOff' }] }, async ({ driver, sim, waits }) => {
    await driver.setPower('on');
    await driver.setPower('cycle');
    await assertBmcError(
      driver.setPower('soft'),
      'unsupported',
      /it takes On, ForceOff, and not GracefulShutdown or PushPower/,
    );
    assert.deepEqual(sim.model.done, ['node1 On', 'node1 ForceOff', 'node1 On']);
    assert.deepEqual(waits, [2000], 'off is seen before on is asked for');
  });
  await withBmc({ faults: [{ name: 'reset-types', text: 'PushPowerButton ForceOff' }] }, async ({ driver, sim }) => {
    for (const action of ['on', 'on', 'soft', 'soft'] as const) await driver.setPower(action);
    assert.deepEqual(
      sim.model.done,
      ['node1 PushPowerButton', 'node1 PushPowerButton'],
      'a second push would undo the first',
    );
  });
  await withBmc({ faults: [{ name: 'reset-types', text: 'On ForceOff' }] }, async ({ driver, sim, waits }) => {
    sim.model.systems[0]!.power = 'On';
    sim.faults.add({ name: 'deaf' });
    await assertBmcError(
      driver.setPower('cycle'),
      'refused',
      /not off 60 s after ForceOff\. The power is off or going off/,
    );
    assert.equal(waits.length, 30);
  });
});

test('reads what the BMC reads, a state that flips too, and says when it reads none', () =>
  withBmc({}, async ({ driver, sim }) => {
    assert.equal(await driver.powerState(), 'off');
    sim.faults.add({ name: 'flips', times: 1 });
    assert.equal(await driver.powerState(), 'on');
    assert.equal(await driver.powerState(), 'off');
    sim.faults.add({ name: 'power-state', text: 'PoweringOn', times: 1 });
    assert.equal(await driver.powerState(), 'off', 'not on yet');
    sim.faults.add({ name: 'power-state', times: 1 });
    await assertBmcError(driver.powerState(), 'busy', /does not know the power state/);
  }));
