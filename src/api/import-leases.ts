import type { ImportedLease, ImportedReservation, ImportProblem } from '../dhcp/import/index.ts';
import { isInPool } from '../dhcp/lease.ts';
import { type ClientKey, type ClientMarks, isHeld, type Lease } from '../model/network.ts';
import { counted, isHostname } from './client-text.ts';
import type { ApiOptions } from './server.ts';

/** Leases that hold their address now. */
export function liveOf(
  leases: readonly ImportedLease[],
  { clock }: ApiOptions,
  notes: ImportProblem[],
): ImportedLease[] {
  const now = clock();
  const live = leases.filter((lease) => lease.state !== 'released' && lease.expiresAt > now);
  if (live.length < leases.length)
    notes.push({ line: 1, text: `${counted(leases.length - live.length, 'lease')} of the file left out, as ended` });
  return live;
}

/** The card alone: ROM, installer and system send different client identifiers on one. */
export function toReservation({ line, address, mac, clientId, hostname, state }: ImportedLease): ImportedReservation[] {
  if (state !== 'bound' || (!mac && !clientId)) return [];
  return [{ line, address, hostname, options: [], ...(mac ? { mac } : { clientId: clientId as Buffer }) }];
}

/** How many were written. What this server gave itself is newer than what another one wrote down. */
export function putLeases(wanted: readonly ImportedLease[], options: ApiOptions, notes: ImportProblem[]): number {
  const { network, leases, machines, clock } = options;
  const now = clock();
  const imported = new Set<Lease>();
  const holds = (lease: Lease | undefined): boolean =>
    lease !== undefined && !imported.has(lease) && isHeld(lease, now);
  // those that end last come last: they are what a client with several has
  for (const { line, address, mac, clientId, hostname, state, expiresAt } of wanted.toSorted(byEnd)) {
    const subnet = network.subnetOf(address);
    const client = state === 'bound' ? clientKey({ mac, clientId }) : undefined;
    if (!subnet || (state === 'bound' && !client)) {
      notes.push({ line, text: `the lease of ${address} is not taken: it is on no subnet, or nobody's` });
      continue;
    }
    if (holds(leases.at(subnet.id, address)) || holds(client && leases.of(subnet.id, client))) {
      notes.push({ line, text: `the lease of ${address} is not taken: this server has given a newer one` });
      continue;
    }
    const machine = mac && machines.byMac(mac);
    const reservation = network.reservationOf(subnet.id, { mac, clientId });
    if (state === 'bound' && reservation?.address !== address && !isInPool(address, subnet))
      notes.push({ line, text: `${address} is in no pool of ${subnet.name}: its client gets another when it renews` });
    const isKnown =
      reservation !== undefined || (machine !== undefined && machine.state !== 'new' && machine.state !== 'ignored');
    const lease: Lease = {
      subnetId: subnet.id,
      address,
      hostname: isHostname(hostname) ? hostname : '',
      state,
      startedAt: now,
      expiresAt,
      isGuest: state === 'bound' && !isKnown,
      ...(client ? { client, ...(mac ? { mac } : {}), ...(clientId ? { clientId } : {}) } : {}),
    };
    leases.put(lease);
    imported.add(lease);
  }
  return imported.size;
}

const byEnd = (a: ImportedLease, b: ImportedLease): number => a.expiresAt - b.expiresAt;

/** Who the DHCP server will take the client for: see src/dhcp/request.ts. */
function clientKey({ mac, clientId }: Pick<ClientMarks, 'mac' | 'clientId'>): ClientKey | undefined {
  if (mac) return `hw:1:${mac.replaceAll(':', '')}` as ClientKey;
  return clientId && (`id:${clientId.toString('hex')}` as ClientKey);
}
