import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DEFAULT_STAGGER } from './model/bmc.ts';
import { isHostname } from './model/host-name.ts';
import type { Pool } from './model/network.ts';
import { type Cidr, cidrContains, type Ipv4, ipv4ToNumber, isIpv4, parseCidr } from './wire/address.ts';

/** The flags of `firstlight serve`, as the command line gives them. */
export type ServeFlags = {
  interface?: string[];
  range?: string[];
  relay?: string[];
  namespace?: string;
  data?: string;
  assets?: string;
  content?: string;
  loaders?: string;
  httpPort?: string;
  api?: string;
  accept?: string;
  unknown?: string;
  gateway?: string;
  dns?: string[];
  domain?: string;
  leaseSeconds?: string;
  mirrorUpstream?: string;
  securityUpstream?: string;
  user?: string;
  credentials?: string;
  proxy?: boolean;
  execFolder?: string;
  powerBatch?: string;
  powerPause?: string;
};

/** One served wire: the interface and our address on it; the pool and the relays only where flags name some. */
export type ServedSubnet = { interface: string; cidr: Cidr; pool?: Pool; relays: Ipv4[] };

export type Config = {
  subnets: ServedSubnet[];
  namespace?: string;
  data: string;
  assets: string;
  content: string;
  loaders: string;
  httpPort: number;
  api: { host: string; port: number };
  acceptAutomatically: boolean;
  unknownBoots: 'scout' | 'local';
  /** Beside a DHCP server that is not ours: boot data only. */
  proxy: boolean;
  /** What flags say of the subnets; what they do not say stays as it is in the store. */
  gateway?: Ipv4;
  dns?: Ipv4[];
  domain?: string;
  leaseSeconds?: number;
  /** Where the programs lie that may be run to power machines. */
  execFolder: string;
  /** How many machines are switched on at once, and the pause between two such batches. */
  stagger?: { batch: number; pauseMs: number };
  mirrorUpstream?: string;
  securityUpstream?: string;
  user: string;
  credentials?: string;
};

/** Everything wrong with the flags, said at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

export const PROJECT_FOLDER = resolve(import.meta.dirname, '..');
const DEFAULT_API = { host: '127.0.0.1', port: 7070 };
/** The shortest lease that the API takes for a subnet too. */
const SHORTEST_LEASE = 120;
/** A year. DHCP could say 136 of them, but no machine should keep an address that long unasked. */
const LONGEST_LEASE = 365 * 24 * 3600;
/** Flags to Config. Must run in the namespace whose interfaces are served. Throws ConfigError with every problem. */
export function readConfig(flags: ServeFlags): Config {
  const problems: string[] = [];
  const subnets = readSubnets(flags, problems);
  const httpPort = readHttpPort(flags, problems);
  const api = readApi(flags, problems);
  const stagger = readStagger(flags, problems);
  checkChoices(flags, problems);
  checkNetwork(flags, problems);
  if (problems.length > 0) throw new ConfigError(problems);

  const data = resolve(flags.data ?? join(PROJECT_FOLDER, 'data'));
  return {
    subnets,
    ...(flags.namespace !== undefined ? { namespace: flags.namespace } : {}),
    data,
    assets: resolve(flags.assets ?? join(data, 'assets')),
    content: resolve(flags.content ?? PROJECT_FOLDER),
    loaders: resolve(flags.loaders ?? '/usr/lib/ipxe'),
    httpPort,
    api,
    acceptAutomatically: flags.accept === 'automatic',
    unknownBoots: flags.unknown === 'local' ? 'local' : 'scout',
    proxy: flags.proxy ?? false,
    ...(flags.gateway !== undefined ? { gateway: flags.gateway as Ipv4 } : {}),
    ...(flags.dns !== undefined ? { dns: flags.dns as Ipv4[] } : {}),
    ...(flags.domain !== undefined ? { domain: flags.domain } : {}),
    ...(flags.leaseSeconds !== undefined ? { leaseSeconds: Number(flags.leaseSeconds) } : {}),
    execFolder: resolve(flags.execFolder ?? '/etc/firstlight/exec'),
    ...(stagger ? { stagger } : {}),
    ...(flags.mirrorUpstream !== undefined ? { mirrorUpstream: flags.mirrorUpstream.replace(/\/+$/, '') } : {}),
    ...(flags.securityUpstream !== undefined ? { securityUpstream: flags.securityUpstream.replace(/\/+$/, '') } : {}),
    user: flags.user ?? 'firstlight',
    ...(flags.credentials !== undefined ? { credentials: resolve(flags.credentials) } : {}),
  };
}

/** The flags that are one of a few words. */
function checkChoices({ accept, unknown }: ServeFlags, problems: string[]): void {
  if (accept !== undefined && accept !== 'manual' && accept !== 'automatic')
    problems.push(`--accept ${accept}: manual or automatic`);
  if (unknown !== undefined && unknown !== 'scout' && unknown !== 'local')
    problems.push(`--unknown ${unknown}: scout or local`);
}

/** The flags that are told to machines or asked from afar: taken as they are written, when they are right. */
function checkNetwork(flags: ServeFlags, problems: string[]): void {
  const leaseSeconds = Number(flags.leaseSeconds ?? SHORTEST_LEASE);
  if (!Number.isInteger(leaseSeconds) || leaseSeconds < SHORTEST_LEASE || leaseSeconds > LONGEST_LEASE)
    problems.push(`--lease-seconds ${flags.leaseSeconds}: ${SHORTEST_LEASE} to ${LONGEST_LEASE}`);
  if (flags.gateway !== undefined && !isIpv4(flags.gateway))
    problems.push(`--gateway ${flags.gateway}: not an IPv4 address`);
  for (const address of flags.dns ?? []) if (!isIpv4(address)) problems.push(`--dns ${address}: not an IPv4 address`);
  if (flags.domain !== undefined && !isHostname(flags.domain))
    problems.push(`--domain ${flags.domain}: not a domain name`);
  for (const [flag, url] of [
    ['--mirror-upstream', flags.mirrorUpstream],
    ['--security-upstream', flags.securityUpstream],
  ] as const)
    if (url !== undefined && !/^https?:\/\/\S+$/.test(url)) problems.push(`${flag} ${url}: not an http or https URL`);
}

function readHttpPort({ httpPort = '80' }: ServeFlags, problems: string[]): number {
  const port = parsePort(httpPort);
  if (port === undefined) problems.push(`--http-port ${httpPort}: not a port`);
  return port ?? 0;
}

function readApi({ api }: ServeFlags, problems: string[]): Config['api'] {
  if (api === undefined) return DEFAULT_API;
  const [host, text] = splitHostPort(api);
  const port = parsePort(text);
  if (port === undefined) problems.push(`--api ${api}: not of the form ${DEFAULT_API.host}:${DEFAULT_API.port}`);
  return { host, port: port ?? 0 };
}

/** The served wires with what the flags say of each. */
function readSubnets(flags: ServeFlags, problems: string[]): ServedSubnet[] {
  const names = flags.interface ?? [];
  const ranges = (flags.range ?? []).flatMap((text) => {
    const range = parseRange(text);
    if (!range) problems.push(`--range ${text}: not of the form 10.0.0.100-10.0.0.200`);
    return range ? [range] : [];
  });
  const subnets = servedSubnets(names, ranges, readRelays(flags.relay ?? [], problems), problems);
  if (names.length === 0)
    problems.push(
      `no interface is served: name one with --interface (here are ${interfaceNames().join(', ') || 'none'})`,
    );
  return subnets;
}

function readRelays(texts: readonly string[], problems: string[]): Ipv4[] {
  for (const text of texts) if (!isIpv4(text)) problems.push(`--relay ${text}: not an IPv4 address`);
  return texts.filter((text) => isIpv4(text)) as Ipv4[];
}

function servedSubnets(
  names: readonly string[],
  ranges: readonly Pool[],
  relays: readonly Ipv4[],
  problems: string[],
): ServedSubnet[] {
  const subnets: ServedSubnet[] = [];
  const unused = new Set(ranges);
  for (const name of new Set(names)) {
    const cidr = interfaceCidr(name);
    if (!cidr) {
      problems.push(
        `--interface ${name}: there is no such interface with an IPv4 address (here are ${interfaceNames().join(', ') || 'none'})`,
      );
      continue;
    }
    if (cidr.prefix > 30) {
      problems.push(`--interface ${name}: ${cidr.address}/${cidr.prefix} has no room for clients`);
      continue;
    }
    const range = ranges.find((one) => cidrContains(cidr, one.first) && cidrContains(cidr, one.last));
    if (range) unused.delete(range);
    subnets.push({
      interface: name,
      cidr,
      ...(range ? { pool: range } : {}),
      relays: relays.filter((relay) => cidrContains(cidr, relay)),
    });
  }
  for (const relay of relays)
    if (!subnets.some((subnet) => subnet.relays.includes(relay)))
      problems.push(
        `--relay ${relay}: it is on none of the served interfaces' networks; a subnet behind it is made with: firstlight subnets add`,
      );
  for (const range of unused)
    problems.push(`--range ${range.first}-${range.last}: it is on none of the served interfaces' networks`);
  return subnets;
}

function parseRange(text: string): Pool | undefined {
  const [first, last, ...rest] = text.split('-');
  if (rest.length > 0 || !isIpv4(first) || !isIpv4(last) || ipv4ToNumber(first) > ipv4ToNumber(last)) return undefined;
  return { first, last };
}

type IpAddressRow = { ifname: string; addr_info: { family: string; local: string; prefixlen: number }[] };

/** The IPv4 interfaces here. Asked of `ip` and not of Node, which leaves out those that have no carrier at the moment. */
function listInterfaces(): { name: string; cidr: Cidr }[] {
  const rows = JSON.parse(execFileSync('ip', ['-j', '-4', 'address', 'show'], { encoding: 'utf8' })) as IpAddressRow[];
  return rows.flatMap(({ ifname, addr_info }) => {
    const [first] = addr_info;
    return first && ifname !== 'lo' ? [{ name: ifname, cidr: parseCidr(`${first.local}/${first.prefixlen}`) }] : [];
  });
}

function interfaceCidr(name: string): Cidr | undefined {
  return listInterfaces().find((one) => one.name === name)?.cidr;
}

function interfaceNames(): string[] {
  return listInterfaces().map(({ name, cidr }) => `${name} ${cidr.address}/${cidr.prefix}`);
}

function parsePort(text: string): number | undefined {
  const port = Number(text);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}

function splitHostPort(text: string): [string, string] {
  const at = text.lastIndexOf(':');
  return at < 0 ? [DEFAULT_API.host, text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The version of this Firstlight, of package.json. */
export const VERSION = (
  JSON.parse(readFileSync(join(dirname(import.meta.dirname), 'package.json'), 'utf8')) as { version: string }
).version;

/** What the flags say of switching many machines on; undefined where they say nothing. */
function readStagger({ powerBatch, powerPause }: ServeFlags, problems: string[]): Config['stagger'] {
  if (powerBatch === undefined && powerPause === undefined) return undefined;
  const batch = Number(powerBatch ?? DEFAULT_STAGGER.batch);
  const seconds = Number(powerPause ?? DEFAULT_STAGGER.pauseMs / 1000);
  if (!Number.isInteger(batch) || batch < 1 || batch > 10_000) problems.push(`--power-batch ${powerBatch}: 1 to 10000`);
  if (!(seconds >= 0 && seconds <= 3600)) problems.push(`--power-pause ${powerPause}: 0 to 3600 seconds`);
  return { batch, pauseMs: seconds * 1000 };
}
