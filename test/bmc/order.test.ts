import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BootSetting, PowerAction, PowerState } from '../../src/bmc/driver.ts';
import { begun, nextStep, resume, type Seen, unheeded } from '../../src/bmc/order.ts';
import type { Order, Progress } from '../../src/model/bmc.ts';
import type { Instant } from '../../src/model/time.ts';

/** How a machine and its BMC behave: what a read gives, by the commands so far and the time since the last of them. */
type World = {
  power?: (commands: readonly PowerAction[], ms: number, reads: number) => PowerState;
  boot?: (sets: number) => BootSetting | undefined;
};

const START = 1_000_000 as Instant;

/** Carries an order out against a world whose time passes only by what is waited for. */
function carryOut(order: Order, world: World, from: Progress = begun(START)) {
  const given: string[] = [];
  const commands: PowerAction[] = [];
  let now = START;
  let since = START;
  let reads = 0;
  let progress = from;
  let seen: Seen;
  for (let steps = 0; steps < 1000; steps++) {
    const step = nextStep(order, progress, seen, now);
    seen = undefined;
    if (step.kind === 'done' || step.kind === 'failed')
      return { end: `${step.kind}: ${step.text}`, given, seconds: (now - START) / 1000 };
    progress = step.progress;
    if ('inMs' in step) now = (now + step.inMs) as Instant;
    if (step.kind === 'set-power') {
      commands.push(step.action);
      given.push(step.action);
      since = now;
    }
    if (step.kind === 'set-boot') given.push(`boot ${step.wish.device}`);
    if (step.kind === 'read-power')
      seen = { kind: 'power', state: world.power?.(commands, now - since, ++reads) ?? 'off' };
    if (step.kind === 'read-boot') {
      const setting = world.boot?.(given.length);
      seen = setting ? { kind: 'boot', setting } : { kind: 'boot-unreadable' };
    }
  }
  throw new Error(`no end after 1000 steps: ${given.join(' ')}`);
}

const last = (commands: readonly PowerAction[]): PowerAction | undefined => commands.at(-1);
/** Does what it is told, `lagMs` later. */
const obedient =
  (first: PowerState, lagMs = 3000): NonNullable<World['power']> =>
  (commands, ms) => {
    const state = (list: readonly PowerAction[]): PowerState =>
      list.length === 0 ? first : last(list) === 'off' || last(list) === 'soft' ? 'off' : 'on';
    return ms >= lagMs ? state(commands) : state(commands.slice(0, -1));
  };
const power = (action: PowerAction, more: { graceSeconds?: number; isHardAfter?: boolean } = {}): Order => ({
  kind: 'power',
  action,
  ...more,
});

const CASES: [string, Order, World, string[], string][] = [
  ['what is on is not switched on', power('on'), { power: () => 'on' }, [], 'done: was on already'],
  ['what is off is not switched off, which some BMCs call an error', power('off'), {}, [], 'done: was off already'],
  [
    'one wrong "on" keeps nothing off',
    power('on'),
    { power: (commands, ms, reads) => (reads === 1 ? 'on' : obedient('off')(commands, ms, reads)) },
    ['on'],
    'done: is on',
  ],
  [
    'one wrong "off" keeps nothing on',
    power('off'),
    { power: (commands, ms, reads) => (reads === 1 ? 'off' : obedient('on')(commands, ms, reads)) },
    ['off'],
    'done: is off',
  ],
  [
    'one wrong "off" makes a cycle no "on" alone',
    power('cycle'),
    { power: (commands, ms, reads) => (reads === 1 ? 'off' : obedient('on')(commands, ms, reads)) },
    ['off', 'on'],
    'done: is on',
  ],
  [
    'one wrong "off" refuses no reset',
    power('reset'),
    { power: (_commands, _ms, reads) => (reads === 1 ? 'off' : 'on') },
    ['reset'],
    'done: was reset',
  ],
  ['on, when two reads say so', power('on'), { power: obedient('off') }, ['on'], 'done: is on'],
  ['off, a minute late', power('off'), { power: obedient('on', 25_000) }, ['off'], 'done: is off'],
  [
    'a state that flips once is not believed',
    power('off'),
    { power: (commands, _, reads) => (commands.length === 0 || reads === 3 ? 'on' : 'off') },
    ['off'],
    'done: is off',
  ],
  [
    'a power-on that was lost is given once more',
    power('on'),
    { power: (commands) => (commands.length < 2 ? 'off' : 'on') },
    ['on', 'on'],
    'done: is on',
  ],
  [
    'a BMC that takes the command and does nothing is told of',
    power('on'),
    { power: () => 'off' },
    ['on', 'on'],
    'failed: did not turn on within 90 s: the BMC took the command and still reads off',
  ],
  [
    'a cycle is off and on, each seen to be so',
    power('cycle'),
    { power: obedient('on') },
    ['off', 'on'],
    'done: is on',
  ],
  ['a cycle of what is off is on', power('cycle'), { power: obedient('off') }, ['on'], 'done: is on'],
  [
    'a cycle whose first half fails does not come to its second',
    power('cycle'),
    { power: () => 'on' },
    ['off', 'off'],
    'failed: did not turn off within 90 s: the BMC took the command and still reads on',
  ],
  ['a reset stays on', power('reset'), { power: () => 'on' }, ['reset'], 'done: was reset'],
  [
    'what is off cannot be reset',
    power('reset'),
    { power: () => 'off' },
    [],
    'failed: is off: there is nothing to reset; switch it on instead',
  ],
  ['a shutdown in time', power('soft'), { power: obedient('on', 60_000) }, ['soft'], 'done: has shut down'],
  [
    'a shutdown that does not come is no off',
    power('soft', { graceSeconds: 30 }),
    { power: () => 'on' },
    ['soft'],
    'failed: did not shut down within 30 s: its operating system does not follow the power button; it is still on',
  ],
  [
    'a shutdown that does not come is an off where that was asked for',
    power('soft', { graceSeconds: 30, isHardAfter: true }),
    { power: (commands) => (last(commands) === 'off' ? 'off' : 'on') },
    ['soft', 'off'],
    'done: is off',
  ],
];
for (const [what, order, world, given, end] of CASES)
  test(what, () => {
    const result = carryOut(order, world);
    assert.deepEqual([result.given, result.end], [given, end]);
  });

const WISH = { device: 'network', firmware: 'uefi', isPersistent: false } as const;
const BOOTS: [string, (sets: number) => BootSetting | undefined, string[], string][] = [
  ['is read back', () => WISH, ['boot network'], 'done: boots network next time (uefi)'],
  [
    'that cannot be read back is said to be so',
    () => undefined,
    ['boot network'],
    'done: boots network next time (uefi), says the BMC, which does not let it be read back',
  ],
  [
    'that was not kept is set once more',
    (sets) => (sets < 2 ? { device: 'none', isPersistent: false } : WISH),
    ['boot network', 'boot network'],
    'done: boots network next time (uefi)',
  ],
  [
    'in the wrong mode is told of',
    () => ({ ...WISH, firmware: 'bios' }),
    ['boot network', 'boot network'],
    'failed: the BMC took the boot device and does not keep it: wanted network in uefi mode, it reads bios',
  ],
];
for (const [what, boot, given, end] of BOOTS)
  test(`a boot device ${what}`, () => {
    const result = carryOut({ kind: 'boot', wish: WISH }, { boot });
    assert.deepEqual([result.given, result.end], [given, end]);
  });

test('an order that a restart interrupted goes on from what is read, and repeats nothing that does harm', () => {
  const cycle = power('cycle');
  const at = (stage: Progress['stage']): Progress => ({ stage, since: START, equalReads: 1, sends: 1 });
  // the machine was off for the second half, and is on by now: it must not go off again
  const resumed = resume(cycle, at('turning-on'), START);
  assert.ok(!('failed' in resumed));
  assert.deepEqual(carryOut(cycle, { power: () => 'on' }, resumed as Progress).given, []);
  const resting = resume(cycle, at('resting'), START) as Progress;
  assert.deepEqual(carryOut(cycle, { power: obedient('off') }, resting).given, ['on']);
  assert.match((resume(power('reset'), at('resetting'), START) as { failed: string }).failed, /not known/);
  const shutdown = resume(power('soft'), at('shutting-down'), START) as Progress;
  assert.deepEqual(carryOut(power('soft'), { power: () => 'off' }, shutdown).given, []);
});

test('where a command did nothing, the next driver gives that one at once, and none that was done before', () => {
  const tried = (stage: Progress['stage']): Progress => ({ stage, since: START, equalReads: 0, sends: 2 });
  const goOn = (order: Order, stage: Progress['stage'], world: World) =>
    carryOut(order, world, unheeded(order, tried(stage), START));
  const cycled = goOn(power('cycle'), 'turning-on', { power: obedient('off') });
  assert.deepEqual([cycled.given, cycled.end], [['on'], 'done: is on']);
  assert.ok(cycled.seconds < 10, 'it waits for nothing first');
  assert.deepEqual(goOn(power('cycle'), 'turning-off', { power: obedient('on') }).given, ['off', 'on']);
  assert.deepEqual(goOn(power('on'), 'turning-on', { power: () => 'on' }).given, []);
  assert.deepEqual(goOn({ kind: 'boot', wish: WISH }, 'set', { boot: () => WISH }).given, ['boot network']);
  // the next one may be Wake-on-LAN, which reads nothing
  const unread: Seen = { kind: 'power-unreadable' };
  const woken = nextStep(power('on'), unheeded(power('on'), tried('turning-on'), START), unread, START);
  assert.equal(woken.kind, 'set-power');
});

test('no order gives two commands without a read of the state between them, whatever the BMC reads', () => {
  for (let seed = 1; seed < 500; seed++) {
    let state = seed;
    const random = (): number => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647;
    };
    const action = (['on', 'off', 'cycle', 'reset', 'soft'] as const)[seed % 5] as PowerAction;
    let reads = 0;
    let readsAtCommand = -1;
    let commands = 0;
    carryOut(power(action, { isHardAfter: seed % 2 === 0 }), {
      power: (given) => {
        if (given.length > commands) {
          assert.ok(reads > readsAtCommand, `seed ${seed}: ${given.join(' ')}`);
          commands = given.length;
          readsAtCommand = reads;
        }
        reads++;
        return random() < 0.5 ? 'on' : 'off';
      },
    });
  }
});
