import { Command, CommanderError } from 'commander';
import { addBmcCommands } from './bmc.ts';
import type { Cli } from './cli.ts';
import { type Client, openClient } from './client.ts';
import { addConsoleCommand } from './console.ts';
import { addContentCommands } from './content.ts';
import { findCredentials } from './credentials.ts';
import { describeError } from './describe-error.ts';
import { addExplainCommand } from './explain.ts';
import { addJobCommands } from './jobs.ts';
import { addLabCommand } from './lab.ts';
import { addMachineCommands } from './machines.ts';
import { addNetworkCommands } from './network.ts';
import { addPowerCommands } from './power.ts';
import { addServeCommand } from './serve.ts';
import { addStatusCommand } from './status.ts';
import { addTimelineCommand } from './timeline.ts';

const program = new Command('firstlight')
  .description('takes raw servers to a ready OS, and says in plain words why when one gets stuck')
  .showSuggestionAfterError()
  .showHelpAfterError('(firstlight COMMAND --help tells more)')
  .exitOverride();

let opened: Client | undefined;
const cli: Cli = {
  client: () => {
    opened ??= openClient();
    return opened;
  },
  say: (line) => console.log(line),
};

// in the order of the help
program.commandsGroup('Machines:');
addMachineCommands(program, cli);
addJobCommands(program, cli);
addTimelineCommand(program, cli);
addExplainCommand(program, cli);
program.commandsGroup('Power and BMCs:');
addPowerCommands(program, cli);
addConsoleCommand(program, { client: cli.client, place: findCredentials });
addBmcCommands(program, cli);
program.commandsGroup('Addresses and DHCP:');
addNetworkCommands(program, cli);
program.commandsGroup('The appliance:');
addContentCommands(program, cli);
addStatusCommand(program, cli);
addServeCommand(program, cli);
addLabCommand(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    for (const line of describeError(error)) console.error(`firstlight: ${line}`);
    process.exit(1);
  }
}
