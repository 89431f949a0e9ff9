import { readHex } from './client.ts';
import { type ImportProblem, quote } from './imported.ts';
import { itemsOf, type Json, memberOf, numberOf, textOf } from './json.ts';
import { importedOption, NEXT_SERVER, optionCodeOf } from './option-names.ts';
import { judgeUnread, type OptionLine, type UnreadOption } from './settings.ts';

/** Options that the file itself defines in option-def: code by name. */
export type KeaDefinitions = ReadonlyMap<string, number>;

/** Header fields and times beside option-data that say the same as an option. */
const dressed: readonly (readonly [string, number])[] = [
  ['next-server', NEXT_SERVER],
  ['server-hostname', 66],
  ['boot-file-name', 67],
  ['valid-lifetime', 51],
];
/** What a subnet keeps as a value of its own, and so never in hexadecimal. */
const readAsText = new Set([3, 6, 15, 51]);

/** All that a scope with subnets, or a reservation, sends to its clients; `place` names it in a sentence. */
export function readKeaOptions(
  scope: Json,
  definitions: KeaDefinitions,
  place: string,
  whose: 'client' | 'subnets',
): { options: OptionLine[]; problems: ImportProblem[] } {
  const { items, problems } = itemsOf(scope, 'option-data');
  const options: OptionLine[] = [];
  for (const item of items) {
    const read = readOptionData(item, definitions);
    if ('option' in read) options.push(read.option);
    else problems.push(judgeUnread({ ...read, text: `${read.named} of ${place} is not taken: ${read.text}` }, whose));
  }
  for (const [member, code] of dressed) {
    const value = memberOf(scope, member);
    const text = textOf(value) ?? String(numberOf(value) ?? '');
    // the server writes its defaults out when it is asked for its configuration
    if (value && text !== '' && text !== '0.0.0.0') options.push({ line: value.line, ...importedOption(code, text) });
  }
  return { options, problems };
}

/** The option-def of a configuration that give names in the space dhcp4. */
export function readKeaDefinitions(dhcp4: Json): KeaDefinitions {
  const definitions = new Map<string, number>();
  for (const item of itemsOf(dhcp4, 'option-def').items) {
    const name = textOf(memberOf(item, 'name'));
    const code = numberOf(memberOf(item, 'code'));
    if (name !== undefined && code !== undefined && isOfDhcp4(item)) definitions.set(name, code);
  }
  return definitions;
}

function readOptionData(
  item: Json,
  definitions: KeaDefinitions,
): { option: OptionLine } | (UnreadOption & { named: string }) {
  const name = textOf(memberOf(item, 'name'));
  const data = textOf(memberOf(item, 'data')) ?? '';
  const told = numberOf(memberOf(item, 'code'));
  const code = told ?? (name === undefined ? undefined : (definitions.get(name) ?? optionCodeOf(name)));
  const { line } = item;
  const named = `option ${quote(name ?? String(told ?? 'without a name'))} ${quote(data)}`;
  if (!isOfDhcp4(item)) return { line, named, text: 'it goes inside of another option' };
  if (code === undefined || !Number.isInteger(code) || code < 1 || code > 254)
    return { line, named, text: 'we know no such option' };
  if (itemsOf(item, 'client-classes').items.length > 0)
    return { line, named, text: 'it depends on the class of the client' };
  const csv = memberOf(item, 'csv-format');
  if (csv?.kind === 'boolean' && !csv.boolean) {
    const bytes = readHex(data.replaceAll(' ', ''));
    if (!bytes || readAsText.has(code)) return { line, named, code, text: 'its value is told byte by byte' };
    return { option: { line, ...importedOption(code, `0x${bytes.toString('hex')}`, name) } };
  }
  const text = data.replaceAll('\\,', ',').trim(); // Kea: a comma that is part of the text has a backslash before it
  return { option: { line, ...importedOption(code, text, name) } };
}

function isOfDhcp4(item: Json): boolean {
  return (textOf(memberOf(item, 'space')) ?? 'dhcp4') === 'dhcp4';
}
