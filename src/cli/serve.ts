import type { Command } from 'commander';
import type { ServeFlags } from '../config.ts';
import type { Cli } from './cli.ts';
import { collect } from './options.ts';

/** The appliance itself, in this process. */
export function addServeCommand(program: Command, { say }: Pick<Cli, 'say'>): void {
  program
    .command('serve')
    .description('run the appliance (as root: it gives root up once its sockets are open)')
    .requiredOption(
      '--interface <name>',
      'an interface to serve (again for each); no other one is ever answered on',
      collect,
    )
    .option('--range <first-last>', 'addresses to give out on one of them (again for each)', collect)
    .option('--namespace <name>', 'the network namespace the interfaces are in')
    .option('--data <folder>', 'where all state is kept (data)')
    .option('--assets <folder>', 'kernels, initrds and images (DATA/assets)')
    .option('--content <folder>', 'folder with bootenvs/, templates/ and workflows/ (this project)')
    .option('--loaders <folder>', 'iPXE binaries (/usr/lib/ipxe)')
    .option('--http-port <port>', 'port for machines (80)')
    .option('--api <host:port>', 'address of the page and API (127.0.0.1:7070)')
    .option('--accept <how>', 'manual or automatic (manual)')
    .option('--unknown <what>', 'what unknown machines boot: scout or local (scout)')
    .option('--gateway <address>', 'router told to machines')
    .option('--dns <address>', 'name server told to machines (again for each)', collect)
    .option('--domain <name>', 'domain told to machines')
    .option('--lease-seconds <seconds>', 'how long a lease lasts (3600)')
    .option('--mirror-upstream <url>', "Debian archive behind the mirror (the host's own apt source)")
    .option('--security-upstream <url>', "archive of Debian's security updates (the host's own apt source)")
    .option('--user <name>', 'the unprivileged user to run as (firstlight)')
    .option('--credentials <file>', 'where the first start leaves URL and token for the CLI')
    .option('--relay <address>', 'a relay agent that may pass requests on (again for each)', collect)
    .option('--exec-folder <folder>', 'where the programs of the BMC driver exec lie (/etc/firstlight/exec)')
    .option('--power-batch <machines>', 'how many machines are switched on at once (10)')
    .option('--power-pause <seconds>', 'the pause between two such batches (5)')
    .option('--proxy', 'answer beside a DHCP server that is not ours: boot data only, no addresses')
    .action(async (flags: ServeFlags) => {
      const [{ readConfig }, { inNamespace }, { startAppliance }] = await Promise.all([
        import('../config.ts'),
        import('../sockets.ts'),
        import('../main.ts'),
      ]);
      const config = inNamespace(flags.namespace, () => readConfig(flags));
      const appliance = await startAppliance(config, (line) => say(`firstlight: ${line}`));
      await new Promise<void>((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
      });
      await appliance.close();
      process.exit(0);
    });
}
