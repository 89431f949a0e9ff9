import { join } from 'node:path';
import type { Events } from '../events.ts';
import { AppError } from '../model/errors.ts';
import type { Event } from '../model/event.ts';
import { type Machine, refuseLocked } from '../model/machine.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import { createLine, type Line, type Watch } from './console-line.ts';
import {
  type BootLog,
  dropOtherLogs,
  type LogFile,
  type LogLimits,
  listLogs,
  openBootLog,
  readLog,
  readLogEnd,
} from './console-log.ts';
import { isConsoleKept, isNewTypist } from './console-plan.ts';
import type { BmcConsole } from './driver.ts';
import { type Sleep, sleepFor } from './lanes.ts';
import type { Supervisor } from './supervisor.ts';

export type ConsolesOptions = {
  machines: Pick<Machines, 'byId' | 'onRemoved'>;
  bmcs: Pick<Bmcs, 'chain' | 'chains' | 'onChanged'>;
  events: Pick<Events, 'emit' | 'listen'>;
  supervisor: Pick<Supervisor, 'ask'>;
  /** The logs are in FOLDER/MACHINE-ID/boot-N.log. */
  folder: string;
  limits?: LogLimits;
  /** Milliseconds that go on evenly. */
  steady: () => number;
  sleep?: Sleep;
};

/** How long the appliance waits for BMCs to take their consoles back when it ends. */
const CLOSE_MS = 2000;

/** `typists`: when each typed last. */
type Kept = { line: Line; log: BootLog; watching: string[]; typists: Map<string, number> };

/**
 * The serial consoles: at most one for each machine, for a BMC has one. It is opened in the BMC's lane, like any call, and
 * then lives beside it: polls and orders go on. All who watch see the same.
 */
export type Consoles = ReturnType<typeof createConsoles>;

export function createConsoles(options: ConsolesOptions) {
  const { machines, bmcs, events, supervisor, folder, limits, steady, sleep = sleepFor } = options;
  const kept = new Map<number, Kept>();
  let isStarted = false;
  const folderOf = (machineId: number): string => join(folder, String(machineId));
  const isKept = (machineId: number): boolean => isConsoleKept(bmcs.chain(machineId));
  const bootOf = (machineId: number): number => machines.byId(machineId)?.boot ?? 0;

  bmcs.onChanged((machineId) => {
    if (bmcs.chain(machineId).length === 0) kept.get(machineId)?.line.dismiss('The machine has no BMC any more.');
    if (isStarted && isKept(machineId) && machines.byId(machineId)) keptOf(machineId);
    kept.get(machineId)?.line.hurry();
  });
  machines.onRemoved(dropRemoved);
  const stopListening = events.listen(noteEvent);

  /** A BMC that was away and is back: its console may be, too. */
  function noteEvent({ kind, machineId }: Event): void {
    if (kind !== 'bmc.answers' || machineId === undefined) return;
    const line = kept.get(machineId)?.line;
    if (line && !line.isOpen()) line.hurry();
  }

  function dropRemoved(): void {
    for (const [machineId, { line, log }] of kept) {
      if (machines.byId(machineId)) continue;
      log.discard();
      kept.delete(machineId);
      void line.close('The machine was removed.');
    }
    dropOtherLogs(folder, (machineId) => machines.byId(machineId) !== undefined);
  }

  function keptOf(machineId: number): Kept {
    const present = kept.get(machineId);
    if (present) return present;
    const log = openBootLog({
      folder: folderOf(machineId),
      ...(limits ? { limits } : {}),
      onProblem: (error) => console.error(`the console log of machine ${machineId} is not written: ${error.message}`),
    });
    const line = createLine({
      open: (isWatched) => open(machineId, isWatched),
      isKept: () => isKept(machineId),
      boot: () => bootOf(machineId),
      log,
      readBefore: (bytes) => readLogEnd(folderOf(machineId), bootOf(machineId), bytes),
      onKept: (text) => void events.emit({ kind: 'bmc.console', text, machineId }),
      onIdle: () => {
        if (kept.get(machineId)?.line === line) kept.delete(machineId);
      },
      steady,
      sleep,
    });
    const one: Kept = { line, log, watching: [], typists: new Map() };
    kept.set(machineId, one);
    return one;
  }

  async function open(machineId: number, isWatched: boolean): Promise<BmcConsole> {
    const pool = isWatched ? 'order' : 'poll';
    return (await supervisor.ask(machineId, 'console', (driver) => driver.console?.(), pool)).value;
  }

  /** The open console of a machine, for `by` to type on. */
  async function consoleFor({ id, name }: Machine, by: string): Promise<BmcConsole> {
    refuseTyping(id);
    const one = kept.get(id);
    if (!one)
      throw new AppError(
        'expectation-failed',
        `the console of ${name} is not open: nobody watches it`,
        `watch it with: firstlight console ${name}`,
      );
    const console = await one.line.whenOpen(name);
    refuseTyping(id); // it may have been locked meanwhile
    if (isNewTypist(one.typists.get(by), steady())) tell(id, by, 'type', `${by} types on the console`);
    one.typists.set(by, steady());
    return console;
  }

  /** What is typed can disturb what runs on it. */
  function refuseTyping(machineId: number): void {
    const machine = machines.byId(machineId);
    if (machine) refuseLocked(machine, 'its console may be watched, and not typed on');
  }

  function tell(machineId: number, by: string, does: 'watch' | 'type' | 'break', text: string): void {
    events.emit({ kind: 'bmc.console', text, machineId, data: { by, does } });
  }

  return {
    /** Begin to read the consoles that are read always, and forget the logs of machines that are no more. */
    start(): void {
      isStarted = true;
      dropRemoved();
      for (const [machineId, chain] of bmcs.chains()) if (isConsoleKept(chain)) keptOf(machineId).line.wake();
    },

    /** Watch a console, which opens it. Throws `no-bmc`. */
    watch({ id, name }: Machine, by: string): Watch {
      if (bmcs.chain(id).length === 0)
        throw new AppError(
          'no-bmc',
          `no BMC is known for ${name}`,
          'give it one with: firstlight bmc set MACHINE ADDRESS --password-file FILE',
        );
      const one = keptOf(id);
      const watch = one.line.watch();
      let isWatching = false;
      return {
        ready: watch.ready,
        begin(viewer, withHistory) {
          if (!one.watching.includes(by)) tell(id, by, 'watch', `${by} watches the console`);
          one.watching.push(by);
          isWatching = true;
          watch.begin(viewer, withHistory);
        },
        leave() {
          if (isWatching) one.watching.splice(one.watching.indexOf(by), 1);
          isWatching = false;
          watch.leave();
        },
      };
    },

    /** Type on an open console. Throws `machine-locked`, `expectation-failed` when nobody watches, `bmc-failed`. */
    async type(machine: Machine, by: string, bytes: Buffer): Promise<void> {
      (await consoleFor(machine, by)).write(bytes);
    },

    /** Send a serial break. Throws as `type` does, and `bmc-failed` where the BMC has none. */
    async sendBreak(machine: Machine, by: string): Promise<void> {
      const console = await consoleFor(machine, by);
      if (!console.sendBreak)
        throw new AppError('bmc-failed', `the driver of ${machine.name} cannot send a break on its console`);
      console.sendBreak();
      tell(machine.id, by, 'break', `${by} sent a break on the console`);
    },

    /** The logs of a machine, the oldest boot first. */
    async logs(machineId: number): Promise<LogFile[]> {
      await kept.get(machineId)?.log.flushed();
      return listLogs(folderOf(machineId));
    },
    /** One log as a stream of its bytes. Throws `not-found`. */
    async log(machineId: number, boot: number): Promise<ReturnType<typeof readLog>> {
      await kept.get(machineId)?.log.flushed();
      return readLog(folderOf(machineId), boot);
    },

    async close(): Promise<void> {
      stopListening();
      const ends = [...kept.values()].map(({ line }) => line.close('Firstlight stops.'));
      // a BMC that hangs does not keep the appliance from ending
      const over = new AbortController();
      await Promise.race([Promise.all(ends), sleepFor(CLOSE_MS, over.signal).catch(() => undefined)]);
      over.abort();
    },
  };
}
