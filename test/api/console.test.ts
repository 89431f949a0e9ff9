import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';
import { createApi } from '../../src/api/server.ts';
import { type Consoles, createConsoles } from '../../src/bmc/console.ts';
import type { BmcConsole, BmcDriver } from '../../src/bmc/driver.ts';
import { createSupervisor } from '../../src/bmc/supervisor.ts';
import { type KeyAct, readKeys } from '../../src/cli/console.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import type { Machine } from '../../src/model/machine.ts';
import { freePort, type Harness, REPOSITORY, withHarness } from '../harness.ts';
import { until } from '../until.ts';

type Rig = {
  harness: Harness;
  consoles: Consoles;
  bmc: IpmiBmc;
  machine: Machine;
  url: string;
  token: string;
  call: Call;
  /** A console as it is watched over HTTP. */
  watch(query?: string): Promise<Watched>;
};
type Call = (method: 'GET' | 'POST', path: string, body?: unknown) => Promise<{ status: number; body: string }>;
type Watched = { answer: IncomingMessage; text(): string; until(wanted: string): Promise<void>; leave(): void };

/** The console's routes as the API has them, over HTTP, and a BMC that speaks the wire behind them. */
function withConsole(
  check: (rig: Rig) => Promise<void>,
  supervisorOf: (harness: Harness) => Harness['supervisor'] = ({ supervisor }) => supervisor,
): Promise<void> {
  return withHarness({}, async (harness) => {
    const bmc = await startIpmiBmc({ slots: 8 });
    const folder = join(harness.folder, 'data', 'console');
    const supervisor = supervisorOf(harness);
    const consoles = createConsoles({ ...harness, supervisor, folder, steady: () => 0 });
    const machine = harness.addMachine('vm-01');
    harness.setBmc(machine.id, { port: bmc.port });
    const token = harness.tokens.issue('ada', harness.clock());
    const { url, close } = await serve(harness, consoles);
    const headers = { authorization: `Bearer ${token}` };
    try {
      await check({
        harness,
        consoles,
        bmc,
        machine,
        url,
        token,
        call: async (method, path, body) => {
          const json = body === undefined ? {} : { body: JSON.stringify(body) };
          const type = body === undefined ? {} : { 'content-type': 'application/json' };
          const answer = await fetch(`${url}/api/v1/${path}`, { method, headers: { ...headers, ...type }, ...json });
          return { status: answer.status, body: await answer.text() };
        },
        watch: async (query = '') => {
          const asked = request(`${url}/api/v1/machines/vm-01/console${query}`, { headers });
          asked.end();
          const [answer] = (await once(asked, 'response')) as [IncomingMessage];
          return watched(answer);
        },
      });
    } finally {
      await consoles.close();
      await close();
      assert.equal(bmc.sessions.open, 0, 'sessions left open');
      await bmc.stop();
    }
  });
}

/** The rim of the API around these routes: tokens, and errors as answers. */
async function serve(harness: Harness, consoles: Consoles) {
  const api = await createApi({ ...harness, consoles, version: '0', problems: () => [] });
  const port = await freePort();
  await api.listen({ host: '127.0.0.1', port });
  return { url: `http://127.0.0.1:${port}`, close: () => api.close() };
}

function watched(answer: IncomingMessage): Watched {
  let text = '';
  answer.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  answer.on('error', () => undefined); // it was left
  return {
    answer,
    text: () => text,
    until: (wanted) => until(() => text.includes(wanted), { what: JSON.stringify(wanted) }),
    leave: () => void answer.destroy(),
  };
}

/** What is typed on the machine, as it comes. */
function typedOn(bmc: IpmiBmc): () => string {
  let typed = '';
  bmc.serial.onInput((bytes) => {
    typed += bytes.toString('latin1');
  });
  bmc.serial.onBreak(() => {
    typed += '<break>';
  });
  return () => typed;
}

// ------------------------------------------------------------------------------------------------- HTTP

test('a console is a stream of bytes to all who watch it, until they go', () =>
  withConsole(async ({ watch, bmc }) => {
    const one = await watch();
    assert.equal(one.answer.statusCode, 200);
    assert.match(String(one.answer.headers['content-type']), /^text\/plain/);
    bmc.serial.write(Buffer.from('\x1b[1mGRUB\x1b[0m\r\n\xff', 'latin1'));
    await one.until('\xff');
    const [late, newOnly] = await Promise.all([watch(), watch('?history=false')]);
    bmc.serial.write(Buffer.from('login: '));
    await Promise.all([one, late, newOnly].map((each) => each.until('login: ')));
    const all = '\x1b[1mGRUB\x1b[0m\r\n\xfflogin: ';
    assert.deepEqual([one.text(), late.text(), newOnly.text()], [all, all, 'login: ']);
    for (const each of [one, late]) each.leave();
    bmc.serial.write(Buffer.from('still '));
    await newOnly.until('still ');
    newOnly.leave();
    await until(() => bmc.serial.session === undefined);
  }));

test('text, bytes and a break are typed in their order, and not on a locked machine', () =>
  withConsole(async ({ watch, call, bmc, harness, machine }) => {
    const typed = typedOn(bmc);
    const input = 'machines/vm-01/console/input';
    assert.equal((await call('POST', input, { data: 'x' })).status, 409);
    const one = await watch();
    for (const body of [{ data: 'rööt\r' }, { base64: 'AP8b' }, { break: true }, { data: 'x' }])
      assert.deepEqual(await call('POST', input, body), { status: 204, body: '' });
    const wanted = `${Buffer.from('rööt\r').toString('latin1')}\x00\xff\x1b<break>x`;
    await until(() => typed().length >= wanted.length);
    assert.equal(typed(), wanted);
    for (const body of [
      {},
      { data: 'x', break: true },
      { data: '' },
      { base64: 'no base64' },
      { break: false },
      { data: 'x'.repeat(65_537) },
      { text: 'x' },
    ])
      assert.equal((await call('POST', input, body)).status, 400, JSON.stringify(body).slice(0, 50));
    assert.match((await call('POST', input, { data: 'x', break: true })).body, /give one of data, base64 and break: 2/);
    harness.machines.setLocked(machine.id, true);
    const refused = await call('POST', input, { data: 'x' });
    assert.equal(refused.status, 409);
    assert.match(
      refused.body,
      /"machine-locked".*vm-01 is locked: its console may be watched.*firstlight unlock vm-01/,
    );
    const other = await watch();
    bmc.serial.write(Buffer.from('to be watched'));
    await Promise.all([one.until('to be watched'), other.until('to be watched')]);
    assert.equal(typed(), wanted);
    const events = harness.told.filter(({ kind }) => kind === 'bmc.console').map(({ text }) => text);
    assert.deepEqual(events, [
      'ada watches the console',
      'ada types on the console',
      'ada sent a break on the console',
    ]);
  }));

test('logs are listed and read', () =>
  withConsole(async ({ watch, call, bmc, harness, machine, url, token }) => {
    const one = await watch();
    for (const boot of [3, 4]) {
      harness.machines.setBoot(machine.id, boot, 'firmware', harness.clock());
      bmc.serial.write(Buffer.from(`boot ${boot} \x80\r\n`, 'latin1'));
      await one.until(`boot ${boot} \x80\r\n`);
    }
    const logs = JSON.parse((await call('GET', 'machines/vm-01/console/logs')).body);
    assert.partialDeepStrictEqual(logs, [
      { boot: 3, bytes: 10 },
      { boot: 4, bytes: 10 },
    ]);
    const path = 'machines/vm-01/console/logs/3';
    const answer = await fetch(`${url}/api/v1/${path}`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(Buffer.from(await answer.arrayBuffer()).toString('latin1'), 'boot 3 \x80\r\n');
    assert.match(String(answer.headers.get('content-type')), /^text\/plain/);
    assert.match((await call('GET', 'machines/vm-01/console/logs/7')).body, /no console log of boot 7.*those of 3, 4/);
    assert.equal((await call('GET', 'machines/vm-01/console/logs/7')).status, 404);
    for (const wrong of ['-1', 'x', '..%2f..%2ffirstlight.db', '1e3x'])
      assert.equal((await call('GET', `machines/vm-01/console/logs/${wrong}`)).status, 400, wrong);
  }));

test('what cannot be watched is an answer that says why', () =>
  withConsole(async ({ call, bmc, harness, machine }) => {
    assert.equal((await call('GET', 'machines/vm-99/console')).status, 404);
    assert.equal((await call('GET', 'machines/vm-01/console?histroy=false')).status, 400);
    bmc.faults.set('serial-off', 1);
    const refused = await call('GET', 'machines/vm-01/console');
    assert.equal(refused.status, 502);
    assert.match(refused.body, /"bmc-failed".*serial over LAN is turned off/);
    harness.bmcs.put(machine.id, []);
    assert.match((await call('GET', 'machines/vm-01/console')).body, /"no-bmc".*no BMC is known for vm-01/);
  }));

/** A machine that prints faster than any wire. */
function printer() {
  const { promise, resolve: end } = Promise.withResolvers<string>();
  let listener: (bytes: Buffer) => void = () => undefined;
  const console: BmcConsole = {
    onData: (wanted) => {
      listener = wanted;
    },
    write: () => undefined,
    ended: promise,
    close: async () => end('it was closed'),
  };
  const driver = { console: async () => console, close: async () => undefined } as Partial<BmcDriver> as BmcDriver;
  return { driver, print: (bytes: Buffer) => listener(bytes) };
}

test('a watcher that does not read is sent away with a sentence, and the others see it all', () => {
  const { driver, print } = printer();
  let supervisor: Harness['supervisor'] | undefined;
  const supervisorOf = ({ machines, bmcs, orders, events, clock }: Harness) => {
    supervisor = createSupervisor({ machines, bmcs, orders, events, clock, steady: () => 0, open: () => driver });
    return supervisor;
  };
  const whole = withConsole(async ({ watch, harness }) => {
    const reader = await watch();
    const sleeper = await watch();
    sleeper.answer.pause();
    let cut = false;
    sleeper.answer.on('end', () => {
      cut = true;
    });
    let printed = 0;
    const line = Buffer.from(`${'0123456789abcdef'.repeat(64 * 64 - 1)}0123456789abcd\r\n`);
    // far more than the kernel holds between the two
    while (printed < 32 << 20) {
      print(line);
      printed += line.length;
      await until(() => reader.text().length === printed);
    }
    sleeper.answer.resume();
    await until(() => cut);
    assert.match(sleeper.text(), /\r\n\[firstlight: You read too slowly: \d+ KB were waiting\. .*\]\r\n$/);
    assert.ok(sleeper.text().length < printed / 2, `${sleeper.text().length} of ${printed}`);
    print(Buffer.from('and on'));
    await reader.until('and on');
    assert.equal(harness.told.filter(({ text }) => text === 'ada watches the console').length, 1);
  }, supervisorOf);
  return whole.finally(() => supervisor?.close());
});

// ------------------------------------------------------------------------------------------------- command

/** The command as a process: on a terminal of its own, or with pipes. */
function runCommand({ url, token }: Rig, words: string[], onTerminal = false) {
  const program = `
    import { Command } from 'commander';
    import { openClient } from './src/cli/client.ts';
    import { addConsoleCommand } from './src/cli/console.ts';
    const program = new Command('firstlight');
    if (process.stdin.isTTY) console.error('pid ' + process.pid);
    const place = () => ({ url: process.env.FIRSTLIGHT_URL, token: process.env.FIRSTLIGHT_TOKEN });
    addConsoleCommand(program, { client: openClient, place });
    await program.parseAsync(process.argv).catch((error) => {
      console.error('firstlight: ' + error.message);
      process.exitCode = 1;
    });`;
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', program, '--'];
  const quoted = [...node, 'firstlight', 'console', ...words].map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const [file = '', ...rest] = onTerminal
    ? ['script', '-qfec', `stty -a; ${quoted.join(' ')}; code=$?; stty -a; exit $code`, '/dev/null']
    : [...node, 'firstlight', 'console', ...words];
  const env = { ...process.env, FIRSTLIGHT_URL: url, FIRSTLIGHT_TOKEN: token, SHELL: '/bin/sh' };
  const child = spawn(file, rest, { cwd: REPOSITORY, env });
  let out = '';
  let err = '';
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString('latin1');
  });
  child.stderr.on('data', (bytes: Buffer) => {
    err += bytes.toString('latin1');
  });
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string);
  return { child, ended, out: () => out, err: () => err };
}

/** What raw mode takes away, as stty tells it before and after the command. */
const PLAIN_MODES = ['icrnl', 'opost', 'isig', 'icanon', 'echo'];
function terminalModes(out: string): string[][] {
  const told = out.split('speed ').slice(1);
  return told.map((text) => text.match(/(?<= |\n)-?(icrnl|opost|isig|icanon|echo)(?=[ ;\r])/g) ?? []);
}

const hasTerminals = spawnSync('script', ['--version']).status === 0;

test(
  'on a terminal every key goes to the machine but the escapes, and the terminal is what it was',
  {
    skip: !hasTerminals && 'the program script is not here',
  },
  () =>
    withConsole(async (rig) => {
      const typed = typedOn(rig.bmc);
      const { child, ended, out } = runCommand(rig, ['vm-01'], true);
      await until(() => out().includes('[console of vm-01: ~. at the start of a line leaves it'));
      rig.bmc.serial.write(Buffer.from('login: '));
      await until(() => out().includes('login: '));
      child.stdin.write('root~.\x03\x1a\r');
      await until(() => typed() === 'root~.\x03\x1a\r');
      child.stdin.write('~~/x\r');
      await until(() => typed().endsWith('~/x\r'));
      child.stdin.write('~b~b');
      await until(() => typed().endsWith('<break><break>'));
      child.stdin.write('~?');
      await until(() => out().includes('~b  send a serial break'));
      rig.harness.machines.setLocked(rig.machine.id, true);
      child.stdin.write('z');
      await until(() => out().includes('[vm-01 is locked: its console may be watched'));
      rig.harness.machines.setLocked(rig.machine.id, false);
      child.stdin.write('\r~.');
      assert.equal(await ended, 0, out());
      assert.match(out(), /\[left\]/);
      assert.equal(typed(), 'root~.\x03\x1a\r~/x\r<break><break>\r');
      assert.deepEqual(terminalModes(out()), [PLAIN_MODES, PLAIN_MODES]);
      await until(() => rig.bmc.serial.session === undefined);
    }),
);

test(
  'the terminal is what it was after a signal, and after the appliance has gone',
  { skip: !hasTerminals && 'the program script is not here' },
  () =>
    withConsole(async (rig) => {
      const killed = runCommand(rig, ['vm-01'], true);
      await until(() => killed.out().includes('leaves it'));
      process.kill(Number(/pid (\d+)/.exec(killed.out())?.[1]), 'SIGTERM');
      assert.equal(await killed.ended, 143, killed.out());
      const left = runCommand(rig, ['vm-01'], true);
      await until(() => left.out().includes('leaves it'));
      await rig.consoles.close();
      assert.equal(await left.ended, 1, left.out());
      assert.match(left.out(), /\[firstlight: Firstlight stops\.\][\s\S]*\[the console of vm-01 ended\]/);
      for (const { out } of [killed, left]) assert.deepEqual(terminalModes(out()), [PLAIN_MODES, PLAIN_MODES]);
    }),
);

test('without a terminal standard input is typed as it is, and a signal ends it', () =>
  withConsole(async (rig) => {
    const typed = typedOn(rig.bmc);
    const { child, ended, out, err } = runCommand(rig, ['vm-01']);
    child.stdin.end('~.\nls ~\n');
    await until(() => typed() === '~.\nls ~\n');
    rig.bmc.serial.write(Buffer.from('file \xff\r\n', 'latin1'));
    await until(() => out().includes('file'));
    child.kill('SIGTERM');
    assert.equal(await ended, 143);
    assert.equal(out(), 'file \xff\r\n');
    assert.equal(err(), '[console of vm-01: Ctrl-C leaves it]\n[left]\n');
  }));

test('--no-input types nothing, --log prints what was kept, and refusals are told', () =>
  withConsole(async (rig) => {
    const typed = typedOn(rig.bmc);
    const none = runCommand(rig, ['vm-01', '--log']);
    assert.equal(await none.ended, 1);
    assert.match(none.err(), /no console log was kept/);
    const { child, ended, out, err } = runCommand(rig, ['vm-01', '--no-input']);
    await until(() => err().includes('only watching'));
    child.stdin.write('rm -rf /\n');
    rig.bmc.serial.write(Buffer.from('POST \x01\r\n'));
    await until(() => out().includes('POST'));
    child.kill('SIGINT');
    assert.equal(await ended, 130);
    for (const words of [['--log'], ['--log', '0']]) {
      const log = runCommand(rig, ['vm-01', ...words]);
      assert.equal(await log.ended, 0, log.err());
      assert.equal(log.out(), 'POST \x01\r\n');
    }
    const [missing, unknown] = [runCommand(rig, ['vm-01', '--log', '7']), runCommand(rig, ['vm-99'])];
    assert.deepEqual(await Promise.all([missing.ended, unknown.ended]), [1, 1]);
    assert.match(missing.err(), /there is no console log of boot 7\n {2}there are those of 0/);
    assert.match(unknown.err(), /there is no machine vm-99/);
    assert.equal(typed(), '');
  }));

test('a ~ is an escape only as the first key of a line, however the keys come', () => {
  const rows: [string, string][] = [
    ['ls\r', 'ls\r'],
    ['~.', '<leave>'],
    ['~.rest', '<leave>'],
    ['a~.', 'a~.'],
    ['a\r~.', 'a\r<leave>'],
    ['a\n~?b', 'a\n<help>b'],
    ['~b~B~?', '<break><break><help>'],
    ['~~', '~'],
    ['~~.', '~.'],
    ['~x~.', '~x~.'],
    ['~\r~.', '~\r<leave>'],
    ['\r\r~b', '\r\r<break>'],
  ];
  const show = (act: KeyAct): string => (act.kind === 'type' ? act.bytes.toString('latin1') : `<${act.kind}>`);
  for (const [typed, wanted] of rows) {
    const start = { isAtStart: true, isEscape: false };
    assert.equal(readKeys(start, Buffer.from(typed)).acts.map(show).join(''), wanted, JSON.stringify(typed));
    let keys = start;
    let shown = '';
    for (const key of typed) {
      const read = readKeys(keys, Buffer.from(key));
      keys = read.keys;
      shown += read.acts.map(show).join('');
      if (shown.endsWith('<leave>')) break;
    }
    assert.equal(shown, wanted, `${JSON.stringify(typed)} key by key`);
  }
});
