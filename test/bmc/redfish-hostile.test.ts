import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { BmcError, type BmcErrorKind, type BootWish } from '../../src/bmc/driver.ts';
import { describeRefusal } from '../../src/bmc/redfish/answer.ts';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { assertBmcError, open, PASSWORD, STEADY, withBmc } from './redfish.ts';

const PXE: BootWish = { device: 'network', firmware: 'uefi', isPersistent: false };
const SESSIONS = '/redfish/v1/SessionService/Sessions';

test('does not follow a redirect away from the BMC, and does not follow for ever', async () => {
  for (const [text, refusal] of [
    ['https://elsewhere.example/redfish/v1/', /to https:\/\/elsewhere\.example, which is not this BMC/],
    ['//127.0.0.2/redfish/v1/', /to https:\/\/127\.0\.0\.2, which is not this BMC/],
    ['http://127.0.0.1/redfish/v1/', /to http:\/\/127\.0\.0\.1, which is not this BMC/],
    [`${SESSIONS}/again`, /again and again/],
  ] as const)
    await withBmc({}, async ({ driver, sim }) => {
      await driver.boot();
      sim.faults.add({ name: 'redirect', text, path: SESSIONS });
      await assertBmcError(driver.boot(), 'protocol', refusal);
      assert.ok(sim.asked.length < 30);
    });
});

/** Answers that are hostile or broken. Each must end in a BmcError that says what it was, and in bounded work. */
const HOSTILE: [string, Parameters<typeof withBmc>[0]['faults'], BmcErrorKind, RegExp][] = [
  ['a flood', [{ name: 'flood', count: 5 }], 'protocol', /more than 4194304 bytes/],
  [
    'a gzip bomb',
    [{ name: 'flood', count: 5 }, { name: 'no-identity' }],
    'protocol',
    /gzip that is broken or unpacks to more than/,
  ],
  ['deep JSON', [{ name: 'body', text: '{"a":'.repeat(100_000) }], 'protocol', /nested more than 64 deep/],
  ['HTML', [{ name: 'body', text: '<html>\u001b[31mLogin' }], 'protocol', /not JSON: <html> \[31mLogin\./],
  ['a list', [{ name: 'body', text: '[]' }], 'protocol', /JSON that is not an object/],
  ['nothing', [{ name: 'body', text: '' }], 'unsupported', /no collection of Systems/],
  [
    'null where objects should be',
    [{ name: 'body', text: '{"Systems":null,"Links":null,"Oem":null}' }],
    'unsupported',
    /no collection/,
  ],
  [
    'a link elsewhere',
    [{ name: 'body', text: '{"Systems":{"@odata.id":"//evil.example/x"}}' }],
    'unsupported',
    /no collection/,
  ],
  [
    'a link that breaks the request line',
    [{ name: 'body', text: '{"Systems":{"@odata.id":"/x HTTP/1.1\\r\\nX: y"}}' }],
    'unsupported',
    /no collection/,
  ],
];
for (const [name, faults, kind, text] of HOSTILE)
  test(`survives ${name}`, () =>
    withBmc({ faults: faults ?? [] }, async ({ driver, sim }) => {
      await assertBmcError(driver.powerState(), kind, text);
      assert.ok(sim.asked.length < 20, `${sim.asked.length} requests`);
    }));

test('reads collections by pages, and stops where they have no end', () =>
  withBmc({ systems: [{}, {}, {}], settings: { serial: 'SIM0003' } }, async ({ driver, sim }) => {
    sim.faults.add({ name: 'pages', count: 1, path: '/Systems' });
    assert.equal((await driver.identity()).serial, 'SIM0003');
    sim.faults.add({ name: 'endless-pages', path: '/Sensors' });
    assert.ok((await driver.sensors()).length <= 400);
    assert.ok(sim.asked.length < 300, `${sim.asked.length} requests`);
  }));

test('reads members one by one where expanding fails', () =>
  withBmc({ faults: [{ name: 'no-expand' }] }, async ({ driver, sim, ids }) => {
    assert.equal((await driver.sensors()).length, 3);
    assert.ok((await driver.inventory()).some(({ name }) => name === 'MAC'));
    assert.equal(sim.asked.filter((one) => one.includes('$expand')).length, 1);
    assert.ok(ids().includes('R21'));
  }));

test('reads two resources and not one per sensor where a BMC does not expand', () =>
  withBmc({ faults: [{ name: 'expand-unsaid' }] }, async ({ driver, sim }) => {
    assert.equal((await driver.sensors()).length, 6);
    assert.ok(!sim.asked.some((one) => one.includes('/Sensors')));
    sim.faults.add({ name: 'status', status: 404, path: '/Thermal' });
    sim.faults.add({ name: 'status', status: 404, path: '/Power' });
    assert.equal((await driver.sensors()).length, 3, 'where there is nothing else, one per sensor');
  }));

test('survives a peer that speaks something else', async () => {
  for (const [bytes, kind, text] of [
    ['SSH-2.0-OpenSSH_9.2\r\n', 'protocol', /something that is not TLS/],
    ['', 'unreachable', /closed the connection/],
  ] as const) {
    const server = createServer(
      (socket) =>
        void socket
          .on('error', () => undefined)
          .resume()
          .end(bytes),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const driver = open(port, { options: { sleep: async () => undefined } });
    await assertBmcError(driver.powerState(), kind, text);
    await new Promise((resolve) => server.close(resolve));
  }
});

test('R22: begins its handshake with one packet, also with old TLS', async () => {
  for (const tls of ['modern', 'old']) {
    const hellos: Buffer[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        hellos.push(bytes);
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const driver = open(port, { settings: { tls }, options: { patience: { ...STEADY, tries: 1 } } });
    await assertBmcError(driver.powerState(), 'unreachable', /closed the connection/);
    await new Promise((resolve) => server.close(resolve));
    const [hello] = hellos;
    assert.equal(hello?.[0], 22, 'a handshake'); // RFC 8446 5.1
    assert.equal(hello?.length, 5 + (hello?.readUInt16BE(3) ?? 0), 'came whole');
    assert.ok((hello?.length ?? 0) < 1220, `${hello?.length} bytes`); // IPv6's least MTU without its headers
  }
});

test('answers or fails with a BmcError, whatever the BMC puts in the place of what is wanted', async () => {
  let answers = 0;
  let failures = 0;
  for (let seed = 1; seed <= 40; seed++)
    await withBmc({ patience: { ...STEADY, tries: 1 } }, async ({ driver, sim }) => {
      // Half of them only after all was found, so that what is behind the service root is met too.
      if (seed % 2 === 0) await driver.powerState();
      sim.faults.add({ name: 'junk', count: seed * 7919 });
      const calls: (() => Promise<unknown>)[] = [
        () => driver.powerState(),
        () => driver.setPower('on'),
        () => driver.setBoot(PXE),
        () => driver.boot(),
        () => driver.bootOrder(),
        () => driver.identity(),
        () => driver.sensors(),
        () => driver.powerReading(),
        () => driver.log(),
        () => driver.clearLog(),
        () => driver.inventory(),
        () => driver.identify(0),
        () => driver.insertMedia('http://10.77.0.1/boot.iso'),
        () => driver.insertMedia(undefined),
      ];
      for (const call of calls)
        await call().then(
          () => {
            answers += 1;
          },
          (error) => {
            assert.ok(error instanceof BmcError, `seed ${seed}: ${error.stack}`);
            failures += 1;
          },
        );
      sim.expireSessions(); // where the junk was in the answer that names them
    });
  assert.ok(answers > 50 && failures > 50, `${answers} answers, ${failures} failures`);
});

test('ends a call that a slow BMC draws out', async () => {
  const sim = await openRedfishSim();
  try {
    let now = 0;
    const steady = () => {
      now += 60_000; // as if each request took so long
      return now;
    };
    const driver = open(sim.port, { options: { steady } });
    await assertBmcError(driver.inventory(), 'busy', /one call took more than 600 s/);
    assert.ok(sim.asked.length < 40, `${sim.asked.length} requests`);
    assert.equal(sim.openSessions(), 0);
  } finally {
    await sim.stop();
  }
});

test('strikes a secret out before a long text is cut', () => {
  const Message = `${'x'.repeat(295)}${PASSWORD}${'y'.repeat(300)}`;
  const answer = { status: 400, headers: {}, resource: { error: { '@Message.ExtendedInfo': [{ Message }] } } };
  assert.doesNotMatch(describeRefusal(answer, 'the login', [PASSWORD]), /s3c|s3/);
  const spaced = { ...answer, resource: { error: { message: 'It was a\tb  c.' } } };
  assert.match(describeRefusal(spaced, 'the login', ['a\tb  c']), /\(It was …\)$/);
});

test('uses old TLS only where it is told to', async () => {
  await withBmc({ tls: 'old' }, async ({ driver, sim }) => {
    await assertBmcError(driver.powerState(), 'protocol', /no TLS or no key that is still safe; the setting tls=old/);
    assert.deepEqual(sim.asked, []);
  });
  await withBmc({ tls: 'old', settings: { tls: 'old' } }, async ({ driver }) => {
    assert.equal(await driver.powerState(), 'off');
  });
});
