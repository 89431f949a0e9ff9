import type { Command } from 'commander';
import type { Cli } from './cli.ts';
import { csv } from './csv.ts';
import { oneOf } from './options.ts';
import { queryOf } from './paths.ts';
import { table } from './print.ts';
import { readAll } from './read-all.ts';

type ShownLease = {
  address: string;
  subnet: string;
  mac?: string;
  clientId?: string;
  machine?: string;
  hostname: string;
  state: string;
  isGuest: boolean;
  expiresAt: number;
  relay?: string;
  circuitId?: string;
  remoteId?: string;
};
type Filters = { state?: string; subnet?: string; mac?: string; machine?: string; text?: string };

const STATES = ['bound', 'expired', 'released', 'declined'];
const TITLES = ['ADDRESS', 'SUBNET', 'MAC', 'MACHINE', 'HOSTNAME', 'STATE', 'UNTIL', 'THROUGH'];

/** What is given out: listed, kept for good, ended. */
export function addLeaseCommands(program: Command, { client, say }: Cli): void {
  program
    .command('leases')
    .description('addresses given out')
    .option('--state <state>', `only these: ${STATES.join(', ')}`, oneOf(STATES))
    .option('--subnet <name>', 'only of this subnet')
    .option('--mac <mac>', 'only of this card')
    .option('--machine <name>', 'only of this machine')
    .option('--text <text>', 'only with this in the address, MAC, client id, host name or machine')
    .option('--json', 'as JSON')
    .option('--csv', 'as CSV')
    .action(async ({ json, csv: asCsv, ...filters }: Filters & { json?: boolean; csv?: boolean }) => {
      const leases = await readAll<ShownLease>(client(), '/api/v1/leases', filters, (lease) => lease.address);
      if (json) return say(JSON.stringify(leases, null, 2));
      if (asCsv) return say(csv(TITLES.map(lower), leases.map(cellsOf)));
      if (leases.length === 0)
        return say(Object.keys(filters).length > 0 ? 'no such lease' : 'no address is given out');
      say(
        table(
          TITLES,
          leases.map((lease) => cellsOf(lease).map((cell) => cell || '-')),
        ),
      );
    });

  const lease = program.command('lease').description('reserve or end one lease');
  lease
    .command('reserve <address>')
    .description('keep a leased address for the client that has it, for good')
    .option('--subnet <name>', 'the subnet, where two have this address')
    .option('--hostname <name>', 'its host name; without it, the one that the client told')
    .option('--machine <name>', 'the machine that it is')
    .action(async (address: string, { subnet, ...body }: { subnet?: string; hostname?: string; machine?: string }) => {
      const path = `/api/v1/leases/${encodeURIComponent(address)}/reserve${queryOf({ subnet })}`;
      const kept = await client().send<{ mac?: string; clientId?: string }>('POST', path, body);
      say(`${address} is reserved for ${kept.mac ?? `client id ${kept.clientId}`}`);
    });
  lease
    .command('free <address>')
    .description('end a lease: the address can be given to another client at once')
    .option('--subnet <name>', 'the subnet, where two have this address')
    .action(async (address: string, flags: { subnet?: string }) => {
      await client().send('DELETE', `/api/v1/leases/${encodeURIComponent(address)}${queryOf(flags)}`);
      say(`${address} is free`);
    });
}

function cellsOf(lease: ShownLease): string[] {
  const port = [lease.circuitId, lease.remoteId].filter((part) => part !== undefined).join('@');
  return [
    lease.address,
    lease.subnet,
    lease.mac ?? '',
    lease.machine ?? '',
    lease.hostname,
    lease.isGuest && lease.state === 'bound' ? 'bound, guest' : lease.state,
    new Date(lease.expiresAt).toISOString(),
    [lease.relay, port].filter((part) => part).join(' '),
  ];
}

const lower = (title: string): string => title.toLowerCase();
