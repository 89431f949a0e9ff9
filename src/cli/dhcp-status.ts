import type { Command } from 'commander';
import { counted } from '../model/counted.ts';
import type { Cli } from './cli.ts';
import { ago, table } from './print.ts';

type Pool = {
  subnet: string;
  cidr: string;
  size: number;
  held: number;
  declined: number;
  reserved: number;
  free: number;
  guests: number;
  guestLimit?: number;
};
type ForeignServer = {
  serverId: string;
  interface: string;
  mac?: string;
  isFirstlight: boolean;
  isGone: boolean;
  lastSeen: number;
  offers: { address?: string };
  spoils: { text: string }[];
};
type Counts = Record<
  'received' | 'malformed' | 'failed' | 'stale' | 'dropped' | 'sent' | 'unsent' | 'probes' | 'truncated',
  number
>;
type Status = {
  serves: { interface: string; address: string; mode: 'server' | 'proxy' }[];
  counts: Counts & { refused: Readonly<Record<string, number>> };
  pools: Pool[];
  foreignServers: ForeignServer[];
};

/** What is worth a line when it is not zero. */
const TROUBLE: readonly [keyof Counts, string][] = [
  ['dropped', 'let go, as too many waited'],
  ['stale', 'not answered, having waited too long: the clients have asked again'],
  ['malformed', 'no DHCP requests at all'],
  ['failed', 'not decided by a fault of ours, which is on the log'],
  ['unsent', 'answers could not be sent'],
  ['truncated', 'answers had no room for all options'],
];

/** What is refused whoever asks, by its rule. */
const REFUSED: Readonly<Record<string, string>> = {
  'pool-full': 'refused, as no address was free',
  'guests-full': "refused, as the strangers' share of the addresses was used up",
  'decline-storm': 'DECLINEs not believed, as too many came',
};

export function addDhcpStatusCommand(program: Command, { client, say }: Cli): void {
  program
    .command('dhcp')
    .description('how the DHCP server does, how full its pools are, and who else serves')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const status = await client().get<Status>('/api/v1/dhcp');
      if (flags.json) return say(JSON.stringify(status, null, 2));
      for (const one of status.serves)
        say(
          one.mode === 'proxy'
            ? `boots machines on ${one.interface} (${one.address}) and leaves addresses to another server`
            : `gives addresses on ${one.interface} (${one.address})`,
        );
      const { counts } = status;
      say(`${counted(counts.received, 'request')} came and ${counted(counts.sent, 'answer')} went since the start`);
      for (const [name, text] of TROUBLE) if (counts[name] > 0) say(`${counts[name]} ${text}`);
      for (const [rule, count] of Object.entries(counts.refused))
        say(`${count} ${REFUSED[rule] ?? `refused: ${rule}`}`);
      if (status.pools.length > 0) {
        say('');
        say(
          table(
            ['SUBNET', 'NETWORK', 'ADDRESSES', 'HELD', 'RESERVED', 'FREE', 'RESTING', 'GUESTS'],
            status.pools.map(rowOf),
          ),
        );
      }
      say('');
      if (status.foreignServers.length === 0) say('no other DHCP server was seen');
      for (const one of status.foreignServers) {
        const what = one.isFirstlight
          ? 'another Firstlight'
          : `another ${one.offers.address ? '' : 'proxy '}DHCP server`;
        const mac = one.mac ? ` (${one.mac})` : '';
        say(
          `${what}, ${one.serverId}${mac} on ${one.interface}: ${one.isGone ? 'gone, ' : ''}seen ${ago(one.lastSeen)}`,
        );
        for (const { text } of one.spoils) say(`  ${text}`);
      }
      for (const pool of status.pools) for (const line of warningsOf(pool)) say(line);
    });
}

function rowOf(pool: Pool): string[] {
  const guests = pool.guestLimit === undefined ? String(pool.guests) : `${pool.guests} of ${pool.guestLimit}`;
  const numbers = [pool.size, pool.held, pool.reserved, pool.free, pool.declined].map(String);
  return [pool.subnet, pool.cidr, ...numbers, guests];
}

/** What will soon keep a machine from its address, and what to do. */
function warningsOf(pool: Pool): string[] {
  const lines: string[] = [];
  if (pool.size > 0 && pool.free === 0)
    lines.push(
      `${pool.subnet} has no free address: give it a larger pool with: firstlight subnets set ${pool.subnet} --pool A-B`,
    );
  if (pool.declined > 0)
    lines.push(
      `${pool.subnet}: ${counted(pool.declined, 'address', 'es')} left alone, as somebody uses what is not leased: firstlight leases --state declined`,
    );
  if (pool.guestLimit !== undefined && pool.guests >= pool.guestLimit)
    lines.push(`${pool.subnet}: strangers hold all of the addresses that they may have (${pool.guestLimit})`);
  return lines;
}
