import type { ClientKey } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4 } from '../wire/address.ts';
import type { Offer } from './view.ts';

/** More clients than this are not held an address for at once; the oldest offer makes room. */
const LIMIT = 20_000;

/** Offers that wait for their REQUEST. In memory only: an offer promises nothing that a restart could break. */
export function createOffers() {
  const byClient = new Map<string, Offer>();
  const byAddress = new Map<string, Offer>();

  function forget(subnetId: number, client: ClientKey): void {
    const offer = byClient.get(`${subnetId} ${client}`);
    if (!offer) return;
    byClient.delete(`${subnetId} ${client}`);
    if (byAddress.get(`${subnetId} ${offer.address}`) === offer) byAddress.delete(`${subnetId} ${offer.address}`);
  }

  return {
    hold(offer: Offer): void {
      forget(offer.subnetId, offer.client);
      for (const oldest of byClient.values()) {
        if (byClient.size < LIMIT) break;
        forget(oldest.subnetId, oldest.client);
      }
      byClient.set(`${offer.subnetId} ${offer.client}`, offer);
      byAddress.set(`${offer.subnetId} ${offer.address}`, offer);
    },
    forget,
    of(subnetId: number, client: ClientKey, now: Instant): Offer | undefined {
      const offer = byClient.get(`${subnetId} ${client}`);
      return offer && offer.expiresAt > now ? offer : undefined;
    },
    at(subnetId: number, address: Ipv4, now: Instant): Offer | undefined {
      const offer = byAddress.get(`${subnetId} ${address}`);
      return offer && offer.expiresAt > now ? offer : undefined;
    },
  };
}

export type Offers = ReturnType<typeof createOffers>;
