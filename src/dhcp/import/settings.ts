import { type Cidr, cidrBroadcast, cidrNetmask, type Ipv4, isIpv4 } from '../../wire/address.ts';
import {
  errorAt,
  FOR_EVER_SECONDS,
  type ImportedOption,
  type ImportedSubnet,
  type ImportProblem,
  noteAt,
  quote,
  subnetErrorAt,
} from './imported.ts';
import { describeImportedOption, NEXT_SERVER } from './option-names.ts';

/** An option and the line that tells it. */
export type OptionLine = ImportedOption & { line: number };

/** An option that could not be read, and why; its code where that was told. */
export type UnreadOption = { line: number; code?: number; text: string };

/** What a subnet keeps as a value of its own: router, name servers, domain, lease time. */
const ofSubnet = new Set([3, 6, 15, 51]);

/** A client goes without the option that is its own. A subnet would have kept none but a few, and nobody the old server. */
export function judgeUnread({ line, code, text }: UnreadOption, whose: 'client' | 'subnets'): ImportProblem {
  if (code === NEXT_SERVER) return noteAt(line, text);
  if (whose === 'client') return errorAt(line, text);
  return code !== undefined && ofSubnet.has(code) ? subnetErrorAt(line, text) : noteAt(line, text);
}

/** What one scope of a file (all subnets, a shared network, one subnet) says for its clients. `gateway` present and
 *  undefined takes back what an outer scope says. */
export type Settings = { gateway?: Ipv4 | undefined; dns?: Ipv4[]; domain?: string; leaseSeconds?: number };

/** What a subnet can keep of these options; an error for each of those that cannot be read, a note for every other one.
 *  `place` names the scope in the sentence. */
export function readSettings(
  options: readonly OptionLine[],
  place: string,
): { settings: Settings; problems: ImportProblem[] } {
  const settings: Settings = {};
  const problems: ImportProblem[] = [];
  for (const option of options) {
    const { line, code, text } = option;
    const sentence = (why: string) => `${describeImportedOption(option)} ${quote(text)} of ${place} ${why}`;
    const refuse = (why: string) => problems.push(subnetErrorAt(line, sentence(why)));
    const tell = (why: string) => problems.push(noteAt(line, sentence(why)));
    if (code === 3) {
      const { addresses, others } = readAddresses(text);
      settings.gateway = addresses[0];
      if (addresses.length > 1) tell(`has several addresses: only ${addresses[0]} is taken`);
      if (others.length > 0) refuse(`is not taken as far as ${quote(others.join(', '))}: that is no IPv4 address`);
    } else if (code === 6) {
      const { addresses, others } = readAddresses(text);
      settings.dns = addresses;
      if (others.length > 0) refuse(`is not taken as far as ${quote(others.join(', '))}: that is no IPv4 address`);
    } else if (code === 15) settings.domain = text.replace(/\.$/, '');
    else if (code === 51) {
      const seconds = readSeconds(text);
      if (seconds === undefined) refuse('is not taken: it is no number of seconds from 1 to 4294967295');
      else settings.leaseSeconds = seconds;
    } else if (code !== 1 && code !== 28) tell('is not taken'); // 1 and 28: the subnet's own numbers say them
  }
  return { settings, problems };
}

/** The subnet with what its scopes say, the outermost first. */
export function subnetWith(
  subnet: Pick<ImportedSubnet, 'line' | 'cidr' | 'pools'>,
  scopes: readonly Settings[],
  sharedNetwork = '',
): ImportedSubnet {
  const { gateway, dns = [], domain = '', leaseSeconds }: Settings = Object.assign({}, ...scopes);
  return {
    ...subnet,
    ...(gateway && { gateway }),
    dns,
    domain,
    ...(leaseSeconds !== undefined && { leaseSeconds }),
    ...(sharedNetwork !== '' && { sharedNetwork }),
  };
}

/** A mask or broadcast address that is told for the subnet and is not the one its numbers give. */
export function checkNumbers(cidr: Cidr, options: readonly OptionLine[]): ImportProblem[] {
  return options.flatMap((option) => {
    const own = option.code === 1 ? cidrNetmask(cidr) : option.code === 28 ? cidrBroadcast(cidr) : option.text;
    if (own === option.text) return [];
    const text = `${describeImportedOption(option)} ${quote(option.text)} is not taken: the subnet itself gives ${own}`;
    return [subnetErrorAt(option.line, text)];
  });
}

/** 1 to 4294967295 seconds; `infinite` and -1 are for ever. */
export function readSeconds(text: string): number | undefined {
  if (text === 'infinite' || text === '-1') return FOR_EVER_SECONDS;
  const seconds = /^[0-9]{1,10}$/.test(text) ? Number(text) : 0;
  return seconds >= 1 && seconds <= FOR_EVER_SECONDS ? seconds : undefined;
}

function readAddresses(text: string): { addresses: Ipv4[]; others: string[] } {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  return {
    addresses: parts.filter((part) => isIpv4(part) && part !== '0.0.0.0') as Ipv4[],
    others: parts.filter((part) => !isIpv4(part) || part === '0.0.0.0'),
  };
}
