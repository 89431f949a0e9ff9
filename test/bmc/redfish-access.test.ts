import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { makeCertificate } from '../../src/lab/bmc-sim/redfish-certificate.ts';
import { assertBmcError, makeTime, open, STEADY, withBmc } from './redfish.ts';

test('tells the certificate it meets first, and refuses another one with both named', async () => {
  const at = Date.UTC(2026, 0, 1);
  const certificate = makeCertificate('bmc', at);
  let sim = await openRedfishSim({ certificate });
  const { port } = sim;
  try {
    const told: string[] = [];
    const first = open(port, { options: { onFingerprint: (fingerprint) => void told.push(fingerprint) } });
    await first.powerState();
    await first.powerState();
    const [fingerprint = ''] = told;
    assert.equal(told.length, 1);
    assert.match(fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);

    // As it may have been stored: any case, with or without colons.
    for (const stored of [fingerprint, fingerprint.toLowerCase().replaceAll(':', '')]) {
      const told: string[] = [];
      const onFingerprint = (one: string) => void told.push(one);
      assert.equal(
        await open(port, { settings: { fingerprint: stored }, options: { onFingerprint } }).powerState(),
        'off',
      );
      assert.deepEqual(told, []);
    }

    await sim.stop();
    sim = await openRedfishSim({ port, certificate: makeCertificate('bmc', at) });
    const other = new RegExp(`another certificate .* was ${fingerprint} and is ([0-9A-F]{2}:){31}`);
    for (const driver of [first, open(port, { settings: { fingerprint } })])
      await assertBmcError(driver.powerState(), 'certificate', other);
    assert.deepEqual(sim.asked, [], 'nothing is sent to a stranger, least of all the password');
  } finally {
    await sim.stop();
  }
});

test('sends nothing when the certificate cannot be remembered', async () => {
  const sim = await openRedfishSim();
  try {
    const onFingerprint = () => {
      throw new Error('the disk is full');
    };
    const driver = open(sim.port, { options: { onFingerprint } });
    for (let call = 0; call < 2; call++) await assert.rejects(driver.powerState(), /the disk is full/);
    assert.deepEqual(sim.asked, []);
  } finally {
    await sim.stop();
  }
});

test('finds its System among several, by number in either byte order, by name or by path', async () => {
  const systems = [
    { uuid: '00112233-4455-6677-8899-aabbccddeeff', sku: 'TAG1' },
    { uuid: '10112233-4455-6677-8899-aabbccddeeff' },
  ];
  const sim = await openRedfishSim({ systems });
  const { waits, ...time } = makeTime();
  const serialOf = async (settings: Record<string, string>) =>
    (await open(sim.port, { settings, options: { patience: STEADY, ...time } }).identity()).serial;
  try {
    assert.equal(await serialOf({ uuid: '10112233-4455-6677-8899-AABBCCDDEEFF' }), 'SIM0002');
    assert.equal(await serialOf({ uuid: '33221110-5544-7766-8899-aabbccddeeff' }), 'SIM0002', 'SMBIOS byte order');
    assert.equal(await serialOf({ serial: 'sim0002' }), 'SIM0002');
    assert.equal(await serialOf({ serial: 'TAG1' }), 'SIM0001', 'a Dell service tag');
    assert.equal(await serialOf({ system: 'node2' }), 'SIM0002');
    assert.equal(await serialOf({ system: '/redfish/v1/Systems/node2/' }), 'SIM0002');
    const both = /node1 \(UUID 00112233-.*, serial SIM0001\), node2 \(UUID 1011/;
    await assertBmcError(
      open(sim.port).powerState(),
      'refused',
      /2 Systems behind it and it is not known which one is meant/,
    );
    await assertBmcError(open(sim.port, { settings: { serial: 'X1' } }).powerState(), 'refused', /none has serial X1/);
    await assertBmcError(open(sim.port, { settings: { system: 'node3' } }).powerState(), 'refused', both);
    assert.equal(sim.openSessions(), 0);
    assert.deepEqual(waits, []);
  } finally {
    await sim.stop();
  }
});

test('says what is wrong with the login, once, and never the password', () =>
  withBmc({}, async ({ sim }) => {
    for (const wanted of [{ password: 'a wrong one' }, { user: 'nobody' }]) {
      sim.asked.length = 0;
      await assertBmcError(open(sim.port, wanted).powerState(), 'wrong-password', /the login with 401/);
      assert.equal(
        sim.asked.filter((one) => one.startsWith('POST')).length,
        1,
        'a second try would count towards a lock-out',
      );
    }
    const basic = open(sim.port, { password: 'a wrong one', settings: { auth: 'basic' } });
    await assertBmcError(basic.powerState(), 'wrong-password', /with 401/);
  }));

test('a login that is refused with 403 is a wrong one, unless the BMC says that it knows the user', async () => {
  for (const [status, id, kind] of [
    [403, undefined, 'wrong-password'],
    [403, 'AccessDenied', 'wrong-password'],
    [403, 'InsufficientPrivilege', 'privilege'],
    [403, 'PasswordChangeRequired', 'privilege'],
    [400, 'UnauthorizedLoginAttempt', 'wrong-password'],
  ] as const)
    await withBmc({}, async ({ driver, sim }) => {
      sim.faults.add({ name: 'status', status, ...(id && { id }), method: 'POST', path: '/SessionService/Sessions' });
      await assertBmcError(driver.powerState(), kind, new RegExp(`the login with ${status}`));
      assert.equal(sim.asked.filter((one) => one.startsWith('POST')).length, 1);
    });
});

test('a login that is refused without a reason, and by Basic too, is a wrong one', () =>
  withBmc({}, async ({ sim }) => {
    sim.faults.add({ name: 'status', status: 400, method: 'POST', path: '/SessionService/Sessions' });
    await assertBmcError(open(sim.port, { password: 'a wrong one' }).powerState(), 'wrong-password', /with 401/);
    assert.equal(await open(sim.port).powerState(), 'off', 'and by Basic the right one is let in');
  }));

test('strikes the password out of what a BMC repeats', () =>
  withBmc({ faults: [{ name: 'password-told' }] }, async ({ driver }) => {
    await assertBmcError(driver.powerState(), 'wrong-password', /Denied admin with …/);
  }));

test('says why a BMC cannot be reached', async () => {
  const sim = await openRedfishSim();
  await sim.stop();
  const { waits, ...time } = makeTime();
  const driver = open(sim.port, { options: time });
  await assertBmcError(
    driver.powerState(),
    'unreachable',
    /nothing listens on that port\. .*Redfish over HTTPS is turned on/,
  );
  assert.deepEqual(waits, [], 'and does not wait for what does not come by waiting');
});

test('names a setting that cannot be meant', () => {
  for (const [name, value] of [
    ['auth', 'digest'],
    ['tls', 'none'],
    ['fingerprint', 'AB:CD'],
    ['uuid', '12-34'],
    ['quirks', 'R4b R99'],
  ] as const)
    assert.throws(
      () => open(443, { settings: { [name]: value } }),
      new RegExp(`setting ${name} "${value}", which is not `),
    );
  assert.deepEqual(open(443, { settings: { quirks: 'R4b, R16', of: 'another driver' } }).quirks(), []);
});
