import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { LabError } from './error.ts';

const MARK = 'FIRSTLIGHT_RACK';

/**
 * The processes of one rack. Each carries the rack's state folder in its environment, so that whoever cleans up
 * later knows them from everybody else's; each has a session of its own, so that Ctrl-C on a terminal reaches the
 * rack only; and the long-lived ones are killed by the kernel when the rack's process dies.
 */
export class Children {
  readonly #stateFolder: string;
  #refusing = false;

  constructor(stateFolder: string) {
    this.#stateFolder = stateFolder;
  }

  /** From now on nothing starts any more. */
  refuse(): void {
    this.#refusing = true;
  }

  get refusing(): boolean {
    return this.#refusing;
  }

  /** Runs a short command to its end and gives what it printed; LabError with its complaint when it fails. */
  async run(command: string, args: string[]): Promise<string> {
    const child = this.#spawn(command, args, 'pipe');
    let output = '';
    let complaint = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code === 0) return output;
    throw new LabError(
      `${command} ${args.join(' ')} failed: ${complaint.trim() || `exit status ${code}`}`,
      'See whether that command works by hand',
    );
  }

  /** Starts a process that lives at most as long as we do; what it prints goes to the end of `logFile`. */
  start(command: string, args: string[], logFile: string, namespace?: string): ChildProcess {
    const bound = ['setpriv', '--pdeathsig', 'KILL', '--', command, ...args];
    const [first, ...rest] = namespace === undefined ? bound : inNamespace(namespace, bound);
    const log = openSync(logFile, 'a', 0o600);
    try {
      return this.#spawn(first!, rest, log);
    } finally {
      closeSync(log);
    }
  }

  #spawn(command: string, args: string[], output: 'pipe' | number): ChildProcess {
    if (this.#refusing) throw new LabError('the rack is closing', 'Start it again when it is closed');
    return spawn(command, args, {
      detached: true,
      stdio: ['ignore', output, output],
      env: { ...process.env, [MARK]: this.#stateFolder },
    });
  }
}

/** That command inside a network namespace, in the same process: no shell, no fork. */
export function inNamespace(namespace: string, command: string[]): string[] {
  return ['nsenter', `--net=/run/netns/${namespace}`, '--', ...command];
}

/** The process ids of the rack in that state folder, alive now, whoever started them. */
export function findChildren(stateFolder: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== process.pid && isMarked(pid, stateFolder));
}

/** Kills the rack's processes and waits until they are gone. */
export async function killChildren(stateFolder: string): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const pids = findChildren(stateFolder);
    if (pids.length === 0) return;
    if (Date.now() > deadline) {
      throw new LabError(`processes ${pids.join(', ')} of the rack do not die`, 'Look at them with ps and end them');
    }
    for (const pid of pids) killIfMarked(pid, stateFolder);
    await sleep(20);
  }
}

function killIfMarked(pid: number, stateFolder: string): void {
  if (!isMarked(pid, stateFolder)) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function isMarked(pid: number, stateFolder: string): boolean {
  try {
    // A zombie has an empty environment: it is dead already and only waits for its parent.
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(`${MARK}=${stateFolder}`);
  } catch {
    return false;
  }
}
