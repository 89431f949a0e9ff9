import type { Cidr, Ipv4, Mac } from '../wire/address.ts';
import type { Instant } from './time.ts';

/** Who a lease belongs to: `hw:52:54:00:aa:bb:01` (the hardware address), or `id:0a1b..` where a client sent none. */
export type ClientKey = string & { readonly brand: 'client key' };

export type Subnet = {
  id: number;
  name: string;
  interface: string;
  cidr: Cidr;
  poolFirst: Ipv4;
  poolLast: Ipv4;
  gateway?: Ipv4;
  dns: Ipv4[];
  domain: string;
  leaseSeconds: number;
  /** Refuse addresses that are not ours to give (NAK) instead of staying silent. RFC 2131 4.3.2. */
  authoritative: boolean;
};

export type Reservation = { id: number; subnetId: number; mac: Mac; address: Ipv4 };

export type LeaseState = 'bound' | 'released' | 'declined';

export type Lease = {
  subnetId: number;
  address: Ipv4;
  client?: ClientKey;
  mac?: Mac;
  clientId?: Buffer;
  hostname: string;
  state: LeaseState;
  expiresAt: Instant;
};

/** Whether this lease keeps its address from every other client at `now`. A declined address is kept from all. */
export function isHeld(lease: Lease, now: Instant): boolean {
  return lease.state !== 'released' && lease.expiresAt > now;
}
