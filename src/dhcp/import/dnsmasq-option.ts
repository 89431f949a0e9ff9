import { isIpv4 } from '../../wire/address.ts';
import { type DnsmasqLine, readDnsmasqTime } from './dnsmasq-lines.ts';
import { errorAt, type ImportProblem, noteAt, quote } from './imported.ts';
import { importedOption, NEXT_SERVER, optionCodeOf } from './option-names.ts';
import type { OptionLine, UnreadOption } from './settings.ts';

/** Options that go to whoever has all these tags; to everybody when there are none. */
export type TaggedOptions = {
  tags: string[];
  options: OptionLine[];
  unread: UnreadOption[];
  problems: ImportProblem[];
};

/** What a dhcp-option says. dnsmasq 2.90 manual, --dhcp-option. */
export function readDnsmasqOption({ line, fields, text }: DnsmasqLine): TaggedOptions {
  const tags: string[] = [];
  const nothing: TaggedOptions = { tags, options: [], unread: [], problems: [] };
  const sentence = (why: string) => `the option ${quote(text)} is not taken: ${why}`;
  const unread = (why: string, code?: number): TaggedOptions => ({
    ...nothing,
    unread: [{ line, text: sentence(why), ...(code !== undefined && { code }) }],
  });
  for (const [index, { syntax, text: told }] of fields.entries()) {
    if (/^(encap|vi-encap|vendor):/.test(syntax)) return unread('options inside of others, or by vendor, are not read');
    if (/^option6:/.test(syntax)) return { ...nothing, problems: [noteAt(line, sentence('it is for IPv6'))] };
    const name = /^option:(.+)$/.exec(syntax)?.[1];
    if (name === undefined && !/^[0-9]+$/.test(syntax)) {
      tags.push(told.replace(/^(tag|net|set):/, ''));
      continue;
    }
    const code = name === undefined ? Number(syntax) : optionCodeOf(name);
    if (code === undefined) return unread(`${quote(name ?? '')} is the name of no option that we know`);
    if (name === undefined && (code < 1 || code > 254))
      return { ...nothing, problems: [errorAt(line, sentence(`${code} is the code of no option`))] };
    const values = fields.slice(index + 1).map((field) => field.text);
    // 0.0.0.0 stands for the address of the machine that dnsmasq runs on
    if (values.includes('0.0.0.0'))
      return unread('0.0.0.0 means the address of the old server, which the file does not tell', code);
    const value = code === 51 ? String(readDnsmasqTime(values[0] ?? '') ?? values.join(', ')) : values.join(', ');
    return { ...nothing, options: [{ line, ...importedOption(code, value, name) }] };
  }
  return { ...nothing, problems: [errorAt(line, sentence('it names no option'))] };
}

/** What a dhcp-boot says: a file, a server's name, a server's address. dnsmasq 2.90 manual, --dhcp-boot. */
export function readDnsmasqBoot({ line, fields, text }: DnsmasqLine): TaggedOptions {
  const isTag = ({ syntax }: { syntax: string }) => /^(tag|net):/.test(syntax);
  const tags = fields.filter(isTag).map((field) => field.text.slice(4));
  const [file = '', serverName = '', server = ''] = fields.filter((field) => !isTag(field)).map((field) => field.text);
  const options: OptionLine[] = [];
  const problems: ImportProblem[] = [];
  if (file !== '') options.push({ line, ...importedOption(67, file) });
  if (serverName !== '') options.push({ line, ...importedOption(66, serverName) });
  if (isIpv4(server)) options.push({ line, ...importedOption(NEXT_SERVER, server) });
  else if (server !== '')
    problems.push(noteAt(line, `the boot server ${quote(server)} of ${quote(text)} is not taken: it is a name`));
  return { tags, options, unread: [], problems };
}
