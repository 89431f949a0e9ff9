import { isIpv4 } from '../../wire/address.ts';
import { type DnsmasqLine, readDnsmasqTime } from './dnsmasq-lines.ts';
import { type ImportProblem, quote } from './imported.ts';
import { importedOption, NEXT_SERVER, optionCodeOf } from './option-names.ts';
import type { OptionLine } from './settings.ts';

/** Options that go to whoever has all these tags; to everybody when there are none. */
export type TaggedOptions = { tags: string[]; options: OptionLine[] };

/** What a dhcp-option says. dnsmasq 2.90 manual, --dhcp-option. */
export function readDnsmasqOption({ line, fields, text }: DnsmasqLine): TaggedOptions & { problems: ImportProblem[] } {
  const tags: string[] = [];
  const none = (why: string) => ({
    tags,
    options: [],
    problems: [{ line, text: `the option ${quote(text)} is not taken: ${why}` }],
  });
  for (const [index, { syntax, text: told }] of fields.entries()) {
    if (/^(encap|vi-encap|vendor):/.test(syntax)) return none('options inside of others, or by vendor, are not read');
    if (/^option6:/.test(syntax)) return none('it is for IPv6');
    const name = /^option:(.+)$/.exec(syntax)?.[1];
    if (name === undefined && !/^[0-9]+$/.test(syntax)) {
      tags.push(told.replace(/^(tag|net|set):/, ''));
      continue;
    }
    const code = name === undefined ? Number(syntax) : optionCodeOf(name);
    if (code === undefined) return none(`${quote(name ?? '')} is the name of no option that we know`);
    if (name === undefined && (code < 1 || code > 254)) return none(`${code} is the code of no option`);
    const values = fields.slice(index + 1).map((field) => field.text);
    // 0.0.0.0 stands for the address of the machine that dnsmasq runs on
    if (values.includes('0.0.0.0'))
      return none('0.0.0.0 means the address of the old server, which the file does not tell');
    const value = code === 51 ? String(readDnsmasqTime(values[0] ?? '') ?? values.join(', ')) : values.join(', ');
    return { tags, options: [{ line, ...importedOption(code, value, name) }], problems: [] };
  }
  return none('it names no option');
}

/** What a dhcp-boot says: a file, a server's name, a server's address. dnsmasq 2.90 manual, --dhcp-boot. */
export function readDnsmasqBoot({ line, fields, text }: DnsmasqLine): TaggedOptions & { problems: ImportProblem[] } {
  const isTag = ({ syntax }: { syntax: string }) => /^(tag|net):/.test(syntax);
  const tags = fields.filter(isTag).map((field) => field.text.slice(4));
  const [file = '', serverName = '', server = ''] = fields.filter((field) => !isTag(field)).map((field) => field.text);
  const options: OptionLine[] = [];
  if (file !== '') options.push({ line, ...importedOption(67, file) });
  if (serverName !== '') options.push({ line, ...importedOption(66, serverName) });
  if (isIpv4(server)) options.push({ line, ...importedOption(NEXT_SERVER, server) });
  else if (server !== '')
    return {
      tags,
      options,
      problems: [{ line, text: `the boot server ${quote(server)} of ${quote(text)} is not taken: it is a name` }],
    };
  return { tags, options, problems: [] };
}
