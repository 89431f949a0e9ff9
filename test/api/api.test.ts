import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startWireBmc } from '../bmc/wire-bmc.ts';
import { freePort, type Harness, inventory, MAC, type Options, withHarness } from '../harness.ts';

const SECOND = '52:54:00:aa:bb:02';
const HASH = '$6$salt$Wl4Dyy/uX0Rq1v8pZ0j1e.';
const PASSWORD = 'a bmc password';

type Answer = { status: number; body: Record<string, never> & { code?: string; error?: string; next?: string } };
type Call = (
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<Answer>;
type Opened = {
  harness: Harness;
  call: Call;
  api: Awaited<ReturnType<Harness['openApi']>>['api'];
  token: string;
  seen: string[];
};

/** An API with one operator, ada. Whatever is answered may hold no secret. */
function withApi(check: (opened: Opened) => Promise<void>, options: Options = {}): Promise<void> {
  return withHarness(options, async (harness) => {
    const { api, token } = await harness.openApi();
    const seen: string[] = [];
    const call: Call = async (method, path, body, headers) => {
      const response = await api.inject({
        method,
        url: `/api/v1/${path}`,
        headers: { authorization: `Bearer ${token}`, ...headers },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      seen.push(response.body);
      return { status: response.statusCode, body: response.body === '' ? {} : response.json() };
    };
    await check({ harness, call, api, token, seen });
    for (const body of [...seen, JSON.stringify(harness.told)])
      for (const secret of [PASSWORD, HASH, token]) assert.ok(!body.includes(secret), `${secret} in ${body}`);
  });
}

/** The items of an answer that is a list. */
function items<T>(answer: Answer): T[] {
  assert.ok(Array.isArray(answer.body), JSON.stringify(answer.body));
  return answer.body as T[];
}

function assertRefused(answer: Answer, status: number, code: string, error: RegExp, next?: RegExp): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
  assert.match(answer.body.error ?? '', error);
  if (next) assert.match(answer.body.next ?? '', next);
}

test('every route of the API needs a token that is known', () =>
  withApi(async ({ api, harness }) => {
    const routes = [
      'machines',
      'machines/vm-01',
      'jobs',
      'jobs/1',
      'subnets',
      'leases',
      'reservations',
      'reservations/export',
      'options',
      'dhcp',
      'status',
      'bootenvs',
      'params',
      'explain/vm-01',
      'events',
      'timeline',
      'machines/vm-01/timeline',
      'machines/vm-01/power',
      'nosuch',
    ];
    const other = harness.tokens.issue('bob', harness.clock());
    harness.tokens.issue('bob', harness.clock()); // and so the one before is over
    for (const route of routes)
      for (const [headers, error] of [
        [{}, 'this needs a token'],
        [{ authorization: 'Bearer nonsense' }, 'this token is not known here'],
        [{ authorization: `Bearer ${other}` }, 'this token is not known here'],
        [{ authorization: 'Basic YTpi' }, 'this needs a token'],
      ] as const) {
        const response = await api.inject({ url: `/api/v1/${route}`, headers });
        assert.equal(response.statusCode, 401, route);
        assert.deepEqual(response.json(), {
          code: 'unauthorized',
          error,
          next: 'send the header: Authorization: Bearer TOKEN',
        });
      }
  }));

test('a machine is entered, shown, changed, accepted, ignored and forgotten', () =>
  withApi(async ({ call, harness }) => {
    const entered = await call('POST', 'machines', {
      name: 'vm-01',
      macs: ['52-54-00-AA-BB-01'],
      params: { timezone: 'Europe/Berlin' },
    });
    assert.equal(entered.status, 201);
    assert.partialDeepStrictEqual(entered.body, {
      name: 'vm-01',
      state: 'new',
      macs: [MAC],
      params: { timezone: 'Europe/Berlin' },
      job: { workflow: 'discover', stageName: 'inventory' },
    } as object);
    for (const name of ['vm-01', MAC, '52-54-00-aa-bb-01'])
      assert.equal((await call('GET', `machines/${name}`)).body.name, 'vm-01');
    assert.equal((await call('GET', 'machines')).body.length, 1);
    const changed = await call('PATCH', 'machines/vm-01', {
      name: 'web-1',
      locked: true,
      params: { timezone: null, keyboard: 'de' },
    });
    assert.partialDeepStrictEqual(changed.body, { name: 'web-1', locked: true, params: { keyboard: 'de' } } as object);
    assert.equal('timezone' in (changed.body.params as unknown as object), false, 'null takes a value away');
    assert.equal(harness.told.at(-1)?.text, 'changed by ada: name web-1, locked, params timezone, keyboard');
    assert.equal((await call('POST', 'machines/web-1/accept')).body.state, 'ready');
    assert.equal((await call('POST', 'machines/web-1/ignore')).body.state, 'ignored');
    await call('PATCH', 'machines/web-1', { locked: false });
    assert.equal((await call('DELETE', 'machines/web-1')).status, 204);
    assertRefused(
      await call('GET', 'machines/web-1'),
      404,
      'no-such-machine',
      /^there is no machine web-1$/,
      /firstlight machines/,
    );
  }));

const BAD_MACHINES: [object, number, string, RegExp][] = [
  [{ macs: [] }, 400, 'bad-request', /macs/],
  [{ name: 'x' }, 400, 'bad-request', /macs/],
  [{ macs: ['nonsense'] }, 400, 'bad-request', /"nonsense" is not a MAC address/],
  [{ macs: [SECOND], name: 'Not A Name' }, 400, 'bad-request', /^"Not A Name" is not a host name$/],
  [{ macs: [SECOND], colour: 'red' }, 400, 'bad-request', /additional properties/],
  [{ macs: [SECOND], name: 'vm-01' }, 409, 'name-taken', /^there is a machine vm-01 already$/],
  [{ macs: [MAC] }, 409, 'name-taken', /^52:54:00:aa:bb:01 belongs to machine vm-01 already$/],
  [{ macs: [SECOND], params: { colour: 'red' } }, 422, 'bad-param', /^there is no param colour$/],
  [
    { macs: [SECOND], params: { timezone: 'not a zone' } },
    422,
    'bad-param',
    /^param timezone: "not a zone" is not a time zone/,
  ],
  [
    { macs: [SECOND], params: { rootPasswordHash: 'plain' } },
    422,
    'bad-param',
    /^param rootPasswordHash: the value is not a crypt hash/,
  ],
  [{ macs: [SECOND], bmc: { address: '', user: 'u', password: 'p' } }, 400, 'bad-request', /address/],
];
for (const [body, status, code, error] of BAD_MACHINES)
  test(`entering ${JSON.stringify(body)} is refused with ${code}`, () =>
    withApi(async ({ call, harness }) => {
      harness.addMachine('vm-01');
      assertRefused(await call('POST', 'machines', body), status, code, error);
      assert.equal(harness.machines.all().length, 1);
    }));

test('a change that is wrong changes nothing', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    harness.addMachine('vm-02', { mac: SECOND as never });
    assertRefused(await call('PATCH', 'machines/vm-01', { name: 'vm-02', locked: true }), 409, 'name-taken', /vm-02/);
    assertRefused(
      await call('PATCH', 'machines/vm-01', { params: { nosuch: 1 }, locked: true }),
      422,
      'bad-param',
      /nosuch/,
    );
    assertRefused(
      await call('PATCH', 'machines/vm-01', { state: 'installed' }),
      400,
      'bad-request',
      /additional properties/,
    );
    assert.equal(harness.machines.named('vm-01').locked, false);
  }));

test('secrets go in and never come out', () =>
  withApi(async ({ call, harness, seen }) => {
    const bmc = { address: '10.0.0.9', user: 'admin', password: PASSWORD };
    await call('POST', 'machines', {
      name: 'vm-01',
      macs: [MAC],
      accepted: true,
      bmc,
      params: { rootPasswordHash: HASH },
    });
    await call('PUT', 'machines/vm-01/bmc', bmc);
    await call('PATCH', 'machines/vm-01', { params: { userPasswordHash: HASH } });
    const { id } = harness.machines.named('vm-01');
    assert.equal(harness.bmcs.password(id, 0), PASSWORD);
    harness.runner.stop();
    harness.runner.happened(id, { kind: 'cancelled', by: 'ada' });
    const { status } = await call('POST', 'machines/vm-01/reimage', {
      bootenv: 'debian-12',
      params: { rootPasswordHash: HASH },
    });
    assert.equal(status, 202);
    for (const path of [
      'machines',
      'machines/vm-01',
      'jobs',
      'jobs/2',
      'explain/vm-01',
      'status',
      'machines/vm-01/timeline',
    ])
      assert.equal((await call('GET', path)).status, 200, path);
    assert.ok(seen.some((body) => body.includes('(secret)')));
    assert.equal(harness.jobs.runningOf(id)?.params.rootPasswordHash, HASH);
    await call('POST', 'machines/vm-01/reimage', {
      bootenv: 'debian-12',
      params: { rootPasswordHash: `${HASH} wrong` },
    });
  }));

test('a reimage opens a ticket; its dry run says the same and does nothing', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    const dry = await call('POST', 'machines/vm-01/reimage', { bootenv: 'debian-12', dryRun: true });
    assert.equal(dry.status, 200);
    assert.deepEqual([harness.jobs.recent(9), harness.machines.named('vm-01').state, harness.told], [[], 'ready', []]);
    const real = await call('POST', 'machines/vm-01/reimage', { bootenv: 'debian-12' });
    assert.equal(real.status, 202);
    assert.deepEqual(real.body.because, dry.body.because);
    assert.partialDeepStrictEqual(real.body.job, {
      workflow: 'install',
      bootenv: 'debian-12',
      state: 'running',
      stageName: 'install',
      createdBy: 'ada',
      plan: ['install', 'first-boot'],
    } as object);
    const ticket = harness.jobs.ticketOf(harness.jobs.runningOf(id)?.id as number);
    assert.deepEqual([ticket?.bootenv, ticket?.openedBy], ['debian-12', 'ada']);
    assert.partialDeepStrictEqual((await call('GET', 'machines/vm-01')).body, {
      state: 'installing',
      job: { bootenv: 'debian-12' },
    } as object);
  }));

const REFUSED_REIMAGES: [string, object, (harness: Harness) => unknown, number, string, RegExp][] = [
  ['no such bootenv', { bootenv: 'nosuch' }, () => 0, 404, 'no-such-bootenv', /^there is no bootenv nosuch$/],
  ['the scout', { bootenv: 'scout' }, () => 0, 400, 'bad-request', /^bootenv scout installs nothing$/],
  ['the disk', { bootenv: 'local' }, () => 0, 400, 'bad-request', /^bootenv local installs nothing$/],
  [
    'no such workflow',
    { bootenv: 'debian-12', workflow: 'nosuch' },
    () => 0,
    400,
    'bad-request',
    /^there is no workflow nosuch$/,
  ],
  ['no bootenv', {}, () => 0, 400, 'bad-request', /bootenv/],
  [
    'a field that does not exist',
    { bootenv: 'debian-12', force: true },
    () => 0,
    400,
    'bad-request',
    /additional properties/,
  ],
  [
    'a param that does not exist',
    { bootenv: 'debian-12', params: { nosuch: 1 } },
    () => 0,
    422,
    'bad-param',
    /^there is no param nosuch$/,
  ],
  [
    'a disk choice that is none',
    { bootenv: 'debian-12', params: { disk: 'the big one' } },
    () => 0,
    422,
    'bad-param',
    /^param disk from this request: "the big one" is not a disk choice/,
  ],
  [
    'another serial',
    { bootenv: 'debian-12', expect: { serial: 'S2' } },
    () => 0,
    409,
    'expectation-failed',
    /^vm-01 was expected to have serial "S2", but it has null$/,
  ],
  [
    'another state',
    { bootenv: 'debian-12', expect: { state: 'failed' } },
    () => 0,
    409,
    'expectation-failed',
    /state "failed", but it has "ready"$/,
  ],
  [
    'a machine that spoke lately',
    { bootenv: 'debian-12', expect: { silentMinutes: 10 } },
    (h) => h.machines.setBoot(h.machines.named('vm-01').id, 1, 'os', h.clock()),
    409,
    'expectation-failed',
    /10, but it has 0$/,
  ],
  [
    'a locked machine',
    { bootenv: 'debian-12' },
    (h) => h.machines.setLocked(1, true),
    409,
    'machine-locked',
    /^vm-01 is locked$/,
  ],
  [
    'a locked machine, dry',
    { bootenv: 'debian-12', dryRun: true },
    (h) => h.machines.setLocked(1, true),
    409,
    'machine-locked',
    /^vm-01 is locked$/,
  ],
  [
    'an ignored machine',
    { bootenv: 'debian-12' },
    (h) => h.machines.setState(1, 'ignored'),
    409,
    'machine-ignored',
    /^vm-01 is ignored$/,
  ],
  [
    'a new machine',
    { bootenv: 'debian-12' },
    (h) => h.machines.setState(1, 'new'),
    409,
    'machine-not-accepted',
    /nobody has accepted it yet$/,
  ],
  [
    'a machine with a job',
    { bootenv: 'debian-12' },
    (h) => h.install(h.machines.named('vm-01'), 'debian-12'),
    409,
    'job-running',
    /^job 1 \(install debian-12\) is running on vm-01$/,
  ],
  [
    'a bootenv that lacks a file',
    { bootenv: 'debian-12-image' },
    () => 0,
    409,
    'bootenv-unavailable',
    /debian-12-image\/disk\.json is not there \(make it with: scripts\/build-image\)$/,
  ],
];
for (const [what, body, prepare, status, code, error] of REFUSED_REIMAGES)
  test(`a reimage is refused for ${what}`, () =>
    withApi(
      async ({ call, harness }) => {
        harness.addMachine('vm-01');
        prepare(harness);
        const before = harness.jobs.recent(9);
        assertRefused(await call('POST', 'machines/vm-01/reimage', body), status, code, error);
        assert.deepEqual(harness.jobs.recent(9), before);
      },
      { lacks: ['debian-12-image/disk.json'] },
    ));

test('one idempotency key makes one job, and is for that one request', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    harness.addMachine('vm-02', { mac: SECOND as never });
    const body = { bootenv: 'debian-12', idempotencyKey: 'key-1', params: { disk: 'largest' } };
    const first = await call('POST', 'machines/vm-01/reimage', body);
    const again = await call('POST', 'machines/vm-01/reimage', body);
    assert.deepEqual([first.status, again.status], [202, 200]);
    assert.deepEqual(again.body.job, first.body.job);
    harness.runner.happened(1, { kind: 'cancelled', by: 'ada' });
    assert.equal((await call('POST', 'machines/vm-01/reimage', body)).status, 200, 'after its end too');
    for (const [machine, change] of [
      ['vm-02', {}],
      ['vm-01', { bootenv: 'debian-12-image' }],
      ['vm-01', { params: { disk: 'smallest' } }],
      ['vm-01', { workflow: 'discover' }],
    ] as const)
      assertRefused(
        await call('POST', `machines/${machine}/reimage`, { ...body, ...change }),
        400,
        'bad-request',
        /^idempotency key key-1 was used for another request \(job 1\)$/,
      );
    assert.equal(harness.jobs.recent(9).length, 1);
  }));

test('a workflow that is not in the content is named, and refused by one code', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    harness.shelf.library = { ...harness.library(), workflow: () => undefined };
    for (const [path, body, name] of [
      ['reimage', { bootenv: 'debian-12' }, 'install'],
      ['discover', undefined, 'discover'],
      ['run', { workflow: 'nosuch' }, 'nosuch'],
    ] as const)
      assertRefused(
        await call('POST', `machines/vm-01/${path}`, body),
        400,
        'bad-request',
        new RegExp(`^there is no workflow ${name}$`),
        /there are: .*discover/,
      );
  }));

test('a workflow is run with the params that its tasks use; its dry run checks the same', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    const run = (body: object) => call('POST', 'machines/vm-01/run', { workflow: 'bmc-setup', ...body });
    for (const dryRun of [true, false])
      for (const [params, error] of [
        [{ nosuch: 1 }, /^there is no param nosuch$/],
        [{ timezone: 'Etc/UTC' }, /^bmc-setup does not use param timezone$/],
        [{ bmcNetwork: 'bootp' }, /^param bmcNetwork from this request: "bootp"/],
      ] as const)
        assertRefused(await run({ dryRun, params }), 422, 'bad-param', error);
    const params = { bmcNetwork: 'dhcp' };
    const dry = await run({ dryRun: true, params });
    assert.deepEqual([dry.status, harness.jobs.recent(9)], [200, []]);
    const real = await run({ params });
    assert.equal(real.status, 202);
    assert.deepEqual(real.body.because, dry.body.because);
    assert.partialDeepStrictEqual(real.body.job, { workflow: 'bmc-setup', params } as object);
  }));

test('the removal of a machine is told with who removed it, once it is removed', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01', { locked: true });
    await call('DELETE', 'machines/vm-01');
    assert.deepEqual(harness.told, [], 'a locked one is not');
    await call('PATCH', 'machines/vm-01', { locked: false });
    assert.equal((await call('DELETE', `machines/${MAC}`)).status, 204);
    assert.partialDeepStrictEqual(harness.told.at(-1), {
      kind: 'machine.removed',
      text: `vm-01 (${MAC}) was removed by ada`,
    });
    const texts = items<{ text: string }>(await call('GET', 'timeline')).map(({ text }) => text);
    assert.deepEqual(texts, [`vm-01 (${MAC}) was removed by ada`], 'on the timeline of the appliance');
  }));

test('a removal that cannot be told does not happen', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    harness.db.sql.exec(`CREATE TRIGGER full BEFORE INSERT ON event BEGIN SELECT RAISE(FAIL, 'no room'); END`);
    assert.equal((await call('DELETE', 'machines/vm-01')).status, 500);
    assert.ok(harness.machines.byName('vm-01'));
    assert.ok(harness.machines.hasMac(MAC));
  }));

test('a locked machine is refused by every route that would disturb it', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    harness.setBmc(id, { port: 9 });
    harness.machines.setLocked(id, true);
    for (const [method, path, body] of [
      ['POST', 'reimage', { bootenv: 'debian-12' }],
      ['POST', 'discover', undefined],
      ['DELETE', '', undefined],
      ...['off', 'cycle', 'reset', 'soft'].map((action) => ['POST', 'power', { action }] as const),
    ] as const)
      assertRefused(
        await call(method, `machines/vm-01${path && `/${path}`}`, body),
        409,
        'machine-locked',
        /^vm-01 is locked$/,
        /unlock vm-01/,
      );
    assert.ok(harness.machines.byName('vm-01'));
  }));

test('power is read and set by the BMC, and verified', async () => {
  const bmc = await startWireBmc({ users: { admin: { password: PASSWORD.slice(0, 16), privilege: 4 } } });
  try {
    await withApi(async ({ call, harness }) => {
      harness.addMachine('vm-01');
      await call('PUT', 'machines/vm-01/bmc', {
        address: '127.0.0.1',
        port: bmc.port,
        user: 'admin',
        password: PASSWORD.slice(0, 16),
      });
      assert.deepEqual((await call('GET', 'machines/vm-01/power')).body, { power: 'unknown', orders: [] });
      assert.equal((await call('GET', 'machines/vm-01/power?fresh=true')).body.power, 'off');
      assert.equal((await call('POST', 'machines/vm-01/power', { action: 'on', wait: true })).body.power, 'on');
      assert.equal(bmc.isOn, true);
      assert.equal(harness.told.at(-1)?.text, 'power on: is on (asked by ada)');
      assertRefused(await call('POST', 'machines/vm-01/power', { action: 'explode' }), 400, 'bad-request', /action/);
    });
  } finally {
    await bmc.stop();
  }
});

test('a BMC that refuses, and a machine without one, are told in a sentence', async () => {
  const bmc = await startWireBmc({});
  try {
    await withApi(async ({ call, harness }) => {
      harness.addMachine('vm-01');
      assertRefused(
        await call('GET', 'machines/vm-01/power?fresh=true'),
        409,
        'no-bmc',
        /^no BMC is known for vm-01$/,
        /firstlight bmc/,
      );
      await call('PUT', 'machines/vm-01/bmc', {
        address: '127.0.0.1',
        port: bmc.port,
        user: 'admin',
        password: PASSWORD,
      });
      const wrong = /^BMC 127\.0\.0\.1 port \d+ .*password/;
      assertRefused(await call('POST', 'machines/vm-01/power', { action: 'on', wait: true }), 502, 'bmc-failed', wrong);
      assertRefused(await call('GET', 'machines/vm-01/power?fresh=true'), 502, 'bmc-failed', /is not asked any more/);
      assert.match(harness.told.at(-1)?.text ?? '', /^power on failed: BMC 127\.0\.0\.1/);
    });
  } finally {
    await bmc.stop();
  }
});

test('a discovery and a cancel', () =>
  withApi(async ({ call, harness }) => {
    harness.addMachine('vm-01');
    assertRefused(await call('POST', 'machines/vm-01/cancel'), 404, 'no-such-job', /^no job is running on vm-01$/);
    assert.equal((await call('POST', 'machines/vm-01/discover')).status, 202);
    assertRefused(await call('POST', 'machines/vm-01/discover'), 409, 'job-running', /^job 1 \(discover\)/);
    assert.partialDeepStrictEqual((await call('POST', 'machines/vm-01/cancel')).body, {
      state: 'cancelled',
      why: 'cancelled by ada',
    } as object);
    assert.equal(harness.machines.named('vm-01').state, 'ready');
  }));

test('jobs are listed, newest first, and shown by their number', () =>
  withApi(async ({ call, harness }) => {
    harness.install(harness.addMachine('vm-01'), 'debian-12');
    assert.deepEqual(
      items<{ id: number }>(await call('GET', 'jobs')).map((job) => job.id),
      [1],
    );
    assert.equal((await call('GET', 'jobs/1')).body.stageName, 'install');
    assertRefused(await call('GET', 'jobs/9'), 404, 'no-such-job', /^there is no job 9$/);
    assertRefused(await call('GET', 'jobs/x'), 400, 'bad-request', /id/);
  }));

test('what is served, what can be booted and how a machine would boot', () =>
  withApi(
    async ({ call, harness }) => {
      harness.addMachine('vm-01', { disks: 'empty' });
      assert.partialDeepStrictEqual((await call('GET', 'status')).body, {
        machines: 1,
        serves: [{ interface: 'rack1' }],
        contentProblems: [],
      } as object);
      const bootenvs = items<{ name: string; missing: string }>(await call('GET', 'bootenvs'));
      assert.deepEqual(
        bootenvs.filter((one) => one.missing !== '').map((one) => `${one.name}: ${one.missing}`),
        ['debian-12: debian-12/linux is not there (make it with: scripts/fetch-installer)'],
      );
      assert.partialDeepStrictEqual((await call('GET', 'params')).body, { disk: { default: 'smallest' } } as object);
      for (const who of ['vm-01', MAC, SECOND])
        for (const kind of ['bios', 'uefi', 'uefi-http'])
          assert.deepEqual((await call('GET', `explain/${who}?firmware=${kind}`)).body.missing, []);
      assertRefused(await call('GET', 'explain/vm-01?firmware=toaster'), 400, 'bad-request', /firmware/);
      assertRefused(await call('GET', 'explain/nosuch'), 400, 'bad-request', /"nosuch" is not a MAC address/);
    },
    { lacks: ['debian-12/linux'] },
  ));

test('a timeline is asked for whole, since an event, the last ones, or one boot', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    for (const text of ['a', 'b', 'c']) harness.events.emit({ kind: 'machine.log', text, machineId: id });
    const texts = async (query: string): Promise<string> =>
      items<{ text: string }>(await call('GET', `machines/vm-01/timeline${query}`))
        .map((event) => event.text)
        .join('');
    assert.deepEqual(
      [await texts(''), await texts('?after=2'), await texts('?last=2'), await texts('?boot=1')],
      ['abc', 'c', 'bc', ''],
    );
    assertRefused(await call('GET', 'machines/vm-01/timeline?last=x'), 400, 'bad-request', /last/);
    assertRefused(await call('GET', 'machines/vm-02/timeline'), 404, 'no-such-machine', /vm-02/);
  }));

test('what is not there, what is no JSON and what is too large are told', () =>
  withApi(async ({ call, api, token }) => {
    assertRefused(await call('GET', 'nosuch'), 404, 'not-found', /^there is no GET \/api\/v1\/nosuch$/);
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const broken = await api.inject({ method: 'POST', url: '/api/v1/machines', headers, payload: '{' });
    assert.deepEqual([broken.statusCode, broken.json().code], [400, 'bad-request']);
    const large = await api.inject({
      method: 'POST',
      url: '/api/v1/machines',
      headers,
      payload: `"${'x'.repeat(2 << 20)}"`,
    });
    assert.equal(large.statusCode, 413);
  }));

/** Read server-sent events until there are `count`; gives their ids, kinds and texts. */
async function readStream(
  url: string,
  headers: Record<string, string>,
  count: number,
  onOpen: () => void = () => undefined,
) {
  const abort = new AbortController();
  const response = await fetch(url, { headers, signal: abort.signal });
  assert.equal(response.headers.get('Content-Type'), 'text/event-stream');
  onOpen();
  const found: { id: number; kind: string; text: string }[] = [];
  let rest = '';
  for await (const part of response.body as AsyncIterable<Uint8Array>) {
    rest += Buffer.from(part).toString('utf8');
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const match = /^id: (\d+)\nevent: (\S+)\ndata: (.*)$/.exec(block);
      if (match)
        found.push({ id: Number(match[1]), kind: match[2] as string, text: JSON.parse(match[3] as string).text });
    }
    if (found.length >= count) break;
  }
  abort.abort();
  return found;
}

test('the stream tells what happens, what was missed since an id, one machine alone, and nothing twice', () =>
  withApi(async ({ api, harness, token }) => {
    const port = await freePort();
    await api.listen({ host: '127.0.0.1', port });
    const url = `http://127.0.0.1:${port}/api/v1/events`;
    const auth = { Authorization: `Bearer ${token}` };
    harness.addMachine('vm-01');
    harness.addMachine('vm-02', { mac: SECOND as never });
    const tell = (text: string, mac: string = MAC): number =>
      harness.events.emit({ kind: 'machine.log', text, mac: mac as never }).id;
    const first = tell('one');
    tell('two');

    const live = await readStream(url, auth, 2, () => {
      tell('three');
      tell('four', SECOND);
    });
    assert.deepEqual(
      live.map((event) => event.text),
      ['three', 'four'],
      'from now on, without an id',
    );
    const resumed = await readStream(url, { ...auth, 'Last-Event-ID': String(first) }, 4, () => tell('five'));
    assert.deepEqual(
      resumed.map((event) => event.text),
      ['two', 'three', 'four', 'five'],
    );
    const ofOne = await readStream(`${url}?machine=vm-02&after=0`, auth, 2, () => {
      tell('six');
      tell('seven', SECOND);
    });
    assert.deepEqual(
      ofOne.map((event) => event.text),
      ['four', 'seven'],
    );
    harness.events.emit({ kind: 'network.changed', text: 'a subnet' });
    const ofAppliance = await readStream(`${url}?appliance=true&after=0`, auth, 2, () => {
      tell('ten');
      harness.events.emit({ kind: 'network.changed', text: 'of a machine', mac: MAC as never });
      harness.events.emit({ kind: 'network.changed', text: 'an option' });
    });
    assert.deepEqual(
      ofAppliance.map((event) => event.text),
      ['a subnet', 'an option'],
    );
    assert.equal((await fetch(`${url}?appliance=true&machine=vm-02`, { headers: auth })).status, 400);
    const future = await readStream(`${url}?after=999999`, auth, 1, () => tell('eight'));
    assert.deepEqual(
      future.map((event) => event.text),
      ['eight'],
      'an id of another database hides nothing',
    );
    assert.equal((await fetch(`${url}?machine=nosuch`, { headers: auth })).status, 404);
    assert.equal((await fetch(url)).status, 401);
    const head = await fetch(url, { method: 'HEAD', headers: auth, signal: AbortSignal.timeout(5000) });
    assert.equal(head.status, 404, 'a head would be waited for');
  }));

test('an inventory never comes to the API as anything but what the scout said', () =>
  withApi(async ({ call, harness }) => {
    const { id } = harness.addMachine('vm-01');
    harness.discovery.saveInventory(id, inventory({ serial: 'S1' }));
    assert.partialDeepStrictEqual((await call('GET', 'machines/vm-01')).body, {
      serial: 'S1',
      inventory: { vendor: 'QEMU', disks: [{ blank: true }] },
    } as object);
  }));
