import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRedfishSim } from '../../src/lab/bmc-sim/redfish.ts';
import { AppError } from '../../src/model/errors.ts';
import { startWireBmc } from '../bmc/wire-bmc.ts';
import type { Harness } from '../harness.ts';
import { assertAnswered, assertRefused, items, withApi } from './rig.ts';

const SECRET = 'correct-horse-staple';

/** Every byte that is kept. */
function kept({ folder }: Harness): Buffer {
  const data = join(folder, 'data');
  return Buffer.concat(
    readdirSync(data)
      .filter((name) => name.startsWith('firstlight.db'))
      .map((name) => readFileSync(join(data, name))),
  );
}

test('a BMC is set, shown and removed, and each of it is told', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    const link = { driver: 'redfish', address: '10.0.0.5', user: 'root', password: SECRET };
    const chain = [link, { address: '10.0.0.5', user: 'root', password: SECRET }];
    assertAnswered(await call('PUT', 'machines/vm-01/bmc', { chain }), 200, {
      chain: [
        { driver: 'redfish', address: '10.0.0.5', port: 443, user: 'root' },
        { driver: 'ipmi', address: '10.0.0.5', port: 623, user: 'root' },
      ],
    });
    assertAnswered(await call('GET', 'machines/vm-01/bmc'), 200, { power: 'unknown', quirks: [], orders: [] });
    assert.equal((await call('DELETE', 'machines/vm-01/bmc')).status, 204);
    assertAnswered(await call('GET', 'machines/vm-01/bmc'), 200, { chain: [] });
    assertRefused(
      await call('GET', 'machines/vm-01/bmc/identity'),
      409,
      'no-bmc',
      /no BMC is known for vm-01/,
      /bmc set/,
    );
    assert.deepEqual(
      harness.told.filter(({ kind }) => kind === 'bmc.changed').map(({ text }) => text),
      ['BMC set by ada: redfish 10.0.0.5, then ipmi 10.0.0.5', 'BMC removed by ada'],
    );
  }));

const WRONG: [string, object, RegExp][] = [
  ['without an address', { driver: 'ipmi', user: 'root' }, /the driver ipmi needs an address/],
  ['with a credential and a user', { address: 'a', credential: 'racks', user: 'root' }, /not both/],
  ['with a credential that is none', { address: 'a', credential: 'racks' }, /there is no credential racks/],
  ['with a driver that is none', { driver: 'telnet', address: 'a' }, /driver|must match|schema/],
  ['with a port that is none', { address: 'a', port: 70_000 }, /port|must match|schema/],
  [
    'with a setting that its driver does not know',
    { driver: 'redfish', address: 'a', settings: { tls: 'none' } },
    /setting tls "none"/,
  ],
  ['with no link', { chain: [] }, /chain|must match|schema/],
];
for (const [what, body, error] of WRONG)
  test(`a BMC ${what} is refused, and changes nothing`, () =>
    withApi(async ({ call, harness }) => {
      const { id } = harness.addMachine('vm-01');
      harness.setBmc(id);
      assertRefused(await call('PUT', 'machines/vm-01/bmc', body), 400, 'bad-request', error);
      assert.equal(harness.bmcs.chain(id)[0]?.address, '127.0.0.1');
      assert.deepEqual(
        harness.told.filter(({ kind }) => kind === 'bmc.changed'),
        [],
      );
    }));

test('of the URLs of a webhook nobody is shown more than where they go; what comes back as it was shown is kept', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    const seen: unknown[] = [];
    const put = async (...all: object[]) => {
      const chain = all.map((settings) => ({ driver: 'webhook', settings }));
      const answer = await call('PUT', 'machines/vm-01/bmc', { chain });
      seen.push(answer.body, (await call('GET', 'machines/vm-01/bmc')).body);
      return answer;
    };
    const kept = () => harness.bmcs.chain(id).map(({ settings }) => settings);
    const first = { on: `https://pdu.example:8443/${SECRET}/on`, off: `https://pdu.example:8443/off?key=${SECRET}` };
    const second = { on: `https://other.example/${SECRET}`, 'machine.outlet': '7' };
    const shown = [
      { on: 'https://pdu.example:8443', off: 'https://pdu.example:8443' },
      { on: 'https://other.example', 'machine.outlet': '7' },
    ];
    assertAnswered(await put(first, second), 200, { chain: shown.map((settings) => ({ settings })) });
    await put(...shown);
    assert.deepEqual(kept(), [first, second], 'nothing of it was changed');
    await put(...shown.toReversed());
    assert.deepEqual(kept(), [second, first], 'only their order was');
    await put({ ...shown[1], 'machine.outlet': '8' }, { ...shown[0], off: 'https://pdu.example:8443/' });
    assert.deepEqual(kept(), [
      { ...second, 'machine.outlet': '8' },
      { ...first, off: 'https://pdu.example:8443/' },
    ]);
    await put({ on: 'https://new.example' });
    assert.deepEqual(kept(), [{ on: 'https://new.example' }]);
    await put(first);
    seen.push((await call('POST', 'machines/vm-01/bmc/allow', {})).body, (await call('GET', 'machines')).body);
    assert.ok(!JSON.stringify([seen, harness.told]).includes(SECRET));
  }));

test('a scan that fails by a fault of ours says only that, and leaves its stack in the log', async (t) => {
  const logged = t.mock.method(console, 'error', () => undefined);
  const scan = () => Promise.reject(new TypeError('it is not a function'));
  await withApi(
    async ({ call }) => {
      const { status, body } = await call('POST', 'bmc/scan', { range: '10.0.0.1' });
      assert.deepEqual(
        [status, body],
        [200, { code: 'internal', error: 'internal error, see the log of the appliance' }],
      );
    },
    {},
    { scan },
  );
  const [line] = logged.mock.calls.map((one) => String(one.arguments[0]));
  assert.match(line ?? '', /^API POST \/api\/v1\/bmc\/scan of 10\.0\.0\.1: TypeError: it is not a function\n +at /);
});

test('a scan that the caller asked wrongly fails with its sentence', () =>
  withApi(
    async ({ call }) =>
      assert.deepEqual((await call('POST', 'bmc/scan', { range: '10.0.0.1' })).body, {
        code: 'bad-request',
        error: 'too many of them',
        next: 'scan it in parts',
      }),
    {},
    { scan: () => Promise.reject(new AppError('bad-request', 'too many of them', 'scan it in parts')) },
  ));

test('what a BMC tells is asked of the first driver that has it; its failure is an answer with a sentence', async () => {
  const bmc = await startWireBmc();
  try {
    await withApi(async ({ call, harness }) => {
      const { id } = harness.addMachine('vm-01');
      harness.setBmc(id, { port: bmc.port });
      assertAnswered(await call('GET', 'machines/vm-01/bmc/identity'), 200, {
        driver: 'ipmi',
        identity: { manufacturer: 'Supermicro', serial: 'S0042' },
      });
      bmc.isOn = true;
      assertAnswered(await call('GET', 'machines/vm-01/bmc/watts'), 200, { driver: 'ipmi', watts: 128 });
      const sensors = await call('GET', 'machines/vm-01/bmc/sensors');
      assert.ok((sensors.body.sensors as unknown[]).length > 0);
      assertRefused(
        await call('GET', 'machines/vm-01/bmc/boot-order'),
        502,
        'bmc-failed',
        /has no boot order, as far as ipmi goes/,
      );
      assert.equal((await call('DELETE', 'machines/vm-01/bmc/log')).status, 204);
      assert.ok(harness.told.some(({ text }) => text === 'event log cleared by ada'));
    });
  } finally {
    await bmc.stop();
  }
});

test('a BMC that refuses is used again once somebody says so', async () => {
  const bmc = await startWireBmc({ users: { admin: { password: SECRET, privilege: 4 } } });
  try {
    await withApi(async ({ call, harness }) => {
      const { id } = harness.addMachine('vm-01');
      harness.setBmc(id, { port: bmc.port, password: 'not-that-one' });
      for (const _ of [1, 2])
        assertRefused(await call('GET', 'machines/vm-01/power?fresh=true'), 502, 'bmc-failed', /password/);
      assert.equal(bmc.consoleIds.length, 1);
      assertAnswered(await call('GET', 'machines/vm-01/bmc'), 200, {
        chain: [{ refusal: { kind: 'wrong-password' } }],
      });
      const allowed = await call('POST', 'machines/vm-01/bmc/allow', {});
      assert.equal((allowed.body.chain as { refusal?: object }[])[0]?.refusal, undefined);
      await call('GET', 'machines/vm-01/power?fresh=true');
      assert.equal(bmc.consoleIds.length, 2);
      await call('PUT', 'machines/vm-01/bmc', { address: '127.0.0.1', port: bmc.port, password: SECRET });
      assertAnswered(await call('GET', 'machines/vm-01/power?fresh=true'), 200, { power: 'off' });
    });
  } finally {
    await bmc.stop();
  }
});

test('a new certificate is taken only when somebody accepts it', async () => {
  const sim = await openRedfishSim();
  try {
    await withApi(async ({ call, harness }) => {
      const { id } = harness.addMachine('vm-01');
      harness.setBmc(id, { driver: 'redfish', port: sim.port });
      assert.equal((await call('GET', 'machines/vm-01/power?fresh=true')).status, 200);
      const [link] = harness.bmcs.chain(id);
      const before = Array(32).fill('AB').join(':');
      harness.bmcs.learn(link as never, { fingerprint: before });
      harness.bmcs.allow(id);
      const refused = await call('GET', 'machines/vm-01/power?fresh=true');
      assertRefused(
        refused,
        502,
        'bmc-failed',
        new RegExp(`its SHA-256 was ${before} and is ${link?.learned.fingerprint}`),
      );
      await call('POST', 'machines/vm-01/bmc/allow', {});
      assert.equal((await call('GET', 'machines/vm-01/power?fresh=true')).status, 502, 'allowed, and not accepted');
      await call('POST', 'machines/vm-01/bmc/allow', { newCertificate: true });
      assert.equal((await call('GET', 'machines/vm-01/power?fresh=true')).status, 200);
      assert.ok(harness.told.some(({ text }) => text.includes('whatever certificate it shows next')));
    });
  } finally {
    await sim.stop();
  }
});

test('credentials are made, listed without their passwords, and removed when no machine has them', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    assert.equal((await call('PUT', 'credentials/racks', { user: 'root', password: SECRET })).status, 204);
    assertRefused(
      await call('PUT', 'credentials/a%20b', { user: 'root', password: SECRET }),
      400,
      'bad-request',
      /name/,
    );
    await call('PUT', 'machines/vm-01/bmc', { address: '10.0.0.5', credential: 'racks' });
    assert.deepEqual(items(await call('GET', 'credentials')), [{ name: 'racks', user: 'root', usedBy: 1 }]);
    assertRefused(
      await call('DELETE', 'credentials/racks'),
      400,
      'bad-request',
      /racks is used by 1 machine/,
      /bmc set/,
    );
    await call('DELETE', 'machines/vm-01/bmc');
    assert.equal((await call('DELETE', 'credentials/racks')).status, 204);
    assertRefused(await call('DELETE', 'credentials/racks'), 404, 'not-found', /no credential racks/);
    const told = harness.told.filter((event) => event.kind === 'credentials.changed').map((event) => event.text);
    assert.deepEqual(told, ['credential racks was set by ada, user root', 'credential racks was removed by ada']);
  }));

test('the key is changed by one call, and every password opens as before', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    harness.setBmc(id, { password: SECRET });
    harness.bmcs.putCredential('racks', 'root', SECRET);
    const before = readFileSync(join(harness.folder, 'data/secret.key'), 'utf8');
    assertAnswered(await call('POST', 'secrets/rotate'), 200, { resealed: 2 });
    assert.notEqual(readFileSync(join(harness.folder, 'data/secret.key'), 'utf8'), before);
    assert.equal(harness.bmcs.password(id, 0), SECRET);
  }));

test('a password that cannot be opened is told, and the record of the BMC can be read all the same', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    harness.setBmc(id);
    harness.db.sql.prepare('UPDATE bmc_link SET password = ?').run(Buffer.alloc(40));
    assertAnswered(await call('GET', 'machines/vm-01/bmc'), 200, { chain: [{ driver: 'ipmi' }] });
    const fresh = await call('GET', 'machines/vm-01/power?fresh=true');
    assertRefused(fresh, 502, 'bmc-failed', /cannot be opened with .*secret\.key: restore that file/);
    const order = await call('POST', 'machines/vm-01/power', { action: 'on', wait: true });
    assertRefused(order, 502, 'bmc-failed', /cannot be opened/);
  }));

test('no password is in any answer, event, order or file, though BMCs repeat it and refuse it', async () => {
  const ipmi = await startWireBmc({ users: { root: { password: SECRET, privilege: 4 } } });
  const redfish = await openRedfishSim({ users: { root: SECRET }, faults: [{ name: 'password-told' }] });
  try {
    await withApi(async ({ call, harness }) => {
      harness.addMachine('vm-01');
      const said: unknown[] = [];
      const say = async (...request: Parameters<typeof call>): Promise<void> => {
        const { body, headers } = await call(...request);
        said.push(body, headers);
      };
      const link = { address: '127.0.0.1', user: 'root' };
      await say('PUT', 'credentials/racks', { user: 'root', password: SECRET });
      await say('PUT', 'machines/vm-01/bmc', {
        chain: [
          { ...link, driver: 'redfish', port: redfish.port, password: SECRET },
          { address: '127.0.0.1', port: ipmi.port, credential: 'racks' },
        ],
      });
      await say('POST', 'machines/vm-01/power', { action: 'on', wait: true });
      await say('PUT', 'machines/vm-01/bmc', { ...link, port: ipmi.port, password: `not-${SECRET}`.slice(0, 20) });
      await say('POST', 'machines/vm-01/power', { action: 'off', wait: true });
      await say('PUT', 'machines/vm-01/bmc', { ...link, address: '', password: SECRET });
      await say('PUT', 'machines/vm-01/bmc', { ...link, password: { text: SECRET } });
      for (const path of [
        'machines',
        'machines/vm-01',
        'machines/vm-01/bmc',
        'machines/vm-01/orders',
        'machines/vm-01/timeline',
        'credentials',
      ])
        await say('GET', path);
      await say('POST', 'secrets/rotate');
      const all = Buffer.concat([Buffer.from(JSON.stringify([said, harness.told])), kept(harness)]).toString('latin1');
      assert.ok(all.includes('root') && all.includes('not used any more'), 'what is not secret is there');
      for (const secret of [SECRET, `not-${SECRET}`.slice(0, 20), Buffer.from(`root:${SECRET}`).toString('base64')])
        assert.ok(!all.includes(secret), all.slice(Math.max(0, all.indexOf(secret) - 200), all.indexOf(secret) + 50));
    });
  } finally {
    await ipmi.stop();
    await redfish.stop();
  }
});
