import type { BootWish, Order, OrderStage, PowerAction, PowerState, Progress } from '../model/bmc.ts';
import { after, type Instant } from '../model/time.ts';
import type { BootSetting } from './driver.ts';

/** What was just learned, or nothing: then the answer says what to ask. */
export type Seen =
  | { kind: 'power'; state: PowerState }
  /** This way to the machine does not tell whether it is on. */
  | { kind: 'power-unreadable' }
  /** The machine asked for an address since it was told to start. */
  | { kind: 'booted' }
  | { kind: 'boot'; setting: BootSetting }
  /** This BMC does not tell what the next boot will be. */
  | { kind: 'boot-unreadable' }
  | undefined;

/** What to do next. A command comes with the progress to be kept before it is given: a restart then knows that it may have been. */
export type Step =
  | { kind: 'read-power'; inMs: number; progress: Progress }
  | { kind: 'read-boot'; inMs: number; progress: Progress }
  | Command
  | { kind: 'wait'; inMs: number; progress: Progress }
  /** Wait until the machine asks for an address, at most so long. */
  | { kind: 'watch'; inMs: number; progress: Progress }
  /** `power`: what was read of it, twice, or seen: absent where nothing tells. */
  | { kind: 'done'; text: string; power?: PowerState }
  /** `isUnheeded`: the command was taken and did nothing, which another driver may do better. */
  | { kind: 'failed'; text: string; isUnheeded?: boolean };

export type Command = { progress: Progress } & (
  | { kind: 'set-power'; action: PowerAction }
  | { kind: 'set-boot'; wish: BootWish }
  | { kind: 'identify'; seconds: number }
  | { kind: 'media'; url: string | undefined }
);

/** BMCs report a change of power 5 to 60 s late and waver in between (B3): two equal reads count. */
const EQUAL_READS = 2;
const READ_EVERY_MS = 1000;
const SETTLE_MS = 90_000;
/** A command that shows no effect for so long is given once more: some BMCs lose a power-on that follows an off at once (R8). */
const AGAIN_MS = 30_000;
const SENDS = 2;
/** Off between two halves of a cycle: capacitors empty, and the BMC comes to see it. */
const REST_MS = 5000;
/** A reset shows as nothing but "on", which it was before: what is read earlier says nothing (R10). */
const RESET_BLIND_MS = 15_000;
/** ACPI asks the operating system, which asks its services (B11). */
const GRACE_SECONDS = 120;
/** Where power cannot be read, a machine that starts is known by its DHCP: large servers take minutes to come to it. */
const WATCH_MS = 300_000;

export const begun = (now: Instant): Progress => ({ stage: 'begin', since: now, equalReads: 0, sends: 0 });

/** The next step of an order. Never two commands without a look in between; `cycle` is never left to the BMC (B2). */
export function nextStep(order: Order, progress: Progress, seen: Seen, now: Instant): Step {
  const isTaken = progress.stage === 'set';
  const set: Progress = { stage: 'set', since: now, equalReads: 0, sends: 1 };
  switch (order.kind) {
    case 'power':
      return powerStep(order, progress, seen, now);
    case 'boot':
      return bootStep(order.wish, progress, seen, now);
    case 'identify':
      if (!isTaken) return { kind: 'identify', seconds: order.seconds, progress: set };
      return done(order.seconds > 0 ? `its lamp is on for ${order.seconds} s` : 'its lamp is off');
    case 'media':
      if (!isTaken) return { kind: 'media', url: order.url, progress: set };
      return done(order.url === undefined ? 'its virtual drive is empty' : `boots ${order.url} next time`);
  }
}

type PowerOrder = Extract<Order, { kind: 'power' }>;

function powerStep(order: PowerOrder, progress: Progress, seen: Seen, now: Instant): Step {
  if (seen?.kind === 'power-unreadable' || seen?.kind === 'booted') return blindStep(order, progress, seen, now);
  if (seen !== undefined && seen.kind !== 'power') return look(progress, 0);
  const state = seen?.state;
  switch (progress.stage) {
    case 'begin':
      if (state === undefined) return look(progress, 0);
      // one wrong read would leave a machine as it is, and say that it was so already
      if (state === restOf(order.action) && progress.equalReads + 1 < EQUAL_READS)
        return look({ ...progress, equalReads: progress.equalReads + 1 }, READ_EVERY_MS);
      return beginPower(order, state, now);
    case 'resting':
      return now < after(progress.since, REST_MS)
        ? { kind: 'wait', inMs: REST_MS - (now - progress.since), progress }
        : command('on', 'turning-on', now);
    case 'resetting':
      if (progress.sends === 0)
        return { kind: 'failed', text: 'the BMC did not answer the command: whether it was reset is not known' };
      if (now < after(progress.since, RESET_BLIND_MS))
        return { kind: 'wait', inMs: RESET_BLIND_MS - (now - progress.since), progress };
      return awaitState('on', progress, state, now, () => done('was reset', 'on'));
    case 'turning-on':
      return awaitState('on', progress, state, now, () => done('is on', 'on'));
    case 'turning-off':
      return awaitState('off', progress, state, now, () =>
        order.action === 'cycle' ? rest(now) : done('is off', 'off'),
      );
    case 'shutting-down':
      return awaitShutdown(order, progress, state, now);
    case 'set':
      return look(progress, 0);
  }
}

/** The state in which an action has nothing to do, or not all of it. */
const restOf = (action: PowerAction): PowerState => (action === 'on' ? 'on' : 'off');

function beginPower({ action }: PowerOrder, state: PowerState, now: Instant): Step {
  if (action === 'on') return state === 'on' ? done('was on already', state) : command('on', 'turning-on', now);
  if (action === 'cycle') return state === 'on' ? command('off', 'turning-off', now) : command('on', 'turning-on', now);
  if (action === 'reset')
    return state === 'on'
      ? command('reset', 'resetting', now)
      : { kind: 'failed', text: 'is off: there is nothing to reset; switch it on instead' };
  if (state === 'off') return done('was off already', state);
  return action === 'soft' ? command('soft', 'shutting-down', now) : command('off', 'turning-off', now);
}

/** What goes where nothing reads the power: the command, and a look-out for the machine's DHCP where it starts. */
function blindStep(order: PowerOrder, progress: Progress, seen: Seen, now: Instant): Step {
  const unread = 'nothing here reads its power';
  switch (progress.stage) {
    case 'begin':
    case 'set':
      if (order.action === 'on') return command('on', 'turning-on', now);
      if (order.action === 'reset') return command('reset', 'resetting', now);
      if (order.action === 'soft') return command('soft', 'shutting-down', now);
      return command('off', 'turning-off', now);
    case 'resting':
      return now < after(progress.since, REST_MS)
        ? { kind: 'wait', inMs: REST_MS - (now - progress.since), progress }
        : command('on', 'turning-on', now);
    case 'turning-off':
      if (progress.sends === 0) return command('off', 'turning-off', now);
      return order.action === 'cycle' ? rest(now) : done(`was told to turn off; ${unread}`);
    case 'shutting-down':
      return done(`was told to shut down; ${unread}`);
    case 'turning-on':
    case 'resetting': {
      if (progress.sends === 0 && progress.stage === 'turning-on') return command('on', 'turning-on', now);
      if (seen?.kind === 'booted') return done('has started: it asked for an address');
      const leftMs = WATCH_MS - (now - progress.since);
      if (leftMs > 0) return { kind: 'watch', inMs: leftMs, progress };
      const told = progress.stage === 'resetting' ? 'reset' : 'turn on';
      return done(`was told to ${told}; ${unread}, and it asked for no address within ${WATCH_MS / 60_000} minutes`);
    }
  }
}

/** Waits for a state in two reads one after the other; the command is given once more when nothing moves. */
function awaitState(
  wanted: PowerState,
  progress: Progress,
  state: PowerState | undefined,
  now: Instant,
  reached: () => Step,
): Step {
  if (state === undefined) return look(progress, READ_EVERY_MS);
  const equalReads = state === wanted ? progress.equalReads + 1 : 0;
  if (equalReads >= EQUAL_READS) return reached();
  const next = { ...progress, equalReads };
  if (state === wanted) return look(next, READ_EVERY_MS);
  if (now >= after(progress.since, SETTLE_MS))
    return {
      kind: 'failed',
      text: `did not turn ${wanted} within ${SETTLE_MS / 1000} s: the BMC took the command and still reads ${state}`,
      isUnheeded: progress.stage !== 'resetting',
    };
  const isDue = progress.sends === 0 || (progress.sends < SENDS && now >= after(progress.since, AGAIN_MS));
  if (isDue && progress.stage !== 'resetting')
    return { kind: 'set-power', action: wanted, progress: { ...next, sends: progress.sends + 1 } };
  return look(next, READ_EVERY_MS);
}

function awaitShutdown(order: PowerOrder, progress: Progress, state: PowerState | undefined, now: Instant): Step {
  if (state === undefined) return look(progress, READ_EVERY_MS);
  const equalReads = state === 'off' ? progress.equalReads + 1 : 0;
  if (equalReads >= EQUAL_READS) return done('has shut down', 'off');
  const seconds = order.graceSeconds ?? GRACE_SECONDS;
  if (state === 'off' || now < after(progress.since, seconds * 1000))
    return look({ ...progress, equalReads }, READ_EVERY_MS);
  if (progress.sends === 0)
    return {
      kind: 'failed',
      text: `did not shut down within ${seconds} s: the BMC did not answer the command, and may not have got it; it is still on`,
    };
  if (order.isHardAfter) return command('off', 'turning-off', now);
  return {
    kind: 'failed',
    text: `did not shut down within ${seconds} s: its operating system does not follow the power button; it is still on`,
  };
}

function bootStep(wish: BootWish, progress: Progress, seen: Seen, now: Instant): Step {
  const set = (sends: number): Step => ({
    kind: 'set-boot',
    wish,
    progress: { stage: 'set', since: now, equalReads: 0, sends },
  });
  if (progress.stage !== 'set') return set(1);
  if (seen?.kind === 'boot-unreadable')
    return done(`${describeWish(wish)}, says the BMC, which does not let it be read back`);
  if (seen?.kind !== 'boot') return { kind: 'read-boot', inMs: 0, progress };
  const problem = difference(wish, seen.setting);
  if (problem === undefined) return done(describeWish(wish));
  if (progress.sends < SENDS) return set(progress.sends + 1);
  return { kind: 'failed', text: `the BMC took the boot device and does not keep it: ${problem}`, isUnheeded: true };
}

/** What the BMC reads back that is not as wished; undefined when it is. What it does not tell is not held against it. */
function difference(wish: BootWish, setting: BootSetting): string | undefined {
  if (setting.device !== wish.device) return `wanted ${wish.device}, it reads ${setting.device}`;
  if (setting.firmware !== undefined && setting.firmware !== wish.firmware)
    return `wanted ${wish.device} in ${wish.firmware} mode, it reads ${setting.firmware}`;
  if (wish.isPersistent && !setting.isPersistent)
    return `wanted ${wish.device} from now on, it reads the next boot only`;
  return undefined;
}

function describeWish({ device, firmware, isPersistent }: BootWish): string {
  return `boots ${device} ${isPersistent ? 'from now on' : 'next time'} (${firmware})`;
}

const look = (progress: Progress, inMs: number): Step => ({ kind: 'read-power', inMs, progress });
const done = (text: string, power?: PowerState): Step => ({ kind: 'done', text, ...(power ? { power } : {}) });
const rest = (now: Instant): Step => ({
  kind: 'wait',
  inMs: REST_MS,
  progress: { stage: 'resting', since: now, equalReads: 0, sends: 0 },
});

function command(action: PowerAction, stage: OrderStage, now: Instant): Step {
  return { kind: 'set-power', action, progress: { stage, since: now, equalReads: 0, sends: 1 } };
}

/**
 * How far an order is when its command got no answer: the BMC may have taken it (B12), and a look will tell. Of a lamp and a drive
 * none does, and they take a command twice. A reset and a shutdown do not, so `sends` is 0: not known to have been given.
 */
export function unanswered(order: Order, before: Progress, given: Progress): Progress {
  if (order.kind === 'identify' || order.kind === 'media') return before;
  const isOnce = given.stage === 'resetting' || given.stage === 'shutting-down';
  return isOnce ? { ...given, sends: 0 } : given;
}

/** Where the next driver of a chain goes on: what was given stays so, and has the time anew to be seen. */
export function handOver(progress: Progress, now: Instant): Progress {
  const since = progress.stage === 'shutting-down' ? progress.since : now;
  return { ...progress, since, equalReads: 0 };
}

/** Where the next driver goes on after one whose command did nothing: it gives that command anew. */
export function unheeded(order: Order, progress: Progress, now: Instant): Progress {
  return order.kind === 'power' ? { ...handOver(progress, now), sends: 0 } : begun(now);
}

/**
 * An order that was under way when this server ended. What can be asked twice without harm begins anew, and finds out what is so
 * already; a reset and the shutdown of an operating system are not given a second time by themselves.
 */
export function resume(order: Order, progress: Progress, now: Instant): Progress | { failed: string } {
  if (progress.stage === 'begin' || order.kind !== 'power') return begun(now);
  if (progress.stage === 'resetting')
    return { failed: 'Firstlight was restarted while the machine was: whether it was reset is not known' };
  // a cycle that was caught in its second half must not begin with its first again
  return handOver(progress, now);
}
