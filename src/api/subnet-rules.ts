import { LOADERS } from '../boot/loaders.ts';
import { wireOf } from '../dhcp/wire.ts';
import { AppError } from '../model/errors.ts';
import { isHostname } from '../model/host-name.ts';
import type { Pool, Subnet } from '../model/network.ts';
import type { Arrival } from '../model/view.ts';
import {
  type Cidr,
  cidrBroadcast,
  cidrContains,
  cidrToText,
  type Ipv4,
  ipv4ToNumber,
  parseCidr,
} from '../wire/address.ts';

/** A subnet that is not in the store yet has no number. */
export type WantedSubnet = Omit<Subnet, 'id'>;

const SUBNET_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
/** Networks that have no hosts: this network, loopback, multicast and reserved. RFC 6890 2.2.2. */
const NO_HOSTS = ['0.0.0.0/8', '127.0.0.0/8', '224.0.0.0/3'].map(parseCidr);
const LOADER_KEYS = [...new Set(LOADERS.map(({ mode, cpu }) => `${mode}-${cpu}`))];

/** Throws `bad-request` or `name-taken` that names what is wrong with a subnet beside the others, and what to do. */
export function checkSubnet(subnet: WantedSubnet, others: readonly Subnet[], arrivals: readonly Arrival[]): void {
  const { name, cidr } = subnet;
  if (!SUBNET_NAME.test(name))
    throw new AppError(
      'bad-request',
      `${JSON.stringify(name)} is no name for a subnet`,
      'up to 63 letters, digits, hyphens, dots and underscores, like rack1',
    );
  if (others.some((one) => one.name === name))
    throw new AppError(
      'name-taken',
      `there is a subnet ${name} already`,
      `change it with: firstlight subnets set ${name}`,
    );
  if (subnet.sharedNetwork !== '' && !SUBNET_NAME.test(subnet.sharedNetwork))
    throw new AppError('bad-request', `${JSON.stringify(subnet.sharedNetwork)} is no name for a shared network`);
  checkNetwork(cidr);
  checkOverlap(subnet, others);
  checkWire(subnet, others);
  checkPools(subnet);
  checkAddresses(subnet, arrivals);
  if (subnet.domain !== '' && !isHostname(subnet.domain))
    throw new AppError('bad-request', `domain: ${JSON.stringify(subnet.domain)} is not a domain name`);
  checkLoaders(subnet.loaders);
}

/** What a person should know of a subnet that is right in itself: why nothing may come of it. */
export function notesOn(subnet: Subnet, all: readonly Subnet[], arrivals: readonly Arrival[]): string[] {
  const notes: string[] = [];
  const wire = wireOf(subnet, all);
  const isServed = (one: Subnet): boolean => arrivals.some((arrival) => arrival.interface === one.interface);
  if (subnet.interface !== '' && !isServed(subnet))
    notes.push(`interface ${subnet.interface} is not served: start with --interface ${subnet.interface}`);
  if (subnet.interface === '' && !wire.some((one) => one.relays.length > 0 || isServed(one)))
    notes.push(
      `no request comes from ${subnet.name} yet: name its relay with: firstlight subnets set ${subnet.name} --relay A`,
    );
  for (const relay of subnet.relays) {
    const home = all.find((one) => cidrContains(one.cidr, relay));
    if (home && !wire.includes(home))
      notes.push(
        `relay ${relay} stands on ${home.name}: it has to tell the link of its clients (option 82, RFC 3527) to mean ${subnet.name}`,
      );
  }
  return notes;
}

function checkNetwork(cidr: Cidr): void {
  if (NO_HOSTS.some((one) => cidrContains(one, cidr.base)))
    throw new AppError('bad-request', `${cidrToText(cidr)} is a network without hosts`);
  if (cidr.prefix > 30) throw new AppError('bad-request', `${cidrToText(cidr)} has no room for clients: /8 to /30`);
  if (cidr.prefix < 8)
    throw new AppError('bad-request', `${cidrToText(cidr)} is larger than any network there is: /8 to /30`);
}

/** The same addresses may be there twice only on interfaces of ours that never meet: a relay's address has to tell one wire. */
function checkOverlap(subnet: WantedSubnet, others: readonly Subnet[]): void {
  for (const other of others) {
    if (!cidrContains(subnet.cidr, other.cidr.base) && !cidrContains(other.cidr, subnet.cidr.base)) continue;
    const isFarAway =
      subnet.interface !== '' &&
      other.interface !== '' &&
      subnet.interface !== other.interface &&
      (subnet.sharedNetwork === '' || subnet.sharedNetwork !== other.sharedNetwork);
    if (isFarAway && cidrToText(subnet.cidr) !== cidrToText(other.cidr)) continue;
    throw new AppError(
      'name-taken',
      `${cidrToText(subnet.cidr)} overlaps subnet ${other.name} (${cidrToText(other.cidr)})`,
      `choose another network, or take that one away with: firstlight subnets remove ${quoted(other.name)}`,
    );
  }
}

function checkWire(subnet: WantedSubnet, others: readonly Subnet[]): void {
  if (subnet.sharedNetwork === '' || subnet.interface === '') return;
  const other = others.find(
    (one) => one.sharedNetwork === subnet.sharedNetwork && one.interface !== '' && one.interface !== subnet.interface,
  );
  if (other)
    throw new AppError(
      'bad-request',
      `shared network ${subnet.sharedNetwork} is on ${other.interface} (subnet ${other.name}), and ${subnet.name} on ${subnet.interface}`,
      'one wire has one interface: name another shared network',
    );
}

function checkPools(subnet: WantedSubnet): void {
  const pools = [...subnet.pools].sort((a, b) => ipv4ToNumber(a.first) - ipv4ToNumber(b.first));
  for (const [index, pool] of pools.entries()) {
    if (ipv4ToNumber(pool.first) > ipv4ToNumber(pool.last))
      throw new AppError('bad-request', `pool ${poolText(pool)} ends before it begins`);
    for (const end of [pool.first, pool.last])
      if (!cidrContains(subnet.cidr, end))
        throw new AppError(
          'bad-request',
          `pool ${poolText(pool)} is outside of ${cidrToText(subnet.cidr)}`,
          `name pools inside of ${cidrToText(subnet.cidr)} with --pool FIRST-LAST`,
        );
    const before = pools[index - 1];
    if (before && ipv4ToNumber(before.last) >= ipv4ToNumber(pool.first))
      throw new AppError('bad-request', `pools ${poolText(before)} and ${poolText(pool)} overlap`);
  }
}

function checkAddresses({ cidr, gateway, relays, dns }: WantedSubnet, arrivals: readonly Arrival[]): void {
  if (gateway && (!cidrContains(cidr, gateway) || !isHostOf(cidr, gateway)))
    throw new AppError(
      'bad-request',
      `gateway ${gateway} is no host of ${cidrToText(cidr)}: its clients cannot reach it`,
    );
  for (const [what, list] of [
    ['relay', relays],
    ['dns', dns],
  ] as const)
    for (const address of list)
      if (NO_HOSTS.some((one) => cidrContains(one, address)) || !isHostOf(cidr, address))
        throw new AppError('bad-request', `${what} ${address} is no address that a host can have`);
  for (const relay of relays)
    if (arrivals.some((one) => one.serverAddress === relay))
      throw new AppError('bad-request', `relay ${relay} is this appliance itself`);
}

function checkLoaders(loaders: Readonly<Record<string, string>>): void {
  for (const [key, file] of Object.entries(loaders)) {
    const fitting = LOADERS.filter(({ mode, cpu }) => `${mode}-${cpu}` === key).map((loader) => loader.file);
    if (fitting.length === 0)
      throw new AppError(
        'bad-request',
        `loaders: there is none for ${JSON.stringify(key)}`,
        `there are loaders for: ${LOADER_KEYS.join(', ')}`,
      );
    if (!fitting.includes(file))
      throw new AppError(
        'bad-request',
        `loaders: ${JSON.stringify(file)} is no loader for ${key}`,
        `there are: ${fitting.join(', ')}`,
      );
  }
}

/** Not the network's own two addresses; one that is elsewhere may be a host's. RFC 3021 does away with them in a /31. */
export function isHostOf(cidr: Cidr, address: Ipv4): boolean {
  return cidr.prefix > 30 || (address !== cidr.base && address !== cidrBroadcast(cidr));
}

const poolText = ({ first, last }: Pool): string => `${first}-${last}`;

/** A name as it is typed in a shell: retired subnets have a space in theirs. */
function quoted(name: string): string {
  return name.includes(' ') ? `'${name}'` : name;
}
