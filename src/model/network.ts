import {
  type Cidr,
  cidrFirstHost,
  cidrLastHost,
  type Ipv4,
  ipv4FromNumber,
  ipv4ToNumber,
  type Mac,
} from '../wire/address.ts';
import type { Instant } from './time.ts';

/** Who a lease belongs to: `hw:1:525400aabb01` (hardware type and address), or `id:0a1b..` where a client sent no address. */
export type ClientKey = string & { readonly brand: 'client key' };

/** Addresses of one subnet to give out, both ends included. */
export type Pool = { first: Ipv4; last: Ipv4 };

export type Subnet = {
  id: number;
  name: string;
  /** The interface whose wire it is on; '' when it is reached through relays only. */
  interface: string;
  /** Subnets that name the same one share a wire: a client may get an address of any of them. '' for a wire of its own. */
  sharedNetwork: string;
  cidr: Cidr;
  pools: Pool[];
  gateway?: Ipv4;
  dns: Ipv4[];
  domain: string;
  leaseSeconds: number;
  /** Refuse addresses that are not ours to give (NAK) instead of staying silent. RFC 2131 4.3.2. */
  authoritative: boolean;
  /** Relay agents that may speak for clients of this subnet; the address they put into giaddr. */
  relays: Ipv4[];
  /** The most addresses that strangers (no accepted machine, no reservation) may hold at once; absent means no limit. */
  guests?: number;
  /** Ask the wire before an address is offered that nobody had. */
  conflictDetection: boolean;
  /** Loader files for clients of this subnet, by firmware (`bios-x64`, `uefi-x64`), instead of the usual ones. */
  loaders: Readonly<Record<string, string>>;
};

/** The largest pool that is made without being asked for one. */
const DEFAULT_POOL = 200;
export const DEFAULT_LEASE_SECONDS = 3600;

/** A subnet with what is usual where nothing else is wished: authoritative, a pool at the upper end, leases of an hour. */
export function newSubnet(wanted: { name: string; cidr: Cidr } & Partial<Omit<Subnet, 'id'>>): Omit<Subnet, 'id'> {
  return {
    interface: '',
    sharedNetwork: '',
    pools: [defaultPool(wanted.cidr)],
    dns: [],
    domain: '',
    leaseSeconds: DEFAULT_LEASE_SECONDS,
    authoritative: true,
    relays: [],
    conflictDetection: true,
    loaders: {},
    ...wanted,
  };
}

/** The upper end of the network, at most 200 addresses and at most half of it: static addresses mostly sit at its beginning. */
export function defaultPool(cidr: Cidr): Pool {
  const first = ipv4ToNumber(cidrFirstHost(cidr));
  const last = ipv4ToNumber(cidrLastHost(cidr));
  const size = Math.max(1, Math.min(DEFAULT_POOL, Math.floor((last - first + 1) / 2)));
  return { first: ipv4FromNumber(last - size + 1), last: ipv4FromNumber(last) };
}

/** A port of a relay agent or switch, as it describes it. RFC 3046 2.0: sub-options 1 and 2. */
export type RelayPort = { circuitId: Buffer; remoteId: Buffer };

/** What a client can be known by, the most telling first: RFC 2131 4.2 wants the client identifier before the hardware address. */
export type ClientMarks = {
  clientId?: Buffer | undefined;
  mac?: Mac | undefined;
  uuid?: string | undefined;
  port?: RelayPort | undefined;
};

/** What is kept for one client. It has at least one of mac, clientId, uuid and port to be known by. */
export type Reservation = {
  id: number;
  subnetId: number;
  /** Absent: the client gets an address of the pool. */
  address?: Ipv4;
  hostname: string;
  mac?: Mac;
  clientId?: Buffer;
  uuid?: string;
  port?: RelayPort;
  /** The machine that stands at that port, whatever card it has. */
  machineId?: number;
};

export type LeaseState = 'bound' | 'released' | 'declined';

export type Lease = {
  subnetId: number;
  address: Ipv4;
  /** Absent on a declined address: nobody has it. */
  client?: ClientKey;
  mac?: Mac;
  clientId?: Buffer;
  /** Option 97, of a client that sent one at some stage. */
  uuid?: string;
  hostname: string;
  state: LeaseState;
  startedAt: Instant;
  expiresAt: Instant;
  /** Held by a client that is no accepted machine and has no reservation. */
  isGuest: boolean;
  /** The relay it came through, and option 82 as that relay sent it: a renewal comes without. */
  giaddr?: Ipv4;
  relayInformation?: Buffer;
};

/** Whether this lease keeps its address from every other client at `now`. A declined address is kept from all. */
export function isHeld(lease: Lease, now: Instant): boolean {
  return lease.state !== 'released' && lease.expiresAt > now;
}

/** Who a reservation is for, in the words of a person. */
export function describeClient({ mac, clientId, uuid, port }: ClientMarks): string {
  if (mac) return mac;
  if (clientId) return `client id ${clientId.toString('hex')}`;
  if (uuid) return `UUID ${uuid}`;
  return `port ${printable(port?.circuitId)} of ${printable(port?.remoteId)}`;
}

function printable(bytes: Buffer | undefined): string {
  if (!bytes || bytes.length === 0) return 'any';
  const text = bytes.toString('latin1');
  return /^[\x21-\x7e]+$/.test(text) ? text : `0x${bytes.toString('hex')}`;
}
