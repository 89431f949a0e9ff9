import type { Command } from 'commander';
import { counted } from '../model/counted.ts';
import type { Cli } from './cli.ts';

/** How the appliance itself does. */
export function addStatusCommand(program: Command, { client, say }: Cli): void {
  program
    .command('status')
    .description('whether the appliance runs, what it serves and what is wrong with its content')
    .action(async () => {
      const status = await client().get<{
        version: string;
        machines: number;
        serves: { interface: string; url: string }[];
        contentProblems: string[];
      }>('/api/v1/status');
      say(`Firstlight ${status.version}, ${counted(status.machines, 'machine')}`);
      for (const one of status.serves) say(`serves ${one.interface} at ${one.url}`);
      for (const problem of status.contentProblems) say(`content: ${problem}`);
    });
}
