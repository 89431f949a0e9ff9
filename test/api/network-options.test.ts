import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { type Ask, type Harness, MAC } from '../harness.ts';
import { assertAnswered, assertRefused, items, withApi } from './rig.ts';

/** What a client that asks for NTP servers (42) is told, as text; undefined for nothing. */
async function ntpOf(harness: Harness, ask: Partial<Ask> = {}): Promise<string | undefined> {
  const reply = await harness.ask({ type: 'discover', wants: [42], ...ask });
  return reply?.options.get(42)?.join('.');
}

test('an option that is set at a level goes to the clients of that level, the narrower level first', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    await call('POST', 'reservations', { mac: MAC, address: '10.77.0.20' });
    await call('PATCH', 'machines/vm-01', { profiles: ['gpu'] });
    for (const [index, level] of [
      'global',
      'subnet/rack1',
      'profile/gpu',
      'reservation/1',
      'machine/vm-01',
    ].entries()) {
      const value = `10.0.0.${index}`;
      const set = await call('PUT', `options/${level}/ntp-servers`, { value });
      assertAnswered(set, 200, { name: 'ntp-servers', code: 42, value, text: value, force: false });
      assert.equal(await ntpOf(harness), value, level);
    }
    assert.deepEqual(
      items<{ scope: string; of: string }>(await call('GET', 'options')).map(({ scope, of }) => `${scope} ${of}`),
      ['global ', 'machine vm-01', 'profile gpu', 'reservation 1', 'subnet rack1'],
    );
    assert.deepEqual(items(await call('GET', 'options/machine/vm-01')), [
      {
        scope: 'machine',
        of: 'vm-01',
        name: 'ntp-servers',
        value: '10.0.0.4',
        force: false,
        code: 42,
        text: '10.0.0.4',
      },
    ]);
    assert.deepEqual(items(await call('GET', 'options/profile/storage')), []);
    assert.ok(
      harness.told.some(
        (one) => one.machineId === id && /^option ntp-servers at machine vm-01 was added by ada/.test(one.text),
      ),
      'the timeline of the machine has it',
    );
    for (const [level, left] of [
      ['machine/vm-01', '10.0.0.3'],
      ['reservation/1', '10.0.0.2'],
      ['profile/gpu', '10.0.0.1'],
      ['subnet/rack1', '10.0.0.0'],
      ['global', undefined],
    ] as const) {
      assert.equal((await call('DELETE', `options/${level}/ntp-servers`)).status, 204);
      assert.equal(await ntpOf(harness), left, `without that of ${level}`);
    }
    assertRefused(
      await call('DELETE', 'options/subnet/rack1/ntp-servers'),
      404,
      'not-found',
      /^option ntp-servers is not set at subnet rack1$/,
      /firstlight options/,
    );
  }));

test('one option has one place, whichever of its names is written', () =>
  withApi(async ({ call, harness }) => {
    for (const name of ['ntpServers', '42', 'option-42', 'ntp-servers'])
      assert.equal((await call('PUT', `options/global/${name}`, { value: '10.0.0.9' })).body.name, 'ntp-servers');
    assert.equal(harness.optionSettings.all().length, 1);
    assert.equal((await call('PUT', 'options/global/224', { value: '0x0102' })).body.name, 'option-224');
    assert.equal((await call('DELETE', 'options/global/42')).status, 204);
    assert.equal(harness.optionSettings.all().length, 1);
  }));

test('an option that is forced goes to those who did not ask for it', () =>
  withApi(async ({ call, harness }) => {
    await call('PUT', 'options/global/ntp-servers', { value: ['10.0.0.9'] });
    assert.equal(await ntpOf(harness, { wants: [1] }), undefined);
    assertAnswered(await call('PUT', 'options/global/ntp-servers', { value: ['10.0.0.9'], force: true }), 200, {
      force: true,
    });
    assert.equal(await ntpOf(harness, { wants: [1] }), '10.0.0.9');
  }));

test('a value may be a template over what is known of the machine', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    const value = '{{machine.name}}.{{params.timezone}}';
    const set = await call('PUT', 'options/global/domain-name', { value });
    assert.deepEqual(set.body, { scope: 'global', of: '', name: 'domain-name', value, force: false });
    await call('PATCH', 'machines/vm-01', { params: { timezone: 'UTC' } });
    const reply = await harness.ask({ type: 'discover', wants: [15] });
    assert.equal(reply?.options.get(15)?.toString(), 'vm-01.UTC');
  }));

test('a template has the params that boot templates have: of the job, of the machine, or the declared default', () =>
  withApi(async ({ call, harness }) => {
    const value = '{{params.timezone}}, {{params.keyboard}}{{#if params.user}}, {{params.user}}{{/if}}';
    assert.equal((await call('PUT', 'options/global/root-path', { value })).status, 200);
    const rootPath = async (): Promise<string | undefined> =>
      (await harness.ask({ type: 'discover', wants: [17] }))?.options.get(17)?.toString();
    assert.equal(await rootPath(), 'Etc/UTC, us', 'a client that nobody knows');
    const machine = harness.addMachine('vm-01', { disks: 'empty' });
    assert.equal(await rootPath(), 'Etc/UTC, us');
    await call('PATCH', 'machines/vm-01', { params: { timezone: 'Europe/Berlin', user: 'ada' } });
    assert.equal(await rootPath(), 'Europe/Berlin, us, ada');
    harness.install(machine, 'debian-12-image', { params: { keyboard: 'de', user: 'bob' } });
    assert.equal(await rootPath(), 'Europe/Berlin, de, bob');
    assert.equal((await call('POST', 'machines/vm-01/cancel')).status, 200);
    assert.equal(await rootPath(), 'Europe/Berlin, us, ada');
  }));

test('what the content does not allow any more is not sent, is told once, and keeps the other options from nobody', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    await call('PATCH', 'machines/vm-01', { params: { timezone: 'Europe/Berlin' } });
    await call('PUT', 'options/global/root-path', { value: '{{params.timezone}}' });
    await call('PUT', 'options/global/ntp-servers', { value: '10.0.0.9' });
    const { library } = harness.shelf;
    const { timezone, ...others } = library.content.params;
    assert.ok(timezone);
    const lines: unknown[] = [];
    const { error } = console;
    console.error = (line: unknown) => void lines.push(line);
    try {
      for (const params of [
        others,
        { ...others, timezone: { ...timezone, secret: true } },
        { ...others, timezone: { ...timezone, default: 'UTC', pattern: '^UTC$', patternHint: 'UTC' } },
      ]) {
        harness.shelf.library = { ...library, content: { ...library.content, params } };
        for (const _ of [1, 2]) {
          const reply = await harness.ask({ type: 'discover', wants: [17, 42] });
          assert.deepEqual([reply?.options.get(17), reply?.options.get(42)?.join('.')], [undefined, '10.0.0.9']);
        }
      }
    } finally {
      console.error = error;
    }
    assert.deepEqual(lines, [
      'DHCP: DHCP option of global : root-path: param timezone is not declared in workflows/params.yaml',
      'DHCP: DHCP option of global : root-path: param timezone is a secret, and DHCP is read by the whole wire',
      'DHCP: DHCP option of global : root-path: param timezone from machine vm-01: "Europe/Berlin" is not UTC',
    ]);
    harness.shelf.library = library;
    assert.equal((await harness.ask({ type: 'discover', wants: [17] }))?.options.get(17)?.toString(), 'Europe/Berlin');
  }));

const BAD: [string, unknown, number, string, RegExp, RegExp?][] = [
  [
    'global/dns-servers',
    '10.0.0',
    400,
    'bad-request',
    /^dns-servers: "10\.0\.0" is not an IPv4 address$/,
    /option known dns-servers/,
  ],
  [
    'global/dns-server',
    '10.0.0.1',
    400,
    'bad-request',
    /no DHCP option has this name.*is it dns-servers\?$/,
    /option known/,
  ],
  [
    'global/lease-seconds',
    60,
    400,
    'bad-request',
    /^lease-seconds: .*cannot be set: it is the lease time of the subnet$/,
  ],
  ['global/lease-seconds', '{{params.timezone}}', 400, 'bad-request', /^lease-seconds: .*cannot be set/],
  ['global/nosuch', '{{params.timezone}}', 400, 'bad-request', /no DHCP option has this name/],
  ['global/domain-name', '{{params.nosuch}}', 422, 'bad-param', /^domain-name: there is no param nosuch$/],
  [
    'global/domain-name',
    '{{params.rootPasswordHash}}',
    422,
    'bad-param',
    /rootPasswordHash is a secret, and DHCP is read/,
  ],
  ['global/domain-name', '{{params.', 400, 'bad-request', /domain-name/],
  ['global/domain-name', '{{nosuch.name}}', 400, 'bad-request', /nosuch/],
  ['global/0', '0x00', 400, 'bad-request', /cannot be set: it is the padding/],
  ['global/256', '0x00', 400, 'bad-request', /no DHCP option has this number/],
  ['subnet/nosuch/ntp-servers', '10.0.0.1', 404, 'no-such-subnet', /nosuch/],
  ['machine/nosuch/ntp-servers', '10.0.0.1', 404, 'no-such-machine', /nosuch/],
  ['reservation/7/ntp-servers', '10.0.0.1', 404, 'not-found', /^there is no reservation 7$/, /firstlight reservations/],
  ['profile/A%20B/ntp-servers', '10.0.0.1', 400, 'bad-request', /^"A B" is no name for a profile$/],
  ['rack/a/ntp-servers', '10.0.0.1', 400, 'bad-request', /scope/],
];
for (const [path, value, status, code, error, next] of BAD)
  test(`setting ${path} to ${JSON.stringify(value)} is refused with ${code}`, () =>
    withApi(async ({ call, harness }) => {
      assertRefused(await call('PUT', `options/${path}`, { value }), status, code, error, next);
      assert.deepEqual(harness.optionSettings.all(), []);
    }));

test('all options are listed with their shapes, those of ones own first', () =>
  withApi(async ({ call }) => {
    await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' });
    const known = items<{ code: number; name: string; shape?: string; refused?: string }>(
      await call('GET', 'options/known'),
    );
    assert.partialDeepStrictEqual(known[0], { code: 224, name: 'switch-config', shape: 'ips' });
    assert.ok(known.some((one) => one.name === 'dns-servers' && one.shape === 'ips'));
    assert.ok(known.some((one) => one.name === 'lease-seconds' && one.refused));
  }));

test('an option of ones own is set by its name and in its shape, and cannot change under what is set', () =>
  withApi(async ({ call, harness }) => {
    assertAnswered(await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' }), 200, {
      code: 224,
    });
    assertAnswered(await call('PUT', 'options/global/switch-config', { value: '10.0.0.1 10.0.0.2' }), 200, {
      code: 224,
    });
    const reply = await harness.ask({ type: 'discover', wants: [224] });
    assert.deepEqual(reply?.options.get(224), Buffer.from([10, 0, 0, 1, 10, 0, 0, 2]));
    const inUse = /^option 224 is set as switch-config at global$/;
    const next = /firstlight option unset global switch-config/;
    assertRefused(
      await call('PUT', 'options/custom/224', { name: 'other', shape: 'ips' }),
      409,
      'expectation-failed',
      inUse,
      next,
    );
    assertRefused(await call('DELETE', 'options/custom/224'), 409, 'expectation-failed', inUse, next);
    assertRefused(
      await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'u8' }),
      400,
      'bad-request',
      /^switch-config: "10\.0\.0\.1 10\.0\.0\.2" is not/,
    );
    assert.equal((await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'text' })).status, 200);
    await call('DELETE', 'options/global/switch-config');
    assert.equal((await call('DELETE', 'options/custom/224')).status, 204);
    assertRefused(await call('DELETE', 'options/custom/224'), 404, 'not-found', /^option 224 is not defined here$/);
    assert.deepEqual(items(await call('GET', 'options/custom')), []);
  }));

test('a code that is set under its number is not given a name over it', () =>
  withApi(async ({ call }) => {
    await call('PUT', 'options/global/224', { value: '0x0102' });
    assertRefused(
      await call('PUT', 'options/custom/224', { name: 'switch-config', shape: 'ips' }),
      409,
      'expectation-failed',
      /^option 224 is set as option-224 at global$/,
      /option unset global option-224/,
    );
  }));

for (const [code, body, error] of [
  [0, { name: 'a', shape: 'u8' }, /code/],
  [255, { name: 'a', shape: 'u8' }, /code/],
  [6, { name: 'my-dns', shape: 'ips' }, /has a name and a shape already: dns-servers/],
  [51, { name: 'my-lease', shape: 'u32' }, /which cannot be set/],
  [224, { name: 'My Option', shape: 'u8' }, /is no name for an option/],
  [224, { name: 'mine', shape: 'circle' }, /"circle" is no shape: /],
  [224, { name: 'dns-servers', shape: 'ips' }, /is the name of option 6/],
  [224, { name: 'mine' }, /shape/],
] as const)
  test(`defining ${code} as ${JSON.stringify(body)} is refused`, () =>
    withApi(async ({ call }) => {
      assertRefused(await call('PUT', `options/custom/${code}`, body), 400, 'bad-request', error);
    }));

test('a machine has its way of being told what to boot, its delay and its profiles', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    const change = { pxeStyle: 'binl', replyDelayMs: 250, profiles: ['storage', 'gpu'] };
    assertAnswered(await call('PATCH', 'machines/vm-01', change), 200, { ...change, profiles: ['storage', 'gpu'] });
    assert.equal(
      harness.told.at(-1)?.text,
      'changed by ada: PXE style binl, reply delay 250 ms, profiles storage, gpu',
    );
    assertAnswered(await call('PATCH', 'machines/vm-01', { pxeStyle: 'direct' }), 200, {
      pxeStyle: 'direct',
      replyDelayMs: 250,
    });
    assertAnswered(await call('PATCH', 'machines/vm-01', { replyDelayMs: 0, profiles: [] }), 200, {
      pxeStyle: 'direct',
      replyDelayMs: 0,
      profiles: [],
    });
    for (const [wrong, error] of [
      [{ pxeStyle: 'loud' }, /pxeStyle/],
      [{ replyDelayMs: 10_001 }, /replyDelayMs/],
      [{ profiles: ['A B'] }, /profiles/],
    ] as const)
      assertRefused(await call('PATCH', 'machines/vm-01', wrong), 400, 'bad-request', error);
  }));

test('what was set for a machine goes with it, in memory too', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01', { mac: '52:54:00:aa:bb:07' as Mac });
    await call('PUT', 'options/machine/vm-01/ntp-servers', { value: '10.0.0.1' });
    await call('DELETE', 'machines/vm-01');
    assert.deepEqual(harness.optionSettings.all(), []);
  }));
