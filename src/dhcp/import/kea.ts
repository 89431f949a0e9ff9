import { type Cidr, cidrBroadcast, cidrOf, cidrToText, type Ipv4, isIpv4 } from '../../wire/address.ts';
import {
  append,
  errorAt,
  type Found,
  type ImportedReservation,
  type ImportedSubnet,
  type ImportProblem,
  noteAt,
  quote,
  subnetErrorAt,
} from './imported.ts';
import { isEmpty, itemsOf, type Json, memberOf, readJson, textOf } from './json.ts';
import { type KeaDefinitions, readKeaDefinitions, readKeaOptions } from './kea-options.ts';
import { readKeaReservation } from './kea-reservation.ts';
import { rangeOf } from './netmask.ts';
import { checkNumbers, readSettings, type Settings, subnetWith } from './settings.ts';

/** Members by which a scope is for some clients only: the older and the newer name. */
const conditions = ['client-class', 'client-classes'];
/** Members that put the clients of a scope into more classes, for their options. */
const additions = ['require-client-classes', 'evaluate-additional-classes'];
/** Members that keep more of the configuration where it cannot be read from here. */
const elsewhere = ['hosts-database', 'hosts-databases', 'config-control'];

type Pool = ImportedSubnet['pools'][number];

/** Subnets and reservations of a kea-dhcp4.conf, or of what Kea answers to config-get. Kea ARM, "The DHCPv4 Server". */
export function importKea(text: string): Found {
  const { value, problems } = readJson(text);
  if (!value) return { problems };
  const dhcp4 = dhcp4Of(value);
  if (!dhcp4) {
    const what = memberOf(value, 'Dhcp6') ? 'the file is for IPv6' : 'the file has no Dhcp4';
    return { problems: [...problems, errorAt(value.line, `${what}: nothing of it is taken`)] };
  }
  const definitions = readKeaDefinitions(dhcp4);
  const subnets: ImportedSubnet[] = [];
  const reservations: ImportedReservation[] = [];

  const common = readScope(dhcp4, 'all subnets', definitions);
  append(problems, common.problems);
  for (const one of elementsOf(dhcp4, 'client-classes'))
    problems.push(
      noteAt(one.line, `class ${quote(textOf(memberOf(one, 'name')) ?? '')} is not taken: it depends on the request`),
    );
  for (const name of elsewhere) {
    const member = memberOf(dhcp4, name);
    if (member && !isEmpty(member)) problems.push(noteAt(member.line, `${name}: what that database holds is not read`));
  }
  readReservations(dhcp4);
  for (const one of elementsOf(dhcp4, 'subnet4')) readSubnet(one, [common.settings], '');
  for (const network of elementsOf(dhcp4, 'shared-networks')) {
    const name = textOf(memberOf(network, 'name')) ?? '';
    const scope = readScope(network, `shared network ${quote(name)}`, definitions);
    append(problems, scope.problems);
    for (const one of elementsOf(network, 'subnet4')) readSubnet(one, [common.settings, scope.settings], name);
  }
  return { subnets, reservations, problems };

  function readSubnet(json: Json, outer: readonly Settings[], sharedNetwork: string): void {
    const told = textOf(memberOf(json, 'subnet')) ?? '';
    const cidr = networkOf(told);
    if (cidr) {
      const scope = readScope(json, `subnet ${cidrToText(cidr)}`, definitions, cidr);
      append(problems, scope.problems);
      const pools = elementsOf(json, 'pools').flatMap((pool) => readPool(pool, cidr));
      subnets.push(subnetWith({ line: json.line, cidr, pools }, [...outer, scope.settings], sharedNetwork));
    } else
      problems.push(subnetErrorAt(json.line, `subnet ${quote(told)} is not taken: it is no network like 10.77.0.0/24`));
    readReservations(json);
  }

  function readPool(json: Json, cidr: Cidr): Pool[] {
    const told = textOf(memberOf(json, 'pool')) ?? '';
    const pool = poolOf(told);
    if (!pool) {
      problems.push(
        subnetErrorAt(
          json.line,
          `pool ${quote(told)} of ${cidrToText(cidr)} is not taken: it is no range of IPv4 addresses`,
        ),
      );
      return [];
    }
    const place = `pool ${told} of ${cidrToText(cidr)}`;
    const { options, problems: wrong } = readKeaOptions(json, definitions, place, 'subnets');
    append(problems, wrong);
    append(problems, conditionsOf(json, place));
    for (const { line, text, name, code } of options)
      problems.push(
        noteAt(
          line,
          `${name ?? `option ${code}`} ${quote(text)} of ${place} is not taken: a subnet has it for all its pools`,
        ),
      );
    return [pool];
  }

  function readReservations(scope: Json): void {
    for (const one of elementsOf(scope, 'reservations')) {
      const read = readKeaReservation(one, definitions);
      if (read.reservation) reservations.push(read.reservation);
      append(problems, read.problems);
    }
  }

  function elementsOf(scope: Json, name: string): readonly Json[] {
    const read = itemsOf(scope, name);
    append(problems, read.problems);
    return read.items;
  }
}

/** What a scope says for the subnets inside of it. */
function readScope(
  json: Json,
  place: string,
  definitions: KeaDefinitions,
  cidr?: Cidr,
): { settings: Settings; problems: ImportProblem[] } {
  const { options, problems } = readKeaOptions(json, definitions, place, 'subnets');
  const read = readSettings(options, place);
  const numbers = cidr ? checkNumbers(cidr, options) : [];
  const onlyFor = place === 'all subnets' ? [] : conditionsOf(json, place);
  return { settings: read.settings, problems: [...problems, ...read.problems, ...numbers, ...onlyFor] };
}

function conditionsOf(json: Json, place: string): ImportProblem[] {
  return [...conditions, ...additions].flatMap((name) => {
    const member = memberOf(json, name);
    if (!member || isEmpty(member)) return [];
    const classes = member.kind === 'array' ? member.items.map(textOf).join(', ') : (textOf(member) ?? '');
    if (additions.includes(name)) return [noteAt(member.line, `${name} ${quote(classes)} of ${place} is not taken`)];
    const text = `the class ${quote(classes)} of ${place} is not taken: it is open to every client`;
    return [subnetErrorAt(member.line, text)];
  });
}

/** The Dhcp4 of a file, or of the answer to config-get, which wraps it in `arguments` and, from a control agent, a list. */
function dhcp4Of(value: Json): Json | undefined {
  const answer = value.kind === 'array' ? value.items[0] : value;
  if (!answer) return undefined;
  return memberOf(answer, 'Dhcp4') ?? memberOf(memberOf(answer, 'arguments') ?? answer, 'Dhcp4');
}

function networkOf(text: string): Cidr | undefined {
  const [address = '', prefix = '', ...more] = text.split('/');
  if (more.length > 0 || !isIpv4(address) || !/^([0-9]|[12][0-9]|3[0-2])$/.test(prefix)) return undefined;
  return cidrOf(cidrOf(address, Number(prefix)).base, Number(prefix));
}

/** `10.77.0.10 - 10.77.0.99`, or a network, whose first and last address belong to the pool. */
function poolOf(text: string): { first: Ipv4; last: Ipv4 } | undefined {
  const network = networkOf(text.replace(/\s/g, ''));
  if (network) return { first: network.base, last: cidrBroadcast(network) };
  const [one = '', other = '', ...more] = text.split('-').map((part) => part.trim());
  return more.length === 0 && isIpv4(one) && isIpv4(other) ? rangeOf(one, other) : undefined;
}
