import { once } from 'node:events';
import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { setTimeout as wait } from 'node:timers/promises';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import type { Client } from './client.ts';
import type { Place } from './credentials.ts';
import { wholeNumber } from './options.ts';
import { machinePath } from './paths.ts';
import { refusal, unreachable } from './refusal.ts';

/** What the command works with. `place`: where the API is, and the token for it. */
type ConsoleCli = { client: () => Pick<Client, 'get' | 'send'>; place: () => Place };

type Flags = { input: boolean; log?: number | true };
type ShownLog = { boot: number; bytes: number };

/** A console's bytes that one request carries: a paste is many. */
const MOST_BYTES = 32 << 10;
const HELP = [
  '~.  leave',
  '~b  send a serial break',
  '~?  tell these',
  '~~  type a ~',
  'Each of them at the start of a line.',
];
/** For what was typed last to be taken. */
const LEAVE_MS = 2000;
/** Plain text and a cursor, whatever the machine made of them last. */
const PLAIN = '\x1b[0m\x1b[?25h';

/** The serial console of a machine, on this terminal. */
export function addConsoleCommand(program: Command, cli: ConsoleCli): void {
  program
    .command('console <machine>')
    .description('the serial console of a machine: what it prints, and what you type; ~. leaves it')
    .option('--no-input', 'only watch')
    .option('--log [boot]', 'print what was kept of a boot instead, without a number the newest', wholeNumber)
    .addHelpText(
      'after',
      '\nOn a terminal every key goes to the machine; ~? at the start of a line tells the exceptions.\nWithout one, what comes on standard input is typed as it is; the console stays open until it is interrupted.',
    )
    .action(async (name: string, flags: Flags) => {
      const path = `${machinePath(name)}/console`;
      process.exitCode =
        flags.log === undefined
          ? await watchConsole(name, path, flags.input, cli)
          : await printLog(path, flags.log, cli);
    });
}

async function printLog(path: string, wanted: number | true, { client, place }: ConsoleCli): Promise<number> {
  const boot = wanted === true ? (await client().get<ShownLog[]>(`${path}/logs`)).at(-1)?.boot : wanted;
  if (boot === undefined) throw new CliError('no console log was kept of this machine yet');
  const signal = new AbortController().signal;
  await print(await openBytes(place(), `${path}/logs/${boot}`, signal));
  return 0;
}

/** Show a console until somebody leaves it or it ends. Gives the exit code: 0 when it was left. */
async function watchConsole(
  name: string,
  path: string,
  isTyped: boolean,
  { client, place }: ConsoleCli,
): Promise<number> {
  const leaving = new AbortController();
  const bytes = await openBytes(place(), path, leaving.signal);
  const terminal = openTerminal(isTyped, (signal) => leaving.abort(signal));
  const say = (text: string): void => void process.stderr.write(terminal.isRaw ? `\r\n[${text}]\r\n` : `[${text}]\n`);
  const how = terminal.isRaw ? '~. at the start of a line leaves it, ~? tells more' : 'Ctrl-C leaves it';
  say(`console of ${name}: ${how}${isTyped ? '' : '; only watching'}`);
  const { send, sent } = createSender((body) => client().send('POST', `${path}/input`, body), say);

  const acts: Record<KeyAct['kind'], (act: KeyAct) => void> = {
    type: (act) => 'bytes' in act && send(act.bytes),
    break: () => send('break'),
    help: () => say(HELP.join('\r\n ')),
    leave: () => void Promise.race([sent(), wait(LEAVE_MS, undefined, { ref: false })]).then(() => leaving.abort()),
  };
  let keys: Keys = { isAtStart: true, isEscape: false };
  terminal.onInput((typed) => {
    if (!terminal.isRaw) return send(typed);
    const read = readKeys(keys, typed);
    keys = read.keys;
    for (const act of read.acts) acts[act.kind](act);
  });

  try {
    await print(bytes);
    say(leaving.signal.aborted ? 'left' : `the console of ${name} ended`);
    return leaving.signal.aborted ? exitCodeOf(leaving.signal.reason) : 1;
  } catch (error) {
    if (leaving.signal.aborted) {
      say('left');
      return exitCodeOf(leaving.signal.reason);
    }
    say(`the console of ${name} ended: the appliance does not answer any more (${(error as Error).message})`);
    return 1;
  } finally {
    terminal.restore();
  }
}

/** Left by a key is well left; by a signal it is as the shell has it. */
function exitCodeOf(reason: unknown): number {
  return { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }[String(reason)] ?? 0;
}

// ------------------------------------------------------------------------------------------------- keys

/** Whether the next key is the first of a line, and whether a ~ was the first. */
type Keys = { isAtStart: boolean; isEscape: boolean };
/** What keys mean: bytes for the machine, or an escape. */
export type KeyAct = { kind: 'type'; bytes: Buffer } | { kind: 'break' | 'help' | 'leave' };

const TILDE = 0x7e;
const ENDS_LINE: readonly number[] = [0x0d, 0x0a];
const ESCAPES: Readonly<Record<string, Exclude<KeyAct['kind'], 'type'>>> = {
  '.': 'leave',
  b: 'break',
  B: 'break',
  '?': 'help',
};

/** What keys mean, as in ssh and ipmitool: a ~ at the start of a line begins an escape, and after `leave` nothing counts. */
export function readKeys(before: Keys, typed: Buffer): { keys: Keys; acts: KeyAct[] } {
  let { isAtStart, isEscape } = before;
  const acts: KeyAct[] = [];
  let plain: number[] = [];
  const endPlain = (): void => {
    if (plain.length > 0) acts.push({ kind: 'type', bytes: Buffer.from(plain) });
    plain = [];
  };
  for (const key of typed) {
    if (isEscape) {
      isEscape = false;
      const kind = ESCAPES[String.fromCharCode(key)];
      if (kind) {
        endPlain();
        acts.push({ kind });
        if (kind === 'leave') break;
        continue;
      }
      plain.push(TILDE);
      isAtStart = false;
      if (key === TILDE) continue;
    } else if (isAtStart && key === TILDE) {
      isEscape = true;
      continue;
    }
    plain.push(key);
    isAtStart = ENDS_LINE.includes(key);
  }
  endPlain();
  return { keys: { isAtStart, isEscape }, acts };
}

/** Sends what is typed in its order, one request at a time; what comes meanwhile goes together. A refusal is told once. */
function createSender(post: (body: object) => Promise<unknown>, say: (text: string) => void) {
  const waiting: (Buffer | 'break')[] = [];
  let sending: Promise<void> | undefined;
  let told = '';

  async function sendAll(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      try {
        await post(next === 'break' ? { break: true } : { base64: takeBytes(next).toString('base64') });
        told = '';
      } catch (error) {
        const { message } = error as Error;
        if (message !== told) say(message.replaceAll('\n', '\r\n'));
        told = message;
      }
  }

  /** These and those after them, as much as one request carries. */
  function takeBytes(first: Buffer): Buffer {
    const bytes = [first];
    for (let next = waiting[0]; Buffer.isBuffer(next); next = waiting[0]) bytes.push(waiting.shift() as typeof next);
    const all = Buffer.concat(bytes);
    if (all.length > MOST_BYTES) waiting.unshift(all.subarray(MOST_BYTES));
    return all.subarray(0, MOST_BYTES);
  }

  return {
    send(input: Buffer | 'break'): void {
      waiting.push(input);
      sending ??= sendAll().finally(() => {
        sending = undefined;
      });
    },
    /** Resolves once all that was typed is sent. */
    sent: async (): Promise<void> => sending,
  };
}

// ------------------------------------------------------------------------------------------------- terminal

/** Standard input, raw where it is a terminal that is typed on: until `restore`, and never after the process has ended. */
function openTerminal(isTyped: boolean, onSignal: (signal: string) => void) {
  const { stdin, stdout } = process;
  const isRaw = isTyped && stdin.isTTY === true;
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const toPlain = (): void => {
    if (isRaw) stdin.setRawMode(false);
    if (isRaw && stdout.isTTY) stdout.write(PLAIN);
  };
  if (isRaw) stdin.setRawMode(true);
  process.on('exit', toPlain);
  for (const signal of signals) process.on(signal, onSignal);
  return {
    isRaw,
    onInput(listener: (bytes: Buffer) => void): void {
      if (isTyped) stdin.on('data', listener);
    },
    restore(): void {
      process.off('exit', toPlain);
      for (const signal of signals) process.off(signal, onSignal);
      toPlain();
      stdin.removeAllListeners('data').pause();
      // a pipe that nobody closes would keep the process
      stdin.unref?.();
    },
  };
}

/** Writes bytes as they come. Ends early, and well, when nobody reads them any more. */
async function print(bytes: IncomingMessage): Promise<void> {
  const { stdout } = process;
  const gone = new AbortController();
  const onError = (error: Error & { code?: string }): void => {
    if (error.code !== 'EPIPE') throw error;
    gone.abort();
    bytes.destroy();
  };
  stdout.on('error', onError);
  try {
    for await (const part of bytes)
      if (!stdout.write(part as Buffer)) await once(stdout, 'drain', { signal: gone.signal });
  } catch (error) {
    if (!gone.signal.aborted) throw error;
  } finally {
    stdout.off('error', onError);
  }
}

/** An answer as a stream of its bytes. fetch() gives up a body that is silent for five minutes, and a console may be for days. */
async function openBytes({ url, token }: Place, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const open = url.startsWith('https:') ? requestHttps : requestHttp;
  const asked = open(`${url}${path}`, { headers: { Authorization: `Bearer ${token}` }, signal });
  asked.end();
  const [answer] = (await once(asked, 'response').catch((error: unknown) => {
    throw unreachable(url, error);
  })) as [IncomingMessage];
  asked.on('error', () => undefined); // told by the answer, which ends with it
  if (answer.statusCode === 200) return answer;
  let text = '';
  for await (const part of answer.setEncoding('utf8')) text += part as string;
  throw refusal(`${url}${path}`, answer.statusCode ?? 0, text);
}
