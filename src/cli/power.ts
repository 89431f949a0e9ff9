import type { Command } from 'commander';
import { BOOT_DEVICES, describeOrder, type KeptOrder, POWER_ACTIONS, type PowerAction } from '../model/bmc.ts';
import { duration } from '../model/duration.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import type { Client } from './client.ts';
import { forEach } from './each.ts';
import { oneOf, wholeNumber } from './options.ts';
import { machinePath } from './paths.ts';

/** What the API tells of a machine's power. */
export type ShownPower = {
  power: 'on' | 'off' | 'unknown';
  since?: number;
  readAt?: number;
  unreachableSince?: number;
  asked?: string;
  orders: KeptOrder[];
};
type Placed = { order: KeptOrder };
type PowerFlags = { wait?: boolean; boot?: string; grace?: number; hard?: boolean; fresh?: boolean };
type BootFlags = { persistent?: boolean; firmware?: string; uri?: string; wait?: boolean };

/** Power, boot device and lamp. */
export function addPowerCommands(program: Command, { client, say }: Cli): void {
  program
    .command('power <action> <machine...>')
    .description(`${POWER_ACTIONS.join(', ')}, status, done (what a person was asked to do) or cancel`)
    .option('--wait', 'until it has happened; the exit code tells whether it did')
    .option('--boot <device>', `what is booted next: ${BOOT_DEVICES.join(', ')}`, oneOf(BOOT_DEVICES))
    .option('--grace <seconds>', 'how long a soft off may take (120)', wholeNumber)
    .option('--hard', 'switch off what a soft off has not shut down by then')
    .option('--fresh', 'status: ask the BMC now')
    .action(async (action: string, names: string[], flags: PowerFlags) => {
      if (action === 'status') return forEach(names, say, (name) => tellPower(client(), name, flags.fresh === true));
      if (action === 'cancel') return forEach(names, say, (name) => cancelAll(client(), name));
      if (action === 'done')
        return forEach(names, say, async (name) => {
          await client().send('POST', `${machinePath(name)}/power/confirm`);
          return `${name}: noted`;
        });
      if (!POWER_ACTIONS.includes(action as PowerAction))
        throw new CliError(`there is no power action ${action}: ${POWER_ACTIONS.join(', ')}, status, done, cancel`);
      const body = {
        action,
        machines: names,
        ...(flags.boot !== undefined ? { boot: flags.boot } : {}),
        ...(flags.grace !== undefined ? { graceSeconds: flags.grace } : {}),
        ...(flags.hard ? { hardAfter: true } : {}),
      };
      // in one request: the appliance lets them start in batches
      const { results } = await client().send<{
        results: { machine: string; order?: KeptOrder; error?: string; next?: string }[];
      }>('POST', '/api/v1/power', body);
      await forEach(names, say, async (name) => {
        const result = results.find((one) => one.machine === name);
        if (!result?.order) throw new CliError([result?.error, result?.next].filter(Boolean).join('\n  '));
        return flags.wait
          ? waitFor(client(), name, result.order)
          : `${name}: ${describeOrder(result.order.order)} begins`;
      });
    });

  program
    .command('boot-device')
    .argument('<device>', undefined, oneOf(BOOT_DEVICES))
    .argument('<machine...>')
    .description(`what it boots next: ${BOOT_DEVICES.join(', ')}`)
    .option('--persistent', 'from now on, where the BMC keeps it')
    .option('--firmware <mode>', 'bios or uefi (as the machine was last seen)', oneOf(['bios', 'uefi']))
    .option('--uri <url>', 'what the device http loads')
    .option('--wait', 'until it was read back')
    .action((device: string, names: string[], flags: BootFlags) =>
      forEach(names, say, async (name) => {
        const { persistent, firmware, uri, wait } = flags;
        const placed = await client().send<Placed>('POST', `${machinePath(name)}/boot-device`, {
          device,
          ...(persistent ? { persistent } : {}),
          ...(firmware !== undefined ? { firmware } : {}),
          ...(uri !== undefined ? { uri } : {}),
        });
        return wait ? waitFor(client(), name, placed.order) : `${name}: ${describeOrder(placed.order.order)} begins`;
      }),
    );

  program
    .command('identify <machine...>')
    .description('light its lamp, so that it is found in the rack')
    .option('--seconds <seconds>', 'for how long; 0 puts it out (60)', wholeNumber)
    .action((names: string[], flags: { seconds?: number }) =>
      forEach(names, say, async (name) => {
        const body = { seconds: flags.seconds ?? 60 };
        const { order } = await client().send<Placed>('POST', `${machinePath(name)}/identify`, body);
        return waitFor(client(), name, order);
      }),
    );

  program
    .command('media <machine> [url]')
    .description('put an ISO image into its virtual drive and boot it next; without URL the drive is emptied')
    .action(async (name: string, url: string | undefined) => {
      const { order } = await client().send<Placed>(
        'POST',
        `${machinePath(name)}/media`,
        url === undefined ? {} : { url },
      );
      say(await waitFor(client(), name, order));
    });
}

/** Waits for the order's end and tells it. Throws CliError when it failed. */
async function waitFor(api: Client, name: string, order: KeptOrder): Promise<string> {
  let ended = order;
  // each answer comes within a minute
  while (ended.endedAt === undefined) ended = await api.get<KeptOrder>(`/api/v1/orders/${order.id}?wait=true`);
  const took = duration((ended.endedAt ?? 0) - (ended.startedAt ?? ended.createdAt));
  const text = `${describeOrder(ended.order)}: ${ended.result}`;
  if (ended.state !== 'done') throw new CliError(`${text} (${ended.state} after ${took})`);
  return `${name}: ${text} (${took}, ${ended.driver})`;
}

async function tellPower(api: Client, name: string, fresh: boolean): Promise<string> {
  return describePower(
    name,
    await api.get<ShownPower>(`${machinePath(name)}/power${fresh ? '?fresh=true' : ''}`),
    Date.now(),
  );
}

/** `r1-07 is on (for 3m20s; read 12s ago)`. */
export function describePower(name: string, shown: ShownPower, now: number): string {
  const facts = [
    shown.since !== undefined ? `for ${duration(now - shown.since)}` : '',
    shown.readAt !== undefined ? `read ${duration(now - shown.readAt)} ago` : '',
    shown.unreachableSince !== undefined
      ? `its BMC has not answered for ${duration(now - shown.unreachableSince)}`
      : '',
    ...shown.orders.map((one) => `${describeOrder(one.order)} is ${one.state} (order ${one.id})`),
    shown.asked !== undefined ? `a person is asked: ${shown.asked}` : '',
  ].filter((one) => one !== '');
  const told = shown.power === 'unknown' ? `the power of ${name} is unknown` : `${name} is ${shown.power}`;
  return facts.length > 0 ? `${told} (${facts.join('; ')})` : told;
}

async function cancelAll(api: Client, name: string): Promise<string> {
  const { orders } = await api.get<ShownPower>(`${machinePath(name)}/power`);
  if (orders.length === 0) throw new CliError(`nothing is under way on ${name}`);
  const ended: KeptOrder[] = [];
  // the last first: else the next one begins when the one before it ends
  for (const { id } of orders.toReversed())
    ended.push(await api.send<KeptOrder>('POST', `/api/v1/orders/${id}/cancel`));
  return `${name}: ${ended.map((one) => `${describeOrder(one.order)} ${one.result}`).join('; ')}`;
}
