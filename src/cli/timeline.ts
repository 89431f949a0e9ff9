import { type Command, InvalidArgumentError } from 'commander';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import type { StreamedEvent } from './client.ts';
import { wholeNumber } from './options.ts';
import { machinePath } from './paths.ts';
import { timelinePrinter } from './print.ts';

/** As many as the API gives at once. */
const MOST_EVENTS = 10_000;

/** What happened, and what happens. */
export function addTimelineCommand(program: Command, { client, say }: Cli): void {
  program
    .command('timeline [machine]')
    .description('what happened to a machine, with the time between; without one, to the appliance and its network')
    .option('--follow', 'go on with what happens')
    .option('--why', 'with the reasons of every decision')
    .option('--boot <number>', 'only this boot', wholeNumber)
    .option('--last <number>', 'how many events at the most', countOfEvents, 200)
    .option('--json', 'as JSON lines')
    .action(
      async (
        name: string | undefined,
        flags: { follow?: boolean; why?: boolean; boot?: number; last: number; json?: boolean },
      ) => {
        if (name === undefined && flags.boot !== undefined)
          throw new CliError(
            `--boot ${flags.boot} is of one machine: firstlight timeline MACHINE --boot ${flags.boot}`,
          );
        const print = flags.json
          ? (event: StreamedEvent): void => say(JSON.stringify(event))
          : timelinePrinter(say, flags.why);
        const boot = flags.boot === undefined ? '' : `&boot=${flags.boot}`;
        const path = name === undefined ? '/api/v1' : machinePath(name);
        const events = await client().get<StreamedEvent[]>(`${path}/timeline?last=${flags.last}${boot}`);
        events.forEach(print);
        if (!flags.follow) return;
        const whose = name === undefined ? 'appliance=true' : `machine=${encodeURIComponent(name)}`;
        await client().stream(`/api/v1/events?${whose}&after=${events.at(-1)?.id ?? 0}`, (event) => {
          if (flags.boot === undefined || event.boot === flags.boot) print(event);
          return false;
        });
      },
    );
}

function countOfEvents(text: string): number {
  const count = wholeNumber(text);
  if (count < 1 || count > MOST_EVENTS) throw new InvalidArgumentError(`It is not from 1 to ${MOST_EVENTS}.`);
  return count;
}
