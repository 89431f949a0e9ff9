import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBmc } from '../../src/bmc/index.ts';
import { compileTemplates } from '../../src/boot/render.ts';
import { type EffectiveParam, resolveParams } from '../../src/model/params.ts';
import { loadContent } from '../../src/store/content.ts';
import { type IpmiSim, missing, startIpmiSim } from '../bmc/ipmi-sim.ts';
import { ipmitool } from '../bmc/ipmitool.ts';
import { REPOSITORY } from '../harness.ts';

const skip = missing('ipmi_sim', 'ipmitool', 'curl');
const TASK = 'tasks/bmc-setup.sh.hbs';
const PASSWORD = 'Zq7_kfPw-3xLmA9.';
const content = loadContent(REPOSITORY);
const templates = compileTemplates(content.templates);

type Ran = { exit: number; output: string; message: string; words: string };
type Told = Record<string, string>;
type Bench = {
  sim: IpmiSim;
  /** What the appliance was told at `run/TOKEN/bmc`. */
  told: Told[];
  /** What the appliance answers to that, one after the other; 200 in the end. */
  answers: number[];
  run: (params: Record<string, unknown>, how?: { tool?: string; password?: string }) => Promise<Ran>;
  /** What the administrator of the BMC sees. */
  asAdmin: (...words: string[]) => Promise<string>;
};

/** A BMC of OpenIPMI, reached by its LAN in place of /dev/ipmi0, and an appliance that listens. */
async function withBench(check: (bench: Bench) => Promise<void>, lan: string[] = []): Promise<void> {
  const sim = await startIpmiSim({ lan });
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-bmc-setup-'));
  const told: Told[] = [];
  const answers: number[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    told.push({ path: `${request.method} ${request.url}`, ...Object.fromEntries(new URLSearchParams(body)) });
    response.writeHead(answers.shift() ?? 200).end('the answer');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/run/TOKEN`;
  const login = `-I lanplus -H 127.0.0.1 -p ${sim.port} -U admin -E -C 3 -N 2 -R 4`;

  const run: Bench['run'] = async (params, { tool = 'ipmitool', password = 's3cret' } = {}) => {
    const script = join(folder, 'script');
    writeFileSync(script, render(params, url));
    rmSync(join(folder, 'message'), { force: true });
    const env = {
      PATH: process.env.PATH,
      FIRSTLIGHT_STATE: folder,
      BMC_SETUP_IPMITOOL: `${tool} ${login}`,
      BMC_SETUP_SECONDS: '2',
      IPMITOOL_PASSWORD: password,
    };
    const child = spawn('sh', [script], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const exit = await new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)));
    const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');
    return { exit, output, message: read('message').trim(), words: read('words') };
  };
  const asAdmin: Bench['asAdmin'] = async (...words) =>
    (await ipmitool({ port: sim.port, suite: 3, user: 'admin', password: 's3cret' }, ...words)).text;
  try {
    await check({ sim, told, answers, run, asAdmin });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await sim.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The script with the params of the content folder, as the appliance renders a task. */
function render(given: Record<string, unknown>, url: string): string {
  const names = [...templates.paramsOf(TASK)];
  const params = resolveParams(names, content.params, [{ name: 'the test', values: given }]);
  const values = Object.fromEntries(params.map(({ name, value }: EffectiveParam) => [name, value]));
  return templates.render(TASK, { run: { url, firstBootUrl: '' }, params: values });
}

/** Whether this login works, by a client that is not ipmitool. */
async function logsIn({ port }: IpmiSim, user: string, password: string): Promise<boolean> {
  const driver = openBmc({ driver: 'ipmi', address: '127.0.0.1', port, user, password }, { cipherSuite: 3 });
  try {
    await driver.setPower('on'); // needs OPERATOR
    return true;
  } catch (error) {
    assert.match((error as { kind?: string }).kind ?? '', /wrong-password|no-such-user|privilege/);
    return false;
  } finally {
    await driver.close();
  }
}

test('every param of the task is declared, and the password is a secret', () => {
  const used = [...templates.paramsOf(TASK)].sort();
  assert.deepEqual(used, ['bmcAddress', 'bmcGateway', 'bmcNetmask', 'bmcNetwork', 'bmcPassword', 'bmcUser', 'bmcVlan']);
  for (const name of used) assert.ok(content.params[name], name);
  assert.deepEqual(
    used.filter((name) => content.params[name]?.secret),
    ['bmcPassword'],
  );
});

const STATIC = { bmcNetwork: 'static', bmcAddress: '10.77.1.20', bmcNetmask: '255.255.255.0', bmcGateway: '10.77.1.1' };

test('makes a user that can log in, gives the BMC an address and tells the appliance', { skip }, () =>
  withBench(async ({ sim, told, run, asAdmin }) => {
    const { exit, output } = await run({ ...STATIC, bmcVlan: '12', bmcPassword: PASSWORD });
    assert.equal(exit, 0, output);
    assert.equal(await logsIn(sim, 'firstlight', PASSWORD), true);
    assert.equal(await logsIn(sim, 'firstlight', 'another-one'), false);
    assert.equal(await logsIn(sim, 'admin', 's3cret'), true);
    const lan = await asAdmin('lan', 'print', '1');
    for (const line of [
      /^IP Address Source +: Static Address$/m,
      /^IP Address +: 10\.77\.1\.20$/m,
      /^Subnet Mask +: 255\.255\.255\.0$/m,
      /^Default Gateway IP +: 10\.77\.1\.1$/m,
      /^802\.1q VLAN ID +: 12$/m,
    ])
      assert.match(lan, line);
    assert.deepEqual(told, [
      {
        path: 'POST /run/TOKEN/bmc',
        address: '10.77.1.20',
        mac: '00:00:00:00:00:00',
        user: 'firstlight',
        channel: '1',
        maker: '4753',
      },
    ]);
    assert.match(output, /User firstlight in slot 3 was given its password/);
    assert.match(output, /The BMC does not let user firstlight use serial over LAN \(.+\); going on without/);
  }),
);

test('can be run twice: the second time changes nothing, and a new password takes the same slot', { skip }, () =>
  withBench(async ({ sim, told, run, asAdmin }) => {
    const params = { ...STATIC, bmcPassword: PASSWORD };
    assert.equal((await run(params)).exit, 0);
    const [users, lan] = [await asAdmin('user', 'list', '1'), await asAdmin('lan', 'print', '1')];
    const second = await run(params);
    assert.equal(second.exit, 0, second.output);
    assert.deepEqual([await asAdmin('user', 'list', '1'), await asAdmin('lan', 'print', '1')], [users, lan]);
    assert.doesNotMatch(second.output, /The BMC has /, 'the network was left alone');
    assert.deepEqual(told[1], told[0]);

    const third = await run({ ...params, bmcPassword: 'Another-One_1234' });
    assert.equal(third.exit, 0, third.output);
    assert.equal(await asAdmin('user', 'list', '1'), users);
    assert.equal(await logsIn(sim, 'firstlight', PASSWORD), false);
    assert.equal(await logsIn(sim, 'firstlight', 'Another-One_1234'), true);
  }),
);

test('leaves the users that are there alone, and the network when nothing is said of it', { skip }, () =>
  withBench(
    async ({ sim, told, run, asAdmin }) => {
      await asAdmin('lan', 'set', '1', 'ipaddr', '10.77.1.9');
      const before = (await asAdmin('lan', 'print', '1')).match(/^IP Address.*$/gm);
      const { exit, output } = await run({ bmcUser: 'other', bmcPassword: PASSWORD });
      assert.equal(exit, 0, output);
      assert.match(output, /User other in slot 5 was given/);
      assert.equal(await logsIn(sim, 'other', PASSWORD), true);
      assert.equal(await logsIn(sim, 'somebody', 'hers'), true);
      assert.deepEqual((await asAdmin('lan', 'print', '1')).match(/^IP Address.*$/gm), before);
      assert.deepEqual([told[0]?.address, told[0]?.user], ['10.77.1.9', 'other']);
    },
    ['  user 3 true "somebody" "hers" admin 10 none md2 md5 straight', '  user 4 true "else" "his" user 10 none md5'],
  ),
);

test('lets the BMC ask for its address, and says when it gets none', { skip }, () =>
  withBench(async ({ told, run, asAdmin }) => {
    const none = await run({ bmcNetwork: 'dhcp', bmcPassword: PASSWORD });
    assert.equal(none.exit, 1);
    assert.equal(none.message, 'the user is made, but the BMC has no address: check its cable, its VLAN and its DHCP');
    assert.match(await asAdmin('lan', 'print', '1'), /^IP Address Source +: DHCP Address$/m);
    assert.equal(told.length, 0);
    await asAdmin('lan', 'set', '1', 'ipaddr', '10.77.1.30'); // as a lease would
    assert.equal((await run({ bmcNetwork: 'dhcp', bmcPassword: PASSWORD })).exit, 0);
    assert.equal(told[0]?.address, '10.77.1.30');
  }),
);

test('waits for an appliance that is away, and believes one that says no', { skip }, () =>
  withBench(async ({ told, answers, run }) => {
    answers.push(503, 200);
    assert.equal((await run({ ...STATIC, bmcPassword: PASSWORD })).exit, 0);
    assert.equal(told.length, 2);
    answers.push(409);
    const refused = await run({ ...STATIC, bmcPassword: PASSWORD });
    assert.equal(refused.message, 'the appliance refuses the BMC at 10.77.1.20 (HTTP 409): the answer');
  }),
);

test('shows the password to nobody: not in what it prints, nor among the words of a process', { skip }, () =>
  withBench(async ({ run }) => {
    // Every call of ipmitool goes through a program that notes its words.
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-words-'));
    try {
      const noting = join(folder, 'noting');
      writeFileSync(noting, `#!/bin/sh\necho "$*" >>"$FIRSTLIGHT_STATE/words"\nexec ipmitool "$@"\n`, { mode: 0o755 });
      const { exit, output, words } = await run({ ...STATIC, bmcPassword: PASSWORD }, { tool: noting });
      assert.equal(exit, 0, output);
      assert.match(words, /user set name 3 firstlight/);
      assert.match(words, /shell$/m);
      for (const text of [words, output]) assert.ok(!text.includes(PASSWORD), text);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }),
);

test('says that the BMC cannot be asked', { skip }, () =>
  withBench(async ({ run }) => {
    const { exit, message } = await run({ bmcPassword: PASSWORD }, { password: 'a wrong one' });
    assert.equal(exit, 1);
    assert.match(message, /^the BMC does not say what it is: .*Unable to establish/);
  }),
);

test('refuses a password that no BMC keeps, before it asks one', { skip }, () =>
  withBench(async ({ run, asAdmin }) => {
    assert.match((await run({})).message, /^the param bmcPassword is empty/);
    const statics = await run({ bmcPassword: PASSWORD, bmcNetwork: 'static' });
    assert.match(statics.message, /bmcAddress or bmcNetmask is empty/);
    assert.doesNotMatch(await asAdmin('user', 'list', '1'), /firstlight/);
  }),
);

test('a param that a BMC or its shell would misread is refused by the appliance', () => {
  for (const [name, value] of [
    ['bmcPassword', 'short'],
    ['bmcPassword', 'has a space in it'],
    ['bmcPassword', "quote'quote'quote"],
    ['bmcPassword', 'x'.repeat(21)],
    ['bmcUser', 'seventeen-letters'],
    ['bmcNetwork', 'bootp'],
    ['bmcAddress', '10.0.0.256'],
    ['bmcNetmask', '10.0.0.1'],
    ['bmcVlan', '4095'],
    ['bmcVlan', '0'],
  ] as const)
    assert.throws(
      () => render({ [name]: value }, 'http://x/run/T'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'bad-param');
        assert.ok(name !== 'bmcPassword' || !error.message.includes(value), error.message);
        return true;
      },
    );
});
