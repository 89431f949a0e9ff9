import { describeClient, isHeld, type Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import { cidrBroadcast, cidrContains, type Ipv4, ipv4FromNumber, ipv4ToNumber } from '../wire/address.ts';
import { type AddressUse, type DhcpRequest, type DhcpView, requestedAddress, subnetById } from './view.ts';

/** An address for a client and why that one. `isNew`: nobody says that it is the client's, so the wire may be asked first. */
export type AddressChoice = { address: Ipv4; subnet: Subnet; because: Reason; isNew: boolean };

/** A client that has not answered an offer in this time has chosen another server, or does not exist. */
const OFFER_YIELDS_MS = 10_000;

/**
 * Choose an address. RFC 2131 4.3.1: the reserved one, the client's present one, its previous one, the one it asks for, then
 * one by a hash of the client (so that a lost database makes nearly the same map again), never-used ones first.
 */
export function chooseAddress(request: DhcpRequest, view: DhcpView): AddressChoice | undefined {
  const { reservation, leases, offer, previous } = view;
  const reserved = reservation?.address && subnetById(view, reservation.subnetId);
  if (reservation?.address && reserved && mayHave(reservation.address, reserved, request, view))
    return own(reservation.address, reserved, {
      rule: 'reservation',
      text: `${reservation.address} is reserved for ${describeClient(reservation)}`,
      ref: `reservation ${reservation.id}`,
    });
  for (const lease of leases) {
    const subnet = subnetById(view, lease.subnetId);
    if (!subnet || !mayHave(lease.address, subnet, request, view)) continue;
    if (isHeld(lease, view.now))
      return own(lease.address, subnet, { rule: 'present-lease', text: `${lease.address} is its lease` });
    if (hasRoomFor(subnet, view))
      return own(lease.address, subnet, {
        rule: 'previous-lease',
        text: `${lease.address} was its lease before and is free`,
      });
  }
  const offered = offer && subnetById(view, offer.subnetId);
  if (offer && offered && mayHave(offer.address, offered, request, view) && hasRoomFor(offered, view))
    return own(offer.address, offered, {
      rule: 'present-offer',
      text: `${offer.address} was offered to it already`,
    });
  const before = previous && subnetById(view, previous.subnetId);
  if (previous && before && mayHave(previous.address, before, request, view) && hasRoomFor(before, view))
    return {
      ...own(previous.address, before, {
        rule: 'same-client-id',
        text: `${previous.address} was the lease of its client identifier, on another card`,
      }),
      isNew: true,
    };
  const open = view.wire.filter((subnet) => hasRoomFor(subnet, view));
  const asked = requestedAddress(request.packet);
  const askedOn = asked && open.find((subnet) => mayHave(asked, subnet, request, view));
  if (asked && askedOn)
    return {
      address: asked,
      subnet: askedOn,
      because: { rule: 'requested', text: `${asked} is what it asks for, and free` },
      isNew: true,
    };
  return (
    firstOf(open, (subnet) => chooseUnused(request, view, subnet)) ??
    firstOf(open, (subnet) => chooseEnded(request, view, subnet)) ??
    firstOf(open, (subnet) => chooseOffered(view, subnet)) ??
    firstOf(open, (subnet) => chooseResting(request, view, subnet))
  );
}

/** The address that is this client's: the one reserved for it, when it may have that now, else the one of its lease. */
export function ownAddress(request: DhcpRequest, view: DhcpView): { address: Ipv4; subnet: Subnet } | undefined {
  const { reservation, leases } = view;
  const reserved = reservation?.address && subnetById(view, reservation.subnetId);
  if (reservation?.address && reserved && mayHave(reservation.address, reserved, request, view))
    return { address: reservation.address, subnet: reserved };
  const lease = leases[0];
  const subnet = lease && subnetById(view, lease.subnetId);
  return lease && subnet ? { address: lease.address, subnet } : undefined;
}

/** Whether this client may have this address now: in a pool or reserved for it, and nobody else's. */
export function mayHave(address: Ipv4, subnet: Subnet, request: DhcpRequest, view: DhcpView): boolean {
  return isFree(address, view.use(subnet.id, address), subnet, request, view);
}

function isFree(address: Ipv4, use: AddressUse, subnet: Subnet, request: DhcpRequest, view: DhcpView): boolean {
  if (use.reservation ? use.reservation.id !== view.reservation?.id : !isInPool(address, subnet)) return false;
  if (address === request.arrival.serverAddress) return false; // our own
  if (!use.reservation && view.routers.has(address)) return false;
  const offer = use.offer && use.offer.expiresAt > view.now ? use.offer : undefined;
  // also what is reserved for it: until the lease that another has on it ends, or the rest after a DECLINE, but for its last resort
  if (use.lease && isHeld(use.lease, view.now) && use.lease.client !== request.client)
    return use.lease.state === 'declined' && offer?.client === request.client && offer.offeredAt >= use.lease.startedAt;
  return !offer || offer.client === request.client;
}

/** Whether a client that has nothing yet may take an address of the subnet: strangers only within their share. */
export function hasRoomFor(subnet: Subnet, view: DhcpView): boolean {
  return view.isKnown || subnet.guests === undefined || view.guests(subnet.id) < subnet.guests;
}

/** Whether an address is one that the subnet gives out to everybody. */
export function isInPool(address: Ipv4, subnet: Subnet): boolean {
  const number = ipv4ToNumber(address);
  const { ranges, kept } = spaceOf(subnet);
  return ranges.some(({ first, last }) => number >= first && number <= last) && !kept.has(address);
}

/** The pools of a subnet as numbers, and the addresses in them that are no client's. */
type Space = { ranges: { first: number; last: number }[]; size: number; kept: ReadonlySet<Ipv4> };
/** A subnet that is changed is another object. */
const spaces = new WeakMap<Subnet, Space>();

function spaceOf(subnet: Subnet): Space {
  let space = spaces.get(subnet);
  if (!space) {
    const { cidr, gateway, dns, relays } = subnet;
    const ranges = subnet.pools.map((pool) => ({ first: ipv4ToNumber(pool.first), last: ipv4ToNumber(pool.last) }));
    const size = ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
    const kept = new Set([cidr.base, cidrBroadcast(cidr), ...(gateway ? [gateway] : []), ...dns, ...relays]);
    space = { ranges, size, kept };
    spaces.set(subnet, space);
  }
  return space;
}

/** The first never-used address on the client's own way through the pools. */
function chooseUnused(request: DhcpRequest, view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  const { size } = spaceOf(subnet);
  if (size === 0 || view.touched(subnet.id) >= size) return undefined;
  const start = hash(request.client) % size;
  const stride = strideThrough(size, request.client);
  for (let step = 0; step < size; step++) {
    const address = poolAddress(subnet, (start + step * stride) % size);
    const use = view.use(subnet.id, address);
    if (use.lease || !isFree(address, use, subnet, request, view)) continue;
    return { address, subnet, because: { rule: 'pool', text: `${address} is free in ${subnet.name}` }, isNew: true };
  }
  return undefined;
}

/** All were used once: the one whose lease ended the longest ago. */
function chooseEnded(request: DhcpRequest, view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  const address = view.ended(subnet.id).find((one) => mayHave(one, subnet, request, view));
  return (
    address && {
      address,
      subnet,
      because: { rule: 'pool-again', text: `${address} in ${subnet.name} has been free the longest` },
      isNew: true,
    }
  );
}

/**
 * All are leased or on offer: an offer that nobody has answered gives way, at once when a stranger had it and a machine that we
 * know asks. So a flood of DISCOVERs, which costs its sender nothing, keeps nobody from an address.
 */
function chooseOffered(view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  for (const offer of view.offers(subnet.id)) {
    if (!(offer.isGuest && view.isKnown) && view.now - offer.offeredAt < OFFER_YIELDS_MS) continue;
    const use = view.use(subnet.id, offer.address);
    if (use.reservation || (use.lease && isHeld(use.lease, view.now)) || !isInPool(offer.address, subnet)) continue;
    return {
      address: offer.address,
      subnet,
      because: { rule: 'offer-unanswered', text: `${offer.address} was offered to another, who did not answer` },
      isNew: true,
    };
  }
  return undefined;
}

/** Nothing else is left: for a machine that we know, what somebody was said to use. He may be gone, and the wire is asked first. */
function chooseResting(request: DhcpRequest, view: DhcpView, subnet: Subnet): AddressChoice | undefined {
  if (!view.isKnown) return undefined;
  for (const address of view.resting(subnet.id)) {
    const { lease, offer, reservation } = view.use(subnet.id, address);
    if (lease?.state !== 'declined' || offer || reservation || !isInPool(address, subnet)) continue;
    if (address === request.arrival.serverAddress || view.routers.has(address)) continue;
    return {
      address,
      subnet,
      because: {
        rule: 'last-resort',
        text: `nothing else is left in ${subnet.name}: ${address}, which somebody was said to use, has rested the longest`,
        ref: 'boot-protocols 1.6',
      },
      isNew: true,
    };
  }
  return undefined;
}

function own(address: Ipv4, subnet: Subnet, because: Reason): AddressChoice {
  return { address, subnet, because, isNew: false };
}

function firstOf<T, R>(list: readonly T[], choose: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const chosen = choose(one);
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}

/** The address number `index` of the subnet's pools, counted through. */
function poolAddress(subnet: Subnet, index: number): Ipv4 {
  let left = index;
  for (const { first, last } of spaceOf(subnet).ranges) {
    if (left <= last - first) return ipv4FromNumber(first + left);
    left -= last - first + 1;
  }
  throw new RangeError(`subnet ${subnet.name} has no pool address ${index}`);
}

/** A step that comes to every address before it comes to one twice: clients do not queue up behind each other's places. */
function strideThrough(size: number, client: string): number {
  if (size < 3) return 1;
  let stride = 1 + (hash(`${client} stride`) % (size - 1));
  while (greatestDivisor(stride, size) !== 1) stride = (stride % (size - 1)) + 1;
  return stride;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** FNV-1a: spreads the clients over the pool, the same way every time. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}

/** The subnet of the wire that an address belongs to. */
export function subnetOf(address: Ipv4, wire: readonly Subnet[]): Subnet | undefined {
  return wire.find((subnet) => cidrContains(subnet.cidr, address));
}
