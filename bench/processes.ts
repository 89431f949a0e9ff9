import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { inNamespace } from '../src/lab/children.ts';
import { BenchError } from './error.ts';

export type Place = { namespace?: string; env?: Record<string, string> };

/** A server that runs until it is stopped. */
export type Running = {
  pid: number;
  /** Throws BenchError with the last lines of its log when it has ended by itself. */
  checkAlive(): void;
  stop(): Promise<void>;
};

/** How long a server may take to end by itself; what it has not written by then is thrown away anyway. */
const STOP_MS = 5000;

/**
 * The processes of one run. Each has a session of its own, so that Ctrl-C on a terminal reaches only us, who then end them in
 * order; and the kernel ends them when we are killed.
 */
export class Processes {
  readonly #alive = new Set<ChildProcess>();
  #closing = false;

  /** Starts a server; what it prints goes to `log`, which begins empty. */
  start(command: readonly string[], log: string, place: Place = {}): Running {
    const name = command[0] as string;
    const fd = openSync(log, 'w', 0o600);
    const child = this.#spawn(command, place, ['ignore', fd, fd]);
    closeSync(fd);
    if (child.pid === undefined)
      throw new BenchError(`${name} cannot be started: is it installed? scripts/setup bench`);
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
    return {
      pid: child.pid,
      checkAlive() {
        if (hasEnded())
          throw new BenchError(
            `${name} ended (${child.signalCode ?? child.exitCode}):\n${readFileSync(log, 'utf8').trim().slice(-2000)}`,
          );
      },
      stop: () => end(child, STOP_MS),
    };
  }

  /** Runs a command to its end and gives what it printed and its exit status. */
  async run(command: readonly string[], place: Place = {}): Promise<{ status: number; output: string }> {
    const child = this.#spawn(command, place, ['ignore', 'pipe', 'pipe']);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const status = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(new BenchError(`${command[0]} cannot be started: ${error.message}`)));
      child.once('close', (code) => resolve(code ?? -1));
    });
    if (this.#closing) throw new BenchError('ended early');
    return { status, output };
  }

  /** Ends all of them; nothing starts any more. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all([...this.#alive].map((child) => end(child, STOP_MS)));
  }

  #spawn(command: readonly string[], place: Place, stdio: ('ignore' | 'pipe' | number)[]): ChildProcess {
    if (this.#closing) throw new BenchError('ended early');
    const bound = ['setpriv', '--pdeathsig', 'KILL', '--', ...command];
    const [first, ...rest] = place.namespace === undefined ? bound : inNamespace(place.namespace, bound);
    const child = spawn(first as string, rest, { detached: true, stdio, env: { ...process.env, ...place.env } });
    this.#alive.add(child);
    child.once('error', () => this.#alive.delete(child));
    child.once('exit', () => this.#alive.delete(child));
    return child;
  }
}

async function end(child: ChildProcess, patienceMs: number): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const force = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  child.kill('SIGTERM');
  await ended;
  clearTimeout(force);
}
