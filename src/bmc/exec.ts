import { spawn } from 'node:child_process';
import { normalize } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import { cleanText } from './redfish/json.ts';
import { blot, createVerbDriver, isVerb, VERBS, type Verb, type VerbOrder } from './verbs.ts';

/** What programs may do. */
export type ExecOptions = {
  /** For one program; 60 s by default. One that has not ended by then is killed, with all that it started. */
  limitMs?: number;
  /** The folder that programs are run from; any, without it. Who may set up a BMC is not to run what he likes here. */
  folder?: string;
};

const LIMIT_MS = 60_000;
/** What a program left running may keep its output open: so long is waited for the rest of it. */
const DRAIN_MS = 500;
const OUTPUT_LIMIT = 64 * 1024;

/**
 * What is wrong with the settings, as sentences. A verb (on, off, cycle, reset, soft, status, boot) is a JSON array of a
 * program's full path and its arguments: `["/opt/pdu","on","7"]`.
 */
export function checkExecSettings(target: BmcTarget): string[] {
  const settings = Object.entries(target.settings ?? {});
  const problems = settings.flatMap(([name, value]) => {
    const problem = isVerb(name) ? problemOf(value) : undefined;
    return problem ? [`the setting ${name} is ${JSON.stringify(value)}, ${problem}`] : [];
  });
  if (!settings.some(([name]) => isVerb(name))) problems.push(`there is no program for any of ${VERBS.join(', ')}`);
  // The environment ends at a NUL.
  for (const name of ['address', 'user', 'password'] as const)
    if (target[name].includes('\0')) problems.push(`the ${name} has a NUL, which no program can be given`);
  return problems;
}

/** The first program that does not lie in the folder, as a sentence. */
function outsideOf({ settings = {} }: BmcTarget, folder: string | undefined): string | undefined {
  if (folder === undefined) return undefined;
  const programs = VERBS.flatMap((verb) => parseCommand(settings[verb] ?? '')?.[0] ?? []);
  const outside = programs.find((program) => !normalize(program).startsWith(`${normalize(folder)}/`));
  return (
    outside && `the program ${outside} does not lie in ${folder}, from where programs are run (serve --exec-folder)`
  );
}

function problemOf(value: string): string | undefined {
  const command = parseCommand(value);
  if (!command) return 'which is not a JSON array of texts such as ["/opt/pdu","on","7"]';
  if (!command[0]?.startsWith('/')) return 'whose first text is not the full path of a program';
  return command.some((word) => word.includes('\0')) ? 'which has a NUL' : undefined;
}

function parseCommand(value: string): [string, ...string[]] | undefined {
  try {
    const words: unknown = JSON.parse(value);
    const isCommand = Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string');
    return isCommand ? (words as [string, ...string[]]) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A driver that runs a program of the site for each verb, without a shell. It ends with status 0 when the command was
 * taken; for `status` it prints what readPowerText reads. Its environment is PATH, LC_ALL and what `environmentOf` has.
 * Settings that checkExecSettings refuses are a BmcError `unsupported`.
 */
export function openExec(target: BmcTarget, options: ExecOptions = {}): BmcDriver {
  const limitMs = options.limitMs ?? LIMIT_MS;
  const place = { address: target.address, port: target.port };
  const [problem = outsideOf(target, options.folder)] = checkExecSettings(target);
  if (problem)
    throw new BmcError('unsupported', place, `cannot be used: ${problem}`, 'Correct the settings of this BMC');
  const verbs = new Set<Verb>(VERBS.filter((verb) => target.settings?.[verb] !== undefined));

  async function perform(order: VerbOrder): Promise<string> {
    const [program, ...words] = parseCommand(target.settings?.[order.verb] ?? '') as [string, ...string[]];
    const end = await runProgram(program, words, environmentOf(target, order), limitMs);
    const said = (text: string) => cleanText(blot(text, [target.password]), 200);
    const fail = (kind: 'unsupported' | 'unreachable' | 'refused', what: string, next?: string): never => {
      throw new BmcError(kind, place, what, next);
    };
    if (end.kind === 'no-start') {
      const why = NO_START[end.code] ?? `cannot be run (${end.code})`;
      return fail('unsupported', `is to be reached by the program ${program}, which ${why}`, 'Correct its settings');
    }
    if (end.kind === 'late') {
      const what = `was not answered for by ${program} within ${limitMs / 1000} s, so whether it acted is not known`;
      return fail('unreachable', what, 'Run the program by hand and see what it waits for');
    }
    if (end.kind === 'signal') return fail('refused', `lost the program ${program}: signal ${end.signal} ended it`);
    if (end.status === 0) return end.output;
    const text = said(end.lastError);
    return fail('refused', `was refused "${order.verb}" by ${program} with status ${end.status}${text && `: ${text}`}`);
  }

  return createVerbDriver({ place, noun: 'program', verbs, perform, secrets: [target.password] });
}

const NO_START: Record<string, string> = {
  ENOENT: 'is not there, or whose interpreter is not',
  EACCES: 'may not be run by this user',
  ENOEXEC: 'is no program',
};

/** What a program is told beside its arguments: who and what, never more of our own environment than it needs to run. */
function environmentOf({ address, user, password }: BmcTarget, { verb, wish }: VerbOrder): Record<string, string> {
  return {
    PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    FIRSTLIGHT_BMC_VERB: verb,
    FIRSTLIGHT_BMC_ADDRESS: address,
    FIRSTLIGHT_BMC_USER: user,
    FIRSTLIGHT_BMC_PASSWORD: password,
    ...(wish && {
      FIRSTLIGHT_BMC_BOOT_DEVICE: wish.device,
      FIRSTLIGHT_BMC_BOOT_FIRMWARE: wish.firmware,
      FIRSTLIGHT_BMC_BOOT_PERSISTENT: wish.isPersistent ? 'yes' : 'no',
      FIRSTLIGHT_BMC_BOOT_URI: wish.httpUri ?? '',
    }),
  };
}

/** How a program ended. `lastError` is the last line that it wrote as an error. */
type End =
  | { kind: 'no-start'; code: string }
  | { kind: 'late' }
  | { kind: 'signal'; signal: string }
  | { kind: 'status'; status: number; output: string; lastError: string };

/** Runs it as the leader of a process group of its own, so that a helper of it that hangs can be ended with it. */
async function runProgram(
  program: string,
  words: string[],
  env: Record<string, string>,
  limitMs: number,
): Promise<End> {
  const child = startProgram(program, words, env);
  if ('kind' in child) return child;
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < OUTPUT_LIMIT) output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = keepEnd(errors + text);
  });
  const drained = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const end = await new Promise<End>((resolve) => {
    const timer = setTimeout(() => {
      killGroup(child.pid);
      resolve({ kind: 'late' });
    }, limitMs);
    child.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      resolve({ kind: 'no-start', code: error.code ?? error.message });
    });
    child.once('exit', (status, signal) => {
      clearTimeout(timer);
      if (status === null) resolve({ kind: 'signal', signal: signal ?? 'unknown' });
      else resolve({ kind: 'status', status, output: '', lastError: '' });
    });
  });
  const patience = new AbortController();
  if (end.kind === 'status')
    await Promise.race([drained, sleep(DRAIN_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
  patience.abort();
  child.stdout.destroy();
  child.stderr.destroy();
  if (end.kind !== 'status') return end;
  const lines = errors.split('\n').filter((line) => line.trim() !== '');
  return { ...end, output, lastError: lines.at(-1) ?? '' };
}

/** Most failures to start are told by an event, some at once: arguments that are too long. */
function startProgram(program: string, words: string[], env: Record<string, string>) {
  try {
    return spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], env, cwd: '/', detached: true });
  } catch (error) {
    return { kind: 'no-start', code: (error as NodeJS.ErrnoException).code ?? 'unknown' } as const;
  }
}

/** The end of a long text from the beginning of a line on, so that no secret is cut in two and then not found. */
function keepEnd(text: string): string {
  if (text.length <= OUTPUT_LIMIT) return text;
  const end = text.slice(-OUTPUT_LIMIT / 2);
  return end.slice(end.indexOf('\n') + 1 || end.length);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // the whole group has ended just now
  }
}
