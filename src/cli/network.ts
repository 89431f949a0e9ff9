import type { Command } from 'commander';
import type { Cli } from './cli.ts';
import { addDhcpOptionCommands } from './dhcp-options.ts';
import { addDhcpStatusCommand } from './dhcp-status.ts';
import { addLeaseCommands } from './leases.ts';
import { addMachineDhcpCommands } from './machine-dhcp.ts';
import { addReservationCommands } from './reservations.ts';
import { addSubnetCommands } from './subnets.ts';

/** Everything about addresses: subnets, leases, reservations, DHCP options, and how the DHCP server does. */
export function addNetworkCommands(program: Command, cli: Cli): void {
  addSubnetCommands(program, cli);
  addLeaseCommands(program, cli);
  addReservationCommands(program, cli);
  addDhcpOptionCommands(program, cli);
  addMachineDhcpCommands(program, cli);
  addDhcpStatusCommand(program, cli);
}
