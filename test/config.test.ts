import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConfigError, PROJECT_FOLDER, readConfig, type ServeFlags, VERSION } from '../src/config.ts';
import { defaultPool } from '../src/model/network.ts';
import { cidrContains, cidrFirstHost, cidrLastHost, ipv4ToNumber, parseCidr } from '../src/wire/address.ts';

/** An interface of this computer with room for clients; without one, what needs one is skipped. */
const present = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
  (addresses ?? [])
    .filter((one) => one.family === 'IPv4' && !one.internal && one.cidr && Number(one.cidr.split('/')[1]) <= 28)
    .map((one) => ({ name, cidr: parseCidr(one.cidr as string) })),
)[0];
const needsInterface = { skip: present ? false : 'no interface with an IPv4 network here' };

function problemsOf(flags: ServeFlags): string[] {
  try {
    readConfig(flags);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.message, error.problems.join('\n'));
    return error.problems;
  }
}

/** One wrong flag each, and what is said about it. */
const WRONG: [ServeFlags, RegExp][] = [
  [{ interface: ['nosuch0'] }, /^--interface nosuch0: there is no such interface with an IPv4 address \(here are /],
  [{ range: ['10.0.0.9'] }, /^--range 10\.0\.0\.9: not of the form 10\.0\.0\.100-10\.0\.0\.200$/],
  [{ range: ['10.0.0.9-10.0.0.1'] }, /^--range 10\.0\.0\.9-10\.0\.0\.1: not of the form/],
  [
    { range: ['203.0.113.1-203.0.113.9'] },
    /^--range 203\.0\.113\.1-203\.0\.113\.9: it is on none of the served interfaces' networks$/,
  ],
  [{ relay: ['10.0.0'] }, /^--relay 10.0.0: not an IPv4 address/],
  [{ httpPort: '0' }, /^--http-port 0: not a port$/],
  [{ httpPort: '65536' }, /^--http-port 65536: not a port$/],
  [{ httpPort: 'x' }, /^--http-port x: not a port$/],
  [{ api: '127.0.0.1:x' }, /^--api 127\.0\.0\.1:x: not of the form 127\.0\.0\.1:7070$/],
  [{ accept: 'maybe' }, /^--accept maybe: manual or automatic$/],
  [{ unknown: 'installer' }, /^--unknown installer: scout or local$/],
  [{ leaseSeconds: '119' }, /^--lease-seconds 119: /],
  [{ leaseSeconds: 'x' }, /^--lease-seconds x: /],
  [{ leaseSeconds: '99999999999' }, /^--lease-seconds 99999999999: /],
  [{ gateway: '10.0.0.256' }, /^--gateway 10\.0\.0\.256: not an IPv4 address$/],
  [{ dns: ['10.0.0.1', 'x'] }, /^--dns x: not an IPv4 address$/],
  [{ mirrorUpstream: 'ftp://x' }, /^--mirror-upstream ftp:\/\/x: not an http or https URL$/],
  [{ domain: 'Not A Domain' }, /^--domain Not A Domain: not a domain name$/],
  [{ domain: '..' }, /^--domain \.\.: not a domain name$/],
  [{ domain: `${'x'.repeat(64)}.example` }, /^--domain x+\.example: not a domain name$/],
];

for (const [flags, expected] of WRONG)
  test(`${JSON.stringify(flags)} is told`, () => {
    const problems = problemsOf(flags);
    assert.ok(
      problems.some((problem) => expected.test(problem)),
      `${expected} is not among\n${problems.join('\n')}`,
    );
  });

test('every problem is said at once', () => {
  const all: ServeFlags = {};
  for (const [flags] of WRONG) Object.assign(all, flags);
  all.range = ['10.0.0.9', '203.0.113.1-203.0.113.9'];
  all.relay = ['203.0.113.9'];
  const problems = problemsOf(all);
  const flags = [
    '--relay 203',
    '--range 10.0.0.9',
    '--range 203',
    '--interface',
    '--http-port',
    '--api',
    '--accept',
    '--unknown',
    '--lease-seconds',
    '--gateway',
    '--dns',
    '--mirror-upstream',
    '--domain',
  ];
  for (const flag of flags)
    assert.ok(
      problems.some((problem) => problem.startsWith(flag)),
      `${flag} in\n${problems.join('\n')}`,
    );
});

test('no interface is a problem beside the others, and those that are here are named', () => {
  for (const flags of [{}, { accept: 'maybe' }, { range: ['x'] }]) {
    const problem = problemsOf(flags).find((one) =>
      one.startsWith('no interface is served: name one with --interface'),
    );
    assert.ok(problem, JSON.stringify(flags));
    if (present) assert.ok(problem.includes(present.name), problem);
  }
});

test('what is right is no problem, a domain in capitals too', () => {
  const right: ServeFlags = { domain: 'Rack1.Example', accept: 'automatic', unknown: 'local', leaseSeconds: '120' };
  assert.deepEqual(
    problemsOf({ ...right, api: '0.0.0.0:7071', httpPort: '8080' }).filter((one) => one.startsWith('--')),
    [],
  );
});

test('without other flags all has its default', needsInterface, () => {
  const { name, cidr } = present as NonNullable<typeof present>;
  const config = readConfig({ interface: [name, name] });
  assert.equal(config.subnets.length, 1, 'an interface named twice is one');
  const [subnet] = config.subnets;
  assert.ok(subnet);
  assert.deepEqual([subnet.interface, subnet.cidr.address], [name, cidr.address]);
  assert.deepEqual([subnet.pool, subnet.relays], [undefined, []]);
  const pool = defaultPool(cidr);
  const [first, last] = [ipv4ToNumber(pool.first), ipv4ToNumber(pool.last)];
  assert.equal(pool.last, cidrLastHost(cidr));
  assert.ok(first <= last && last - first < 200 && first > ipv4ToNumber(cidrFirstHost(cidr)));
  const { subnets: _, ...rest } = config;
  const data = join(PROJECT_FOLDER, 'data');
  assert.deepEqual(rest, {
    data,
    assets: join(data, 'assets'),
    content: PROJECT_FOLDER,
    loaders: '/usr/lib/ipxe',
    httpPort: 80,
    api: { host: '127.0.0.1', port: 7070 },
    acceptAutomatically: false,
    unknownBoots: 'scout',
    proxy: false,
    execFolder: '/etc/firstlight/exec',
    user: 'firstlight',
  });
});

test('machines are switched on in batches as the flags say', needsInterface, () => {
  const { name } = present as NonNullable<typeof present>;
  const staggerOf = (flags: object) => readConfig({ interface: [name], ...flags }).stagger;
  assert.deepEqual(staggerOf({ powerBatch: '4', powerPause: '2.5' }), { batch: 4, pauseMs: 2500 });
  assert.deepEqual(staggerOf({ powerPause: '0' }), { batch: 10, pauseMs: 0 });
  assert.deepEqual(staggerOf({ powerBatch: '1' }), { batch: 1, pauseMs: 5000 });
  for (const [flags, problem] of [
    [{ powerBatch: '0' }, '--power-batch 0: 1 to 10000'],
    [{ powerBatch: 'many' }, '--power-batch many: 1 to 10000'],
    [{ powerPause: '-1' }, '--power-pause -1: 0 to 3600 seconds'],
    [{ powerPause: 'soon' }, '--power-pause soon: 0 to 3600 seconds'],
  ] as const)
    assert.throws(() => staggerOf(flags), { message: problem });
});

test('flags become what they say', needsInterface, () => {
  const { name, cidr } = present as NonNullable<typeof present>;
  const [from, to] = [cidrFirstHost(cidr), cidrLastHost(cidr)];
  const config = readConfig({
    interface: [name],
    range: [`${from}-${to}`],
    namespace: 'rack',
    data: '/srv/data',
    httpPort: '8080',
    api: '0.0.0.0:7171',
    accept: 'automatic',
    unknown: 'local',
    gateway: '10.0.0.1',
    dns: ['10.0.0.2'],
    domain: 'rack-1.example',
    leaseSeconds: '120',
    mirrorUpstream: 'http://deb.example/debian//',
    user: 'nobody',
  });
  assert.deepEqual(config.subnets[0]?.pool, { first: from, last: to });
  assert.ok(cidrContains(cidr, from));
  assert.deepEqual(
    [
      config.namespace,
      config.data,
      config.assets,
      config.httpPort,
      config.api,
      config.acceptAutomatically,
      config.unknownBoots,
    ],
    ['rack', '/srv/data', '/srv/data/assets', 8080, { host: '0.0.0.0', port: 7171 }, true, 'local'],
  );
  assert.deepEqual(
    [config.gateway, config.dns, config.domain, config.leaseSeconds, config.mirrorUpstream, config.user],
    ['10.0.0.1', ['10.0.0.2'], 'rack-1.example', 120, 'http://deb.example/debian', 'nobody'],
  );
});

test('a port alone is an API on loopback', needsInterface, () => {
  assert.deepEqual(readConfig({ interface: [(present as { name: string }).name], api: '7171' }).api, {
    host: '127.0.0.1',
    port: 7171,
  });
});

test('the version is that of the package', () => assert.match(VERSION, /^\d+\.\d+\.\d+$/));
