import type { Command } from 'commander';
import type { Client } from './client.ts';
import { addDhcpOptionCommands } from './dhcp-options.ts';
import { addDhcpStatusCommand } from './dhcp-status.ts';
import { addLeaseCommands } from './leases.ts';
import { addMachineDhcpCommands } from './machine-dhcp.ts';
import { addReservationCommands } from './reservations.ts';
import { addSubnetCommands } from './subnets.ts';

/** What a command works with. */
export type Cli = { client: () => Client; say: (line: string) => void };

/** Everything about addresses: subnets, leases, reservations, DHCP options, and how the DHCP server does. */
export function addNetworkCommands(program: Command, cli: Cli): void {
  addSubnetCommands(program, cli);
  addLeaseCommands(program, cli);
  addReservationCommands(program, cli);
  addDhcpOptionCommands(program, cli);
  addMachineDhcpCommands(program, cli);
  addDhcpStatusCommand(program, cli);
}

/** An option that can be told again adds to what was told before. */
export function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** `1 lease`, `2 leases`. */
export function counted(number: number, noun: string, ending = 's'): string {
  return `${number} ${noun}${number === 1 ? '' : ending}`;
}

/** `?a=1&b=2` of what is there, '' for nothing. */
export function queryOf(wanted: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams(
    Object.entries(wanted).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, String(value)]],
    ),
  ).toString();
  return query === '' ? '' : `?${query}`;
}

/** All items of a list that the API gives in parts. `keyOf`: what the next part begins after. */
export async function readAll<T>(
  client: Client,
  path: string,
  wanted: Readonly<Record<string, string | undefined>>,
  keyOf: (item: T) => string | number,
): Promise<T[]> {
  const limit = 2000; // the appliance answers machines between two parts
  const all: T[] = [];
  let after: string | number | undefined;
  for (;;) {
    const part = await client.get<T[]>(`${path}${queryOf({ ...wanted, limit, after })}`);
    for (const item of part) all.push(item);
    const last = part.at(-1);
    if (last === undefined || part.length < limit) return all;
    after = keyOf(last);
  }
}
