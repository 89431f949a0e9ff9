import { type Cidr, cidrBroadcast, cidrOf, cidrToText, type Ipv4 } from '../../wire/address.ts';
import { colonHex, describeClient } from './client.ts';
import {
  errorAt,
  type ImportedLease,
  type ImportedReservation,
  type ImportedSubnet,
  type ImportProblem,
  noteAt,
  quote,
} from './imported.ts';

/** What a client is known by, and the address that it has. */
export type Marks = Pick<ImportedReservation, 'mac' | 'clientId' | 'uuid' | 'circuitId' | 'remoteId' | 'address'>;

/** A subnet that the appliance has already, or will have when those of the file are made. */
export type PresentSubnet = { name: string; cidr: Cidr };
/** `subnet`: by its name. */
export type PresentReservation = Marks & { subnet: string; hostname: string };

/** `new`: it can be taken. `there`: the file has it before, or the appliance has it. `wrong`: it contradicts either. */
export type Verdict = { state: 'new' | 'there' | 'wrong'; problems: ImportProblem[] };

/** Whose an address is, or which address somebody has; without a line it is in the appliance. */
type Claim = { client: string; names: readonly string[]; address?: Ipv4; hostname: string; line?: number };

/** Knows what is here and what of the file was judged before. */
export type ReservationChecker = {
  /** Tell it of one that is here; all of them come before the first is judged. */
  know: (present: PresentReservation) => void;
  judge: (reservation: ImportedReservation) => Verdict;
};

/** Judges the reservations of a file one after the other. Each belongs to one of the present subnets, also when the file has
 *  its subnet: that one has to be made first. */
export function reservationChecker(
  subnetsOfFile: readonly ImportedSubnet[],
  presentSubnets: readonly PresentSubnet[],
): ReservationChecker {
  const there = indexSubnets(presentSubnets);
  const inFile = indexSubnets(subnetsOfFile);
  const onlySubnet = presentSubnets.length === 1 ? presentSubnets[0]?.name : undefined;
  /** By subnet and address. */
  const byAddress = new Map<string, Claim>();
  /** By subnet and identifier: one client may have an address in each subnet. */
  const byClient = new Map<string, Claim>();

  function enter(subnet: string, claim: Claim): void {
    if (claim.address) byAddress.set(`${subnet} ${claim.address}`, claim);
    for (const name of claim.names) if (!byClient.has(`${subnet} ${name}`)) byClient.set(`${subnet} ${name}`, claim);
  }

  function judge(reservation: ImportedReservation): Verdict {
    const { line, address, hostname } = reservation;
    const client = describeClient(reservation);
    const wrong = (...texts: string[]): Verdict => ({
      state: 'wrong',
      problems: texts.map((text) => errorAt(line, text)),
    });
    const place = address && placeProblem(address, there, inFile);
    if (place) return wrong(`${address} for ${client} ${place}`);
    const subnet = address ? there.around(address)?.name : onlySubnet;
    if (subnet === undefined)
      return wrong(`${client} has no address, and so the file does not say in which subnet it is`);

    const names = identifiersOf(reservation);
    const claims = names.flatMap((name) => byClient.get(`${subnet} ${name}`) ?? []);
    const holder = address && byAddress.get(`${subnet} ${address}`);
    const conflicts: string[] = [];
    const other = claims.find((claim) => claim.address !== address);
    if (other)
      conflicts.push(`${client} is to have ${addressOf({ address })}, but has ${addressOf(other)} ${whereIs(other)}`);
    if (holder && !names.some((name) => holder.names.includes(name)))
      conflicts.push(`${address} is to be for ${client}, but is reserved for ${holder.client} ${whereIs(holder)}`);
    if (conflicts.length > 0) return wrong(...conflicts);

    const same = holder ?? claims[0];
    if (!same) {
      enter(subnet, { client, names, hostname, line, ...(address && { address }) });
      return { state: 'new', problems: [] };
    }
    if (same.hostname === hostname) return { state: 'there', problems: [] };
    const whole = address ? `${client} with ${address}` : client;
    if (same.line === undefined) {
      const text = `${whole} is here already, with the name ${quote(same.hostname)}: it does not become ${quote(hostname)}`;
      return { state: 'there', problems: [noteAt(line, text)] };
    }
    return wrong(`${whole} stands on line ${same.line} already, with the name ${quote(same.hostname)}`);
  }

  return {
    know: (one) => {
      const { subnet, address, hostname } = one;
      enter(subnet, { client: describeClient(one), names: identifiersOf(one), hostname, ...(address && { address }) });
    },
    judge,
  };
}

/** Judges the leases of a file: why one cannot be taken. `ownerOf`: whom an address is reserved for, here or in the file. */
export function leaseChecker(
  subnetsOfFile: readonly ImportedSubnet[],
  presentSubnets: readonly PresentSubnet[],
  ownerOf: (address: Ipv4) => Marks | undefined,
): (lease: ImportedLease) => ImportProblem | undefined {
  const there = indexSubnets(presentSubnets);
  const inFile = indexSubnets(subnetsOfFile);
  return (lease) => {
    const { line, address } = lease;
    const client = describeClient(lease);
    const place = placeProblem(address, there, inFile);
    if (place) return errorAt(line, `the lease of ${address} to ${client} is not for us: the address ${place}`);
    const owner = lease.state === 'bound' ? ownerOf(address) : undefined;
    if (!owner) return undefined;
    const names = identifiersOf(owner);
    if (identifiersOf(lease).some((name) => names.includes(name))) return undefined;
    return errorAt(line, `${address} is leased to ${client}, but reserved for ${describeClient(owner)}`);
  };
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
function identifiersOf({ mac, clientId, uuid, circuitId, remoteId }: Marks): string[] {
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

function addressOf({ address }: { address?: Ipv4 | undefined }): string {
  return address ?? 'an address of the pool';
}

function whereIs({ line }: Claim): string {
  return line === undefined ? 'here already' : `on line ${line}`;
}

/** Subnets that are found by an address. */
export type SubnetIndex<T> = {
  /** The smallest subnet around the address. */
  around: (address: Ipv4) => T | undefined;
};

/** Finds the subnet of an address among thousands. */
export function indexSubnets<T extends { cidr: Cidr }>(subnets: readonly T[]): SubnetIndex<T> {
  const byText = new Map(subnets.map((subnet) => [cidrToText(subnet.cidr), subnet]));
  const prefixes = [...new Set(subnets.map(({ cidr }) => cidr.prefix))].sort((a, b) => b - a);
  return {
    around: (address) => {
      for (const prefix of prefixes) {
        const subnet = byText.get(cidrToText(cidrOf(address, prefix)));
        if (subnet) return subnet;
      }
      return undefined;
    },
  };
}
