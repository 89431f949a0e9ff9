import type { Command } from 'commander';
import type { Explanation } from '../explain.ts';
import type { Cli } from './cli.ts';
import { oneOf } from './options.ts';
import { queryOf } from './paths.ts';

const FIRMWARES = ['bios', 'uefi', 'uefi-http'];

/** What would happen. */
export function addExplainCommand(program: Command, { client, say }: Cli): void {
  program
    .command('explain <mac-or-machine>')
    .description('decide the whole boot of a machine, with every reason, and change nothing')
    .option('--firmware <kind>', `${FIRMWARES.join(', ')}; without it, as last seen`, oneOf(FIRMWARES))
    .option('--interface <name>', 'the served interface it is on')
    .action(async (name: string, flags: { firmware?: string; interface?: string }) => {
      const explained = await client().get<Explanation>(`/api/v1/explain/${encodeURIComponent(name)}${queryOf(flags)}`);
      for (const { step, result, because } of explained.steps) {
        say(`${step.padEnd(12)} ${result}`);
        for (const reason of because) say(`${''.padEnd(12)}   ${reason.text}${reason.ref ? `  [${reason.ref}]` : ''}`);
      }
      say(
        `${'missing'.padEnd(12)} ${explained.missing.length === 0 ? 'nothing' : explained.missing.join('\n             ')}`,
      );
      if (explained.missing.length > 0) process.exitCode = 1;
    });
}
