import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Consoles, createConsoles } from '../../src/bmc/console.ts';
import type { Watch } from '../../src/bmc/console-line.ts';
import { type LogLimits, listLogs, openBootLog } from '../../src/bmc/console-log.ts';
import { checkConsoleSetting, isNewTypist, nextTryMs } from '../../src/bmc/console-plan.ts';
import { createRecent } from '../../src/bmc/console-recent.ts';
import { type IpmiBmc, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import type { Machine } from '../../src/model/machine.ts';
import { type Harness, withHarness } from '../harness.ts';
import { until as untilSo } from '../until.ts';

type Rig = {
  harness: Harness;
  consoles: Consoles;
  bmc: IpmiBmc;
  machine: Machine;
  /** Every pause before another try, in milliseconds. They pass at once, and while `isHeld` not before they are ended. */
  time: { pauses: number[]; isHeld: boolean; now: number };
  folder: string;
};

/** A keeper over a BMC that speaks the wire. */
function withKeeper(check: (rig: Rig) => Promise<void>, settings: Record<string, string> = {}): Promise<void> {
  return withHarness({}, async (harness) => {
    const bmc = await startIpmiBmc({ slots: 8 });
    const time: Rig['time'] = { pauses: [], isHeld: false, now: 0 };
    const folder = join(harness.folder, 'data', 'console');
    const consoles = keeperOf(harness, folder, time);
    const machine = harness.addMachine('vm-01');
    harness.setBmc(machine.id, { port: bmc.port, settings });
    try {
      await check({ harness, consoles, bmc, machine, time, folder });
    } finally {
      await consoles.close();
      assert.equal(bmc.sessions.open, 0, 'sessions left open');
      await bmc.stop();
    }
  });
}

function keeperOf(harness: Harness, folder: string, time: Rig['time']): Consoles {
  return createConsoles({
    ...harness,
    folder,
    steady: () => time.now,
    sleep: async (ms, signal) => {
      time.pauses.push(ms);
      time.now += ms;
      do {
        await nextTurn();
        signal?.throwIfAborted();
      } while (time.isHeld);
    },
  });
}

/** Somebody who watches: what came, with the sentences of ours and the end in brackets. */
function look(watch: Watch, withHistory = true) {
  let text = '';
  const began = watch.ready.then(() =>
    watch.begin(
      {
        bytes: (bytes) => {
          text += bytes.toString('latin1');
        },
        say: (sentence) => {
          text += `[${sentence}]`;
        },
        end: (sentence) => {
          text += `[end: ${sentence}]`;
        },
      },
      withHistory,
    ),
  );
  return {
    began,
    text: () => text,
    leave: watch.leave,
    until: async (wanted: string): Promise<void> => {
      await began;
      await untilSo(() => text.includes(wanted), { everyMs: 0, what: `${JSON.stringify(wanted)} on the console` });
    },
  };
}

/** Time passes at once here: what is waited for may be over in the next turn. */
const until = (isSo: () => boolean): Promise<void> => untilSo(isSo, { everyMs: 0 });

const told = (harness: Harness): string[] =>
  harness.told.filter(({ kind }) => kind === 'bmc.console').map(({ text }) => text);

// ------------------------------------------------------------------------------------------------- watching

test('all who watch see what the machine prints, and who comes late the last of it, unless they do not want that', () =>
  withKeeper(async ({ consoles, bmc, machine, harness }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    bmc.serial.write(Buffer.from('grub\r\n'));
    await ada.until('grub\r\n');
    const bob = look(consoles.watch(machine, 'bob'));
    const eve = look(consoles.watch(machine, 'eve'), false);
    await Promise.all([bob.began, eve.began]);
    bmc.serial.write(Buffer.from('linux\r\n'));
    await Promise.all([ada, bob, eve].map((one) => one.until('linux\r\n')));
    assert.deepEqual([ada.text(), bob.text(), eve.text()], ['grub\r\nlinux\r\n', 'grub\r\nlinux\r\n', 'linux\r\n']);
    assert.equal(bmc.sessions.open, 1, 'one console for all of them');
    assert.deepEqual(told(harness), ['ada watches the console', 'bob watches the console', 'eve watches the console']);
  }));

test('the console is given back when the last one leaves, and opened again for who comes meanwhile', () =>
  withKeeper(async ({ consoles, bmc, machine, time }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    const bob = look(consoles.watch(machine, 'bob'));
    await Promise.all([ada.began, bob.began]);
    ada.leave();
    bmc.serial.write(Buffer.from('for bob'));
    await bob.until('for bob');
    bob.leave();
    const eve = look(consoles.watch(machine, 'eve'), false);
    await eve.began;
    bmc.serial.write(Buffer.from('for eve'));
    await eve.until('for eve');
    eve.leave();
    await until(() => bmc.sessions.open === 0 && bmc.serial.session === undefined);
    assert.deepEqual([ada.text(), bob.text(), eve.text()], ['', 'for bob', 'for eve']);
    assert.deepEqual(time.pauses, [], 'no pause before a console that we closed ourselves');
  }));

test('who leaves before the console is open leaves none behind', () =>
  withKeeper(async ({ consoles, bmc, machine }) => {
    const watch = consoles.watch(machine, 'ada');
    await until(() => bmc.datagrams.in > 0);
    watch.leave();
    await watch.ready;
    await until(
      () => bmc.sessions.consoleIds.length > 0 && bmc.sessions.open === 0 && bmc.serial.session === undefined,
    );
  }));

test('power is read and orders are carried out beside an open console', () =>
  withKeeper(async ({ consoles, bmc, machine, harness }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    assert.equal(await harness.supervisor.readPower(machine.id), 'off');
    const order = harness.supervisor.place({
      machineId: machine.id,
      order: { kind: 'power', action: 'on' },
      askedBy: 'ada',
    });
    assert.equal((await harness.supervisor.whenEnded(order.id)).result, 'is on');
    bmc.serial.write(Buffer.from('POST'));
    await ada.until('POST');
    assert.equal(ada.text(), 'POST');
  }));

test('a console that cannot be opened is refused with its reason, and not tried again for nobody', () =>
  withKeeper(async ({ consoles, bmc, machine, harness, time }) => {
    bmc.faults.set('serial-off', 1);
    await assert.rejects(consoles.watch(machine, 'ada').ready, {
      name: 'BmcError',
      text: /serial over LAN is turned off/,
    });
    harness.bmcs.put(machine.id, [{ driver: 'redfish', address: '127.0.0.1', port: 1, settings: {} }]);
    await assert.rejects(consoles.watch(machine, 'ada').ready, { text: /has no console, as far as redfish goes/ });
    harness.bmcs.put(machine.id, []);
    assert.throws(() => consoles.watch(machine, 'ada'), { code: 'no-bmc', message: 'no BMC is known for vm-01' });
    assert.deepEqual([time.pauses, told(harness)], [[], []]);
  }));

// ------------------------------------------------------------------------------------------------- coming back

test('a console that ends comes back by itself, after a pause that grows while it does not', () =>
  withKeeper(async ({ consoles, bmc, machine, time }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    bmc.serial.write(Buffer.from('before '));
    await ada.until('before ');
    bmc.faults.set('serial-off', 1);
    bmc.serial.deactivate();
    await until(() => time.pauses.length >= 6);
    const bob = look(consoles.watch(machine, 'bob'));
    await bob.began;
    bmc.faults.delete('serial-off');
    await ada.until('[The console is open again.]');
    bmc.serial.write(Buffer.from('after'));
    await Promise.all([ada.until('after'), bob.until('after')]);
    assert.deepEqual(time.pauses.slice(0, 6), [2000, 4000, 8000, 16_000, 30_000, 30_000]);
    assert.match(
      ada.text(),
      /^before \[The console ended: the BMC ended it\. It is tried again in 2 s\.\]\[BMC 127\.0\.0\.1 port \d+ .*turned off.*\. It is tried again in 4 s\.\]/,
    );
    assert.match(bob.text(), /^before \[.*\]after$/);
  }));

test('two that take the console from each other do so ever more rarely, and one that lasted begins anew', () =>
  withKeeper(async ({ consoles, bmc, machine, time }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    for (let taken = 1; taken <= 3; taken++) {
      await until(() => bmc.serial.session !== undefined);
      bmc.serial.deactivate();
      await until(() => time.pauses.length === taken);
    }
    await until(() => bmc.serial.session !== undefined);
    await ada.until('is tried again in 8 s.][The console is open again.]');
    time.now += 60_000;
    bmc.serial.deactivate();
    await until(() => time.pauses.length === 4);
    assert.deepEqual(time.pauses, [2000, 4000, 8000, 2000]);
  }));

test('a pause ends at once when somebody comes, and when the BMC is set anew', () =>
  withKeeper(async ({ consoles, bmc, machine, time, harness }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    time.isHeld = true;
    for (const [index, hurry] of [
      () => look(consoles.watch(machine, 'bob')).began,
      async () => harness.bmcs.allow(machine.id),
      async () => harness.events.emit({ kind: 'bmc.answers', text: 'the BMC answers again', machineId: machine.id }),
    ].entries()) {
      bmc.serial.deactivate();
      await until(() => time.pauses.length === index + 1);
      await hurry();
      await until(() => bmc.serial.session !== undefined);
    }
    bmc.serial.write(Buffer.from('all the same'));
    await ada.until('all the same');
    assert.equal(time.pauses.length, 3);
  }));

test('a BMC that is set anew while its console is open has it opened again at once, and one that is taken away ends it', () =>
  withKeeper(async ({ consoles, bmc, machine, time, harness }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    const other = await startIpmiBmc();
    harness.setBmc(machine.id, { port: other.port });
    await until(() => other.serial.session !== undefined);
    other.serial.write(Buffer.from('the other'));
    await ada.until('the other');
    assert.deepEqual([bmc.serial.session, time.pauses], [undefined, []]);
    harness.bmcs.put(machine.id, []);
    await ada.until('[end: The machine has no BMC any more.]');
    await until(() => other.sessions.open === 0);
    await other.stop();
  }));

// ------------------------------------------------------------------------------------------------- keeping

test('a console with the setting "keep" is read when nobody watches, and until the setting is gone', () =>
  withKeeper(
    async ({ consoles, bmc, machine, folder, harness }) => {
      consoles.start();
      await until(() => bmc.serial.session !== undefined);
      bmc.serial.write(Buffer.from('unseen\r\n'));
      await until(() => bmc.serial.isIdle);
      const ada = look(consoles.watch(machine, 'ada'));
      await ada.until('unseen\r\n');
      ada.leave();
      assert.equal(harness.told.length, 1);
      bmc.serial.write(Buffer.from('unseen too\r\n'));
      await until(() => bmc.serial.isIdle);
      await consoles.logs(machine.id);
      assert.equal(readFileSync(join(folder, `${machine.id}/boot-0.log`), 'latin1'), 'unseen\r\nunseen too\r\n');
      harness.setBmc(machine.id, { port: bmc.port });
      await until(() => bmc.sessions.open === 0);
      harness.setBmc(machine.id, { port: bmc.port, settings: { console: 'keep' } });
      await until(() => bmc.serial.session !== undefined);
    },
    { console: 'keep' },
  ));

test('a kept console that cannot be read is told once, and once that it is read again', () =>
  withKeeper(
    async ({ consoles, bmc, machine, time, harness }) => {
      bmc.faults.set('serial-off', 1);
      consoles.start();
      await until(() => time.pauses.length >= 9);
      const ada = look(consoles.watch(machine, 'ada')); // is not refused: it is tried in any case
      await ada.began;
      ada.leave();
      bmc.faults.delete('serial-off');
      await until(() => bmc.serial.session !== undefined);
      await until(() => told(harness).length === 3);
      const [lost, , again] = told(harness);
      assert.match(lost ?? '', /^the console is not read: BMC 127\.0\.0\.1 port \d+ .*serial over LAN is turned off/);
      assert.equal(again, 'the console is read again');
      assert.deepEqual(time.pauses.slice(0, 8), [5000, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
    },
    { console: 'keep' },
  ));

test('each boot has its log, byte for byte, and who comes after a restart gets the end of it', () =>
  withKeeper(async ({ consoles, bmc, machine, folder, harness, time }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    const printed = new Map<number, Buffer>();
    for (let boot = 1; boot <= 12; boot++) {
      harness.machines.setBoot(machine.id, boot, 'firmware', harness.clock());
      const bytes = Buffer.concat([randomBytes(300), Buffer.from(`end of ${boot}`)]);
      printed.set(boot, bytes);
      bmc.serial.write(bytes);
      await ada.until(`end of ${boot}`);
    }
    const logs = await consoles.logs(machine.id);
    assert.deepEqual(
      logs.map(({ boot, bytes }) => [boot, bytes]),
      [...printed].slice(2).map(([boot, bytes]) => [boot, bytes.length]),
    );
    for (const { boot, since, until: end } of logs) {
      assert.deepEqual(readFileSync(join(folder, `${machine.id}/boot-${boot}.log`)), printed.get(boot));
      assert.ok(since > 0 && since <= end && end <= Date.now(), `${since} to ${end}`);
    }
    assert.equal(statSync(join(folder, `${machine.id}`)).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, `${machine.id}/boot-12.log`)).mode & 0o777, 0o600);
    await consoles.close();
    assert.match(ada.text(), /\[end: Firstlight stops\.\]$/);

    const restarted = keeperOf(harness, folder, time);
    const bob = look(restarted.watch(machine, 'bob'));
    await bob.until('end of 12');
    bmc.serial.write(Buffer.from(', and on'));
    await bob.until(', and on');
    assert.equal(bob.text(), `${printed.get(12)?.toString('latin1')}, and on`);
    await restarted.close();
    assert.equal(listLogs(join(folder, `${machine.id}`)).at(-1)?.bytes, (printed.get(12)?.length ?? 0) + 8);
  }));

test('a machine that is removed takes its console and its logs with it, and the next one of its number has none', () =>
  withKeeper(async ({ consoles, bmc, machine, folder, harness }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    bmc.serial.write(Buffer.from('a secret of the old machine'));
    await ada.until('old machine');
    await consoles.logs(machine.id);
    assert.deepEqual(readdirSync(folder), [`${machine.id}`]);
    harness.machines.remove(machine.id);
    assert.match(ada.text(), /\[end: The machine was removed\.\]$/);
    assert.deepEqual(readdirSync(folder), []);
    await until(() => bmc.sessions.open === 0);
    const next = harness.addMachine('vm-02');
    assert.equal(next.id, machine.id, 'numbers are given again');
    harness.setBmc(next.id, { port: bmc.port });
    const bob = look(consoles.watch(next, 'bob'));
    await bob.began;
    assert.deepEqual([bob.text(), await consoles.logs(next.id)], ['', []]);
  }));

test('what is on its way to the log of a machine that is removed is not written', () =>
  withKeeper(async ({ consoles, bmc, machine, folder, harness }) => {
    const watch = consoles.watch(machine, 'ada');
    await watch.ready;
    const { promise: gone, resolve } = Promise.withResolvers<string>();
    watch.begin({ bytes: () => harness.machines.remove(machine.id), say: () => undefined, end: resolve }, false);
    bmc.serial.write(Buffer.from('the last words'));
    assert.equal(await gone, 'The machine was removed.');
    await until(() => bmc.sessions.open === 0);
    assert.equal(existsSync(folder), false);
  }));

// ------------------------------------------------------------------------------------------------- typing

test('what is typed reaches the machine in its order, a break too, and is told once for each who types', () =>
  withKeeper(async ({ consoles, bmc, machine, harness, time }) => {
    const ada = look(consoles.watch(machine, 'ada'));
    let typed = '';
    bmc.serial.onInput((bytes) => {
      typed += bytes.toString();
    });
    bmc.serial.onBreak(() => {
      typed += '<break>';
    });
    // before it is open: it waits for that
    const words = ['ro', 'ot\r', 'hunter2\r'].map((word) => consoles.type(machine, 'ada', Buffer.from(word)));
    await Promise.all([ada.began, ...words]);
    await until(() => typed === 'root\rhunter2\r');
    await consoles.sendBreak(machine, 'bob');
    await until(() => typed.endsWith('<break>'));
    time.now += 600_001;
    await consoles.type(machine, 'ada', Buffer.from('x'));
    await until(() => typed.endsWith('x'));
    assert.equal(typed, 'root\rhunter2\r<break>x');
    assert.deepEqual(told(harness).sort(), [
      'ada types on the console',
      'ada types on the console',
      'ada watches the console',
      'bob sent a break on the console',
      'bob types on the console',
    ]);
    assert.ok(!JSON.stringify(harness.told).includes('hunter2'));
  }));

test('nothing is typed on a locked machine, on a console that nobody watches, or on one that is lost', () =>
  withKeeper(async ({ consoles, bmc, machine, harness, time }) => {
    const type = () => consoles.type(machine, 'ada', Buffer.from('x'));
    await assert.rejects(type(), {
      code: 'expectation-failed',
      message: /console of vm-01 is not open: nobody watches it/,
    });
    const ada = look(consoles.watch(machine, 'ada'));
    const early = assert.rejects(type(), { code: 'machine-locked' }); // by the time it is open
    harness.machines.setLocked(machine.id, true);
    await Promise.all([ada.began, early]);
    let typed = '';
    bmc.serial.onInput((bytes) => {
      typed += bytes.toString();
    });
    await assert.rejects(type(), { code: 'machine-locked', next: /firstlight unlock vm-01/ });
    await assert.rejects(consoles.sendBreak(machine, 'ada'), { code: 'machine-locked' });
    bmc.serial.write(Buffer.from('watching is allowed'));
    await ada.until('watching is allowed');
    harness.machines.setLocked(machine.id, false);
    time.isHeld = true;
    bmc.serial.deactivate();
    await until(() => time.pauses.length === 1);
    await assert.rejects(type(), { code: 'bmc-failed', message: /is not open: The console ended: the BMC ended it/ });
    harness.bmcs.allow(machine.id);
    await until(() => bmc.serial.session !== undefined);
    await type();
    await until(() => typed !== '');
    assert.equal(typed, 'x');
  }));

test('a BMC that hangs does not keep the keeper from ending', async () => {
  await withHarness({}, async (harness) => {
    const bmc = await startIpmiBmc();
    const consoles = keeperOf(harness, join(harness.folder, 'console'), { pauses: [], isHeld: false, now: 0 });
    const machine = harness.addMachine('vm-01');
    harness.setBmc(machine.id, { port: bmc.port });
    const ada = look(consoles.watch(machine, 'ada'));
    await ada.began;
    bmc.faults.set('hang', 1);
    await consoles.close();
    assert.equal(ada.text(), '[end: Firstlight stops.]');
    assert.equal(bmc.sessions.open, 1, 'the BMC was waited for');
    bmc.faults.delete('hang');
    await until(() => bmc.sessions.open === 0);
    await bmc.stop();
  });
});

// ------------------------------------------------------------------------------------------------- files, bytes, numbers

async function withLog(
  limits: Partial<LogLimits>,
  check: (log: ReturnType<typeof openBootLog>, folder: string, problems: string[]) => Promise<void>,
): Promise<void> {
  const place = mkdtempSync(join(tmpdir(), 'firstlight-console-'));
  const folder = join(place, '7');
  const problems: string[] = [];
  const all = { bytes: 1000, endBytes: 200, boots: 3, waitingBytes: 10_000, ...limits };
  const log = openBootLog({ folder, limits: all, onProblem: (error) => problems.push(error.message) });
  try {
    await check(log, folder, problems);
  } finally {
    await log.close();
    rmSync(place, { recursive: true });
  }
}
const read = (folder: string, boot: number): string => readFileSync(join(folder, `boot-${boot}.log`), 'latin1');

test('a log that grows too long keeps its beginning and its end, however often', () =>
  withLog({}, async (log, folder) => {
    let printed = '';
    for (let line = 0; line < 500; line++) {
      const text = `line ${line}\n`;
      printed += text;
      log.append(1, Buffer.from(text));
      if (line % 7 === 0) await log.flushed();
      assert.ok(!existsSync(folder) || statSync(join(folder, 'boot-1.log')).size <= 1000 + 7 * 10);
    }
    await log.flushed();
    const [first, last, ...more] = read(folder, 1).split(/\r\n\[firstlight: the log grew too long.*\]\r\n/);
    assert.deepEqual([first, more], [printed.slice(0, 200), []]);
    assert.ok((last?.length ?? 0) >= 200 && printed.endsWith(last ?? 'x'), last);
  }));

test('the newest boots are kept: by when they were written, for a restored database numbers anew', () =>
  withLog({}, async (log, folder) => {
    const keep = async (boot: number): Promise<void> => {
      log.append(boot, Buffer.from(`boot ${boot}`));
      await log.flushed();
    };
    for (const boot of [40, 41, 42]) await keep(boot);
    for (const [age, boot] of [40, 42, 41].entries()) utimesSync(join(folder, `boot-${boot}.log`), 9 - age, 9 - age);
    writeFileSync(join(folder, 'boot-x.log'), 'not one of ours');
    await keep(2);
    assert.deepEqual(
      listLogs(folder).map(({ boot }) => boot),
      [2, 40, 42],
    );
    log.append(40, Buffer.from(' again'));
    await log.flushed();
    assert.equal(read(folder, 40), 'boot 40 again');
  }));

test('boots that follow each other faster than the disk are kept apart', () =>
  withLog({}, async (log, folder) => {
    for (const boot of [1, 2, 2, 1]) log.append(boot, Buffer.from(`<${boot}>`));
    await log.close();
    assert.deepEqual([read(folder, 1), read(folder, 2)], ['<1><1>', '<2><2>']);
  }));

test('a disk that cannot be written is told once and stops nothing, and is written again when it can be', () =>
  withLog({}, async (log, folder, problems) => {
    writeFileSync(folder, 'a file where the folder should be');
    for (let times = 0; times < 3; times++) {
      log.append(1, Buffer.from('lost'));
      await log.flushed();
    }
    assert.equal(problems.length, 1, problems.join('\n'));
    rmSync(folder);
    log.append(1, Buffer.from('kept'));
    await log.flushed();
    assert.equal(read(folder, 1), 'kept');
  }));

test('what waits for the disk is bounded, and says what is missing', () =>
  withLog({ waitingBytes: 100, bytes: 10_000 }, async (log, folder) => {
    for (let times = 0; times < 50; times++) log.append(1, Buffer.from('0123456789'));
    await log.flushed();
    log.append(1, Buffer.from('after'));
    await log.flushed();
    assert.match(read(folder, 1), /^(0123456789){1,20}\r\n\[firstlight: the disk was too slow.*\]\r\nafter$/);
  }));

test('a log that was discarded writes nothing more', () =>
  withLog({}, async (log, folder) => {
    log.append(1, Buffer.from('x'));
    log.discard();
    log.append(1, Buffer.from('y'));
    await log.flushed();
    assert.equal(existsSync(join(folder, 'boot-1.log')) ? read(folder, 1) : 'x', 'x');
  }));

test('the last bytes are the last bytes, however they came', () => {
  for (const sizes of [[3], [10], [11], [25], [1, 2, 3, 4, 5, 6, 7, 8], [10, 1], [9, 9, 9], [1, 30, 1], [0, 20, 0]]) {
    const recent = createRecent(10);
    let all = Buffer.alloc(0);
    for (const size of sizes) {
      const bytes = randomBytes(size);
      all = Buffer.concat([all, bytes]);
      recent.add(bytes);
      assert.deepEqual(recent.bytes(), all.subarray(Math.max(0, all.length - 10)), sizes.join(' '));
    }
  }
});

test('pauses grow and have an end', () => {
  const first = [1, 2, 3, 4, 5, 6, 7, 100];
  assert.deepEqual(
    first.map((failures) => nextTryMs(failures, true) / 1000),
    [2, 4, 8, 16, 30, 30, 30, 30],
  );
  assert.deepEqual(
    first.map((failures) => nextTryMs(failures, false) / 1000),
    [5, 10, 20, 40, 80, 160, 300, 300],
  );
});

test('the setting console is keep or watch, and anything else is told', () => {
  const good: Record<string, string>[] = [{}, { console: 'keep' }, { console: 'watch' }];
  for (const settings of good) assert.equal(checkConsoleSetting(settings), undefined);
  assert.equal(
    checkConsoleSetting({ console: 'always' }),
    'the setting console is "always", which is none of watch, keep',
  );
});

test('who types again after ten minutes is told again', () => {
  assert.deepEqual([isNewTypist(undefined, 0), isNewTypist(0, 600_000), isNewTypist(0, 600_001)], [true, false, true]);
});
