import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Machine as RackMachine } from '../../src/lab/rack.ts';
import type { Event } from '../../src/model/event.ts';
import type { Machine } from '../../src/model/machine.ts';

const PROJECT = join(import.meta.dirname, '../..');

/** What a lab test needs of the outside: root, and what scripts/test made. A reason to skip, or undefined. */
export function whyNotHere(...assets: string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root';
  const missing = assets.find((path) => !existsSync(join(assetsFolder(), path, 'SHA256SUMS')));
  return missing ? `needs ${missing}: scripts/test makes it` : undefined;
}

/** Where scripts/test keeps what machines boot. */
export function assetsFolder(): string {
  return process.env.FIRSTLIGHT_ASSETS ?? join(PROJECT, 'data/assets');
}

/** An appliance in a process of its own, on the rack's wires, as a user would start it. */
export class TestAppliance {
  readonly folder = makeFolder();
  readonly #flags: readonly string[];
  #process: ChildProcess | undefined;
  #url = '';
  #token = '';

  /** `flags` go to `firstlight serve`; data, API address and credentials are added. */
  constructor(flags: readonly string[]) {
    this.#flags = flags;
    // a run of the tests that is ended early takes its appliance with it, as the rack does with its machines
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => {
        this.#process?.kill();
        if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
      });
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get log(): string {
    return existsSync(join(this.folder, 'log')) ? readFileSync(join(this.folder, 'log'), 'utf8') : '';
  }

  /** The command line, for a second one of it. */
  async arguments(): Promise<string[]> {
    if (this.#url === '') this.#url = `http://127.0.0.1:${await freePort()}`;
    return [
      'serve',
      ...this.#flags,
      ...['--data', join(this.folder, 'data'), '--assets', assetsFolder(), '--api', new URL(this.#url).host],
      ...['--credentials', join(this.folder, 'credentials.json')],
    ];
  }

  async start(): Promise<void> {
    const child = spawn(join(PROJECT, 'bin/firstlight'), await this.arguments(), { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.folder, 'log'), { flags: 'a' });
    child.stdout.pipe(log);
    child.stderr.pipe(log);
    this.#process = child;
    let ended = false;
    child.once('exit', () => {
      ended = true;
    });
    await until('the appliance is ready', 120, async () => {
      if (ended) throw new Error(`the appliance ended:\n${this.log}`);
      const file = join(this.folder, 'credentials.json');
      if (!existsSync(file)) return undefined;
      this.#token = (JSON.parse(readFileSync(file, 'utf8')) as { token: string }).token;
      return this.get('/api/v1/status').catch(() => undefined);
    });
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Stops it and removes its folder. */
  async close(): Promise<void> {
    await this.#end('SIGTERM');
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.#token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = response.status === 204 ? undefined : await response.json();
    if (!response.ok) throw new Error(`${method} ${path} answers ${response.status}: ${JSON.stringify(answer)}`);
    return answer as T;
  }

  get<T>(path: string): Promise<T> {
    return this.request('GET', path);
  }

  /** Reads an answer that goes on and on. */
  watch(path: string): { text: () => string; close: () => Promise<void> } {
    const abort = new AbortController();
    const chunks: Buffer[] = [];
    const reading = (async () => {
      const headers = { Authorization: `Bearer ${this.#token}` };
      const response = await fetch(`${this.#url}${path}`, { headers, signal: abort.signal });
      for await (const chunk of response.body ?? []) chunks.push(Buffer.from(chunk as Uint8Array));
    })().catch((error: Error) => {
      if (!abort.signal.aborted) throw error;
    });
    return {
      text: () => Buffer.concat(chunks).toString(),
      async close() {
        abort.abort();
        await reading;
      },
    };
  }

  machine(name: string): Promise<Machine & { job?: { id: number; stageName: string } }> {
    return this.get(`/api/v1/machines/${name}`);
  }

  timeline(name: string): Promise<Event[]> {
    return this.get(`/api/v1/machines/${name}/timeline?last=5000`);
  }

  /** Enter a machine of the rack with its BMC, as a technician would. */
  enroll(machine: RackMachine): Promise<Machine> {
    return this.request('POST', '/api/v1/machines', {
      macs: [machine.mac],
      ...(machine.bmc ? { bmc: machine.bmc } : {}),
    });
  }

  /** Waits for an event of the machine, after the event `since`. */
  event(name: string, kind: Event['kind'], seconds: number, since = 0): Promise<Event> {
    return until(`${kind} of ${name}`, seconds, async () => {
      const events = await this.timeline(name).catch(() => []);
      return events.find((event) => event.kind === kind && event.id > since);
    });
  }

  /** Waits for the end of a job and gives it; the timeline is in the error when it does not end. */
  async jobEnd(jobId: number, seconds: number): Promise<{ state: string; why: string }> {
    return until(`the end of job ${jobId}`, seconds, async () => {
      const job = await this.get<{ state: string; why: string }>(`/api/v1/jobs/${jobId}`).catch(() => undefined);
      return job && job.state !== 'running' ? job : undefined;
    });
  }

  /** The last lines of a machine's timeline, for the message of a failure. */
  async story(name: string): Promise<string> {
    const events = await this.timeline(name).catch(() => []);
    return events
      .slice(-40)
      .map((event) => `${new Date(event.at).toISOString()} ${event.kind} ${event.text}`)
      .join('\n');
  }
}

/** Asks again and again until there is an answer. Generous bounds: these machines are emulated, on a busy host. */
export async function until<T>(what: string, seconds: number, ask: () => Promise<T | undefined | false>): Promise<T> {
  const rounds = Math.ceil(seconds * 2);
  for (let round = 0; round < rounds; round++) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await sleep(500);
  }
  throw new Error(`${what}: not seen in ${seconds} s`);
}

/** Others may pass through it, as in a place like /opt: the appliance is to give up root. */
function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-lab-'));
  chmodSync(folder, 0o711);
  return folder;
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
