import { type Cidr, cidrContains, cidrToText, isIpv4, parseCidr } from '../../wire/address.ts';
import { type DnsmasqHost, readDnsmasqHost } from './dnsmasq-host.ts';
import { type DnsmasqLine, readDnsmasqLines } from './dnsmasq-lines.ts';
import { readDnsmasqBoot, readDnsmasqOption, type TaggedOptions } from './dnsmasq-option.ts';
import { type DnsmasqRange, readDnsmasqRange } from './dnsmasq-range.ts';
import {
  append,
  type Found,
  type ImportedReservation,
  type ImportedSubnet,
  type ImportProblem,
  noteAt,
  quote,
  subnetErrorAt,
} from './imported.ts';
import { describeImportedOption } from './option-names.ts';
import { checkNumbers, judgeUnread, type OptionLine, readSettings, type Settings, subnetWith } from './settings.ts';

/** Keywords that say how the server runs and nothing of its clients. */
const ofTheServer = new Set(
  `dhcp-authoritative dhcp-leasefile dhcp-lease-max dhcp-script dhcp-scriptuser dhcp-luascript dhcp-fqdn dhcp-client-update
   dhcp-alternate-port dhcp-duid dhcp-no-override dhcp-rapid-commit dhcp-sequential-ip dhcp-ttl dhcp-ignore-clid
   dhcp-ignore-names dhcp-generate-names`.split(/\s+/),
);
/** Keywords that lead to other files, which cannot be opened from here. */
const files = /^(conf-file|conf-dir|conf-script|dhcp-hostsfile|dhcp-hostsdir|dhcp-optsfile|dhcp-optsdir|read-ethers)$/;

/** A domain that counts for the addresses of one network only. */
type NetworkDomain = { cidr: Cidr; domain: string };

/** Reservations and subnets of a dnsmasq.conf, a file of its conf-dir, or a dhcp-hostsfile. Options find their way by
 *  tags: those of a dhcp-range to the subnet, those of a dhcp-host to the reservation, those without to every subnet. */
export function importDnsmasq(text: string): Found {
  const { lines, problems } = readDnsmasqLines(text);
  const hosts: DnsmasqHost[] = [];
  const ranges: DnsmasqRange[] = [];
  const tagged: TaggedOptions[] = [];
  const networkDomains: NetworkDomain[] = [];
  let everywhere: Settings = {};
  for (const line of lines) {
    switch (line.keyword) {
      case undefined:
      case 'dhcp-host': {
        const host = readDnsmasqHost(line);
        hosts.push(host);
        append(problems, host.problems);
        break;
      }
      case 'dhcp-range': {
        const read = readDnsmasqRange(line);
        if (read.range) ranges.push(read.range);
        append(problems, read.problems);
        break;
      }
      case 'dhcp-option':
      case 'dhcp-option-force':
      case 'dhcp-option-pxe':
      case 'dhcp-boot': {
        const read = line.keyword === 'dhcp-boot' ? readDnsmasqBoot(line) : readDnsmasqOption(line);
        tagged.push(read);
        append(problems, read.problems);
        break;
      }
      case 'domain': {
        const read = readDomain(line);
        if ('cidr' in read) networkDomains.push(read);
        else if ('problem' in read) problems.push(read.problem);
        else everywhere = { ...everywhere, domain: read.domain };
        break;
      }
      default:
        append(problems, otherLine(line));
    }
  }
  const common = readSettings(
    tagged.filter(({ tags }) => tags.length === 0).flatMap(({ options }) => options),
    'all subnets',
  );
  append(problems, common.problems);
  everywhere = { ...everywhere, ...common.settings };
  const subnets = mergeRanges(ranges, tagged, networkDomains, everywhere, problems);
  const reservations = hosts.flatMap((host) => withTaggedOptions(host, tagged));
  append(problems, unreadOptions(tagged, hosts));
  append(problems, unusedOptions(tagged, [...ranges, ...hosts]));
  return { subnets, reservations, problems };
}

/** One subnet for all ranges of one network. */
function mergeRanges(
  ranges: readonly DnsmasqRange[],
  tagged: readonly TaggedOptions[],
  networkDomains: readonly NetworkDomain[],
  everywhere: Settings,
  problems: ImportProblem[],
): ImportedSubnet[] {
  const groups = Map.groupBy(ranges, ({ cidr }) => cidrToText(cidr));
  return [...groups.values()].map((group) => {
    const { line, cidr, leaseSeconds } = group[0] as DnsmasqRange;
    for (const other of group)
      if (other.leaseSeconds !== leaseSeconds) {
        const text = `the lease time ${other.leaseSeconds ?? 'that is not told'} of this range is not taken: ${cidrToText(cidr)} has ${leaseSeconds ?? 'none'} already`;
        problems.push(noteAt(other.line, text));
      }
    const own = tagged
      .filter(({ tags }) => tags.length > 0 && group.some((range) => tags.every((tag) => range.tags.includes(tag))))
      .flatMap(({ options }) => options);
    const read = readSettings(own, `subnet ${cidrToText(cidr)}`);
    append(problems, [...read.problems, ...checkNumbers(cidr, own)]);
    const domain = networkDomains.find((one) => cidrContains(one.cidr, cidr.base))?.domain;
    const pools = group.flatMap(({ pool }) => (pool ? [pool] : []));
    const scopes: Settings[] = [
      everywhere,
      domain === undefined ? {} : { domain },
      leaseSeconds === undefined ? {} : { leaseSeconds },
      read.settings,
    ];
    return subnetWith({ line, cidr, pools }, scopes);
  });
}

function withTaggedOptions(
  { reservation, tags }: DnsmasqHost,
  tagged: readonly TaggedOptions[],
): ImportedReservation[] {
  if (!reservation) return [];
  const own = tagged.filter((one) => one.tags.length > 0 && one.tags.every((tag) => tags.includes(tag)));
  const options = own.flatMap((one) => one.options).map(({ line: _, ...option }) => option);
  return [{ ...reservation, options: [...reservation.options, ...options] }];
}

/** Options that cannot be read: an error where a dhcp-host here has their tags. */
function unreadOptions(tagged: readonly TaggedOptions[], hosts: readonly DnsmasqHost[]): ImportProblem[] {
  return tagged.flatMap(({ tags, unread }) => {
    const isForHost = tags.length > 0 && hosts.some((host) => tags.every((tag) => host.tags.includes(tag)));
    return unread.map((option) => judgeUnread(option, isForHost ? 'client' : 'subnets'));
  });
}

/** Options whose tags no dhcp-range and no dhcp-host of this file sets: they hang on what a request has in it. */
function unusedOptions(tagged: readonly TaggedOptions[], setters: readonly { tags: string[] }[]): ImportProblem[] {
  return tagged
    .filter(({ tags }) => tags.length > 0 && !setters.some((one) => tags.every((tag) => one.tags.includes(tag))))
    .flatMap(({ tags, options }) => options.map((option) => noteAt(option.line, describeUnused(option, tags))));
}

function describeUnused(option: OptionLine, tags: readonly string[]): string {
  const which =
    tags.length === 1 ? `the tag ${quote(tags[0] as string)} that` : `the tags ${quote(tags.join(', '))} that together`;
  return `${describeImportedOption(option)} ${quote(option.text)} is not taken: it hangs on ${which} no dhcp-range and no dhcp-host here sets`;
}

/** `domain=example.com`, or with a network or range of addresses behind it. */
function readDomain({
  line,
  fields,
  text,
}: DnsmasqLine): { domain: string } | NetworkDomain | { problem: ImportProblem } {
  const [domain = '', place] = fields.map((field) => field.text);
  if (place === undefined) return { domain: domain === '#' ? '' : domain };
  const [address = '', prefix = ''] = place.split('/');
  if (isIpv4(address) && /^([0-9]|[12][0-9]|3[0-2])$/.test(prefix)) return { domain, cidr: parseCidr(place) };
  return {
    problem: subnetErrorAt(
      line,
      `the domain ${quote(text)} is not taken: only a network like 10.77.0.0/24 can follow it`,
    ),
  };
}

function otherLine({ line, keyword = '', fields, text }: DnsmasqLine): ImportProblem[] {
  const value = fields.map((field) => field.text).join(',');
  if (files.test(keyword)) {
    const what = value === '' ? keyword : `${keyword} ${quote(value)}`;
    return [noteAt(line, `${what} is not read: import that file on its own`)];
  }
  // it keeps clients from getting an address
  if (keyword === 'dhcp-ignore') return [subnetErrorAt(line, `${quote(text)} is not taken: every client is answered`)];
  const isAboutClients = /^(dhcp-|pxe-|bootp-|tag-if$|shared-network$)/.test(keyword) && !ofTheServer.has(keyword);
  return isAboutClients ? [noteAt(line, `${quote(text)} is not taken`)] : [];
}
