import { type Cidr, cidrContains, cidrOf, cidrToText, type Ipv4, isIpv4 } from '../../wire/address.ts';
import {
  append,
  errorAt,
  type Found,
  type ImportedOption,
  type ImportedReservation,
  type ImportedSubnet,
  type ImportProblem,
  noteAt,
  quote,
  subnetErrorAt,
} from './imported.ts';
import { readIscHost } from './isc-host.ts';
import { type CustomOptions, phraseOf, readIscDefinitions, readIscOption } from './isc-options.ts';
import { type IscStatement, keywordOf, readIscStatements } from './isc-statements.ts';
import { textOfIscToken } from './isc-tokens.ts';
import { prefixOfNetmask, rangeOf } from './netmask.ts';
import { describeImportedOption } from './option-names.ts';
import { checkNumbers, judgeUnread, type OptionLine, readSettings, type Settings, subnetWith } from './settings.ts';

/** Blocks that say nothing of a client: keys of OMAPI and DNS, zones, failover peers. */
const ofTheServer = new Set(['key', 'zone', 'failover']);
/** What acts by what a request has in it, or files clients into classes. */
const conditional = new Set(
  'if elsif else switch case default on class subclass execute supersede append prepend send set'.split(' '),
);
/** Who may have the addresses of a pool, or is answered at all. Outside of a pool, to allow is what is usual. */
const permit =
  /^(allow|deny|ignore) (members|known|unknown|known-clients|unknown-clients|all|dynamic|authenticated|unauthenticated|after|bootp|booting)\b/;
/** Old clients that speak BOOTP, which nobody does here. */
const ofBootp = /^(allow|deny|ignore) (dynamic )?bootp\b/;

type Pool = ImportedSubnet['pools'][number];

/** What the blocks around a statement say for it. */
type Scope = {
  /** The scope in a sentence: `subnet 10.77.0.0/24`. */
  place: string;
  /** Of every block from the outermost to this one. */
  settings: readonly Settings[];
  /** Of the groups around it: a host has them as its own, but for those that it sets itself. */
  groupOptions: readonly ImportedOption[];
  sharedNetwork: string;
  /** Inside of a subnet: where its ranges go. */
  pools?: Pool[];
  isInPool?: boolean;
};

/** Subnets and reservations of a dhcpd.conf. dhcpd.conf(5) of 4.4. What hangs on the request (if, class) is not taken. */
export function importIsc(text: string): Found {
  const problems: ImportProblem[] = [];
  const statements = [...readIscStatements(text, problems)];
  const custom = readIscDefinitions(statements);
  const subnets: ImportedSubnet[] = [];
  const reservations: ImportedReservation[] = [];
  /** Ranges of pools that stand in a shared network, beside its subnets. */
  const stray: { statement: IscStatement; pool: Pool; sharedNetwork: string }[] = [];

  const refuse = ({ line, tokens }: IscStatement, why: string, problemAt = subnetErrorAt) =>
    problems.push(problemAt(line, `${quote(phraseOf(tokens))} is not taken: ${why}`));

  const readers: Readonly<Record<string, (statement: IscStatement, block: IscStatement[], scope: Scope) => void>> = {
    host: (statement, _, scope) => {
      const host = readIscHost(statement, scope.groupOptions, custom);
      if (host.reservation) reservations.push(host.reservation);
      append(problems, host.problems);
    },
    group: (_, block, scope) => {
      const own = optionsOf(block, 'a group', hasHost(block) ? 'client' : 'subnets');
      const read = readSettings(own, 'the subnets in a group');
      if (block.some(({ tokens }) => /^(subnet|shared-network)$/.test(keywordOf(tokens[0]))))
        append(problems, read.problems);
      const groupOptions = [...scope.groupOptions, ...own.map(({ line: _, ...option }) => option)];
      readAll(block, { ...scope, settings: [...scope.settings, read.settings], groupOptions });
    },
    'shared-network': ({ tokens }, block, scope) => {
      const sharedNetwork = tokens[1] ? textOfIscToken(tokens[1]) : '';
      readAll(block, entered({ ...scope, place: `shared network ${quote(sharedNetwork)}`, sharedNetwork }, block));
    },
    subnet: (statement, block, scope) => {
      const cidr = networkOf(statement);
      if (typeof cidr === 'string') return refuse(statement, cidr);
      const pools: Pool[] = [];
      const inner = entered({ ...scope, place: `subnet ${cidrToText(cidr)}`, pools }, block, cidr);
      subnets.push(subnetWith({ line: statement.line, cidr, pools }, inner.settings, scope.sharedNetwork));
      readAll(block, inner);
    },
    pool: (_, block, scope) => {
      const place = `a pool of ${scope.place}`;
      for (const option of optionsOf(block, place)) {
        const text = `${describeImportedOption(option)} ${quote(option.text)} of ${place} is not taken: a subnet has it for all its pools`;
        problems.push(noteAt(option.line, text));
      }
      readAll(block, { ...scope, place, isInPool: true });
    },
  };

  function readAll(block: readonly IscStatement[], scope: Scope): void {
    for (const statement of block) readStatement(statement, scope);
  }

  function readStatement(statement: IscStatement, scope: Scope): void {
    const keyword = keywordOf(statement.tokens[0]);
    const reader = Object.hasOwn(readers, keyword) ? readers[keyword] : undefined;
    if (reader && statement.block) return reader(statement, statement.block, scope);
    if (keyword === 'range') return readRange(statement, scope);
    if (keyword === 'include') refuse(statement, 'that file is not read, import it on its own', noteAt);
    else if (conditional.has(keyword)) refuse(statement, 'it depends on the request', noteAt);
    else if (/^(subnet|range|prefix|shared-network)6$/.test(keyword)) refuse(statement, 'it is for IPv6', noteAt);
    else if (statement.block && !ofTheServer.has(keyword)) refuse(statement, 'we know no such block', errorAt);
    else if (reader) refuse(statement, 'its block is missing', errorAt);
    else readPermit(statement, scope);
  }

  function readPermit(statement: IscStatement, { place, isInPool }: Scope): void {
    const phrase = phraseOf(statement.tokens).toLowerCase();
    if (!permit.test(phrase)) return;
    if (ofBootp.test(phrase)) refuse(statement, 'there is no BOOTP here', noteAt);
    else if (isInPool || !phrase.startsWith('allow')) refuse(statement, `every client is let into ${place}`);
  }

  function readRange(statement: IscStatement, { pools, sharedNetwork }: Scope): void {
    const words = statement.tokens.slice(1).map(textOfIscToken);
    if (words[0]?.toLowerCase() === 'dynamic-bootp') words.shift();
    const [one = '', other = one] = words;
    if (!isIpv4(one) || !isIpv4(other) || words.length > 2) refuse(statement, 'it has not two IPv4 addresses');
    else if (pools) pools.push(rangeOf(one, other));
    else stray.push({ statement, pool: rangeOf(one, other), sharedNetwork });
  }

  /** The scope with what the block itself says; a problem for each option that a subnet has no place for. */
  function entered(scope: Scope, block: readonly IscStatement[], cidr?: Cidr): Scope {
    const own = optionsOf(block, scope.place);
    const read = readSettings(own, scope.place);
    append(problems, read.problems);
    if (cidr) append(problems, checkNumbers(cidr, own));
    return { ...scope, settings: [...scope.settings, read.settings] };
  }

  function optionsOf(
    block: readonly IscStatement[],
    place: string,
    whose: 'client' | 'subnets' = 'subnets',
  ): OptionLine[] {
    const read = readOptions(block, custom, place, whose);
    append(problems, read.problems);
    return read.options;
  }

  readAll(statements, entered({ place: 'all subnets', settings: [], groupOptions: [], sharedNetwork: '' }, statements));
  for (const { statement, pool, sharedNetwork } of stray) {
    const home = subnets.find((one) => (one.sharedNetwork ?? '') === sharedNetwork && holds(one.cidr, pool));
    if (home) home.pools.push(pool);
    else refuse(statement, 'no subnet around it has these addresses');
  }
  return { subnets, reservations, problems };
}

/** The options among the statements of one block, not of the blocks inside. */
function readOptions(
  block: readonly IscStatement[],
  custom: CustomOptions,
  place: string,
  whose: 'client' | 'subnets',
): { options: OptionLine[]; problems: ImportProblem[] } {
  const options: OptionLine[] = [];
  const problems: ImportProblem[] = [];
  for (const statement of block) {
    if (statement.block || keywordOf(statement.tokens[0]) === 'supersede') continue;
    const read = readIscOption(statement, custom);
    if (read && 'option' in read) options.push(read.option);
    else if (read) problems.push(judgeUnread({ ...read.unread, text: `${place}: ${read.unread.text}` }, whose));
  }
  return { options, problems };
}

/** Does a group have hosts, to whom its options go? */
function hasHost(block: readonly IscStatement[]): boolean {
  return block.some(({ tokens, block: inner = [] }) => {
    const keyword = keywordOf(tokens[0]);
    return keyword === 'host' || (keyword === 'group' && hasHost(inner));
  });
}

/** The network of `subnet 10.77.0.0 netmask 255.255.255.0`, or why it is none. */
function networkOf({ tokens }: IscStatement): Cidr | string {
  const [address = '', keyword = '', mask = ''] = tokens.slice(1).map(textOfIscToken);
  const prefix = prefixOfNetmask(mask);
  if (keyword.toLowerCase() !== 'netmask' || !isIpv4(address)) return 'it names no address and netmask';
  if (prefix === undefined) return `${quote(mask)} is no netmask`;
  const { base } = cidrOf(address, prefix);
  return base === address ? cidrOf(base, prefix) : `${address} is not the first address of ${base}/${prefix}`;
}

function holds(cidr: Cidr, { first, last }: { first: Ipv4; last: Ipv4 }): boolean {
  return cidrContains(cidr, first) && cidrContains(cidr, last);
}
