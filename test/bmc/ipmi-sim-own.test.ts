import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { openIpmi } from '../../src/bmc/ipmi.ts';
import { startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { after, type Instant } from '../../src/model/time.ts';
import { PRIVILEGE } from '../../src/wire/ipmi.ts';
import { decodeAsf, decodeRmcp, encodeAsf, encodeRmcp } from '../../src/wire/rmcp.ts';
import { until } from '../until.ts';
import { freeipmi } from './freeipmi.ts';
import { missing } from './ipmi-sim.ts';
import { ipmitool } from './ipmitool.ts';

// What the simulated BMC does that no driver of ours asks for; test/bmc/compare.test.ts has the rest.

const skip = missing('ipmitool', 'ipmipower', 'ipmi-chassis');
const admin = { user: 'admin', password: 's3cret' };

test('answers an ASF ping, and says that it speaks IPMI', async () => {
  const bmc = await startIpmiBmc();
  const socket = createSocket('udp4');
  try {
    const answer = new Promise<Buffer>((resolve) => socket.once('message', resolve));
    socket.send(encodeRmcp({ class: 'asf', body: encodeAsf({ type: 'ping', tag: 9 }) }), bmc.port, '127.0.0.1');
    const { class: kind, body } = decodeRmcp(await answer);
    assert.deepEqual([kind, decodeAsf(body)], ['asf', { type: 'pong', tag: 9, speaksIpmi: true }]);
  } finally {
    socket.close();
    await bmc.stop();
  }
});

for (const suite of [3, 17] as const) {
  test(`ipmipower and ipmi-chassis drive it in suite ${suite}`, { skip }, async () => {
    const bmc = await startIpmiBmc({ suites: [suite] });
    const target = { port: bmc.port, suite, ...admin };
    try {
      for (const [option, done] of Object.entries({
        '--on': 'on',
        '--cycle': 'cycle',
        '--reset': 'reset',
        '--soft': 'soft',
      })) {
        const { text } = await freeipmi(target, 'ipmipower', option);
        assert.match(text, /: ok$/, option);
        assert.equal(bmc.machine.done.at(-1), done);
      }
      await freeipmi(target, 'ipmi-chassis', '--chassis-identify=10');
      assert.equal(bmc.machine.identifySeconds, 10);
      const cause = await freeipmi(target, 'ipmi-chassis', '--get-system-restart-cause');
      assert.match(cause.text, /chassis control/i);
      assert.equal(bmc.sessions.lastSuite, suite);
      assert.equal(bmc.sessions.open, 1, 'ipmipower does not log out after a reset');
    } finally {
      await bmc.stop();
    }
  });
}

test('ipmipower tells a wrong password, an unknown user, a full BMC and a suite that is refused', {
  skip,
}, async () => {
  const bmc = await startIpmiBmc({ suites: [17] });
  try {
    const stat = async (user: string, password: string, suite = 17) =>
      (await freeipmi({ port: bmc.port, suite, user, password }, 'ipmipower', '--stat')).text.replace(/^.*: /, '');
    assert.equal(await stat('admin', 's3cret'), 'off');
    assert.equal(await stat('admin', 'another'), 'password invalid');
    assert.equal(await stat('nobody', 's3cret'), 'username invalid');
    assert.equal(await stat('admin', 's3cret', 3), 'cipher suite id unavailable');
    bmc.faults.set('no-slots', 9);
    assert.equal(await stat('admin', 's3cret'), 'BMC busy');
  } finally {
    await bmc.stop();
  }
});

test('ipmitool has its console: what is typed arrives, what is printed comes, and it ends when it says so', {
  skip,
}, async () => {
  const bmc = await startIpmiBmc();
  try {
    const target = { port: bmc.port, suite: 17, ...admin };
    assert.match((await ipmitool(target, 'sol', 'info', '1')).text, /Enabled +: true/);
    const login = ['-I', 'lanplus', '-C', '17', '-H', '127.0.0.1', '-p', `${bmc.port}`, '-U', 'admin', '-E'];
    const console = spawn('ipmitool', [...login, 'sol', 'activate'], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, IPMITOOL_PASSWORD: 's3cret' },
    });
    let text = '';
    console.stdout.on('data', (data) => {
      text += data;
    });
    const ended = once(console, 'close');
    let typed = '';
    bmc.serial.onInput((bytes) => {
      typed += bytes.toString();
    });
    await until(() => bmc.serial.session !== undefined);
    console.stdin.write('root\r');
    await until(() => typed === 'root\r');
    bmc.serial.write(Buffer.from('Password:'));
    await until(() => bmc.serial.isIdle);
    console.stdin.end('~.');
    await ended;
    assert.match(text, /SOL Session operational[\s\S]+Password:/);
    assert.equal(typed, 'root\r');
    assert.equal(bmc.sessions.open, 0);
  } finally {
    await bmc.stop();
  }
});

test('gives no more privilege than a user has, and asks for what each command needs', async () => {
  const users = { viewer: { password: 's3cret', privilege: PRIVILEGE.user } };
  const bmc = await startIpmiBmc({ users });
  try {
    const target = { port: bmc.port, suite: 17, user: 'viewer', password: 's3cret' };
    const read = await ipmitool(target, '-L', 'USER', 'power', 'status');
    assert.equal(read.text, 'Chassis Power is off');
    const refused = await ipmitool(target, '-L', 'USER', 'power', 'on');
    assert.match(refused.text, /Insufficient privilege level/);
    assert.equal(bmc.machine.isOn, false);
  } finally {
    await bmc.stop();
  }
});

test('forgets a session after a minute without a packet, by its own clock, and a login sooner', async () => {
  let now = Date.UTC(2030, 0, 1) as Instant;
  const bmc = await startIpmiBmc({ clock: () => now, slots: 1 });
  try {
    const target = { driver: 'ipmi', address: '127.0.0.1', port: bmc.port, ...admin } as const;
    const first = openIpmi(target, { patience: { firstMs: 50, lastMs: 50, sends: 2 } });
    const console = await first.console!();
    const second = openIpmi(target);
    await assert.rejects(second.powerState(), { kind: 'no-session-slot' });
    now = after(now, 59_000);
    await assert.rejects(second.powerState(), { kind: 'no-session-slot' });
    now = after(now, 1_000);
    assert.equal(await second.powerState(), 'off');
    await console.close();
    await first.close();
  } finally {
    await bmc.stop();
  }
});

test('keeps its event log by its own clock, and its readings as they are set', async () => {
  let now = Date.UTC(2030, 0, 1) as Instant;
  const bmc = await startIpmiBmc({ clock: () => now });
  try {
    const driver = openIpmi({ driver: 'ipmi', address: '127.0.0.1', port: bmc.port, ...admin });
    now = after(now, 3_600_000);
    const details = Buffer.of(0x59, 96, 90);
    bmc.machine.addEvent({ generator: 0x20, sensorType: 1, sensorNumber: 1, isAssertion: true, eventType: 1, details });
    bmc.machine.readings.set(1, { raw: 96 });
    assert.deepEqual((await driver.log!()).at(-1), {
      id: '5',
      at: now,
      severity: 'critical',
      text: 'CPU1 Temp: upper critical, going high (96 C, limit 90 C)',
    });
    assert.deepEqual((await driver.sensors!())[0], {
      name: 'CPU1 Temp',
      value: 96,
      unit: 'C',
      state: 'critical',
      text: '96 C, beyond upper non-recoverable 95 C',
    });
  } finally {
    await bmc.stop();
  }
});

test('drops what it cannot read and goes on', async () => {
  const bmc = await startIpmiBmc();
  const socket = createSocket('udp4');
  try {
    const junk = ['', '00', '0600ff07', '0600ff0706c0', '0600ff0600000000', `0600ff07${'ff'.repeat(300)}`];
    for (const hex of junk) socket.send(Buffer.from(hex, 'hex'), bmc.port, '127.0.0.1');
    while (bmc.datagrams.in < junk.length) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(bmc.datagrams.out, 0);
    const driver = openIpmi({ driver: 'ipmi', address: '127.0.0.1', port: bmc.port, ...admin });
    assert.equal(await driver.powerState(), 'off');
  } finally {
    socket.close();
    await bmc.stop();
  }
});
