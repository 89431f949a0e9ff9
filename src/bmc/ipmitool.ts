import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { WireError } from '../wire/bytes.ts';
import { COMPLETION, type Command } from '../wire/ipmi.ts';
import type { CipherSuite } from '../wire/rakp.ts';
import { type BmcDriver, BmcError, type BmcTarget } from './driver.ts';
import type { IpmiOptions } from './ipmi.ts';
import { createIpmiDriver, type OpenPath } from './ipmi-driver.ts';
import { type Answer, askUntilReady } from './ipmi-path.ts';
import { QuirkNotes } from './ipmi-quirks.ts';
import { type RawAnswer, readLoginFailure, readRawAnswer } from './ipmitool-text.ts';
import type { Outcome } from './link.ts';

const PROGRAM = 'ipmitool';
const PROMPT = 'ipmitool> ';
/** Seconds before it asks again, one more each time, and how often: 12 s for a BMC that is not there, which it asks in two ways. */
const WAIT_SECONDS = 1;
const SENDS = 3;
const BUSY_MS = 3_000;
/** For a logout; then the program is ended. */
const EXIT_MS = 5_000;
const ROLES = ['ADMINISTRATOR', 'OPERATOR'] as const;

/**
 * The fallback driver: what our own IPMI says, said by the program ipmitool, for a BMC that only that understands. The
 * password goes to it by its environment. There is no console this way. Every call ends as those of our own
 * IPMI do (TimeLimits); a program that hangs is killed.
 */
export function openIpmitool(
  target: BmcTarget,
  options: Pick<IpmiOptions, 'cipherSuite' | 'onCipherSuite' | 'limits'> = {},
): BmcDriver {
  const notes = new QuirkNotes();
  let lastSuite = options.cipherSuite;

  async function open(limitMs: number): Promise<OpenPath> {
    const endsAt = performance.now() + limitMs;
    const suites: CipherSuite[] = lastSuite === 3 ? [3, 17] : [17, 3];
    const { shell, suite, role } = await openShell(target, suites, endsAt);
    try {
      if (suite !== lastSuite) options.onCipherSuite?.(suite);
    } catch (error) {
      await shell.close();
      throw error;
    }
    lastSuite = suite;
    return new IpmitoolPath(target, notes, shell, (lun) => Shell.open(target, { suite, role, lun }, endsAt));
  }

  return createIpmiDriver(target, { open, notes, limits: options.limits });
}

/** Each logical unit is told to ipmitool when it starts; nearly everything is of unit 0. */
class IpmitoolPath implements OpenPath {
  readonly target: BmcTarget;
  readonly #notes: QuirkNotes;
  readonly #shells: Map<number, Shell>;
  readonly #openFor: (lun: number) => Promise<Shell>;

  constructor(target: BmcTarget, notes: QuirkNotes, shell: Shell, openFor: (lun: number) => Promise<Shell>) {
    this.target = target;
    this.#notes = notes;
    this.#shells = new Map([[0, shell]]);
    this.#openFor = openFor;
  }

  ask<Q, A>(command: Command<Q, A>, request: Q, lun = 0): Promise<Outcome<Answer<A>>> {
    const ask = () => this.#askOnce(command, request, lun);
    return askUntilReady(command, ask, { notes: this.#notes, waitMs: BUSY_MS });
  }

  async #askOnce<Q, A>(command: Command<Q, A>, request: Q, lun: number): Promise<Outcome<Answer<A>>> {
    const bytes = [command.netFn, command.command, ...command.encodeRequest(request)];
    const answer = await this.#say(`raw ${bytes.join(' ')}`, lun);
    if ('why' in answer) return { answered: false, why: answer.why, isGone: false };
    const { completion, data } = answer;
    if (completion !== COMPLETION.ok) return { answered: true, value: { completion, wasRepeated: false } };
    try {
      return { answered: true, value: { completion, value: command.decodeResponse(data), wasRepeated: false } };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { answered: false, why: `answered something that we cannot read (${error.message})`, isGone: false };
    }
  }

  async #say(line: string, lun: number): Promise<RawAnswer> {
    try {
      const shell = this.#shells.get(lun) ?? (await this.#openFor(lun));
      this.#shells.set(lun, shell);
      return readRawAnswer(await shell.say(line));
    } catch (error) {
      if (error instanceof ShellFailure) return { why: 'was lost by ipmitool' };
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#shells.values()].map((shell) => shell.close()));
  }
}

/** A shell that is logged in, with the first suite and the highest role that work. */
async function openShell(target: BmcTarget, suites: readonly CipherSuite[], endsAt: number) {
  let failure = new BmcError('protocol', target, 'was offered no cipher suite');
  for (const suite of suites) {
    for (const role of ROLES) {
      try {
        return { shell: await Shell.open(target, { suite, role, lun: 0 }, endsAt), suite, role };
      } catch (error) {
        if (!(error instanceof ShellFailure)) throw error;
        const { kind, what } = readLoginFailure(error.output);
        if (kind === 'lower-role') {
          failure = new BmcError('privilege', target, `${what} ${role} to user ${target.user}`);
          continue;
        }
        if (kind !== 'next-suite') throw new BmcError(kind, target, what);
        failure = new BmcError('wrong-cipher-suite', target, `${what} ${suite}`);
        break;
      }
    }
    if (failure.kind === 'privilege') break;
  }
  throw failure;
}

/** What ipmitool printed before it ended, which may name the user and never the password. */
class ShellFailure extends Error {
  readonly output: string;

  constructor(output: string) {
    super('ipmitool ended');
    this.output = output;
  }
}

/** One ipmitool that takes commands line by line, in one session of its own, and is killed at `endsAt` of performance.now(). */
class Shell {
  readonly #target: BmcTarget;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #endsAt: number;
  #text = '';
  #hasEnded = false;
  #onChange: () => void = () => {};

  private constructor(target: BmcTarget, child: ChildProcessByStdio<Writable, Readable, null>, endsAt: number) {
    this.#target = target;
    this.#endsAt = endsAt;
    this.#child = child;
    child.stdin.on('error', () => {}); // it ended: that is told below
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      this.#onChange();
    });
    const end = () => {
      this.#hasEnded = true;
      this.#onChange();
    };
    child.on('error', end); // it could not be started
    child.on('close', end);
  }

  /** Resolves once it has logged in; throws a ShellFailure with its words when it could not. */
  static async open(target: BmcTarget, how: ShellLogin, endsAt: number): Promise<Shell> {
    // The shell joins both outputs, in the order they were written; it interprets nothing of what is given.
    const child = spawn('/bin/sh', ['-c', 'exec "$@" 2>&1', 'sh', PROGRAM, ...ipmitoolArguments(target, how)], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C', IPMITOOL_PASSWORD: target.password },
    });
    const shell = new Shell(target, child, endsAt);
    await shell.#untilPrompt();
    return shell;
  }

  /** What it prints for a line. */
  async say(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    return this.#untilPrompt();
  }

  async #untilPrompt(): Promise<string> {
    const isReady = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), Math.max(0, this.#endsAt - performance.now()));
      this.#onChange = () => {
        if (!this.#hasEnded && !this.#text.endsWith(PROMPT)) return;
        clearTimeout(timer);
        resolve(true);
      };
      this.#onChange();
    });
    const text = this.#text;
    this.#text = '';
    if (isReady && !this.#hasEnded) return text;
    await this.#kill();
    if (text.includes(`${PROGRAM}: not found`)) {
      const next = 'Install the Debian package ipmitool, or use another driver';
      throw new BmcError(
        'unsupported',
        this.#target,
        'is to be reached by the program ipmitool, which is not there',
        next,
      );
    }
    if (!isReady) throw new BmcError('unreachable', this.#target, 'was too slow for ipmitool');
    throw new ShellFailure(text);
  }

  async #kill(): Promise<void> {
    if (this.#hasEnded) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }

  async close(): Promise<void> {
    if (this.#hasEnded) return;
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_MS);
    this.#child.stdin.end('exit\n');
    await once(this.#child, 'close');
    clearTimeout(timer);
  }
}

type ShellLogin = { suite: CipherSuite; role: string; lun: number };

/** How ipmitool is called: the password is not among it. */
export function ipmitoolArguments({ address, port, user }: BmcTarget, { suite, role, lun }: ShellLogin): string[] {
  const login = ['-I', 'lanplus', '-H', address, '-p', `${port}`, '-U', user, '-E', '-C', `${suite}`, '-L', role];
  return [...login, '-l', `${lun}`, '-N', `${WAIT_SECONDS}`, '-R', `${SENDS}`, '-v', 'shell'];
}
