import { isHeld, type Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import { cidrBroadcast, cidrContains, type Ipv4, ipv4FromNumber, ipv4ToNumber } from '../wire/address.ts';
import { type DhcpRequest, type DhcpView, requestedAddress } from './view.ts';

/** An address for a client and why that one; undefined when the subnet has none left. */
export type AddressChoice = { address: Ipv4; because: Reason };

/**
 * Choose an address. RFC 2131 4.3.1: the reserved one, the client's present one, its previous one, the one it asks for, then
 * one by a hash of the client (so that a lost database makes nearly the same map again), never-used ones first.
 */
export function chooseAddress(request: DhcpRequest, view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  const { reservation, lease, offer } = view;
  if (reservation && mayHave(reservation.address, request, view, subnet))
    return {
      address: reservation.address,
      because: {
        rule: 'reservation',
        text: `${reservation.address} is reserved for ${reservation.mac}`,
        ref: `reservation ${reservation.id}`,
      },
    };
  if (lease && isHeld(lease, view.now) && mayHave(lease.address, request, view, subnet))
    return { address: lease.address, because: { rule: 'present-lease', text: `${lease.address} is its lease` } };
  if (lease && mayHave(lease.address, request, view, subnet))
    return {
      address: lease.address,
      because: { rule: 'previous-lease', text: `${lease.address} was its lease before and is free` },
    };
  if (offer && mayHave(offer.address, request, view, subnet))
    return {
      address: offer.address,
      because: { rule: 'present-offer', text: `${offer.address} was offered to it already` },
    };
  const asked = requestedAddress(request.packet);
  if (asked && mayHave(asked, request, view, subnet))
    return { address: asked, because: { rule: 'requested', text: `${asked} is what it asks for, and free` } };
  return chooseFromPool(request, view, subnet);
}

/** The address that is this client's: the one reserved for it, when it may have that now, else the one of its lease. */
export function ownAddress(request: DhcpRequest, view: DhcpView, subnet: Subnet): Ipv4 | undefined {
  const reserved = view.reservation?.address;
  return reserved && mayHave(reserved, request, view, subnet) ? reserved : view.lease?.address;
}

/** Whether this client may have this address now: in the pool or reserved for it, and nobody else's. */
export function mayHave(address: Ipv4, request: DhcpRequest, view: DhcpView, subnet: Subnet): boolean {
  const use = view.use(address);
  if (use.reservedFor ? use.reservedFor !== request.mac : !isInPool(address, subnet)) return false;
  if (address === request.arrival.serverAddress) return false; // our own
  // also what is reserved for it: until the lease that another has on it ends, or the rest after a DECLINE
  if (use.lease && isHeld(use.lease, view.now) && use.lease.client !== request.client) return false;
  return !use.offer || use.offer.client === request.client || use.offer.expiresAt <= view.now;
}

function isInPool(address: Ipv4, subnet: Subnet): boolean {
  const number = ipv4ToNumber(address);
  return (
    number >= ipv4ToNumber(subnet.poolFirst) &&
    number <= ipv4ToNumber(subnet.poolLast) &&
    address !== subnet.cidr.base &&
    address !== cidrBroadcast(subnet.cidr) &&
    address !== subnet.gateway &&
    !subnet.dns.includes(address)
  );
}

/** The first never-used address from the client's place in the pool on; when all were used once, the longest ended one. */
function chooseFromPool(request: DhcpRequest, view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  const first = ipv4ToNumber(subnet.poolFirst);
  const size = ipv4ToNumber(subnet.poolLast) - first + 1;
  const start = hash(request.client) % size;
  for (let step = 0; step < size; step++) {
    const address = ipv4FromNumber(first + ((start + step) % size));
    if (view.use(address).lease || !mayHave(address, request, view, subnet)) continue;
    return { address, because: { rule: 'pool', text: `${address} is free in ${subnet.name}` } };
  }
  const again = view.ended().find((address) => mayHave(address, request, view, subnet));
  return (
    again && {
      address: again,
      because: { rule: 'pool-again', text: `${again} in ${subnet.name} has been free the longest` },
    }
  );
}

/** FNV-1a: spreads the clients over the pool, the same way every time. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}

/** Whether an address belongs to the subnet at all. */
export function isOnSubnet(address: Ipv4, subnet: Subnet): boolean {
  return cidrContains(subnet.cidr, address);
}
