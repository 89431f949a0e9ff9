import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkExecSettings, type ExecOptions, openExec } from '../../src/bmc/exec.ts';
import { readPowerText } from '../../src/bmc/verbs.ts';

const PASSWORD = 's3cr$t `\'"';

function target(settings: Record<string, string>, password = PASSWORD) {
  return { driver: 'exec', address: '10.9.8.7', port: 0, user: 'outlet-7', password, settings } as const;
}

/** A program of the site, with what it wrote into its folder. */
function makeProgram(t: TestContext, script: string) {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-exec-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pdu');
  writeFileSync(path, `#!/bin/sh\nfolder=${folder}\n${script}\n`);
  chmodSync(path, 0o755);
  const read = (name: string) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : '');
  const open = (options?: ExecOptions) => {
    const verbs = ['on', 'off', 'cycle', 'reset', 'soft', 'status', 'boot'];
    const settings = Object.fromEntries(verbs.map((verb) => [verb, JSON.stringify([path, verb, 'a b', '$(id)'])]));
    return openExec(target(settings), options);
  };
  return { path, read, open };
}

test('runs the program of a verb with its words as they are, and without a shell', async (t) => {
  const { read, open } = makeProgram(t, `printf '%s|' "$@" >>$folder/told`);
  const driver = open();
  for (const action of ['on', 'off', 'cycle', 'reset', 'soft'] as const) await driver.setPower(action);
  assert.equal(read('told'), ['on', 'off', 'cycle', 'reset', 'soft'].map((verb) => `${verb}|a b|$(id)|`).join(''));
});

test('hands over the password by the environment alone, which has nothing else of ours', async (t) => {
  const { read, open } = makeProgram(t, `env | sort >$folder/env; tr '\\0' ' ' </proc/$$/cmdline >$folder/words`);
  process.env.FIRSTLIGHT_TEST_SECRET = 'not for programs';
  t.after(() => delete process.env.FIRSTLIGHT_TEST_SECRET);
  await open().setBoot({ device: 'http', firmware: 'uefi', isPersistent: true, httpUri: 'http://10.0.0.1/x.efi' });
  const environment = read('env')
    .split('\n')
    .filter((line) => !/^(PWD|SHLVL|_|OLDPWD)=|^$/.test(line)); // the shell's own
  assert.deepEqual(environment, [
    'FIRSTLIGHT_BMC_ADDRESS=10.9.8.7',
    'FIRSTLIGHT_BMC_BOOT_DEVICE=http',
    'FIRSTLIGHT_BMC_BOOT_FIRMWARE=uefi',
    'FIRSTLIGHT_BMC_BOOT_PERSISTENT=yes',
    'FIRSTLIGHT_BMC_BOOT_URI=http://10.0.0.1/x.efi',
    `FIRSTLIGHT_BMC_PASSWORD=${PASSWORD}`,
    'FIRSTLIGHT_BMC_USER=outlet-7',
    'FIRSTLIGHT_BMC_VERB=boot',
    'LC_ALL=C',
    `PATH=${process.env.PATH}`,
  ]);
  assert.ok(read('words').includes('boot') && !read('words').includes(PASSWORD));
});

test('reads the power state from what the program of status prints', async (t) => {
  const { open, path } = makeProgram(t, `cat "$folder/power"`);
  const say = (text: string) => writeFileSync(join(path, '../power'), text);
  say('ON\n');
  assert.equal(await open().powerState(), 'on');
  say('{"power":"off"}\n');
  assert.equal(await open().powerState(), 'off');
  say(`outlet 7: ${PASSWORD}\n`);
  await assert.rejects(open().powerState(), (error: Error & { kind: string }) => {
    assert.equal(error.kind, 'protocol');
    assert.match(error.message, /said "outlet 7: \(secret\)" for its power state/);
    return true;
  });
});

test('says no with the status and the last line of what the program complained, without the password', async (t) => {
  const { open } = makeProgram(
    t,
    `echo first >&2; echo "bad login $FIRSTLIGHT_BMC_PASSWORD for outlet" >&2; echo >&2; exit 3`,
  );
  await assert.rejects(open().setPower('on'), (error: Error & { kind: string }) => {
    assert.equal(error.kind, 'refused');
    assert.match(
      error.message,
      /^BMC 10\.9\.8\.7 port 0 was refused "on" by .+\/pdu with status 3: bad login \(secret\) for outlet\. [A-Z]/,
    );
    assert.ok(!String(error.stack).includes(PASSWORD));
    return true;
  });
});

test('keeps what a program says at length within bounds, and the last line of it', async (t) => {
  const { open } = makeProgram(
    t,
    `yes 'a line of complaint' | head -c 3000000 >&2; yes on | head -c 3000000; echo 'the end' >&2; exit 1`,
  );
  await assert.rejects(open().setPower('on'), { kind: 'refused', text: /with status 1: the end\./ });
});

test('kills a program that hangs, with all that it started', async (t) => {
  const { open, read } = makeProgram(t, `sleep 987654 & echo $! >$folder/helper; wait`);
  const driver = open({ limitMs: 4000 });
  await assert.rejects(driver.setPower('off'), {
    kind: 'unreachable',
    text: /within 4 s, so whether it acted is not known/,
  });
  const helper = Number(read('helper'));
  assert.ok(helper > 1, 'the helper was started');
  for (let tries = 0; isRunning(helper) && tries < 500; tries++) await sleep(20);
  assert.ok(!isRunning(helper), 'the helper was ended too');
});

/** Whether it is there and no zombie that waits for its parent. */
function isRunning(pid: number): boolean {
  if (!readdirSync('/proc').includes(String(pid))) return false;
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test('does not wait for what a program leaves running, and leaves it running', async (t) => {
  const { open, read } = makeProgram(t, `sleep 987653 & echo $! >$folder/helper`);
  await open({ limitMs: 60_000 }).setPower('cycle');
  const helper = Number(read('helper'));
  assert.ok(isRunning(helper));
  process.kill(helper);
});

test('tells a program that a signal ended', async (t) => {
  const { open } = makeProgram(t, `kill -TERM $$`);
  await assert.rejects(open().setPower('on'), { kind: 'refused', text: /signal SIGTERM ended it/ });
});

test('names a program that is not there, and one that may not be run', async (t) => {
  const { path } = makeProgram(t, 'true');
  const missing = openExec(target({ on: '["/nonexistent/pdu","on"]' }));
  await assert.rejects(missing.setPower('on'), {
    kind: 'unsupported',
    text: /program \/nonexistent\/pdu, which is not there/,
  });
  chmodSync(path, 0o644);
  const closed = openExec(target({ on: JSON.stringify([path]) }));
  await assert.rejects(closed.setPower('on'), { kind: 'unsupported', text: /pdu, which may not be run by this user/ });
  const long = openExec(target({ on: JSON.stringify(['/bin/true', 'x'.repeat(4_000_000)]) }));
  await assert.rejects(long.setPower('on'), {
    kind: 'unsupported',
    text: /\/bin\/true, which cannot be run \(E2BIG\)/,
  });
});

test('runs one program after the other, and none once it is closed', async (t) => {
  const { open, read } = makeProgram(t, `echo "begin $1" >>$folder/told; sleep 0.2; echo "end $1" >>$folder/told`);
  const driver = open();
  const calls = [driver.setPower('off'), driver.setPower('on')];
  await Promise.all(calls);
  assert.equal(read('told'), 'begin off\nend off\nbegin on\nend on\n');
  const last = driver.setPower('reset');
  await Promise.resolve();
  await driver.close();
  await last;
  await assert.rejects(driver.setPower('on'), { kind: 'refused', text: /no longer in use/ });
});

test('has no word for a verb without a program, nor for what no verb tells', async () => {
  const driver = openExec(target({ on: '["/bin/true"]' }));
  await driver.setPower('on');
  await assert.rejects(driver.setPower('cycle'), {
    kind: 'unsupported',
    text: /has no program for "cycle"\. Give it a program/,
  });
  await assert.rejects(driver.powerState(), { kind: 'unsupported', text: /"status"/ });
  await assert.rejects(driver.boot(), { kind: 'unsupported' });
  await assert.rejects(driver.identity(), { kind: 'unsupported' });
});

for (const [what, given, problem] of [
  ['no verb at all', target({ colour: 'red' }), /^there is no program for any of on, off/],
  [
    'a command line',
    target({ on: '/opt/pdu on 7' }),
    /^the setting on is "\/opt\/pdu on 7", which is not a JSON array/,
  ],
  ['an empty array', target({ on: '[]' }), /not a JSON array of texts/],
  ['a number among the words', target({ on: '["/opt/pdu",7]' }), /not a JSON array of texts/],
  ['a program by its short name', target({ on: '["pdu"]' }), /not the full path/],
  ['a NUL in a word', target({ on: '["/opt/pdu","a\\u0000b"]' }), /which has a NUL/],
  ['a NUL in the password', target({ on: '["/opt/pdu"]' }, 'tops\0cret'), /^the password has a NUL/],
] as const)
  test(`refuses ${what}`, () => {
    const problems = checkExecSettings(given);
    assert.equal(problems.length, 1, String(problems));
    assert.match(problems[0] as string, problem);
    assert.throws(() => openExec(given), {
      kind: 'unsupported',
      text: /cannot be used: .+\. Correct the settings of this BMC\.$/,
    });
  });

test('reads a power state from plain text and JSON, and from nothing else', () => {
  for (const text of ['on', ' On\r\n', '{"power":"ON"}', '{ "power": "on", "outlet": 7 }'])
    assert.equal(readPowerText(text), 'on', text);
  for (const text of ['off', '{"power":"off"}']) assert.equal(readPowerText(text), 'off', text);
  for (const text of [
    '',
    'on off',
    'one',
    '{"power":true}',
    '{"power"',
    '{}',
    '["on"]',
    '[1',
    '{"__proto__":{"power":"on"}}',
  ])
    assert.equal(readPowerText(text), undefined, text);
});

test('runs only what lies in the folder, where there is one', async (t) => {
  const { path, open } = makeProgram(t, 'echo on');
  assert.equal(await open({ folder: join(path, '..') }).powerState(), 'on');
  for (const folder of ['/etc/firstlight/exec', `${path}-folder`, join(path, '../pd')])
    assert.throws(() => open({ folder }), {
      kind: 'unsupported',
      message: /pdu does not lie in .* \(serve --exec-folder\)/,
    });
  const sneaky = { on: JSON.stringify([`${join(path, '../x')}/../../../bin/sh`]) };
  assert.throws(() => openExec(target(sneaky), { folder: join(path, '..') }), /does not lie in/);
});
