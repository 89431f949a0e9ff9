import type { Command } from 'commander';
import type { BootOrder, BootOrderVerdict } from '../bmc/boot-order.ts';
import type { BmcLogEntry, InventoryField, Sensor } from '../bmc/driver.ts';
import type { BmcHealth } from '../bmc/health.ts';
import type { ScanAnswer, ScanSummary } from '../bmc/scan.ts';
import {
  BOOT_DEVICES,
  DRIVER_NAMES,
  type DriverName,
  describeOrder,
  type KeptOrder,
  speaksToBmc,
} from '../model/bmc.ts';
import { counted } from '../model/counted.ts';
import { duration } from '../model/duration.ts';
import { dayAndTime } from '../model/moment.ts';
import type { Credential, KeptLink } from '../store/bmcs.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { readPassword } from './input.ts';
import { collect, oneOf, splitPair, splitPort } from './options.ts';
import { machinePath } from './paths.ts';
import { ago, table } from './print.ts';

type SetFlags = {
  driver?: DriverName[];
  user?: string;
  passwordFile?: string;
  credential?: string;
  setting?: string[];
};
type ShownBmc = {
  chain: KeptLink[];
  power: string;
  unreachableSince?: number;
  health: BmcHealth;
  quirks: { id: string; text: string }[];
  orders: KeptOrder[];
};

/** The settings of one driver of a chain: those for all, and those with its name before them, `ipmi.quirks=B5`. */
function settingsOf(driver: DriverName, pairs: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of pairs.map(splitPair)) {
    const owner = DRIVER_NAMES.find((one) => name.startsWith(`${one}.`));
    if (owner === undefined) settings[name] = value;
    else if (owner === driver) settings[name.slice(owner.length + 1)] = value;
  }
  return settings;
}

/** BMCs: where they are, how they do, what they tell; the credentials that many of them share. */
export function addBmcCommands(program: Command, { client, say }: Cli): void {
  const bmc = program.command('bmc').description('the BMCs: where they are, how they do, and what they tell');

  withLogin(
    bmc
      .command('set <machine> [address[:port]]')
      .description('tell the way to a machine, or a chain of ways: the first driver is tried first')
      .option('--driver <name>', `${DRIVER_NAMES.join(', ')} (again for the next one)`, collectDrivers)
      .option(
        '--setting <name=value>',
        "a driver's own setting, ipmi.quirks=B5 for one of several (again for each)",
        collect,
      ),
  ).action(async (name: string, address: string | undefined, flags: SetFlags) => {
    const drivers: readonly DriverName[] = flags.driver ?? ['ipmi'];
    const [host, port] = splitPort(address);
    if (port !== undefined && drivers.length > 1)
      throw new CliError(`which of ${drivers.join(', ')} has port ${port}? Set one driver, or leave the port away`);
    const login = readLogin(flags);
    const chain = drivers.map((driver) => ({
      driver,
      ...(host !== undefined && driver !== 'manual' && driver !== 'exec' ? { address: host } : {}),
      ...(port !== undefined ? { port } : {}),
      // the BMC's password is for nobody else in a chain
      ...(drivers.length === 1 || speaksToBmc(driver) ? login : {}),
      settings: settingsOf(driver, flags.setting ?? []),
    }));
    const set = await client().send<{ chain: KeptLink[] }>('PUT', `${machinePath(name)}/bmc`, { chain });
    say(`${name}: ${set.chain.map(describeLink).join(', then ')}`);
  });

  withLogin(
    bmc
      .command('find <machine> <address>')
      .description('try Redfish and IPMI there, with this login or with each credential, and keep what works'),
  ).action(async (name: string, address: string, flags: SetFlags) => {
    const set = await client().send<{ chain: KeptLink[]; found: string[] }>('POST', `${machinePath(name)}/bmc/find`, {
      address,
      ...readLogin(flags),
    });
    for (const line of set.found) say(line);
    say(`${name}: ${set.chain.map(describeLink).join(', then ')}`);
  });

  bmc
    .command('remove <machine>')
    .description('forget its BMC')
    .action(async (name: string) => {
      await client().send('DELETE', `${machinePath(name)}/bmc`);
      say(`${name}: no BMC`);
    });

  bmc
    .command('allow <machine>')
    .description('use a BMC again that refused us (a wrong password is tried only once)')
    .option('--new-certificate', 'its certificate was changed, and the next one it shows is right')
    .action(async (name: string, flags: { newCertificate?: boolean }) => {
      await client().send(
        'POST',
        `${machinePath(name)}/bmc/allow`,
        flags.newCertificate ? { newCertificate: true } : {},
      );
      say(`${name}: its BMC is used again`);
    });

  bmc
    .command('health <machine>')
    .description('how its BMC does: driver, suite, latency, the last commands and quirks')
    .option('--json', 'as JSON')
    .action(async (name: string, flags: { json?: boolean }) => {
      const shown = await client().get<ShownBmc>(`${machinePath(name)}/bmc`);
      say(flags.json ? JSON.stringify(shown, null, 2) : describeHealth(name, shown));
    });

  bmc
    .command('sensors <machine>')
    .description('what its sensors read')
    .action(async (name: string) => {
      const { sensors } = await client().get<{ sensors: Sensor[] }>(`${machinePath(name)}/bmc/sensors`);
      const rows = sensors.map((one) => [
        one.name,
        one.value === undefined ? one.text : `${Math.round(one.value * 1000) / 1000} ${one.unit}`.trim(),
        one.state,
      ]);
      say(table(['SENSOR', 'READS', 'STATE'], rows));
    });

  bmc
    .command('log <machine>')
    .description('its event log')
    .option('--clear', 'empty it')
    .action(async (name: string, flags: { clear?: boolean }) => {
      const path = `${machinePath(name)}/bmc/log`;
      if (flags.clear) {
        await client().send('DELETE', path);
        return say(`${name}: event log cleared`);
      }
      const { log } = await client().get<{ log: BmcLogEntry[] }>(path);
      if (log.length === 0) return say(`${name}: its event log is empty`);
      const when = (at: number | undefined): string => (at === undefined ? '-' : new Date(at).toISOString());
      say(
        table(
          ['ID', 'AT', 'SEVERITY', 'TEXT'],
          log.map((one) => [one.id, when(one.at), one.severity, one.text]),
        ),
      );
    });

  bmc
    .command('inventory <machine>')
    .description('what is built in, as its BMC knows')
    .action(async (name: string) => {
      const { inventory } = await client().get<{ inventory: InventoryField[] }>(`${machinePath(name)}/bmc/inventory`);
      say(
        table(
          ['PART', 'NAME', 'VALUE'],
          inventory.map((one) => [one.part, one.name, one.value]),
        ),
      );
    });

  bmc
    .command('boot-order <machine>')
    .description("its firmware's own boot order, and whether it is as it should be")
    .option('--device <device>', `what should come first: ${BOOT_DEVICES.join(', ')}`, oneOf(BOOT_DEVICES), 'network')
    .action(async (name: string, flags: { device: string }) => {
      const query = `?device=${encodeURIComponent(flags.device)}`;
      const shown = await client().get<BootOrder & { verdict: BootOrderVerdict }>(
        `${machinePath(name)}/bmc/boot-order${query}`,
      );
      const rows = shown.order.map((reference) => {
        const option = shown.options.find((one) => one.reference === reference);
        return [
          reference,
          option?.device ?? '-',
          option?.isEnabled === false ? 'off' : 'on',
          option?.mac || '-',
          option?.name ?? '-',
        ];
      });
      say(table(['ENTRY', 'DEVICE', 'IS', 'MAC', 'NAME'], rows));
      if (shown.verdict.agrees) return say(`${flags.device} comes first`);
      say(shown.verdict.because);
      process.exitCode = 1;
    });

  bmc
    .command('scan <range>')
    .description('look for BMCs: 10.1.0.0/24 or 10.1.0.10-10.1.0.50')
    .action(async (range: string) => {
      let count = 0;
      for await (const line of client().lines<ScanLine>('POST', '/api/v1/bmc/scan', { range })) {
        if ('answer' in line) {
          if (count++ === 0) say(scanRow('ADDRESS', 'IPMI', 'REDFISH', 'PRODUCT', 'MACHINE'));
          say(describeAnswer(line));
        } else if ('summary' in line) say(describeSummary(line.summary));
        else throw new CliError(line.error);
      }
    });

  const credentials = program
    .command('credentials')
    .description('users and passwords that many BMCs share, in the order in which they are tried')
    .action(async () => {
      const list = await client().get<Credential[]>('/api/v1/credentials');
      if (list.length === 0)
        return say('no credential yet: make one with: firstlight credentials set NAME --user U --password-file FILE');
      say(
        table(
          ['NAME', 'USER', 'MACHINES'],
          list.map((one) => [one.name, one.user, String(one.usedBy)]),
        ),
      );
    });
  credentials
    .command('set <name>')
    .description('make or change one; BMCs that refused the old one are tried again')
    .option('--user <user>', 'the user', 'admin')
    .requiredOption('--password-file <file>', 'file with the password (- for standard input)')
    .action(async (name: string, flags: { user: string; passwordFile: string }) => {
      const body = { user: flags.user, password: readPassword(flags.passwordFile) };
      await client().send('PUT', `/api/v1/credentials/${encodeURIComponent(name)}`, body);
      say(`credential ${name} is set`);
    });
  credentials
    .command('remove <name>')
    .description('forget one that no machine uses')
    .action(async (name: string) => {
      await client().send('DELETE', `/api/v1/credentials/${encodeURIComponent(name)}`);
      say(`credential ${name} is removed`);
    });
  credentials
    .command('rotate-key')
    .description('seal all passwords with a new key')
    .action(async () => {
      const { resealed } = await client().send<{ resealed: number }>('POST', '/api/v1/secrets/rotate');
      say(`${counted(resealed, 'password')} sealed with a new key`);
    });
}

type ScanLine = { answer: ScanAnswer; machine?: string } | { summary: ScanSummary } | { error: string };

const scanRow = (address: string, ipmi: string, redfish: string, product: string, machine: string): string =>
  [address.padEnd(15), ipmi.padEnd(16), redfish.padEnd(8), product.padEnd(32), machine].join('  ').trimEnd();

function describeAnswer({ answer, machine }: { answer: ScanAnswer; machine?: string }): string {
  const suites = answer.cipherSuites ? ` (suites ${answer.cipherSuites.join(', ')})` : '';
  const product = [answer.redfish?.vendor, answer.redfish?.product].filter(Boolean).join(' ') || '-';
  return scanRow(
    answer.address,
    answer.ipmi ? `${answer.ipmiVersion ?? 'yes'}${suites}` : '-',
    answer.redfish?.version ?? '-',
    product,
    machine ?? '-',
  );
}

function describeSummary({ asked, ipmi, redfish, both, silent, ended, unsent, whyUnsent }: ScanSummary): string {
  const early = ended === 'whole' ? '' : ended === 'time' ? ', until the time was up' : ', until it was ended';
  const lost = unsent > 0 ? `; ${counted(unsent, 'datagram')} could not be sent: ${whyUnsent}` : '';
  return `${counted(asked, 'address', 'es')} asked${early}: IPMI ${ipmi}, Redfish ${redfish}, both ${both}, silent ${silent}${lost}`;
}

function describeHealth(name: string, { chain, power, health, quirks, orders }: ShownBmc): string {
  const lines = [power === 'unknown' ? `the power of ${name} is unknown` : `${name} is ${power}`];
  for (const link of chain) {
    const suite = link.learned.cipherSuite !== undefined ? `, cipher suite ${link.learned.cipherSuite}` : '';
    const print = link.learned.fingerprint !== undefined ? `, certificate ${link.learned.fingerprint}` : '';
    lines.push(`  ${describeLink(link)}${suite}${print}${health.driver === link.driver ? ', answered last' : ''}`);
    if (link.refusal) lines.push(`    not used since ${ago(link.refusal.at)}: ${link.refusal.text}`);
  }
  if (chain.length === 0) lines.push('  no BMC is known');
  if (health.calls > 0)
    lines.push(
      `  ${counted(health.calls, 'call')}, ${health.failures} failed${health.latencyMs !== undefined ? `, ${Math.round(health.latencyMs)} ms each` : ''}, last answer ${ago(health.answeredAt)}`,
    );
  if (health.unreachableSince !== undefined) lines.push(`  unreachable since ${dayAndTime(health.unreachableSince)}`);
  if (health.lastProblem) lines.push(`  last problem, ${ago(health.lastProblem.at)}: ${health.lastProblem.text}`);
  for (const quirk of quirks) lines.push(`  quirk ${quirk.id}: ${quirk.text}`);
  for (const order of orders)
    lines.push(
      `  ${dayAndTime(order.createdAt)}  ${order.state.padEnd(9)} ${describeOrder(order.order)}${order.result === '' ? '' : `: ${order.result}`}` +
        ` (${order.askedBy}${order.endedAt !== undefined ? `, ${duration(order.endedAt - (order.startedAt ?? order.createdAt))}` : ''}${order.driver !== undefined ? `, ${order.driver}` : ''})`,
    );
  return lines.join('\n');
}

function describeLink({ driver, address, port, credential, user }: KeptLink): string {
  const login = credential !== undefined ? ` (credential ${credential})` : user === '' ? '' : ` as ${user}`;
  return `${driver}${address === '' ? '' : ` at ${address}:${port}`}${login}`;
}

function withLogin(command: Command): Command {
  return command
    .option('--user <user>', 'its user (admin)')
    .option('--password-file <file>', 'file with its password (- for standard input)')
    .option('--credential <name>', 'the credential of that name instead');
}

function collectDrivers(value: string, before: DriverName[] = []): DriverName[] {
  return [...before, oneOf(DRIVER_NAMES)(value)];
}

function readLogin({ user, passwordFile, credential }: SetFlags) {
  if (credential !== undefined) return { credential };
  if (passwordFile === undefined) return user === undefined ? {} : { user };
  return { user: user ?? 'admin', password: readPassword(passwordFile) };
}
