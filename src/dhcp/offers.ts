import type { ClientKey } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4 } from '../wire/address.ts';
import type { Offer } from './view.ts';

/** No more clients than this are held an address for at once; the oldest offer makes room. */
const LIMIT = 20_000;

/** Offers that wait for their REQUEST. In memory only: an offer promises nothing that a restart could break. */
export function createOffers() {
  const byClient = new Map<string, Offer>();
  const bySubnet = new Map<number, Map<Ipv4, Offer>>();
  const takenUnused = new Map<number, number>();

  function count(offer: Offer, by: number): void {
    if (offer.takesUnused) takenUnused.set(offer.subnetId, (takenUnused.get(offer.subnetId) ?? 0) + by);
  }

  function drop(offer: Offer): void {
    count(offer, -1);
    byClient.delete(`${offer.subnetId} ${offer.client}`);
    const addresses = bySubnet.get(offer.subnetId);
    if (addresses?.get(offer.address) === offer) addresses.delete(offer.address);
  }

  function addressesOf(subnetId: number): Map<Ipv4, Offer> {
    let addresses = bySubnet.get(subnetId);
    if (!addresses) {
      addresses = new Map();
      bySubnet.set(subnetId, addresses);
    }
    return addresses;
  }

  return {
    /** Hold an address for a client: instead of its former one on that subnet, and of the client that had this one on offer. */
    hold(offer: Offer): void {
      const former = byClient.get(`${offer.subnetId} ${offer.client}`);
      if (former) drop(former);
      const addresses = addressesOf(offer.subnetId);
      const holder = addresses.get(offer.address);
      if (holder) drop(holder);
      for (const oldest of byClient.values()) {
        if (byClient.size < LIMIT) break;
        drop(oldest);
      }
      byClient.set(`${offer.subnetId} ${offer.client}`, offer);
      addresses.set(offer.address, offer);
      count(offer, 1);
    },

    forget(subnetId: number, client: ClientKey): void {
      const offer = byClient.get(`${subnetId} ${client}`);
      if (offer) drop(offer);
    },

    of(subnetId: number, client: ClientKey, now: Instant): Offer | undefined {
      const offer = byClient.get(`${subnetId} ${client}`);
      return offer && offer.expiresAt > now ? offer : undefined;
    },

    at(subnetId: number, address: Ipv4, now: Instant): Offer | undefined {
      const offer = bySubnet.get(subnetId)?.get(address);
      return offer && offer.expiresAt > now ? offer : undefined;
    },

    /** How many never-used addresses of a subnet's pool are on offer. */
    takenUnused(subnetId: number, now: Instant): number {
      for (const offer of byClient.values()) {
        if (offer.expiresAt > now) break; // the oldest stand first
        drop(offer);
      }
      return takenUnused.get(subnetId) ?? 0;
    },

    /** The offers of a subnet, the oldest first. */
    oldest: (subnetId: number): Iterable<Offer> => bySubnet.get(subnetId)?.values() ?? [],

    /** Let go of what has expired; a few at a time, the oldest stand first. */
    sweep(now: Instant, most: number): void {
      let seen = 0;
      for (const offer of byClient.values()) {
        if (offer.expiresAt > now || seen++ >= most) return;
        drop(offer);
      }
    },

    /** The clock was set: each offer keeps the time that it had left. */
    shift(ms: number): void {
      for (const offer of byClient.values()) {
        offer.offeredAt = (offer.offeredAt + ms) as Instant;
        offer.expiresAt = (offer.expiresAt + ms) as Instant;
      }
    },
  };
}

export type Offers = ReturnType<typeof createOffers>;
