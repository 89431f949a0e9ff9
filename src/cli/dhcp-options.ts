import type { Command } from 'commander';
import type { Cli } from './cli.ts';
import { CliError } from './cli-error.ts';
import { table } from './print.ts';

type ShownSetting = {
  scope: string;
  of: string;
  name: string;
  value: unknown;
  force: boolean;
  code?: number;
  text?: string;
  problem?: string;
};
type KnownOption = { code: number; name: string; source: string; shape?: string; example?: unknown; refused?: string };

const SCOPES = ['subnet', 'profile', 'reservation', 'machine'];
const SCOPE_HELP = 'global, subnet NAME, profile NAME, reservation ID or machine NAME';

/** What the words are, by how many stand behind the level. */
const WANTED = ['the level', 'level and option', 'level, option and value (in quotes when it has blanks)'];

/** DHCP options: set at each level, looked up, and defined. */
export function addDhcpOptionCommands(program: Command, { client, say }: Cli): void {
  program
    .command('options [scope...]')
    .description(`DHCP options that are set; only of one level with ${SCOPE_HELP}`)
    .option('--json', 'as JSON')
    .action(async (words: string[], flags: { json?: boolean }) => {
      const path = words.length === 0 ? '/api/v1/options' : optionsPath(words, 0).path;
      const list = await client().get<ShownSetting[]>(path);
      if (flags.json) return say(JSON.stringify(list, null, 2));
      if (list.length === 0) return say('no option is set: firstlight option set global ntp-servers 10.0.0.1');
      say(table(['LEVEL', 'OPTION', 'CODE', 'VALUE', 'SENT'], list.map(rowOf)));
    });

  const option = program.command('option').description('set DHCP options, and define your own');
  option
    .command('set <scope-name-value...>')
    .description(`SCOPE NAME VALUE, where SCOPE is ${SCOPE_HELP}; VALUE may be a template: '{{params.ntp}}'`)
    .option('--force', 'send it also to clients that do not ask for it')
    .action(async (words: string[], flags: { force?: boolean }) => {
      const { path, rest } = optionsPath(words, 2);
      const [name = '', value] = rest;
      const set = await client().send<ShownSetting>('PUT', `${path}/${encodeURIComponent(name)}`, { value, ...flags });
      say(`${set.name} is ${shownValue(set)} for ${levelOf(set)}`);
    });
  option
    .command('unset <scope-name...>')
    .description(`SCOPE NAME, where SCOPE is ${SCOPE_HELP}`)
    .action(async (words: string[]) => {
      const { path, rest } = optionsPath(words, 1);
      const [name = ''] = rest;
      await client().send('DELETE', `${path}/${encodeURIComponent(name)}`);
      say(`${name} is set no more`);
    });
  option
    .command('known [text]')
    .description('every option there is, with the shape of its value; only those with this in the name')
    .action(async (text: string | undefined) => {
      const list = await client().get<KnownOption[]>('/api/v1/options/known');
      const found = list.filter((one) => text === undefined || one.name.includes(text) || String(one.code) === text);
      if (found.length === 0)
        throw new CliError(
          `no option has ${text} in its name: a code of your own is made with: firstlight option define`,
        );
      say(
        table(
          ['CODE', 'NAME', 'SHAPE', 'EXAMPLE', 'SOURCE'],
          found.map((one) => [
            String(one.code),
            one.name,
            one.shape ?? '-',
            one.refused ? `cannot be set: ${one.refused}` : plain(one.example),
            one.source,
          ]),
        ),
      );
    });
  option
    .command('define <code> <name> <shape>')
    .description('name a code that is not in the table; shapes: firstlight option known')
    .action(async (code: string, name: string, shape: string) => {
      await client().send('PUT', `/api/v1/options/custom/${encodeURIComponent(code)}`, { name, shape });
      say(`option ${code} is ${name} (${shape})`);
    });
  option
    .command('undefine <code>')
    .description('forget such a name')
    .action(async (code: string) => {
      await client().send('DELETE', `/api/v1/options/custom/${encodeURIComponent(code)}`);
      say(`option ${code} has no name any more`);
    });
}

/** The level that the words begin with, and the `count` words behind it. */
function optionsPath(words: readonly string[], count: number): { path: string; rest: string[] } {
  const [scope = '', of = ''] = words;
  const length = scope === 'global' ? 1 : 2;
  if (scope !== 'global' && !SCOPES.includes(scope))
    throw new CliError(`${JSON.stringify(scope)} is no level for options\n  a level is ${SCOPE_HELP}`);
  if (words.length !== length + count)
    throw new CliError(`say ${WANTED[count]}, and not: ${words.join(' ')}\n  a level is ${SCOPE_HELP}`);
  const path = scope === 'global' ? '/api/v1/options/global' : `/api/v1/options/${scope}/${encodeURIComponent(of)}`;
  return { path, rest: words.slice(length) };
}

function rowOf(one: ShownSetting): string[] {
  return [
    levelOf(one),
    one.name,
    one.code === undefined ? '-' : String(one.code),
    shownValue(one),
    one.force ? 'always' : 'when asked for',
  ];
}

function levelOf({ scope, of }: ShownSetting): string {
  return scope === 'global' ? 'global' : `${scope} ${of}`;
}

function shownValue(one: ShownSetting): string {
  return one.problem ? `${plain(one.value)} (${one.problem})` : (one.text ?? plain(one.value));
}

function plain(value: unknown): string {
  if (Array.isArray(value)) return value.map(plain).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value ?? '-');
}
