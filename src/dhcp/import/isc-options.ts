import { isIpv4 } from '../../wire/address.ts';
import { quote } from './imported.ts';
import type { IscStatement } from './isc-statements.ts';
import { keywordOf } from './isc-statements.ts';
import { type IscToken, textOfIscToken } from './isc-tokens.ts';
import { importedOption, NEXT_SERVER, optionCodeOf } from './option-names.ts';
import type { OptionLine, UnreadOption } from './settings.ts';

/** Options that the file itself defines, `option NAME code N = ...;`: code by name in lower case. */
export type CustomOptions = ReadonlyMap<string, number>;

/** Statements that are options in another dress, by their keyword. */
const dressed: ReadonlyMap<string, number> = new Map([
  ['next-server', NEXT_SERVER],
  ['filename', 67],
  ['server-name', 66],
  ['default-lease-time', 51],
]);

/** The option that a statement sends; `unread` when it is one that cannot be read; undefined when it is something else. */
export function readIscOption(
  { line, tokens }: IscStatement,
  custom: CustomOptions,
): { option: OptionLine } | { unread: UnreadOption } | undefined {
  const keyword = keywordOf(tokens[0]);
  const code = dressed.get(keyword);
  if (code !== undefined) {
    const text = phraseOf(tokens.slice(1));
    if (code === NEXT_SERVER && !isIpv4(text))
      return { unread: { line, code, text: `next-server ${quote(text)} is not taken: it is a name` } };
    return { option: { line, ...importedOption(code, text) } };
  }
  // what OMAPI keeps in dhcpd.leases: supersede server.filename = "x", supersede host-name = "y"
  const supersedes = keyword === 'supersede';
  if ((keyword !== 'option' && !supersedes) || isDefinition(tokens)) return undefined;
  const told = keywordOf(tokens[1]);
  const value = tokens.slice(tokens[2]?.text === '=' && tokens[2].kind === 'mark' ? 3 : 2);
  const name = supersedes ? told.replace(/^server\./, '') : told.replace(/^dhcp\./, '');
  const known = custom.get(name) ?? optionCodeOf(name);
  const whole = `${keyword} ${told}`;
  if (known === undefined)
    return {
      unread: { line, text: `${quote(`${whole} ${phraseOf(value)}`)} is not taken: we know no option of that name` },
    };
  if (value.some(({ kind, text }) => kind === 'mark' && text !== ','))
    return {
      unread: {
        line,
        code: known,
        text: `${quote(`${whole} ${phraseOf(value)}`)} is not taken: its value is computed`,
      },
    };
  const text = known === NEXT_SERVER ? dottedOfHex(phraseOf(value)) : phraseOf(value);
  return { option: { line, ...importedOption(known, text, name) } };
}

/** `option NAME code N = TYPE` at the top of a file, which gives a name to a code. */
export function readIscDefinitions(statements: readonly IscStatement[]): CustomOptions {
  return new Map(
    statements
      .filter(({ tokens }) => keywordOf(tokens[0]) === 'option' && isDefinition(tokens))
      .map(({ tokens }): [string, number] => [keywordOf(tokens[1]), Number(tokens[3]?.text)])
      .filter(([name, code]) => !name.includes('.') && code >= 1 && code <= 254),
  );
}

/** `10.0.0.1, 10.0.0.2` of tokens: words beside each other with a blank, commas as ', '. */
export function phraseOf(tokens: readonly IscToken[]): string {
  return tokens.map(textOfIscToken).join(' ').replaceAll(' , ', ', ');
}

/** `option NAME code N = ...` and `option space NAME`: neither sends anything. */
function isDefinition(tokens: readonly IscToken[]): boolean {
  return keywordOf(tokens[2]) === 'code' || (keywordOf(tokens[0]) === 'option' && keywordOf(tokens[1]) === 'space');
}

/** `0a:4d:00:01`, as OMAPI clients write an address, as 10.77.0.1. */
function dottedOfHex(text: string): string {
  const octets = /^[0-9a-f]{1,2}(:[0-9a-f]{1,2}){3}$/i.test(text) ? text.split(':') : undefined;
  return octets ? octets.map((octet) => Number.parseInt(octet, 16)).join('.') : text;
}
