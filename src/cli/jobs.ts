import type { Command } from 'commander';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import type { StreamedEvent } from './client.ts';
import { forEach } from './each.ts';
import { collect, wholeNumber } from './options.ts';
import { readParams } from './params.ts';
import { machinePath } from './paths.ts';
import { timelinePrinter } from './print.ts';

type ShownJob = { id: number; workflow: string; state: string; why: string };

type ReimageFlags = {
  bootenv: string;
  param?: string[];
  watch?: boolean;
  dryRun?: boolean;
  expectSerial?: string;
  expectState?: string;
  expectSilent?: number;
  idempotencyKey?: string;
};

/** Jobs: what a machine is restarted for, and how it is followed to its end. */
export function addJobCommands(program: Command, { client, say }: Cli): void {
  program
    .command('reimage <machine>')
    .description('install an operating system on a machine, from the network, on its disk')
    .requiredOption('--bootenv <name>', 'what to install (firstlight bootenvs)')
    .option('--param <name=value>', 'a param for this install, NAME=@FILE reads a file (again for each)', collect)
    .option('--watch', 'follow it line by line to its end')
    .option('--dry-run', 'say what would happen, and do nothing')
    .option('--expect-serial <serial>', 'refuse when the machine has another serial number')
    .option('--expect-state <state>', 'refuse when the machine is in another state')
    .option('--expect-silent <minutes>', 'refuse when it was seen within this time', wholeNumber)
    .option('--idempotency-key <key>', 'asking twice with one key makes one job')
    .action(async (name: string, { bootenv, param, watch, dryRun, idempotencyKey, ...expected }: ReimageFlags) => {
      const { expectSerial: serial, expectState: state, expectSilent: silentMinutes } = expected;
      const params = await readParams(client(), param ?? [], false);
      const { job, because } = await client().send<{ job?: ShownJob; because: { text: string }[] }>(
        'POST',
        `${machinePath(name)}/reimage`,
        { bootenv, params, expect: { serial, state, silentMinutes }, dryRun, idempotencyKey },
      );
      for (const reason of because) say(`  ${reason.text}`);
      if (!job) return say(`${name} would be installed with ${bootenv}; nothing was done`);
      say(`job ${job.id}: ${bootenv} on ${name}`);
      if (watch) return watchJob(name, job.id);
      say(`follow it with: firstlight timeline ${name} --follow`);
    });

  program
    .command('discover <machine>')
    .description('restart a machine into the scout, which looks at it again')
    .option('--watch', 'follow it line by line to its end')
    .action(async (name: string, flags: { watch?: boolean }) => {
      const { job } = await client().send<{ job: ShownJob }>('POST', `${machinePath(name)}/discover`);
      say(`job ${job.id}: discover ${name}`);
      if (flags.watch) await watchJob(name, job.id);
    });

  program
    .command('run <workflow> <machine...>')
    .description('restart machines into a workflow that installs nothing, such as bmc-setup')
    .option('--param <name=value>', 'a param of its tasks (again for each)', collect)
    .option('--watch', 'follow one machine line by line to its end')
    .action(async (workflow: string, names: string[], flags: { param?: string[]; watch?: boolean }) => {
      if (flags.watch && names.length > 1) throw new CliError('--watch follows one machine');
      const params = await readParams(client(), flags.param ?? [], false);
      const start = async (name: string): Promise<number> =>
        (await client().send<{ job: ShownJob }>('POST', `${machinePath(name)}/run`, { workflow, params })).job.id;
      const [first] = names;
      if (!flags.watch || first === undefined)
        return forEach(names, say, async (name) => `job ${await start(name)}: ${workflow} ${name}`);
      const id = await start(first);
      say(`job ${id}: ${workflow} ${first}`);
      await watchJob(first, id);
    });

  program
    .command('cancel <machine>')
    .description('end the job that is running on a machine')
    .action(async (name: string) => {
      const job = await client().send<ShownJob>('POST', `${machinePath(name)}/cancel`);
      say(`job ${job.id} is ${job.state}`);
    });

  /** Follow a job to its end; the exit code tells how it ended. */
  async function watchJob(name: string, jobId: number): Promise<void> {
    const print = timelinePrinter(say);
    const since =
      (await client().get<StreamedEvent[]>(`${machinePath(name)}/timeline?last=1000`)).find(
        (event) => event.kind === 'job.created' && event.data?.job === jobId,
      )?.id ?? 1;
    await client().stream(`/api/v1/events?machine=${encodeURIComponent(name)}&after=${since - 1}`, (event) => {
      print(event);
      return ['job.finished', 'job.failed', 'job.cancelled'].includes(event.kind) && event.data?.job === jobId;
    });
    const job = await client().get<ShownJob>(`/api/v1/jobs/${jobId}`);
    if (job.state === 'done') return say(`${name}: ${job.workflow === 'install' ? 'installed' : 'done'}`);
    say(`${name}: ${job.why.startsWith(job.state) ? job.why : `${job.state}: ${job.why}`}`);
    process.exitCode = 1;
  }
}
