import type { Command } from 'commander';

/** The virtual rack, which has a command line of its own. */
export function addLabCommand(program: Command): void {
  program
    .command('lab')
    .description('the virtual rack: real VMs with real firmware and virtual BMCs (firstlight lab --help)')
    .allowUnknownOption()
    .helpOption(false)
    .argument('[arguments...]')
    .action(async (rest: string[]) => {
      const { runLab } = await import('../lab/command.ts');
      process.exitCode = await runLab(rest);
    });
}
