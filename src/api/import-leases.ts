import {
  errorAt,
  type ImportedLease,
  type ImportedReservation,
  type ImportProblem,
  noteAt,
} from '../dhcp/import/index.ts';
import { isInPool } from '../dhcp/lease.ts';
import { counted } from '../model/counted.ts';
import { type ClientKey, isHeld, type Lease, type Subnet } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import { isHostname } from './client-text.ts';
import type { ApiOptions } from './server.ts';

/** A lease that is to be written. Whether its client is a guest shows when it is: reservations come before leases. */
export type PlannedLease = { line: number; lease: Omit<Lease, 'isGuest'> };

/** Leases that hold their address now, for somebody or for nobody (declined). */
export function liveOf(
  leases: readonly ImportedLease[],
  now: Instant,
  problems: ImportProblem[],
): readonly ImportedLease[] {
  const held = leases.filter((lease) => lease.state !== 'released' && lease.expiresAt > now);
  if (held.length < leases.length)
    problems.push(noteAt(1, `${counted(leases.length - held.length, 'lease')} of the file left out, as ended`));
  return held.filter((lease) => {
    const isSomebodys = lease.state !== 'bound' || clientKey(lease) !== undefined;
    if (!isSomebodys)
      problems.push(errorAt(lease.line, `the lease of ${lease.address} is not taken: no MAC and no client id is told`));
    return isSomebodys;
  });
}

/** The leases as reservations, for the card alone: ROM, installer and system send different client identifiers on one. */
export function toReservations(
  leases: readonly ImportedLease[],
  problems: ImportProblem[],
): readonly ImportedReservation[] {
  const bound = leases.filter((lease) => lease.state === 'bound');
  if (bound.length < leases.length) {
    const rest = counted(leases.length - bound.length, 'declined lease');
    problems.push(noteAt(1, `${rest} of the file left out: there is no client to reserve the address for`));
  }
  return bound.map(({ line, address, mac, clientId, hostname }) => ({
    line,
    address,
    hostname,
    options: [],
    ...(mac ? { mac } : clientId ? { clientId } : {}),
  }));
}

/** What a lease of a file becomes on its subnet. `here`: its client has it already; `outdated`: this server gave another one. */
export function planLease(
  { line, address, mac, clientId, hostname, state, expiresAt }: ImportedLease,
  subnet: Subnet,
  isReserved: boolean,
  options: ApiOptions,
  problems: ImportProblem[],
): PlannedLease | 'here' | 'outdated' {
  const client = state === 'bound' ? clientKey({ mac, clientId }) : undefined;
  const lease: PlannedLease['lease'] = {
    subnetId: subnet.id,
    address,
    hostname: isHostname(hostname) ? hostname : '',
    state,
    startedAt: options.clock(),
    expiresAt,
    ...(client ? { client, ...(mac ? { mac } : {}), ...(clientId ? { clientId } : {}) } : {}),
  };
  const present = options.leases.at(subnet.id, address);
  if (present && present.client === client && isHeld(present, options.clock())) return 'here';
  if (isOutdated(lease, new Set(), options)) return 'outdated';
  if (state === 'bound' && !isReserved && !isInPool(address, subnet))
    problems.push(noteAt(line, `${address} is in no pool of ${subnet.name}: its client gets another when it renews`));
  return { line, lease };
}

/** Does its address or its client have a lease that this server gave itself? That one is newer than what another wrote down.
 *  `written`: those of the same file. */
export function isOutdated(
  { subnetId, address, client }: PlannedLease['lease'],
  written: ReadonlySet<Lease>,
  { leases, clock }: ApiOptions,
): boolean {
  const now = clock();
  return [leases.at(subnetId, address), client && leases.of(subnetId, client)].some(
    (lease) => lease !== undefined && !written.has(lease) && isHeld(lease, now),
  );
}

/** What is told of a lease of the file that `isOutdated`. */
export function noteOnOutdated({ line, address }: Pick<ImportedLease, 'line' | 'address'>): ImportProblem {
  return noteAt(line, `the lease of ${address} is not taken: this server has given a newer one`);
}

/** Is the client nobody that is known here: no accepted machine, and without a reservation? */
export function isGuest(
  { subnetId, state, mac, clientId }: PlannedLease['lease'],
  { network, machines }: ApiOptions,
): boolean {
  if (state !== 'bound' || network.reservationOf(subnetId, { mac, clientId })) return false;
  const machine = mac && machines.byMac(mac);
  return machine === undefined || machine.state === 'new' || machine.state === 'ignored';
}

/** Who the DHCP server will take the client for: see src/dhcp/request.ts. */
function clientKey({ mac, clientId }: Pick<ImportedLease, 'mac' | 'clientId'>): ClientKey | undefined {
  if (mac) return `hw:1:${mac.replaceAll(':', '')}` as ClientKey;
  return clientId && (`id:${clientId.toString('hex')}` as ClientKey);
}
