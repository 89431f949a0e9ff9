import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { Explanation } from '../explain.ts';
import type { Bootenv } from '../model/bootenv.ts';
import type { Machine } from '../model/machine.ts';
import type { ParamDeclaration } from '../model/params.ts';
import { addBmcCommands, readPassword, splitPort } from './bmc.ts';
import { CliError, type Client, findCredentials, openClient, type StreamedEvent } from './client.ts';
import { addConsoleCommand } from './console.ts';
import { forEach, machinePath } from './each.ts';
import { addNetworkCommands } from './network.ts';
import { addPowerCommands } from './power.ts';
import { ago, table, timelinePrinter } from './print.ts';

type ShownMachine = Machine & { job?: ShownJob };
type ShownJob = {
  id: number;
  workflow: string;
  bootenv?: string;
  state: string;
  stageName: string;
  why: string;
  createdBy: string;
};
type ShownBootenv = Pick<Bootenv, 'name' | 'description' | 'kind'> & { missing: string; params: string[] };

const say = (line: string): void => console.log(line);
const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const program = new Command('firstlight')
  .description('takes raw servers to a ready OS, and says in plain words why when one gets stuck')
  .showSuggestionAfterError()
  .showHelpAfterError('(firstlight COMMAND --help tells more)')
  .exitOverride();

program
  .command('machines')
  .description('list the machines')
  .option('--json', 'as JSON')
  .action(async (flags: { json?: boolean }) => {
    const machines = await client().get<ShownMachine[]>('/api/v1/machines');
    if (flags.json) return say(JSON.stringify(machines, null, 2));
    if (machines.length === 0)
      return say('no machine yet: power one on, with its firmware set to boot from the network');
    say(
      table(
        ['NAME', 'STATE', 'ADDRESS', 'FIRMWARE', 'BMC', 'MODEL', 'CPUS', 'MEMORY', 'DISKS', 'SEEN', 'STATUS'],
        machines.map((machine) => [
          machine.name,
          machine.locked ? `${machine.state}, locked` : machine.state,
          machine.address ?? '-',
          machine.firmware ?? '-',
          machine.bmcAddress ?? '-',
          [machine.inventory?.vendor, machine.inventory?.model].filter((part) => part).join(' ') || '-',
          machine.inventory ? String(machine.inventory.cpu.threads) : '-',
          machine.inventory ? `${(machine.inventory.memoryBytes / 2 ** 30).toFixed(1)} GiB` : '-',
          machine.inventory
            ? machine.inventory.disks.map((disk) => `${Math.round(disk.sizeBytes / 1e9)} GB`).join('+') || 'none'
            : '-',
          ago(machine.seenAt),
          machine.status,
        ]),
      ),
    );
  });

program
  .command('machine <machine>')
  .description('show everything about one machine')
  .action(async (name: string) => say(JSON.stringify(await client().get<ShownMachine>(machinePath(name)), null, 2)));

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
      const machine = await client().send<ShownMachine>('POST', '/api/v1/machines', {
        name,
        macs: flags.mac,
        ...(bmc ? { bmc } : {}),
        ...(flags.accepted ? { accepted: true } : {}),
      });
      say(`${machine.name} is entered (${machine.macs.join(', ')})`);
    },
  );

program
  .command('accept <machine...>')
  .description('let a discovered machine be installed')
  .action((names: string[]) =>
    forEach(
      names,
      say,
      async (name) => `${name} is ${(await client().send<ShownMachine>('POST', `${machinePath(name)}/accept`)).state}`,
    ),
  );

program
  .command('ignore <machine...>')
  .description('never boot anything but its disk')
  .action((names: string[]) =>
    forEach(
      names,
      say,
      async (name) => `${name} is ${(await client().send<ShownMachine>('POST', `${machinePath(name)}/ignore`)).state}`,
    ),
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
    const params = await readParams(pairs, true);
    await client().send('PATCH', machinePath(name), { params });
    say(`${name}: ${Object.keys(params).join(', ')} set`);
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

program
  .command('reimage <machine>')
  .description('install an operating system on a machine, from the network, on its disk')
  .requiredOption('--bootenv <name>', 'what to install (firstlight bootenvs)')
  .option('--param <name=value>', 'a param for this install, NAME=@FILE reads a file (again for each)', collect)
  .option('--watch', 'follow it line by line to its end')
  .option('--dry-run', 'say what would happen, and do nothing')
  .option('--expect-serial <serial>', 'refuse when the machine has another serial number')
  .option('--expect-state <state>', 'refuse when the machine is in another state')
  .option('--expect-silent <minutes>', 'refuse when it was seen within this time', integer)
  .option('--idempotency-key <key>', 'asking twice with one key makes one job')
  .action(
    async (
      name: string,
      flags: {
        bootenv: string;
        param?: string[];
        watch?: boolean;
        dryRun?: boolean;
        expectSerial?: string;
        expectState?: string;
        expectSilent?: number;
        idempotencyKey?: string;
      },
    ) => {
      const expect = { serial: flags.expectSerial, state: flags.expectState, silentMinutes: flags.expectSilent };
      const answer = await client().send<{ job?: ShownJob; because: { text: string }[] }>(
        'POST',
        `${machinePath(name)}/reimage`,
        {
          bootenv: flags.bootenv,
          params: await readParams(flags.param ?? [], false),
          expect: Object.fromEntries(Object.entries(expect).filter(([, value]) => value !== undefined)),
          ...(flags.dryRun ? { dryRun: true } : {}),
          ...(flags.idempotencyKey ? { idempotencyKey: flags.idempotencyKey } : {}),
        },
      );
      for (const reason of answer.because) say(`  ${reason.text}`);
      if (!answer.job) return say(`${name} would be installed with ${flags.bootenv}; nothing was done`);
      say(`job ${answer.job.id}: ${flags.bootenv} on ${name}`);
      if (flags.watch) return watchJob(client(), name, answer.job.id);
      say(`follow it with: firstlight timeline ${name} --follow`);
    },
  );

program
  .command('discover <machine>')
  .description('restart a machine into the scout, which looks at it again')
  .option('--watch', 'follow it line by line to its end')
  .action(async (name: string, flags: { watch?: boolean }) => {
    const { job } = await client().send<{ job: ShownJob }>('POST', `${machinePath(name)}/discover`);
    say(`job ${job.id}: discover ${name}`);
    if (flags.watch) await watchJob(client(), name, job.id);
  });

program
  .command('run <workflow> <machine...>')
  .description('restart machines into a workflow that installs nothing, such as bmc-setup')
  .option('--param <name=value>', 'a param of its tasks (again for each)', collect)
  .option('--watch', 'follow one machine line by line to its end')
  .action(async (workflow: string, names: string[], flags: { param?: string[]; watch?: boolean }) => {
    if (flags.watch && names.length > 1) throw new CliError('--watch follows one machine');
    const params = await readParams(flags.param ?? [], false);
    await forEach(names, say, async (name) => {
      const { job } = await client().send<{ job: ShownJob }>('POST', `${machinePath(name)}/run`, { workflow, params });
      if (flags.watch) await watchJob(client(), name, job.id);
      return `job ${job.id}: ${workflow} ${name}`;
    });
  });

program
  .command('cancel <machine>')
  .description('end the job that is running on a machine')
  .action(async (name: string) => {
    const job = await client().send<ShownJob>('POST', `${machinePath(name)}/cancel`);
    say(`job ${job.id} is ${job.state}`);
  });

program
  .command('timeline [machine]')
  .description('what happened to a machine, with the time between; without one, to the appliance and its network')
  .option('--follow', 'go on with what happens')
  .option('--why', 'with the reasons of every decision')
  .option('--boot <number>', 'only this boot', integer)
  .option('--last <number>', 'how many events at the most', integer, 200)
  .option('--json', 'as JSON lines')
  .action(
    async (
      name: string | undefined,
      flags: { follow?: boolean; why?: boolean; boot?: number; last: number; json?: boolean },
    ) => {
      if (name === undefined && flags.boot !== undefined)
        throw new CliError(`--boot ${flags.boot} is of one machine: firstlight timeline MACHINE --boot ${flags.boot}`);
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
        print(event);
        return false;
      });
    },
  );

program
  .command('explain <mac-or-machine>')
  .description('decide the whole boot of a machine, with every reason, and change nothing')
  .option('--firmware <kind>', 'bios, uefi or uefi-http; without it, as last seen')
  .option('--interface <name>', 'the served interface it is on')
  .action(async (name: string, flags: { firmware?: string; interface?: string }) => {
    const query = new URLSearchParams(
      Object.entries(flags).filter((one): one is [string, string] => one[1] !== undefined),
    );
    const explained = await client().get<Explanation>(`/api/v1/explain/${encodeURIComponent(name)}?${query}`);
    for (const { step, result, because } of explained.steps) {
      say(`${step.padEnd(12)} ${result}`);
      for (const reason of because) say(`${''.padEnd(12)}   ${reason.text}${reason.ref ? `  [${reason.ref}]` : ''}`);
    }
    say(
      `${'missing'.padEnd(12)} ${explained.missing.length === 0 ? 'nothing' : explained.missing.join('\n             ')}`,
    );
    if (explained.missing.length > 0) process.exitCode = 1;
  });

addPowerCommands(program, { client, say });
addBmcCommands(program, { client, say });

program
  .command('bootenvs')
  .description('what can be booted and installed')
  .action(async () => {
    const bootenvs = await client().get<ShownBootenv[]>('/api/v1/bootenvs');
    say(
      table(
        ['NAME', 'KIND', 'READY', 'DESCRIPTION'],
        bootenvs.map((one) => [one.name, one.kind, one.missing === '' ? 'yes' : `no: ${one.missing}`, one.description]),
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
    say(`Firstlight ${status.version}, ${status.machines} machines`);
    for (const one of status.serves) say(`serves ${one.interface} at ${one.url}`);
    for (const problem of status.contentProblems) say(`content: ${problem}`);
  });

addConsoleCommand(program, { client, place: findCredentials });
addNetworkCommands(program, { client, say });

program
  .command('serve', { hidden: false })
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
  .action(async (flags: Record<string, unknown>) => {
    const [{ readConfig }, { inNamespace }, { startAppliance }] = await Promise.all([
      import('../config.ts'),
      import('../sockets.ts'),
      import('../main.ts'),
    ]);
    const config = inNamespace(flags.namespace as string | undefined, () => readConfig(flags));
    const appliance = await startAppliance(config, (line) => say(`firstlight: ${line}`));
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    });
    await appliance.close();
    process.exit(0);
  });

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

let opened: Client | undefined;
function client(): Client {
  opened ??= openClient();
  return opened;
}

/** Follow a job to its end; the exit code tells how it ended. */
async function watchJob(api: Client, name: string, jobId: number): Promise<void> {
  const print = timelinePrinter(say);
  const since =
    (await api.get<StreamedEvent[]>(`${machinePath(name)}/timeline?last=1000`)).find(
      (event) => event.kind === 'job.created' && event.data?.job === jobId,
    )?.id ?? 1;
  await api.stream(`/api/v1/events?machine=${encodeURIComponent(name)}&after=${since - 1}`, (event) => {
    print(event);
    return ['job.finished', 'job.failed', 'job.cancelled'].includes(event.kind) && event.data?.job === jobId;
  });
  const job = await api.get<ShownJob>(`/api/v1/jobs/${jobId}`);
  if (job.state === 'done') return say(`${name}: ${job.workflow === 'install' ? 'installed' : 'done'}`);
  say(`${name}: ${job.state}: ${job.why}`);
  process.exitCode = 1;
}

/** NAME=VALUE pairs as params of their declared types. */
async function readParams(pairs: readonly string[], mayRemove: boolean): Promise<Record<string, unknown>> {
  if (pairs.length === 0) return {};
  const declarations = await client().get<Record<string, ParamDeclaration>>('/api/v1/params');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new CliError(`${pair} is not of the form NAME=VALUE`);
      const name = pair.slice(0, at);
      const written = pair.slice(at + 1);
      if (written === '' && mayRemove) return [name, null];
      const text = written.startsWith('@') ? readFileSync(written.slice(1), 'utf8') : written;
      return [name, typedParam(declarations[name]?.type, text)];
    }),
  );
}

function typedParam(type: ParamDeclaration['type'] | undefined, text: string): unknown {
  if (type === 'list')
    return text
      .split(/\n|,(?=\S)/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  if (type === 'integer') return Number(text);
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return type === 'script' ? text : text.replace(/\n$/, '');
}

function bmcOf(address: string, user: string, passwordFile: string | undefined) {
  if (passwordFile === undefined)
    throw new CliError(
      'give the password with --bmc-password-file FILE (- for standard input): an argument would be seen by everybody on this host',
    );
  const [host, port] = splitPort(address);
  return { address: host, ...(port !== undefined ? { port } : {}), user, password: readPassword(passwordFile) };
}

function integer(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('it is not a whole number');
  return Number(text);
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    const problems = (error as { problems?: string[] }).problems;
    const expected =
      ['CliError', 'ConfigError', 'SocketError', 'AppError', 'BmcError', 'RackError'].includes((error as Error).name) ||
      (error as Error).constructor === Error;
    for (const line of problems ?? [expected ? (error as Error).message : ((error as Error).stack ?? String(error))])
      console.error(`firstlight: ${line}`);
    process.exit(1);
  }
}
