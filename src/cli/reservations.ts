import { basename } from 'node:path';
import { type Command, Option } from 'commander';
import { counted } from '../model/counted.ts';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { readText } from './input.ts';
import { queryOf } from './paths.ts';
import { table } from './print.ts';
import { readAll } from './read-all.ts';

type ShownReservation = {
  id: number;
  subnet: string;
  address?: string;
  hostname: string;
  mac?: string;
  clientId?: string;
  uuid?: string;
  circuitId?: string;
  remoteId?: string;
  machine?: string;
};
type Filters = { subnet?: string; mac?: string; machine?: string; text?: string };
type Told = { line: number; text: string };
type Imported = {
  format: string;
  done: boolean;
  added: number;
  skipped: number;
  leases: number;
  subnets: string[];
  options: number;
  errors: Told[];
  notes: Told[];
};
type Wishes = { format?: string; dryRun?: boolean; partial?: boolean; leases?: boolean; subnets?: boolean };

const FORMATS = ['csv', 'dnsmasq', 'dnsmasq-leases', 'isc', 'isc-leases', 'kea', 'kea-leases'];
/** So many errors and so many notes are told; a person reads no more. */
const MOST_TOLD = 20;

/** What is kept for somebody: listed, made, given up, and taken over from other servers. */
export function addReservationCommands(program: Command, { client, say }: Cli): void {
  const reservations = withFilters(
    program.command('reservations').description('addresses and names that are kept for somebody'),
  )
    .option('--json', 'as JSON')
    .action(async ({ json, ...filters }: Filters & { json?: boolean }) => {
      const list = await readAll<ShownReservation>(client(), '/api/v1/reservations', filters, (one) => one.id);
      if (json) return say(JSON.stringify(list, null, 2));
      if (list.length === 0)
        return say(
          Object.keys(filters).length > 0
            ? 'no such reservation'
            : 'nothing is reserved: firstlight reserve ADDRESS --mac MAC',
        );
      say(table(['ID', 'ADDRESS', 'SUBNET', 'FOR', 'MACHINE', 'HOSTNAME'], list.map(rowOf)));
    });

  reservations
    .command('import <file>')
    .description(
      'take over reservations: CSV, dnsmasq, ISC dhcpd, Kea; configurations and lease files (- for standard input)',
    )
    .addOption(new Option('--format <format>', 'whose file it is; without it, as it looks').choices(FORMATS))
    .option('--dry-run', 'say what would be, and do nothing')
    .option('--partial', 'take what can be taken, in spite of errors in the rest')
    .option('--leases', 'leases of a lease file become leases; without it, reservations')
    .option('--subnets', 'make the subnets of the file too')
    .option('--all', `tell all errors and notes, and not the first ${MOST_TOLD} of each only`)
    .action(async (file: string, { dryRun, all, ...wishes }: Wishes & { all?: boolean }) => {
      const name = file === '-' ? 'standard input' : file;
      const body = { ...wishes, fileName: file === '-' ? name : basename(file), text: readText(file) };
      const post = (more: Wishes): Promise<Imported> =>
        client().send<Imported>('POST', '/api/v1/reservations/import', { ...body, ...more });
      // first without doing anything: a refusal would tell of one error, and not of the rest that could be taken
      const seen = await post({ dryRun: true });
      const isRefused = seen.errors.length > 0 && !wishes.partial;
      const answer = dryRun || isRefused ? seen : await post({});
      const most = all ? Number.POSITIVE_INFINITY : MOST_TOLD;
      for (const line of linesOf(answer.notes, name, 'note', most)) say(line);
      for (const line of linesOf(answer.errors, name, 'error', most)) console.error(line);
      if (isRefused)
        throw new CliError(
          `nothing ${dryRun ? 'would be' : 'was'} imported: ${counted(seen.errors.length, 'error')} in ${name}\n  ${remedy(seen)}`,
        );
      say(`${name} (${answer.format}): ${outcome(answer, dryRun)}`);
    });

  withFilters(reservations.command('export').description('as CSV, which the import reads back')).action(
    async (_, command: Command) => {
      // the command above has the same filters, and takes them first
      const { subnet, mac, machine, text } = command.optsWithGlobals<Filters>();
      const path = `/api/v1/reservations/export${queryOf({ subnet, mac, machine, text })}`;
      say((await client().text(path)).replace(/\r\n$/, ''));
    },
  );

  program
    .command('reserve [address]')
    .description('keep an address, a name, or both for somebody')
    .option('--mac <mac>', 'the card that it is for')
    .option('--client-id <hex>', 'the client identifier (option 61) that it is for')
    .option('--uuid <uuid>', 'the SMBIOS UUID that it is for')
    .option('--port <circuit[@remote]>', 'the port of a relay or switch that it is for (option 82)')
    .option('--machine <name>', 'the machine that it is for; with --port, the one that stands there')
    .option('--hostname <name>', 'the host name told to the client')
    .option('--subnet <name>', 'the subnet, where the address does not tell it')
    .action(async (address: string | undefined, { port, ...flags }: Record<string, string | undefined>) => {
      const made = await client().send<ShownReservation & { notes: string[] }>('POST', '/api/v1/reservations', {
        ...(address === undefined ? {} : { address }),
        ...flags,
        ...(port === undefined ? {} : portOf(port)),
      });
      say(`${made.address ?? (made.hostname || 'its options')} is reserved for ${clientOf(made)} (${made.id})`);
      for (const note of made.notes) say(`  ${note}`);
    });

  program
    .command('unreserve <address-or-mac>')
    .description('keep it no more; the number of a reservation will do too')
    .action(async (which: string) => {
      await client().send('DELETE', `/api/v1/reservations/${encodeURIComponent(which)}`);
      say(`${which} is reserved no more`);
    });
}

function withFilters(command: Command): Command {
  return command
    .option('--subnet <name>', 'only of this subnet')
    .option('--mac <mac>', 'only for this card')
    .option('--machine <name>', 'only for this machine')
    .option('--text <text>', 'only with this in the address, client, host name or machine');
}

function rowOf(one: ShownReservation): string[] {
  return [String(one.id), one.address ?? '-', one.subnet, clientOf(one), one.machine ?? '-', one.hostname || '-'];
}

/** Whom it is for, by everything that it is known by. */
function clientOf({ mac, clientId, uuid, circuitId, remoteId }: ShownReservation): string {
  const marks = [mac ?? '', clientId ? `id ${clientId}` : '', uuid ? `UUID ${uuid}` : ''];
  if (circuitId !== undefined || remoteId !== undefined)
    marks.push(`port ${circuitId ?? 'any'}${remoteId === undefined ? '' : `@${remoteId}`}`);
  return marks.filter((mark) => mark !== '').join(', ');
}

/** `Gi1/0/7@switch3`; either side may be empty, for any. */
function portOf(text: string): { circuitId?: string; remoteId?: string } {
  const at = text.lastIndexOf('@');
  const circuitId = at < 0 ? text : text.slice(0, at);
  const remoteId = at < 0 ? '' : text.slice(at + 1);
  if (circuitId === '' && remoteId === '') throw new CliError(`--port ${text} names neither a circuit nor a remote id`);
  return { ...(circuitId ? { circuitId } : {}), ...(remoteId ? { remoteId } : {}) };
}

/** `hosts.csv:3: error: TEXT`, as compilers tell it; `most` of them at most. */
function linesOf(list: readonly Told[], name: string, severity: 'error' | 'note', most: number): string[] {
  const lines = list.slice(0, most).map(({ line, text }) => `${name}:${line}: ${severity}: ${text}`);
  const more = list.length - lines.length;
  return more > 0 ? [...lines, `${name}: and ${counted(more, `more ${severity}`)}: --all tells them`] : lines;
}

function remedy(answer: Imported): string {
  const rest = parts(answer);
  return rest === '' ? 'mend the file' : `mend the file, or take the rest (${rest}) with --partial`;
}

function outcome(answer: Imported, isTried = false): string {
  const { skipped, errors } = answer;
  const why = errors.length > 0 ? 'with an error, or here already' : 'here already';
  const left = skipped > 0 ? `, ${counted(skipped, 'reservation')} left out (${why})` : '';
  return `${parts(answer) || 'nothing'} ${isTried ? 'would be taken' : 'taken'}${left}${isTried ? '; nothing was done' : ''}`;
}

/** '' when there is nothing. */
function parts({ added, leases, subnets, options }: Imported): string {
  return [
    added > 0 ? counted(added, 'reservation') : '',
    leases > 0 ? counted(leases, 'lease') : '',
    subnets.length > 0 ? `${counted(subnets.length, 'subnet')} (${subnets.join(', ')})` : '',
    options > 0 ? counted(options, 'option') : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}
