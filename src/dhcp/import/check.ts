import { type Cidr, cidrBroadcast, cidrContains, cidrOf, cidrToText, type Ipv4, type Mac } from '../../wire/address.ts';
import { colonHex, describeClient } from './client.ts';
import { type Imported, type ImportedReservation, type ImportedSubnet, type ImportProblem, quote } from './imported.ts';

/** What the appliance has already. `leases`: the live ones. */
export type Present = {
  subnets: readonly { name: string; cidr: Cidr }[];
  reservations: readonly { mac?: Mac; address: Ipv4 }[];
  leases: readonly { address: Ipv4; mac?: Mac }[];
};

/** What of an import contradicts itself or what is there: each with its line, in the order of the lines. A reservation or
 *  lease belongs to one of the present subnets, also when the file has its subnet: that one has to be made first. */
export function checkImport(imported: Imported, present: Present): ImportProblem[] {
  return [
    ...checkSubnets(imported.subnets, present),
    ...checkReservations(imported, present),
    ...checkLeases(imported, present),
  ].sort((a, b) => a.line - b.line);
}

function checkSubnets(subnets: readonly ImportedSubnet[], present: Present): ImportProblem[] {
  const problems: ImportProblem[] = [];
  const there = indexOf(present.subnets);
  const inFile = indexOf(subnets);
  const seen = new Map<string, number>();
  for (const { line, cidr, pools } of subnets) {
    const own = cidrToText(cidr);
    const first = seen.get(own);
    if (first !== undefined) problems.push({ line, text: `subnet ${own} stands on line ${first} already` });
    else seen.set(own, line);
    const around = there.around(cidr.base, cidr.prefix - 1);
    if (around) problems.push({ line, text: `subnet ${own} is inside of ${around.name} (${cidrToText(around.cidr)})` });
    const outer = inFile.around(cidr.base, cidr.prefix - 1);
    if (outer)
      problems.push({ line, text: `subnet ${own} is inside of ${cidrToText(outer.cidr)} on line ${outer.line}` });
    for (const { first, last } of pools)
      if (!cidrContains(cidr, first) || !cidrContains(cidr, last))
        problems.push({ line, text: `the pool ${first} to ${last} is not inside of its subnet ${own}` });
  }
  for (const { name, cidr } of present.subnets) {
    const outer = inFile.around(cidr.base, cidr.prefix - 1);
    if (outer)
      problems.push({
        line: outer.line,
        text: `subnet ${cidrToText(outer.cidr)} has ${name} (${cidrToText(cidr)}) inside of it`,
      });
  }
  return problems;
}

/** Who has an address, or which address somebody has; without a line it is in the appliance. */
type Claim = { client: string; names: readonly string[]; address: Ipv4; hostname?: string; line?: number };

function checkReservations({ reservations, subnets }: Imported, present: Present): ImportProblem[] {
  const problems: ImportProblem[] = [];
  const there = indexOf(present.subnets);
  const inFile = indexOf(subnets);
  const byAddress = new Map<Ipv4, Claim>();
  /** By subnet and identifier: one client may have an address in each subnet. */
  const byClient = new Map<string, Claim>();
  const keyOf = (address: Ipv4, client: string) => `${there.around(address)?.name} ${client}`;
  for (const { mac, address } of present.reservations) {
    const claim: Claim = { client: mac ?? 'another client', names: mac ? [mac] : [], address };
    byAddress.set(address, claim);
    if (mac) byClient.set(keyOf(address, mac), claim);
  }
  const leases = new Map(present.leases.map((lease) => [lease.address, lease]));

  for (const reservation of reservations) {
    const { line, address, hostname } = reservation;
    const client = describeClient(reservation);
    const say = (text: string) => problems.push({ line, text });
    if (!address) {
      if (present.subnets.length !== 1)
        say(`${client} has no address, and so the file does not say in which subnet it is`);
      continue;
    }
    const place = placeProblem(address, there, inFile);
    if (place) {
      say(`${address} for ${client} ${place}`);
      continue;
    }
    const holder = byAddress.get(address);
    const names = identifiersOf(reservation);
    const claims = names.flatMap((name) => byClient.get(keyOf(address, name)) ?? []);
    const other = claims.find((claim) => claim.address !== address);
    if (other) say(`${client} is to have ${address}, but has ${other.address} ${whereIs(other)}`);
    if (holder && !names.some((name) => holder.names.includes(name)))
      say(`${address} is to be for ${client}, but is reserved for ${holder.client} ${whereIs(holder)}`);
    else if (holder?.line !== undefined && !other && holder.hostname !== hostname)
      say(
        `${client} with ${address} stands on line ${holder.line} already, with the name ${quote(holder.hostname ?? '')}`,
      );
    const lease = leases.get(address);
    if (lease && (lease.mac === undefined || lease.mac !== reservation.mac))
      say(
        `${address} for ${client} is held by a live lease of ${lease.mac ?? 'another client'}: it can have it when that ends`,
      );
    const claim: Claim = { client, names, address, hostname, line };
    if (!holder) byAddress.set(address, claim);
    for (const name of names) if (!byClient.has(keyOf(address, name))) byClient.set(keyOf(address, name), claim);
  }
  return problems;
}

function checkLeases({ leases, reservations, subnets }: Imported, present: Present): ImportProblem[] {
  const there = indexOf(present.subnets);
  const inFile = indexOf(subnets);
  const reserved = new Map<Ipv4, { mac?: Mac }>(
    [...present.reservations, ...reservations].flatMap((one) => (one.address ? [[one.address, one]] : [])),
  );
  const held = new Map(present.leases.map((lease) => [lease.address, lease]));
  return leases.flatMap((lease) => {
    const { line, address, mac, state } = lease;
    const client = describeClient(lease);
    const place = placeProblem(address, there, inFile);
    if (place) return [{ line, text: `the lease of ${address} to ${client} is not for us: the address ${place}` }];
    if (state !== 'bound') return [];
    const holder = held.get(address);
    if (holder && (holder.mac === undefined || holder.mac !== mac))
      return [
        {
          line,
          text: `${address} is leased to ${client}, but held by a live lease of ${holder.mac ?? 'another client'} here`,
        },
      ];
    const owner = reserved.get(address);
    if (owner && (owner.mac === undefined || owner.mac !== mac))
      return [{ line, text: `${address} is leased to ${client}, but reserved for ${owner.mac ?? 'another client'}` }];
    return [];
  });
}

/** Why no client can have this address here. */
function placeProblem(
  address: Ipv4,
  there: SubnetIndex<{ cidr: Cidr }>,
  inFile: SubnetIndex<ImportedSubnet>,
): string | undefined {
  const subnet = there.around(address);
  if (subnet) {
    const { cidr } = subnet;
    if (cidr.prefix >= 31) return undefined; // RFC 3021
    if (address === cidr.base) return `is the network address of ${cidrToText(cidr)}`;
    return address === cidrBroadcast(cidr) ? `is the broadcast address of ${cidrToText(cidr)}` : undefined;
  }
  const own = inFile.around(address);
  return own ? `is in no subnet yet: the file has it in ${cidrToText(own.cidr)} (line ${own.line})` : 'is in no subnet';
}

/** All that the client is known by. */
function identifiersOf(client: ImportedReservation): string[] {
  const { mac, clientId, uuid, circuitId, remoteId } = client;
  const names: string[] = [];
  if (mac) names.push(mac);
  if (clientId) names.push(`client id ${colonHex(clientId)}`);
  if (uuid) names.push(`UUID ${uuid}`);
  // one port is both together
  if (circuitId || remoteId) names.push(describePort(circuitId, remoteId));
  return names;
}

function describePort(circuitId: Buffer | undefined, remoteId: Buffer | undefined): string {
  const parts = [circuitId && `circuit id ${colonHex(circuitId)}`, remoteId && `remote id ${colonHex(remoteId)}`];
  return parts.filter((part) => part !== undefined).join(' of ');
}

function whereIs({ line }: Claim): string {
  return line === undefined ? 'here already' : `on line ${line}`;
}

type SubnetIndex<T> = {
  /** The smallest subnet around the address, of at most so many bits. */
  around: (address: Ipv4, maxPrefix?: number) => T | undefined;
};

/** Finds the subnet of an address among thousands. */
function indexOf<T extends { cidr: Cidr }>(subnets: readonly T[]): SubnetIndex<T> {
  const byText = new Map(subnets.map((subnet) => [cidrToText(subnet.cidr), subnet]));
  const prefixes = [...new Set(subnets.map(({ cidr }) => cidr.prefix))].sort((a, b) => b - a);
  return {
    around: (address, maxPrefix = 32) => {
      for (const prefix of prefixes) {
        const subnet = prefix <= maxPrefix ? byText.get(cidrToText(cidrOf(address, prefix))) : undefined;
        if (subnet) return subnet;
      }
      return undefined;
    },
  };
}
