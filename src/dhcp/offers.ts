import type { ClientKey } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4 } from '../wire/address.ts';
import type { Offer } from './view.ts';

/** No more clients than this are held an address for at once; the oldest offer to a stranger makes room. */
const LIMIT = 20_000;

/** The offers of one subnet. `unused`: how many of them take an address of the pool that nobody has had. */
type Held = { byClient: Map<ClientKey, Offer>; byAddress: Map<Ipv4, Offer>; unused: number };

/** Offers that wait for their REQUEST. In memory only: an offer promises nothing that a restart could break. */
export function createOffers() {
  /** The oldest stand first, in each. */
  const toStrangers = new Set<Offer>();
  const toKnown = new Set<Offer>();
  const subnets = new Map<number, Held>();

  const standsIn = ({ isGuest }: Offer): Set<Offer> => (isGuest ? toStrangers : toKnown);

  /** A flood of DISCOVERs costs its sender nothing: no offer to one that we know makes room for it. */
  function makeRoom(): void {
    if (toStrangers.size + toKnown.size < LIMIT) return;
    const [oldest] = toStrangers.size > 0 ? toStrangers : toKnown;
    drop(oldest as Offer);
  }

  function drop(offer: Offer): void {
    standsIn(offer).delete(offer);
    const held = heldOn(offer.subnetId);
    if (offer.takesUnused) held.unused--;
    if (held.byClient.get(offer.client) === offer) held.byClient.delete(offer.client);
    if (held.byAddress.get(offer.address) === offer) held.byAddress.delete(offer.address);
  }

  function heldOn(subnetId: number): Held {
    let held = subnets.get(subnetId);
    if (!held) {
      held = { byClient: new Map(), byAddress: new Map(), unused: 0 };
      subnets.set(subnetId, held);
    }
    return held;
  }

  /** Let go of what has expired, at most so many of each kind. */
  function sweep(now: Instant, most = Number.POSITIVE_INFINITY): void {
    firstEnd = Math.min(sweepOf(toStrangers, now, most), sweepOf(toKnown, now, most));
  }

  /** Gives the end of the first that is left. */
  function sweepOf(offers: Set<Offer>, now: Instant, most: number): number {
    let seen = 0;
    for (const offer of offers) {
      if (offer.expiresAt > now || seen++ >= most) return offer.expiresAt;
      drop(offer);
    }
    return Number.POSITIVE_INFINITY;
  }
  /** Not later than the end of the first of them: before it there is nothing to sweep. */
  let firstEnd = Number.POSITIVE_INFINITY;

  return {
    /** Hold an address for a client: instead of its former one on that subnet, and of the client that had this one on offer. */
    hold(offer: Offer): void {
      const { byClient, byAddress } = heldOn(offer.subnetId);
      const former = byClient.get(offer.client);
      if (former) drop(former);
      const holder = byAddress.get(offer.address);
      if (holder) drop(holder);
      makeRoom();
      standsIn(offer).add(offer);
      byClient.set(offer.client, offer);
      byAddress.set(offer.address, offer);
      if (offer.takesUnused) heldOn(offer.subnetId).unused++;
      firstEnd = Math.min(firstEnd, offer.expiresAt);
    },

    forget(subnetId: number, client: ClientKey): void {
      const offer = subnets.get(subnetId)?.byClient.get(client);
      if (offer) drop(offer);
    },

    of(subnetId: number, client: ClientKey, now: Instant): Offer | undefined {
      const offer = subnets.get(subnetId)?.byClient.get(client);
      return offer && offer.expiresAt > now ? offer : undefined;
    },

    at(subnetId: number, address: Ipv4, now: Instant): Offer | undefined {
      const offer = subnets.get(subnetId)?.byAddress.get(address);
      return offer && offer.expiresAt > now ? offer : undefined;
    },

    /** How many never-used addresses of a subnet's pool are on offer. */
    takenUnused(subnetId: number, now: Instant): number {
      if (firstEnd <= now) sweep(now);
      return subnets.get(subnetId)?.unused ?? 0;
    },

    /** The offers of a subnet, the oldest first. */
    oldest: (subnetId: number): Iterable<Offer> => subnets.get(subnetId)?.byAddress.values() ?? [],

    sweep,

    /** The clock was set: each offer keeps the time that it had left. */
    shift(ms: number): void {
      for (const offer of [...toStrangers, ...toKnown]) {
        offer.offeredAt = (offer.offeredAt + ms) as Instant;
        offer.expiresAt = (offer.expiresAt + ms) as Instant;
      }
      firstEnd += ms;
    },
  };
}

/** What createOffers gives. */
export type Offers = ReturnType<typeof createOffers>;
