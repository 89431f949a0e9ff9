import { AppError } from '../model/errors.ts';
import { describeSpan } from './caller.ts';
import type { BootLog } from './console-log.ts';
import { nextTryMs, STEADY_MS } from './console-plan.ts';
import { createRecent } from './console-recent.ts';
import { type BmcConsole, BmcError } from './driver.ts';
import type { Sleep } from './lanes.ts';

export type LineOptions = {
  /** Fails with a BmcError, or with an AppError where there is nothing to open. */
  open: (isWatched: boolean) => Promise<BmcConsole>;
  /** Whether it is read when nobody watches. */
  isKept: () => boolean;
  /** The boot that the machine is in. */
  boot: () => number;
  log: BootLog;
  /** The last bytes of that boot's log, for who comes now. */
  readBefore: (bytes: number) => Promise<Buffer>;
  /** Told when a console that is kept cannot be read, and when it is read again. */
  onKept: (text: string) => void;
  /** Nobody wants it any more, and it is closed. */
  onIdle: () => void;
  steady: () => number;
  sleep: Sleep;
};

/** Somebody who watches. `say` gets sentences of ours between the bytes; after `end` nothing comes any more. */
export type Viewer = { bytes(bytes: Buffer): void; say(text: string): void; end(text: string): void };

export type Watch = {
  /** Once it is open, or is tried again and again anyway. Fails as `open` does when it cannot be opened for this one. */
  ready: Promise<void>;
  /** From now on `viewer` gets what comes, and before it, when it wants to, the last 64 KB of what came before. */
  begin(viewer: Viewer, withHistory: boolean): void;
  leave(): void;
};

/** For who comes late. */
const RECENT_BYTES = 64 << 10;
/** One failure is a BMC that was restarted: of the second in a row somebody wants to know. */
const FAILURES_TO_TELL = 2;

type Watcher = { ready: PromiseWithResolvers<void>; isReady: boolean; viewer?: Viewer };

/** One machine's console: opened when it is wanted, opened again when it ends, closed when nobody wants it any more. */
export type Line = ReturnType<typeof createLine>;

export function createLine({ open, isKept, boot, log, readBefore, onKept, onIdle, steady, sleep }: LineOptions) {
  const watchers = new Set<Watcher>();
  let recent = createRecent(0);
  let running: Promise<void> | undefined;
  let opened: BmcConsole | undefined;
  /** The console once it is open; undefined when it could not be opened, see `problem`. */
  let attempt: Promise<BmcConsole | undefined> = Promise.resolve(undefined);
  let tellAttempt: ((console: BmcConsole | undefined) => void) | undefined;
  let problem = 'nobody watches it';
  let shutOpened = (): void => undefined;
  let pausing: AbortController | undefined;
  let isHurried = false;
  let isToldLost = false;
  let isClosed = false;

  const isWanted = (): boolean => !isClosed && (watchers.size > 0 || isKept());
  const viewers = (): Viewer[] => [...watchers].flatMap(({ viewer }) => viewer ?? []);
  const sayToAll = (text: string): void => {
    for (const viewer of viewers()) viewer.say(text);
  };

  /** Begin, when it is wanted and has not begun. */
  function wake(): void {
    if (running || !isWanted()) return;
    running = run().then(
      () => {
        running = undefined;
        if (isWanted()) wake();
        else onIdle();
      },
      (error: unknown) => {
        // a fault of ours: whoever wants it next tries again
        console.error(`a console: ${error instanceof Error ? error.stack : String(error)}`);
        running = undefined;
        dismiss('internal error, see the log of the appliance');
        onIdle();
      },
    );
  }

  function beginAttempt(): void {
    if (tellAttempt) return;
    const { promise, resolve } = Promise.withResolvers<BmcConsole | undefined>();
    attempt = promise;
    tellAttempt = resolve;
  }
  function endAttempt(console: BmcConsole | undefined): void {
    tellAttempt?.(console);
    tellAttempt = undefined;
  }

  async function run(): Promise<void> {
    beginAttempt();
    recent = createRecent(RECENT_BYTES);
    recent.add(await readBefore(RECENT_BYTES));
    let failures = 0;
    isToldLost = false;
    while (isWanted()) {
      isHurried = false;
      const { why, openMs, isOurs } = await readOnce(failures);
      if (!isWanted()) break;
      if (isOurs || isHurried) continue;
      failures = (openMs ?? 0) >= STEADY_MS ? 1 : failures + 1;
      // one that opens and ends again and again is told once, and not each time
      const isNews = failures === FAILURES_TO_TELL || (failures > FAILURES_TO_TELL && openMs === undefined);
      if (isNews && !isToldLost && isKept()) {
        isToldLost = true;
        onKept(`the console is not read: ${why}`);
      }
      await pause(why, failures);
    }
    problem = 'nobody watches it';
    endAttempt(undefined);
    recent = createRecent(0);
    await log.close();
  }

  /** From the opening to the end. `isOurs`: nobody wanted it for a moment, and it was closed. */
  async function readOnce(failures: number): Promise<{ why: string; openMs?: number; isOurs: boolean }> {
    beginAttempt();
    let console: BmcConsole;
    try {
      console = await open(watchers.size > 0);
    } catch (error) {
      problem = describeFailure(error);
      endAttempt(undefined);
      failWatchers(error);
      return { why: problem, isOurs: false };
    }
    opened = console;
    const since = steady();
    endAttempt(console);
    for (const watcher of watchers) makeReady(watcher);
    if (failures > 0) sayToAll('The console is open again.');
    if (isToldLost) onKept('the console is read again');
    isToldLost = false;
    console.onData((bytes) => {
      if (isClosed) return; // the store that knows the boot may be closed too
      log.append(boot(), bytes);
      recent.add(bytes);
      for (const viewer of viewers()) viewer.bytes(bytes);
    });

    let isOurs = false;
    const { promise: over, resolve: tellOver } = Promise.withResolvers<string>();
    void console.ended.then(tellOver, (error: Error) => tellOver(error.message));
    shutOpened = () => {
      if (isOurs) return;
      isOurs = true;
      noteClosed('it is being closed');
      console.close().catch((error: Error) => tellOver(error.message));
    };
    if (!isWanted()) shutOpened();
    const why = await over;
    if (!isOurs) noteClosed(`The console ended: ${why}.`);
    return { why: `The console ended: ${why}.`, openMs: steady() - since, isOurs };
  }

  function noteClosed(text: string): void {
    opened = undefined;
    attempt = Promise.resolve(undefined);
    problem = text;
  }

  async function pause(why: string, failures: number): Promise<void> {
    const ms = nextTryMs(failures, watchers.size > 0);
    sayToAll(`${why} It is tried again in ${describeSpan(ms)}.`);
    pausing = new AbortController();
    await sleep(ms, pausing.signal).catch(() => undefined); // it was hurried, or is not wanted any more
    pausing = undefined;
  }

  function makeReady(watcher: Watcher): void {
    watcher.isReady = true;
    watcher.ready.resolve();
  }

  /** It could not be opened: that is the answer to who wanted it to be, unless it is tried again in any case. */
  function failWatchers(error: unknown): void {
    const isTriedAgain = isWanted() && (isKept() || [...watchers].some((watcher) => watcher.isReady));
    for (const watcher of [...watchers].filter(({ isReady }) => !isReady)) {
      if (isTriedAgain) makeReady(watcher);
      else {
        watchers.delete(watcher);
        watcher.ready.reject(error as Error);
      }
    }
  }

  function shutUnlessWanted(): void {
    if (isWanted()) return;
    if (opened) shutOpened();
    pausing?.abort();
  }

  /** Everybody who watches is sent away with a sentence. */
  function dismiss(text: string): void {
    for (const watcher of watchers) {
      watchers.delete(watcher);
      watcher.ready.reject(new AppError('bmc-failed', text));
      watcher.viewer?.end(text);
    }
    shutUnlessWanted();
  }

  return {
    wake,
    dismiss,
    watch(): Watch {
      const watcher: Watcher = { ready: Promise.withResolvers(), isReady: false };
      watcher.ready.promise.catch(() => undefined); // it may have left by then
      watchers.add(watcher);
      if (opened || pausing) makeReady(watcher);
      pausing?.abort();
      wake();
      return {
        ready: watcher.ready.promise,
        begin(viewer, withHistory) {
          watcher.viewer = viewer;
          if (withHistory) viewer.bytes(recent.bytes());
          if (!opened) viewer.say(problem);
        },
        leave() {
          if (!watchers.delete(watcher)) return;
          watcher.ready.resolve();
          shutUnlessWanted();
        },
      };
    },
    /** What may have kept it from opening is over, or its BMC is another one. */
    hurry(): void {
      isHurried = true;
      pausing?.abort();
      shutUnlessWanted();
      wake();
    },
    /** The open console. Throws `expectation-failed` when nobody has it open, `bmc-failed` when it cannot be opened. */
    async whenOpen(name: string): Promise<BmcConsole> {
      const present = opened ?? (await attempt);
      if (present) return present;
      throw new AppError(
        running ? 'bmc-failed' : 'expectation-failed',
        `the console of ${name} is not open: ${problem}`,
      );
    },
    isOpen: (): boolean => opened !== undefined,
    /** For good. Resolves once the BMC was told. */
    async close(text: string): Promise<void> {
      isClosed = true;
      dismiss(text);
      await running;
    },
  };
}

function describeFailure(error: unknown): string {
  if (error instanceof BmcError) return error.text;
  if (error instanceof AppError) return `${error.message}.`;
  console.error(`a console: ${error instanceof Error ? error.stack : String(error)}`);
  return 'The console cannot be opened: internal error, see the log of the appliance.';
}
