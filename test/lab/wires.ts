import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inNamespace } from '../../src/lab/children.ts';
import { until } from './rig.ts';

/** A program that was started in a namespace and runs on. */
export type Program = {
  pid: number;
  /** What it has printed so far. */
  log(): string;
  signal(signal: NodeJS.Signals): void;
  /** Ends it and waits until it is gone; nothing when it has ended by itself. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  hasEnded(): boolean;
};

export type Outcome = { code: number; stdout: string; output: string };
/** A bridge of a namespace that somebody else made, such as a rack's. */
export type Bridge = { namespace: string; bridge: string };
export type PlugOptions = {
  mac?: string;
  /** In CIDR form. */
  address?: string;
  /** Ports that are both isolated do not hear each other, like private ports of a switch. */
  isolated?: boolean;
};

/**
 * Hosts and switches of one test: a namespace for each, named after the test, joined by veth pairs. Everything in them ends with
 * `close`; what an earlier run left behind is removed first.
 */
export class TestNetwork {
  readonly name: string;
  /** Files of the test; others may pass through it. */
  readonly folder = mkdtempSync(join(tmpdir(), 'firstlight-wire-'));
  readonly #hosts = new Set<string>();
  readonly #running = new Map<string, Program[]>();
  #programs = 0;
  #cards = 0;

  /** `name` begins the name of every namespace: `fl-test-...`, short enough for an interface of the kernel. */
  constructor(name: string) {
    this.name = name;
    chmodSync(this.folder, 0o755);
    for (const left of namespaces()) if (left.startsWith(`${name}-`)) removeNamespace(left);
  }

  /** The namespace of a host or switch. */
  namespace(host: string): string {
    return `${this.name}-${host}`;
  }

  addHost(host: string): void {
    const namespace = this.namespace(host);
    ip('netns', 'add', namespace);
    this.#hosts.add(host);
    // duplicate address detection and router solicitations of IPv6 only cost time here
    this.sysctl(host, 'net.ipv6.conf.all.disable_ipv6', 1);
    this.sysctl(host, 'net.ipv6.conf.default.disable_ipv6', 1);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
  }

  /** A switch without an address: the bridge `switch` in a namespace of its own, so that no host hears what is not for it. */
  addSwitch(name: string): void {
    this.addHost(name);
    ip('-n', this.namespace(name), 'link', 'add', 'switch', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0');
    ip('-n', this.namespace(name), 'link', 'set', 'switch', 'type', 'bridge', 'mcast_snooping', '0');
    ip('-n', this.namespace(name), 'link', 'set', 'switch', 'up');
  }

  /** Puts a card into a host, on a switch of ours or on a bridge elsewhere; gives the name of the port there. */
  plug(host: string, card: string, into: string | Bridge, options: PlugOptions = {}): string {
    const port = `port${++this.#cards}`;
    const mac = options.mac ?? `52:54:00:99:00:${this.#cards.toString(16).padStart(2, '0')}`;
    const namespace = this.namespace(host);
    const { namespace: far, bridge } =
      typeof into === 'string' ? { namespace: this.namespace(into), bridge: 'switch' } : into;
    ip('-n', namespace, 'link', 'add', card, 'address', mac, 'type', 'veth', 'peer', 'name', port, 'netns', far);
    ip('-n', far, 'link', 'set', port, 'master', bridge, 'up');
    if (options.isolated) ip('-n', far, 'link', 'set', port, 'type', 'bridge_slave', 'isolated', 'on');
    if (options.address) ip('-n', namespace, 'address', 'add', options.address, 'brd', '+', 'dev', card);
    ip('-n', namespace, 'link', 'set', card, 'up');
    return port;
  }

  /** `ip` in the namespace of a host. */
  ip(host: string, ...words: string[]): string {
    return ip('-n', this.namespace(host), ...words);
  }

  sysctl(host: string, key: string, value: number | string): void {
    execFileSync('nsenter', inNamespace(this.namespace(host), ['sysctl', '-q', '-w', `${key}=${value}`]).slice(1));
  }

  /** Rules of nftables in a host or switch, as a script. */
  nft(host: string, rules: string): string {
    const words = inNamespace(this.namespace(host), ['nft', '-f', '-']).slice(1);
    return execFileSync('nsenter', words, { input: rules, encoding: 'utf8' });
  }

  /** Runs a program to its end. */
  run(host: string, program: string, words: readonly string[], seconds = 60): Promise<Outcome> {
    const [first, ...rest] = inNamespace(this.namespace(host), [program, ...words]);
    return new Promise((resolve) => {
      execFile(first as string, rest, { timeout: seconds * 1000, killSignal: 'SIGKILL' }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, output: `${stdout}${stderr}` }),
      );
    });
  }

  /** Starts a program that stays; the kernel ends it when this process dies. */
  start(host: string, program: string, words: readonly string[], env: Record<string, string> = {}): Program {
    const log = join(this.folder, `${host}-${++this.#programs}.log`);
    const started = startIn(this.namespace(host), log, program, words, env);
    this.#running.set(host, [...(this.#running.get(host) ?? []), started]);
    return started;
  }

  /** Ends what was started in a host and takes its addresses and firewall rules away: it stands there as new. */
  async clear(host: string): Promise<void> {
    for (const program of this.#running.get(host) ?? []) await program.stop();
    this.#running.delete(host);
    for (const { ifname } of JSON.parse(this.ip(host, '-j', 'link', 'show')) as { ifname: string }[])
      if (ifname !== 'lo') this.ip(host, 'address', 'flush', 'dev', ifname);
    this.nft(host, 'flush ruleset');
  }

  /** Ends everything in the namespaces, whoever started it there, and removes them and the files. */
  async close(): Promise<void> {
    for (const host of this.#hosts) removeNamespace(this.namespace(host));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Starts a program in a namespace that may be somebody else's, such as a rack's. */
export function startIn(
  namespace: string,
  logFile: string,
  program: string,
  words: readonly string[],
  env: Record<string, string> = {},
): Program {
  const bound = inNamespace(namespace, ['setpriv', '--pdeathsig', 'KILL', '--', program, ...words]);
  const log = openSync(logFile, 'a');
  const child: ChildProcess = spawn(bound[0] as string, bound.slice(1), {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...env },
  });
  closeSync(log);
  const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null;
  child.once('error', (error) => {
    throw new Error(`${program} in ${namespace} did not start: ${error.message}`);
  });
  return {
    pid: child.pid as number,
    log: () => readFileSync(logFile, 'utf8'),
    signal: (signal) => void child.kill(signal),
    async stop(signal = 'SIGKILL') {
      if (hasEnded()) return;
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
    hasEnded,
  };
}

/** Waits until the log of a program shows `pattern`, and gives the match; the whole log is in the error when it does not. */
export function logged(program: Program, pattern: RegExp, seconds = 60): Promise<RegExpMatchArray> {
  return until(`${pattern} in a log`, seconds, async () => {
    const match = pattern.exec(program.log());
    if (match) return match;
    if (program.hasEnded()) throw new Error(`it ended before it said ${pattern}:\n${program.log()}`);
    return undefined;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${program.log()}`);
  });
}

function namespaces(): string[] {
  const list = execFileSync('ip', ['-j', 'netns', 'list'], { encoding: 'utf8' }).trim();
  return list === '' ? [] : (JSON.parse(list) as { name: string }[]).map(({ name }) => name);
}

function removeNamespace(namespace: string): void {
  if (!existsSync(`/run/netns/${namespace}`)) return;
  for (const pid of ip('netns', 'pids', namespace).split('\n').filter(Boolean).map(Number)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it ended meanwhile
    }
  }
  ip('netns', 'del', namespace);
}

function ip(...words: string[]): string {
  return execFileSync('ip', words, { stdio: 'pipe', encoding: 'utf8' });
}
