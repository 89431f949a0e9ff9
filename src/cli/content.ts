import type { Command } from 'commander';
import type { Bootenv } from '../model/bootenv.ts';
import type { ParamDeclaration } from '../model/params.ts';
import type { Cli } from './cli.ts';
import { table } from './print.ts';

type ShownBootenv = Pick<Bootenv, 'name' | 'description' | 'kind'> & { missing: string };

/** What the content offers: bootenvs, and the params that they use. */
export function addContentCommands(program: Command, { client, say }: Cli): void {
  program
    .command('bootenvs')
    .description('what can be booted and installed')
    .action(async () => {
      const bootenvs = await client().get<ShownBootenv[]>('/api/v1/bootenvs');
      say(
        table(
          ['NAME', 'KIND', 'READY', 'DESCRIPTION'],
          bootenvs.map((one) => [
            one.name,
            one.kind,
            one.missing === '' ? 'yes' : `no: ${one.missing}`,
            one.description,
          ]),
        ),
      );
    });

  program
    .command('params')
    .description('every param with its default')
    .action(async () => {
      const params = await client().get<Record<string, ParamDeclaration>>('/api/v1/params');
      say(
        table(
          ['NAME', 'TYPE', 'DEFAULT', 'DESCRIPTION'],
          Object.entries(params).map(([name, one]) => [name, one.type, JSON.stringify(one.default), one.description]),
        ),
      );
    });
}
