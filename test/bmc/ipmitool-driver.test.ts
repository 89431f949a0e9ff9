import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openBmc } from '../../src/bmc/index.ts';
import { ipmitoolArguments } from '../../src/bmc/ipmitool.ts';
import { readLoginFailure, readRawAnswer } from '../../src/bmc/ipmitool-text.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import { parseFaults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import { PRIVILEGE } from '../../src/wire/ipmi.ts';
import { freePort, missing } from './ipmi-sim.ts';
import { commandLines } from './ipmitool.ts';

const skip = missing('ipmitool');
const PASSWORD = 's3cr$t `\'"';
const users = {
  admin: { password: PASSWORD, privilege: PRIVILEGE.administrator },
  op: { password: PASSWORD, privilege: PRIVILEGE.operator },
  viewer: { password: PASSWORD, privilege: PRIVILEGE.user },
};

function target(driver: 'ipmi' | 'ipmitool', port: number, user = 'admin', password = PASSWORD) {
  return { driver, address: '127.0.0.1', port, user, password };
}

async function withBmc(faults: string, check: (bmc: IpmiBmc) => Promise<void>): Promise<void> {
  const bmc = await startIpmiBmc({ users, faults: parseFaults(faults) });
  try {
    await check(bmc);
    assert.equal(bmc.sessions.open, 0, 'sessions left open');
  } finally {
    await bmc.stop();
  }
}

test('says through ipmitool all that our own IPMI says', { skip }, () =>
  withBmc('small-reads=32', async (bmc) => {
    const [ours, its] = [openBmc(target('ipmi', bmc.port)), openBmc(target('ipmitool', bmc.port))];
    await its.setPower('on');
    await its.setBoot({ device: 'cd', firmware: 'uefi', isPersistent: true });
    await its.identify!(30);
    assert.deepEqual(
      bmc.machine.done.filter((act) => /^(on|boot option 5)/.test(act)),
      ['on', 'boot option 5: e014000000'],
    );
    assert.equal(bmc.machine.identifySeconds, 30);
    for (const call of [
      'powerState',
      'boot',
      'identity',
      'restartCause',
      'powerReading',
      'sensors',
      'log',
      'inventory',
    ] as const) {
      assert.deepEqual(await its[call]!(), await ours[call]!(), call);
    }
    await its.clearLog!();
    assert.equal(bmc.machine.log.length, 0);
    assert.equal(its.console, undefined);
    await its.close();
    await assert.rejects(its.powerState(), { kind: 'refused' });
  }),
);

test('finds suite 3 by itself, tells it and starts with it next time', { skip }, async () => {
  const bmc = await startIpmiBmc({ users, suites: [3] });
  try {
    const told: number[] = [];
    const driver = openBmc(target('ipmitool', bmc.port), { onCipherSuite: (suite) => told.push(suite) });
    assert.equal(await driver.powerState(), 'off');
    assert.equal(await driver.powerState(), 'off');
    assert.deepEqual([told, bmc.sessions.consoleIds.length], [[3], 3]);
  } finally {
    await bmc.stop();
  }
});

test('works as OPERATOR when the user may not be ADMINISTRATOR, and says when that is not enough', { skip }, () =>
  withBmc('', async (bmc) => {
    await openBmc(target('ipmitool', bmc.port, 'op')).setPower('on');
    assert.deepEqual(bmc.machine.done, ['on']);
    await assert.rejects(openBmc(target('ipmitool', bmc.port, 'viewer')).powerState(), { kind: 'privilege' });
  }),
);

test('tells failures of the login apart', { skip }, () =>
  withBmc('', async (bmc) => {
    const wrong = openBmc(target('ipmitool', bmc.port, 'admin', 'another'));
    await assert.rejects(wrong.powerState(), { kind: 'wrong-password' });
    assert.equal(bmc.sessions.consoleIds.length, 1, 'a second try could lock the account');
    await assert.rejects(openBmc(target('ipmitool', bmc.port, 'nobody')).powerState(), { kind: 'no-such-user' });
    bmc.faults.set('no-slots', 9);
    await assert.rejects(openBmc(target('ipmitool', bmc.port)).powerState(), { kind: 'no-session-slot' });
    bmc.faults.clear();
  }),
);

test('passes on why a command was refused', { skip }, () =>
  withBmc('serial-off flags-locked', async (bmc) => {
    const driver = openBmc(target('ipmitool', bmc.port));
    const wish = { device: 'network', firmware: 'bios', isPersistent: false } as const;
    await assert.rejects(driver.setBoot(wish), { kind: 'refused', text: /this boot option can only be read/ });
  }),
);

test('says that nobody is there', { skip }, async () => {
  await assert.rejects(openBmc(target('ipmitool', await freePort())).powerState(), { kind: 'unreachable' });
});

test('says that ipmitool is not installed', async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nonexistent';
  try {
    await assert.rejects(openBmc(target('ipmitool', 623)).powerState(), {
      kind: 'unsupported',
      text: /program ipmitool, which is not there\. Install the Debian package ipmitool/,
    });
  } finally {
    process.env.PATH = path;
  }
});

test('gives the password to nobody but ipmitool itself: not in its arguments, not in an error', { skip }, () =>
  withBmc('slow=50', async (bmc) => {
    const driver = openBmc(target('ipmitool', bmc.port));
    const answer = driver.powerState();
    const seen: string[] = [];
    while (seen.length === 0) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      seen.push(...commandLines().filter((line) => line.includes('ipmitool') && line.includes(`${bmc.port}`)));
    }
    assert.ok(seen.every((line) => !line.includes(PASSWORD)));
    assert.equal(await answer, 'off');
    const how = { suite: 17, role: 'OPERATOR', lun: 0 } as const;
    assert.ok(!ipmitoolArguments(target('ipmitool', 623), how).join(' ').includes(PASSWORD));
  }),
);

test('reads what the shell of ipmitool prints', () => {
  const answer =
    'raw 0 1\nRAW REQ (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1 data_len=0)\nRAW RSP (3 bytes)\n 20 00 0a\nipmitool> ';
  assert.deepEqual(readRawAnswer(answer), { completion: 0, data: Buffer.of(0x20, 0, 0x0a) });
  const long = `RAW REQUEST (2 bytes)\n 07 01\nRAW RSP (18 bytes)\n${' 01'.repeat(16)}\n 02 03\nipmitool> `;
  assert.equal((readRawAnswer(long) as { data: Buffer }).data.toString('hex'), `${'01'.repeat(16)}0203`);
  const nothing = 'RAW REQUEST (2 bytes)\n 07 01\nRAW RSP (0 bytes)\n\nipmitool> ';
  assert.deepEqual(readRawAnswer(nothing), { completion: 0, data: Buffer.alloc(0) });
  const refused =
    'RAW REQUEST (1 bytes)\n 77\nUnable to send RAW command (channel=0x0 netfn=0x4 lun=0x0 cmd=0x2d rsp=0xcb): Requested sensor, data, or record not found\nipmitool> ';
  assert.deepEqual(readRawAnswer(refused), { completion: 0xcb, data: Buffer.alloc(0) });
  const silent = 'Unable to send RAW command (channel=0x0 netfn=0x0 lun=0x0 cmd=0x1)\nipmitool> ';
  assert.deepEqual(readRawAnswer(silent), { why: 'did not answer' });
  assert.deepEqual(readRawAnswer('RAW RSP (3 bytes)\n 20 00\nipmitool> '), { why: 'gave 2 of 3 bytes' });
});

test('reads why ipmitool could not log in', () => {
  const end = 'Error: Unable to establish IPMI v2 / RMCP+ session\n';
  const cases: [string, string][] = [
    ['> RAKP 2 HMAC is invalid\n', 'wrong-password'],
    ['RAKP 2 message indicates an error : unauthorized name\n', 'no-such-user'],
    ['Error in open session response message : insufficient resources for session\n', 'no-session-slot'],
    ['Error in open session response message : no matching cipher suite\n\n', 'next-suite'],
    ['Error in open session response message : invalid authentication algorithm\n\n', 'next-suite'],
    ['Error in open session response message : invalid role\n\n', 'next-suite'],
    ['RAKP 2 message indicates an error : unauthorized role requested\n', 'lower-role'],
    ['Set Session Privilege Level to ADMINISTRATOR failed: Unknown (0x81)\n', 'lower-role'],
    ['RAKP 4 HMAC is invalid\n', 'protocol'],
    ['Get Auth Capabilities error\n', 'unreachable'],
    ['', 'unreachable'],
  ];
  for (const [text, kind] of cases) assert.equal(readLoginFailure(text + end).kind, kind, text);
  assert.equal(readLoginFailure('').kind, 'unreachable');
});
