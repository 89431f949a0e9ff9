import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { startWireBmc, type WireBmcOptions } from '../bmc/wire-bmc.ts';
import { assertAnswered, assertRefused, items, type Rig, withApi } from './rig.ts';

type Bmc = Awaited<ReturnType<typeof startWireBmc>>;

/** The machine vm-01 with a BMC. */
async function withBmc(options: WireBmcOptions, check: (rig: Rig & { bmc: Bmc; id: number }) => Promise<void>) {
  const bmc = await startWireBmc(options);
  try {
    await withApi(async (rig) => {
      const { id } = rig.harness.addMachine('vm-01');
      rig.harness.setBmc(id, { port: bmc.port });
      await check({ ...rig, bmc, id });
    });
  } finally {
    await bmc.stop();
  }
}

test('power is ordered, and told of at once or once it is so', () =>
  withBmc({}, async ({ call, bmc, harness }) => {
    const first = await call('POST', 'machines/vm-01/power', { action: 'on', wait: true });
    assertAnswered(first, 200, {
      order: { state: 'done', result: 'is on', askedBy: 'ada', machine: 'vm-01' },
      power: 'on',
    });
    assert.equal(bmc.isOn, true);
    const second = await call('POST', 'machines/vm-01/power', { action: 'off' });
    assertAnswered(second, 202, { order: { order: { kind: 'power', action: 'off' } } });
    const { id } = second.body.order as { id: number };
    assertAnswered(await call('GET', `orders/${id}?wait=true`), 200, { state: 'done', result: 'is off' });
    assertAnswered(await call('GET', `orders/${id}`), 200, { state: 'done', machine: 'vm-01', driver: 'ipmi' });
    assert.deepEqual(
      items<{ id: number }>(await call('GET', 'machines/vm-01/orders')).map((one) => one.id),
      [id, 1],
    );
    assertAnswered(await call('GET', 'machines/vm-01/power'), 200, { power: 'off', orders: [] });
    bmc.isOn = true;
    assertAnswered(await call('GET', 'machines/vm-01/power?fresh=true'), 200, { power: 'off' }); // one read is no change
    assertAnswered(await call('GET', 'machines/vm-01/power?fresh=true'), 200, { power: 'on' });
    assert.ok(harness.told.some(({ kind, text }) => kind === 'power.changed' && text === 'is on, it was off'));
  }));

test('what fails is an answer with its sentence', () =>
  withBmc({ faults: { lies: 1 } }, async ({ call }) => {
    const waited = await call('POST', 'machines/vm-01/power', { action: 'on', wait: true });
    assertRefused(
      waited,
      502,
      'bmc-failed',
      /^did not turn on within 90 s: the BMC took the command and still reads off$/,
    );
  }));

test('the boot device, the lamp and the virtual drive are orders too', () =>
  withBmc({}, async ({ call, bmc }) => {
    const boot = await call('POST', 'machines/vm-01/boot-device', { device: 'disk', firmware: 'bios', wait: true });
    assertAnswered(boot, 200, { order: { state: 'done', result: 'boots disk next time (bios)' } });
    assertAnswered(await call('POST', 'machines/vm-01/identify', { seconds: 20, wait: true }), 200, {
      order: { state: 'done', result: 'its lamp is on for 20 s' },
    });
    assert.equal(bmc.bmc.machine.identifySeconds, 20);
    const media = await call('POST', 'machines/vm-01/media', { url: 'http://10.0.0.1/a.iso', wait: true });
    assertRefused(media, 502, 'bmc-failed', /has no virtual drive, as far as ipmi goes/);
  }));

test('power with a boot device leaves the power alone where the device cannot be set', () =>
  withBmc({ faults: { 'flags-locked': 1 } }, async ({ call, bmc }) => {
    const answer = await call('POST', 'machines/vm-01/power', { action: 'on', boot: 'network', wait: true });
    assertRefused(
      answer,
      502,
      'bmc-failed',
      /^not done, because boot network next \(uefi\) was not: BMC .* can only be read/,
    );
    assert.equal(bmc.isOn, false);
  }));

test('a cycle with a boot device sets that between off and on, where no BMC has forgotten it', () =>
  withBmc({}, async ({ call, bmc, harness, id }) => {
    bmc.isOn = true;
    const answer = await call('POST', 'machines/vm-01/power', { action: 'cycle', boot: 'network', wait: true });
    assertAnswered(answer, 200, { order: { state: 'done', result: 'is on' }, power: 'on' });
    const acts = bmc.done.filter((act) => /^(on|off|boot option 5)/.test(act));
    assert.deepEqual(acts, ['off', 'boot option 5: a004000000', 'on']);
    assert.ok(harness.orders.lastOf(id, 9).every(({ askedBy }) => askedBy !== 'Firstlight'));
  }));

test('a cycle with a boot device goes no further than what could not be done', () =>
  withBmc({ faults: { lies: 1 } }, async ({ call, bmc, harness, id }) => {
    bmc.isOn = true;
    const order = await call('POST', 'machines/vm-01/power', { action: 'cycle', boot: 'network' });
    assert.equal(order.status, 202);
    const [off] = harness.orders.openOf(id);
    await call('POST', `orders/${off?.id}/cancel`);
    await harness.until(() => harness.orders.open().length === 0);
    assert.deepEqual(
      harness.orders.lastOf(id, 3).map(({ state, result }) => `${state}: ${result.replace(/, its command.*/, '')}`),
      [
        'failed: not done, because boot network next (uefi) was not: not done, because power off was not: cancelled by ada',
        'failed: not done, because power off was not: cancelled by ada',
        'cancelled: cancelled by ada',
      ],
    );
    assert.equal(bmc.isOn, true);
  }));

test('many machines are ordered in one call; one that cannot be does not keep the others from it', () =>
  withBmc({}, async ({ call, harness, bmc }) => {
    harness.addMachine('vm-02', { mac: '52:54:00:aa:bb:02' as Mac });
    const answer = await call('POST', 'power', { action: 'on', machines: ['none', 'vm-01', 'vm-02'] });
    assert.equal(answer.status, 202);
    const results = answer.body.results as { machine: string; code?: string; error?: string; order?: object }[];
    assert.deepEqual(
      results.map(({ machine, code }) => [machine, code]),
      [
        ['none', 'no-such-machine'],
        ['vm-01', undefined],
        ['vm-02', 'no-bmc'],
      ],
    );
    await harness.until(() => harness.orders.open().length === 0);
    assert.equal(bmc.isOn, true);
  }));

test('a locked machine is refused what could disturb it', () =>
  withBmc({}, async ({ call, harness, id, bmc }) => {
    harness.machines.setLocked(id, true);
    for (const [path, body] of [
      ['power', { action: 'off' }],
      ['power', { action: 'cycle', boot: 'network' }],
      ['boot-device', { device: 'network' }],
      ['media', {}],
    ] as const)
      assertRefused(
        await call('POST', `machines/vm-01/${path}`, body),
        409,
        'machine-locked',
        /vm-01 is locked/,
        /unlock/,
      );
    assert.deepEqual([bmc.done, harness.orders.lastOf(id, 9)], [[], []]);
  }));

test('an order is cancelled by its number, once', () =>
  withBmc({ faults: { hang: 1 } }, async ({ call, bmc }) => {
    await call('POST', 'machines/vm-01/power', { action: 'on' });
    assertAnswered(await call('POST', 'orders/1/cancel'), 200, { state: 'cancelled', result: 'cancelled by ada' });
    assertRefused(await call('POST', 'orders/1/cancel'), 409, 'order-ended', /power order 1 has ended: cancelled/);
    assertRefused(await call('POST', 'orders/9/cancel'), 404, 'no-such-order', /no power order 9/);
    assertRefused(await call('GET', 'orders/9?wait=true'), 404, 'no-such-order', /no power order 9/);
    assertRefused(await call('GET', 'orders/9'), 404, 'no-such-order', /no power order 9/);
    bmc.faults.clear();
  }));

const WRONG: [string, string, object, RegExp][] = [
  ['an action that is none', 'power', { action: 'jump' }, /action/],
  ['a grace of no seconds', 'power', { action: 'soft', graceSeconds: 0 }, /graceSeconds/],
  ['a field that is none', 'power', { action: 'on', now: true }, /additional properties/],
  ['a device that is none', 'boot-device', { device: 'tape' }, /device/],
  [
    'a URI for a disk',
    'boot-device',
    { device: 'disk', uri: 'http://a/b' },
    /uri is for the device http, not for disk/,
  ],
  ['a URI of ftp', 'boot-device', { device: 'http', uri: 'ftp://a/b' }, /uri/],
  ['a lamp for a day and a second', 'identify', { seconds: 86_401 }, /seconds/],
  ['an image of file', 'media', { url: 'file:///etc/shadow' }, /url/],
  ['an image that is no URL', 'media', { url: 'http://' }, /the url is not a URL/],
];
for (const [what, path, body, error] of WRONG)
  test(`${what} is refused`, () =>
    withBmc({}, async ({ call, harness, id }) => {
      assertRefused(await call('POST', `machines/vm-01/${path}`, body), 400, 'bad-request', error);
      assert.deepEqual(harness.orders.lastOf(id, 9), []);
    }));

for (const [path, field, more] of [
  ['media', 'url', {}],
  ['boot-device', 'uri', { device: 'http' }],
] as const)
  for (const scheme of path === 'media' ? ['http', 'nfs', 'cifs'] : ['https'])
    test(`a password in the ${field} of ${path}, ${scheme}, is refused and nowhere to be read`, () =>
      withBmc({}, async ({ call, harness, id }) => {
        const answer = await call('POST', `machines/vm-01/${path}`, {
          ...more,
          [field]: `${scheme}://backup:hunter2@10.0.0.1/a.iso`,
        });
        assertRefused(answer, 400, 'bad-request', new RegExp(`the ${field} has a user or a password in it`));
        const all = JSON.stringify([answer.body, harness.told, harness.orders.lastOf(id, 9)]);
        assert.ok(!all.includes('hunter2'), all);
      }));

test('nobody can say that it is done where nobody was asked', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    harness.bmcs.put(id, [{ driver: 'manual', address: '', port: 0, settings: {} }]);
    assertRefused(await call('POST', 'machines/vm-01/power/confirm'), 409, 'order-ended', /nobody was asked/);
  }));
