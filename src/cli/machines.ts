import type { Command } from 'commander';
import type { Machine } from '../model/machine.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { forEach } from './each.ts';
import { readPassword } from './input.ts';
import { collect, splitPort } from './options.ts';
import { readParams } from './params.ts';
import { machinePath } from './paths.ts';
import { ago, table } from './print.ts';

const TITLES = ['NAME', 'STATE', 'ADDRESS', 'FIRMWARE', 'BMC', 'MODEL', 'CPUS', 'MEMORY', 'DISKS', 'SEEN', 'STATUS'];

/** Machines: which there are, what is known of each, and what may be done with it. */
export function addMachineCommands(program: Command, { client, say }: Cli): void {
  program
    .command('machines')
    .description('list the machines')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const machines = await client().get<Machine[]>('/api/v1/machines');
      if (flags.json) return say(JSON.stringify(machines, null, 2));
      if (machines.length === 0)
        return say('no machine yet: power one on, with its firmware set to boot from the network');
      say(table(TITLES, machines.map(rowOf)));
    });

  program
    .command('machine <machine>')
    .description('show everything about one machine')
    .action(async (name: string) => say(JSON.stringify(await client().get<Machine>(machinePath(name)), null, 2)));

  program
    .command('add <name>')
    .description('enter a machine before it is first seen')
    .requiredOption('--mac <mac>', 'MAC of a network interface (again for each)', collect)
    .option('--bmc <address[:port]>', 'address of its BMC')
    .option('--bmc-user <user>', 'user of its BMC', 'admin')
    .option('--bmc-password-file <file>', 'file with the password of its BMC (- for standard input)')
    .option('--accepted', 'it may be installed without being accepted first')
    .action(
      async (
        name: string,
        flags: { mac: string[]; bmc?: string; bmcUser: string; bmcPasswordFile?: string; accepted?: boolean },
      ) => {
        const bmc = flags.bmc === undefined ? undefined : bmcOf(flags.bmc, flags.bmcUser, flags.bmcPasswordFile);
        const machine = await client().send<Machine>('POST', '/api/v1/machines', {
          name,
          macs: flags.mac,
          ...(bmc ? { bmc } : {}),
          ...(flags.accepted ? { accepted: true } : {}),
        });
        say(`${machine.name} is entered (${machine.macs.join(', ')})`);
      },
    );

  for (const [verb, description] of [
    ['accept', 'let a discovered machine be installed'],
    ['ignore', 'never boot anything but its disk'],
  ] as const)
    program
      .command(`${verb} <machine...>`)
      .description(description)
      .action((names: string[]) =>
        forEach(names, say, async (name) => {
          const { state } = await client().send<Machine>('POST', `${machinePath(name)}/${verb}`);
          return `${name} is ${state}`;
        }),
      );

  for (const [verb, locked] of [
    ['lock', true],
    ['unlock', false],
  ] as const)
    program
      .command(`${verb} <machine...>`)
      .description(locked ? 'refuse to install, power off or restart it' : 'take the lock away')
      .action((names: string[]) =>
        forEach(names, say, async (name) => {
          await client().send('PATCH', machinePath(name), { locked });
          return `${name} is ${locked ? 'locked' : 'unlocked'}`;
        }),
      );

  program
    .command('set <machine> <param=value...>')
    .description("set a machine's params; NAME=@FILE reads the value from a file, NAME= takes it away")
    .action(async (name: string, pairs: string[]) => {
      const params = await readParams(client(), pairs, true);
      await client().send('PATCH', machinePath(name), { params });
      const named = (isTaken: boolean): string =>
        Object.keys(params)
          .filter((param) => (params[param] === null) === isTaken)
          .join(', ');
      if (named(false) !== '') say(`${name}: ${named(false)} set`);
      if (named(true) !== '') say(`${name}: ${named(true)} taken away`);
    });

  program
    .command('remove <machine...>')
    .description('forget a machine')
    .action((names: string[]) =>
      forEach(names, say, async (name) => {
        await client().send('DELETE', machinePath(name));
        return `${name} is forgotten`;
      }),
    );
}

function rowOf(machine: Machine): string[] {
  const { inventory } = machine;
  const disks = inventory?.disks.map((disk) => `${Math.round(disk.sizeBytes / 1e9)} GB`).join('+');
  return [
    machine.name,
    machine.locked ? `${machine.state}, locked` : machine.state,
    machine.address ?? '-',
    machine.firmware ?? '-',
    machine.bmcAddress ?? '-',
    [inventory?.vendor, inventory?.model].filter((part) => part).join(' ') || '-',
    inventory ? String(inventory.cpu.threads) : '-',
    inventory ? `${(inventory.memoryBytes / 2 ** 30).toFixed(1)} GiB` : '-',
    disks === '' ? 'none' : (disks ?? '-'),
    ago(machine.seenAt),
    machine.status,
  ];
}

function bmcOf(address: string, user: string, passwordFile: string | undefined) {
  if (passwordFile === undefined)
    throw new CliError(
      'give the password with --bmc-password-file FILE (- for standard input): an argument would be seen by everybody on this host',
    );
  const [host, port] = splitPort(address);
  return { address: host, ...(port !== undefined ? { port } : {}), user, password: readPassword(passwordFile) };
}
