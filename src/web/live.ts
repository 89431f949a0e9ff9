import { signal } from '@preact/signals';
import { ApiProblem, ask, machinePath, openResponse } from './api.ts';
import { allRows, changeRow, peekRow, putEvent, putList, putMachine, status } from './rack.ts';
import { changesMachine } from './row.ts';
import { isUnexplained, rowWithBmc } from './row-bmc.ts';
import type { Event, ShownBmc, ShownJob, ShownMachine, ShownStatus } from './shapes.ts';
import { eventReader } from './stream.ts';
import { tellTimeline } from './timeline.ts';

/** Whether the page shows the present. `since` is when that began. */
export const link = signal<{ is: 'opening' | 'live' | 'lost'; since: number; why: string }>({
  is: 'opening',
  since: Date.now(),
  why: '',
});

/** The API says "still here" every 15 seconds: after this time of silence the connection is dead. */
const SILENCE_MS = 40_000;
const COME_BACK_MS = 2_000;
/** Changes are gathered for this long, then asked for together. */
const GATHER_MS = 300;
/** With more changed machines than this, one request for the whole list is less work. */
const ONE_BY_ONE = 8;
/** In case that something was missed. */
const LIST_AGAIN_MS = 60_000;
/** One BMC that the list leaves unexplained is asked about so often, and the same one not more often than that. */
const EXPLAIN_MS = 1000;
const EXPLAIN_AGAIN_MS = 60_000;

/** Follow the appliance until `stop` is called: stream first, then the list, so that nothing falls between. */
export function followAppliance(): () => void {
  const stopping = new AbortController();
  let newest: number | undefined;
  const refresher = createRefresher();
  const explaining = explainBmcs();

  void run();
  return () => {
    stopping.abort();
    refresher.stop();
    clearInterval(explaining);
  };

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const problem = await readStream().catch((error: unknown) => error);
      if (stopping.signal.aborted) return;
      const why = problem instanceof ApiProblem ? problem.message : 'the connection broke';
      if (link.peek().is !== 'lost') link.value = { is: 'lost', since: Date.now(), why };
      else link.value = { ...link.peek(), why };
      await new Promise((resolve) => setTimeout(resolve, COME_BACK_MS));
    }
  }

  async function readStream(): Promise<void> {
    const silence = new AbortController();
    const either = AbortSignal.any([stopping.signal, silence.signal]);
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const response = await openResponse(
        'GET',
        newest === undefined ? 'events' : `events?after=${newest}`,
        undefined,
        either,
      );
      const reader = (response.body as ReadableStream<Uint8Array>)
        .pipeThrough(new TextDecoderStream() as never)
        .getReader() as ReadableStreamDefaultReader<string>;
      const takeChunk = eventReader();
      await listNow(newest === undefined);
      link.value = { is: 'live', since: Date.now(), why: '' };
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        for (const event of takeChunk(value)) take(event);
      }
    } finally {
      clearTimeout(timer);
      silence.abort(); // frees the connection when the list was what failed
    }
  }

  function take(event: Event): void {
    newest = event.id;
    if (event.kind === 'machine.removed') refresher.wantList();
    if (event.machineId === undefined) return;
    tellTimeline(event);
    const isKnown = putEvent(event.machineId, event);
    if (!isKnown) refresher.wantList();
    else if (changesMachine(event)) refresher.want(event.machineId);
  }
}

/** Asks for machines again after they changed, never twice at the same time. */
function createRefresher() {
  const wanted = new Set<number>();
  let wantsList = false;
  let timer: number | undefined;
  let isBusy = false;
  const again = setInterval(() => wantList(), LIST_AGAIN_MS);

  function plan(): void {
    if (timer === undefined && !isBusy) timer = window.setTimeout(work, GATHER_MS);
  }

  async function work(): Promise<void> {
    timer = undefined;
    isBusy = true;
    const ids = [...wanted];
    const all = wantsList || ids.length > ONE_BY_ONE;
    wanted.clear();
    wantsList = false;
    // a failure here is the stream's to notice: when the appliance is back, the whole list is asked for
    await (all ? listNow() : Promise.all(ids.map(machineNow))).catch(() => {});
    isBusy = false;
    if (wantsList || wanted.size > 0) plan();
  }

  function wantList(): void {
    wantsList = true;
    plan();
  }

  return {
    wantList,
    want: (id: number): void => {
      wanted.add(id);
      plan();
    },
    stop: (): void => {
      clearTimeout(timer);
      clearInterval(again);
    },
  };
}

/** Looks at one BMC after the other that the list leaves unexplained; gives the timer. */
function explainBmcs(): number {
  const askedAt = new Map<number, number>();
  return window.setInterval(async () => {
    const at = Date.now();
    if (link.peek().is !== 'live') return;
    const row = allRows.peek().find((one) => {
      const before = askedAt.get(one.peek().machine.id);
      return (before === undefined || at - before > EXPLAIN_AGAIN_MS) && isUnexplained(one.peek(), at);
    });
    if (!row) return;
    const { id, name } = row.peek().machine;
    askedAt.set(id, at);
    const bmc = await ask<ShownBmc>('GET', machinePath(name, '/bmc')).catch(() => undefined);
    if (bmc) changeRow(id, (before) => rowWithBmc(before, bmc));
  }, EXPLAIN_MS);
}

async function listNow(isAnew = false): Promise<void> {
  const [machines, jobs, said] = await Promise.all([
    ask<ShownMachine[]>('GET', 'machines'),
    ask<ShownJob[]>('GET', 'jobs'),
    ask<ShownStatus>('GET', 'status'),
  ]);
  putList(machines, jobs, isAnew);
  status.value = said;
}

async function machineNow(id: number): Promise<void> {
  const before = peekRow(id)?.machine;
  if (!before) return;
  const machine = await ask<ShownMachine>('GET', machinePath(before.macs[0] ?? before.name));
  const ended = before.job && before.job.id !== machine.job?.id ? before.job.id : undefined;
  putMachine(machine, ended === undefined ? [] : [await ask<ShownJob>('GET', `jobs/${ended}`)]);
}
