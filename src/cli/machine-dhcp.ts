import type { Command } from 'commander';
import { PXE_STYLES } from '../model/machine.ts';
import type { Cli } from './cli.ts';
import { oneOf, wholeNumber } from './options.ts';
import { machinePath } from './paths.ts';

type Told = { profiles: string[]; pxeStyle: string; replyDelayMs: number };

/** How DHCP answers one machine. */
export function addMachineDhcpCommands(program: Command, { client, say }: Cli): void {
  const ask = (name: string, change: object): Promise<Told> => {
    const path = machinePath(name);
    return Object.keys(change).length === 0 ? client().get<Told>(path) : client().send<Told>('PATCH', path, change);
  };

  program
    .command('profiles <machine> [profile...]')
    .description('the sets of DHCP options that a machine takes part in; none for none')
    .action(async (name: string, profiles: string[]) => {
      const wanted = profiles.filter((one) => one !== 'none');
      const told = await ask(name, profiles.length === 0 ? {} : { profiles: wanted });
      say(`${name}: ${told.profiles.join(', ') || 'no profile'}`);
    });

  program
    .command('pxe')
    .argument('<machine>')
    .argument('[style]', undefined, oneOf(PXE_STYLES))
    .description(`how the firmware of a machine is told what to boot: ${PXE_STYLES.join(', ')}`)
    .option(
      '--delay-ms <ms>',
      'wait so long before each answer: some firmware misses one that comes at once',
      wholeNumber,
    )
    .action(async (name: string, style: string | undefined, flags: { delayMs?: number }) => {
      const told = await ask(name, {
        ...(style === undefined ? {} : { pxeStyle: style }),
        ...(flags.delayMs === undefined ? {} : { replyDelayMs: flags.delayMs }),
      });
      say(`${name}: PXE style ${told.pxeStyle}, answers after ${told.replyDelayMs} ms`);
    });
}
