import type { Command } from 'commander';
import { duration } from '../model/duration.ts';
import type { Subnet } from '../model/network.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { collect, wholeNumber } from './options.ts';
import { table } from './print.ts';

type ShownSubnet = Omit<Subnet, 'cidr'> & { cidr: string; notes?: string[] };
type Flags = {
  name?: string;
  cidr?: string;
  interface?: string;
  sharedNetwork?: string;
  pool?: string[];
  gateway?: string;
  dns?: string[];
  domain?: string;
  leaseSeconds?: number;
  authoritative?: boolean;
  relay?: string[];
  guests?: number | null;
  conflictDetection?: boolean;
  loader?: string[];
};

/** The networks that are served. */
export function addSubnetCommands(program: Command, { client, say }: Cli): void {
  const subnets = program
    .command('subnets')
    .description('the networks whose machines get addresses')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const list = await client().get<ShownSubnet[]>('/api/v1/subnets');
      if (flags.json) return say(JSON.stringify(list, null, 2));
      if (list.length === 0) return say('no subnet yet: make one with: firstlight subnets add NAME --cidr 10.1.0.0/24');
      say(table(['NAME', 'NETWORK', 'ON', 'POOLS', 'GATEWAY', 'DNS', 'LEASE', 'RELAYS', 'GUESTS'], list.map(rowOf)));
    });

  withSubnetFlags(
    subnets
      .command('add <name>')
      .description('serve another network; without --cidr it is the network of --interface')
      .option('--cidr <network>', 'like 10.1.0.0/24'),
  ).action(async (name: string, flags: Flags) => {
    if (flags.cidr === undefined && flags.interface === undefined)
      throw new CliError(
        'say which network it is: --cidr 10.1.0.0/24, or --interface eth1 for the one of an interface',
      );
    const made = await client().send<ShownSubnet>('POST', '/api/v1/subnets', { name, ...bodyOf(flags) });
    tell(made, 'is served from now on');
  });

  withSubnetFlags(
    subnets
      .command('set <subnet>')
      .description('change a subnet; what is not named stays, and lists are told whole')
      .option('--name <name>', 'another name')
      .option('--cidr <network>', 'another network, which has to hold everything that is reserved and leased'),
  ).action(async (name: string, flags: Flags) => {
    const body = bodyOf(flags);
    if (Object.keys(body).length === 0)
      throw new CliError('say what to change (firstlight subnets set --help tells what there is)');
    tell(await client().send<ShownSubnet>('PATCH', subnetPath(name), body), 'is changed');
  });

  subnets
    .command('remove <subnet>')
    .description('serve a network no more')
    .option('--force', 'with its reservations and leases')
    .action(async (name: string, flags: { force?: boolean }) => {
      await client().send('DELETE', `${subnetPath(name)}${flags.force ? '?force=true' : ''}`);
      say(`${name} is removed`);
    });

  function tell(subnet: ShownSubnet, what: string): void {
    const pools = subnet.pools.map(({ first, last }) => `${first}-${last}`).join(', ');
    say(`${subnet.name} (${subnet.cidr}) ${what}, ${pools ? `pool ${pools}` : 'without a pool'}`);
    for (const note of subnet.notes ?? []) say(`  ${note}`);
  }
}

function withSubnetFlags(command: Command): Command {
  return command
    .option('--interface <name>', 'the interface that it is on; none when it is behind relays only')
    .option('--shared-network <name>', 'subnets that name the same one are on one wire')
    .option('--pool <first-last>', 'addresses to give out (again for each); none for reservations only', collect)
    .option('--gateway <address>', 'router told to machines; none takes it away')
    .option('--dns <address>', 'name server told to machines (again for each); none', collect)
    .option('--domain <name>', 'domain told to machines; none')
    .option('--lease-seconds <seconds>', 'how long a lease lasts', wholeNumber)
    .option('--authoritative', 'refuse addresses that are not of this network')
    .option('--no-authoritative', 'stay silent about them: another server may know better')
    .option('--relay <address>', 'a relay agent that may pass requests on (again for each); none', collect)
    .option('--guests <number>', 'how many strangers may have an address at once; none for no limit', limit)
    .option('--conflict-detection', 'ask the wire before a new address is offered')
    .option('--no-conflict-detection', 'do not')
    .option(
      '--loader <firmware=file>',
      'loader for a firmware, like uefi-x64=ipxe.efi (again for each); none',
      collect,
    );
}

/** The flags as the API takes them. */
function bodyOf(flags: Flags): Record<string, unknown> {
  const { pool, relay, loader, dns, domain, gateway, interface: served, sharedNetwork, ...rest } = flags;
  const body: Record<string, unknown> = {
    ...rest,
    interface: orNone(served, ''),
    sharedNetwork: orNone(sharedNetwork, ''),
    gateway: orNone(gateway, null),
    domain: orNone(domain, ''),
    dns: listOf(dns)?.flatMap((one) => one.split(',')),
    relays: listOf(relay)?.flatMap((one) => one.split(',')),
    pools: listOf(pool)?.map((one) => {
      const [first = '', last = '', ...more] = one.split('-').map((part) => part.trim());
      if (first === '' || last === '' || more.length > 0)
        throw new CliError(`--pool ${one} is not of the form 10.1.0.100-10.1.0.199`);
      return { first, last };
    }),
    loaders:
      loader &&
      Object.fromEntries(
        (listOf(loader) ?? []).map((one) => {
          const at = one.indexOf('=');
          if (at < 1) throw new CliError(`--loader ${one} is not of the form uefi-x64=ipxe.efi`);
          return [one.slice(0, at), one.slice(at + 1)];
        }),
      ),
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

const isNone = (text: string): boolean => text === 'none' || text === '';

function orNone<T>(text: string | undefined, none: T): string | T | undefined {
  return text !== undefined && isNone(text) ? none : text;
}

function listOf(texts: string[] | undefined): string[] | undefined {
  return texts?.filter((text) => !isNone(text));
}

function rowOf(subnet: ShownSubnet): string[] {
  return [
    subnet.name,
    subnet.cidr,
    [subnet.interface || (subnet.relays.length > 0 ? 'relays' : '-'), subnet.sharedNetwork].filter(Boolean).join(', '),
    subnet.pools.map(({ first, last }) => `${first}-${last}`).join(' ') || '-',
    subnet.gateway ?? '-',
    subnet.dns.join(' ') || '-',
    duration(subnet.leaseSeconds * 1000),
    subnet.relays.join(' ') || '-',
    subnet.guests === undefined ? 'any' : String(subnet.guests),
  ];
}

function subnetPath(name: string): string {
  return `/api/v1/subnets/${encodeURIComponent(name)}`;
}

function limit(text: string): number | null {
  return text === 'none' ? null : wholeNumber(text);
}
