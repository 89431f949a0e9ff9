import {
  type Imported,
  type ImportedLease,
  type ImportedReservation,
  type ImportedSubnet,
  type ImportProblem,
  indexSubnets,
  leaseChecker,
  type Marks,
  noteAt,
  type PresentReservation,
  reservationChecker,
} from '../dhcp/import/index.ts';
import { counted } from '../model/counted.ts';
import type { Reservation, Subnet } from '../model/network.ts';
import type { Ipv4 } from '../wire/address.ts';
import { nameOf, type PlannedHost, planHost } from './import-hosts.ts';
import { liveOf, noteOnOutdated, type PlannedLease, planLease, toReservations } from './import-leases.ts';
import { attempt, sortProblems, type Told } from './import-problems.ts';
import { planSubnets } from './import-subnets.ts';
import type { ApiOptions } from './server.ts';
import { forEachInTurns } from './turns.ts';

/** What is taken of a file beside its reservations: see the body of the route in import.ts. */
export type Wishes = { leases?: boolean; subnets?: boolean };

/** What an import writes when it is carried out, in this order. */
export type ImportPlan = {
  subnets: readonly Subnet[];
  /** Those on a subnet that is to be made have its number for now; so leases. */
  hosts: readonly PlannedHost[];
  /** Those that end last come last: they are what a client with several has. */
  leases: readonly PlannedLease[];
  /** Reservations of the file that are here already, stand in it twice, or have an error. */
  skipped: number;
  errors: Told[];
  notes: Told[];
};

/** What the rows of a file are judged by. */
type World = {
  options: ApiOptions;
  /** Of the file, whether they are made or not. */
  subnetsOfFile: readonly ImportedSubnet[];
  /** Those that are here, and those that are to be made. */
  subnets: readonly Subnet[];
  /** Where everything that is to be told goes. */
  problems: ImportProblem[];
};

/** Decides what becomes of a file, and changes nothing. A large one takes several turns of the event loop. */
export async function planImport(imported: Imported, wishes: Wishes, options: ApiOptions): Promise<ImportPlan> {
  const problems = [...imported.problems, ...noteOnLeftOut(imported.subnets, wishes)];
  const planned = await planSubnets(wishes.subnets ? imported.subnets : [], options, problems);
  const subnets = [...options.network.subnets(), ...planned];
  const world: World = { options, subnetsOfFile: imported.subnets, subnets, problems };

  const live = liveOf(imported.leases, options.clock(), problems);
  const reservations = wishes.leases
    ? imported.reservations
    : [...imported.reservations, ...toReservations(live, problems)];
  const hosts = await planHosts(reservations, world);
  const leases = wishes.leases ? await planLeases(live, reservations, hosts, world) : [];
  return {
    subnets: planned,
    hosts,
    leases,
    skipped: reservations.length - hosts.length,
    ...sortProblems(problems, wishes),
  };
}

function noteOnLeftOut([first, ...more]: readonly ImportedSubnet[], wishes: Wishes): ImportProblem[] {
  if (!first || wishes.subnets) return [];
  return [noteAt(first.line, `${counted(1 + more.length, 'subnet')} of the file left out: --subnets makes them too`)];
}

function presentOf({ subnetId, port, ...one }: Reservation, subnets: ReadonlyMap<number, Subnet>): PresentReservation {
  return {
    ...one,
    subnet: subnets.get(subnetId)?.name ?? '',
    ...(port && port.circuitId.length > 0 ? { circuitId: port.circuitId } : {}),
    ...(port && port.remoteId.length > 0 ? { remoteId: port.remoteId } : {}),
  };
}

async function planHosts(reservations: readonly ImportedReservation[], world: World): Promise<PlannedHost[]> {
  const { options, subnets, problems } = world;
  const checker = reservationChecker(world.subnetsOfFile, subnets);
  const byId = new Map(subnets.map((one) => [one.id, one]));
  await forEachInTurns(options.network.reservations(), (one) => checker.know(presentOf(one, byId)));
  const { around } = indexSubnets(subnets);
  const hosts: PlannedHost[] = [];
  await forEachInTurns(reservations, (one) => {
    const verdict = checker.judge({ ...one, hostname: nameOf(one) });
    for (const problem of verdict.problems) problems.push(problem);
    const subnet = one.address ? around(one.address) : subnets[0];
    if (verdict.state === 'new' && subnet)
      attempt(one.line, problems, () => hosts.push(planHost(one, subnet, options, problems)));
  });
  return hosts;
}

async function planLeases(
  live: readonly ImportedLease[],
  reservations: readonly ImportedReservation[],
  hosts: readonly PlannedHost[],
  world: World,
): Promise<PlannedLease[]> {
  const { options, subnets, problems } = world;
  const taken = new Set(hosts.map(({ line }) => line));
  const reserved = new Map<Ipv4, Marks>();
  for (const one of reservations) if (one.address && taken.has(one.line)) reserved.set(one.address, one);
  const { around } = indexSubnets(subnets);
  const ownerOf = (address: Ipv4): Marks | undefined => {
    const subnet = around(address);
    const kept = subnet && options.network.reservationAt(subnet.id, address);
    return kept ? presentOf(kept, new Map()) : reserved.get(address);
  };
  const judge = leaseChecker(world.subnetsOfFile, subnets, ownerOf);
  const leases: PlannedLease[] = [];
  let here = 0;
  await forEachInTurns(live.toSorted(byEnd), (one) => {
    const { address } = one;
    const problem = judge(one);
    const subnet = around(address);
    if (problem) problems.push(problem);
    if (problem || !subnet) return;
    const lease = planLease(one, subnet, ownerOf(address) !== undefined, options, problems);
    if (lease === 'here') here++;
    else if (lease === 'outdated') problems.push(noteOnOutdated(one));
    else leases.push(lease);
  });
  if (here > 0)
    problems.push(noteAt(1, `${counted(here, 'lease')} of the file left out: the clients have them here already`));
  return leases;
}

const byEnd = (a: ImportedLease, b: ImportedLease): number => a.expiresAt - b.expiresAt;
