import type { BootDecision } from '../boot/decide.ts';
import type { Firmware } from '../model/firmware.ts';
import type { ClientKey, Lease, Reservation, Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { Arrival, BootView } from '../model/view.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import type { DhcpPacket } from '../wire/dhcp-packet.ts';
import type { MessageType, RelayInformation } from '../wire/dhcp-shapes.ts';

/** The relay agent that passed a request on. */
export type Relay = {
  giaddr: Ipv4;
  /** Where it wants its answers: 67, or its source port when it says so. RFC 8357 3.2. */
  port: number;
  information: RelayInformation;
};

/** Where a request was heard: on port 67 as the server of the wire or beside another one, or on port 4011. */
export type Door = 'server' | 'proxy' | 'boot-server';

/** A request as the rim understood it: the packet, who sent it, and how it came. */
export type DhcpRequest = {
  packet: DhcpPacket;
  type: MessageType;
  client: ClientKey;
  /** Undefined for hardware that is not Ethernet (hlen is not 6). */
  mac?: Mac | undefined;
  /** Option 61. Client stages on one machine send different ones, so it is only one of the marks of a client. */
  clientId?: Buffer | undefined;
  /** Option 97 in the form of SMBIOS; undefined when it tells nothing. */
  uuid?: string | undefined;
  firmware: Firmware;
  arrival: Arrival;
  door: Door;
  /** Sent to our own address, not broadcast: tells RENEWING from REBINDING. */
  unicast: boolean;
  source: { address: Ipv4; port: number };
  relay?: Relay | undefined;
  /** What option 54 may say to mean us; the first is what we send. RFC 5107 lets a relay stand in for the server. */
  serverIds: readonly [Ipv4, ...Ipv4[]];
  /** For the header's sname: by it another Firstlight that looks around knows who we are. */
  mark?: string | undefined;
};

/** An address held for a client that was offered it. Kept in memory only, until `expiresAt`. */
export type Offer = {
  subnetId: number;
  address: Ipv4;
  client: ClientKey;
  offeredAt: Instant;
  expiresAt: Instant;
  /** Held for a stranger: gives way to a machine that we know when the pool is full. */
  isGuest: boolean;
  /** It keeps an address of the pool that nobody has had: only such an offer makes what is unused less. */
  takesUnused: boolean;
};

/** What stands against giving an address to somebody. */
export type AddressUse = {
  lease?: Lease | undefined;
  offer?: Offer | undefined;
  reservation?: Reservation | undefined;
};

/** The snapshot that a DHCP decision reads. */
export type DhcpView = {
  now: Instant;
  /** The subnets of the wire that the request comes from, the one it stands on first. Empty when it is none of ours. */
  wire: readonly Subnet[];
  /** Why `wire` is empty. */
  noWire?: Reason | undefined;
  /** An accepted machine, or one with a reservation. */
  isKnown: boolean;
  /** What is kept for this client on that wire. */
  reservation?: Reservation | undefined;
  /** This client's own leases on that wire, in whatever state, the one it holds now first. */
  leases: readonly Lease[];
  /** The ended lease of another card with the same client identifier. */
  previous?: Lease | undefined;
  offer?: Offer | undefined;
  use(subnetId: number, address: Ipv4): AddressUse;
  /** What people name as routers in option 3: in a pool these are no client's. */
  routers: ReadonlySet<Ipv4>;
  /** How many addresses of a subnet are leased, were leased once or are on offer. */
  touched(subnetId: number): number;
  /** How many addresses strangers hold. */
  guests(subnetId: number): number;
  /** Addresses whose lease has ended, the longest ended first. */
  ended(subnetId: number): readonly Ipv4[];
  /** Addresses that somebody else was said to use, the longest resting first. */
  resting(subnetId: number): readonly Ipv4[];
  /** Offers that wait for their REQUEST, the oldest first. */
  offers(subnetId: number): Iterable<Offer>;
  /** Whether the wire was asked for this address lately, or shall not be asked now. */
  isProbed(address: Ipv4): boolean;
  /** DECLINEs that were believed on this subnet in the last minute. */
  declines(subnetId: number): number;
  /** We have just started: what was offered before that is not known any more. */
  isFresh: boolean;
  /** What the sender boots; undefined for a sender that has no MAC. */
  boot?: BootView | undefined;
  /** The options that people set for this client on that subnet, by code; `force`: sent unasked. */
  options(subnet: Subnet): ReadonlyMap<number, { bytes: Buffer; force: boolean }>;
};

/** `givesUp`: other addresses of the same client on the wire. One machine never holds two. */
export type LeaseChange =
  | { kind: 'bind'; lease: Lease; givesUp: readonly Lease[] }
  | { kind: 'release'; lease: Lease }
  | { kind: 'decline'; lease: Lease };

/** `forget`: whatever is on offer to this client, on all subnets of its wire. */
export type OfferChange = { kind: 'hold'; offer: Offer } | { kind: 'forget'; client: ClientKey };

/** Where a reply goes. RFC 2131 4.1. */
export type Target = { address: Ipv4; port: number; why: string };

/** What to answer, what to remember, and why. Nothing here has been done yet. `probe`: ask the wire first, then decide again. */
export type DhcpDecision = {
  because: Reason[];
  lease?: LeaseChange;
  offer?: OfferChange;
  /** What the machine will boot, when the request was a boot client's. */
  boot?: BootDecision;
} & (
  | { kind: 'reply'; type: 'offer' | 'ack' | 'nak'; packet: DhcpPacket; to: Target; subnet?: Subnet }
  | { kind: 'probe'; address: Ipv4; subnet: Subnet }
  | { kind: 'silent' }
);

/** The option that decides most often, typed. */
export function requestedAddress(packet: DhcpPacket): Ipv4 | undefined {
  return getOption(packet, 'requestedAddress');
}

/**
 * Whether the sender's identifier is that of a stage which passes: a ROM sends none, iPXE its MAC or the board's UUID, an installer
 * its MAC. The system after it has another one, which is what people reserve addresses for (boot-protocols 1.5).
 */
export function isPassing({ packet, clientId, firmware }: DhcpRequest): boolean {
  if (!clientId || firmware.stage !== 'os') return true;
  // RFC 2132 9.14: hardware type and address
  return clientId[0] === packet.htype && clientId.compare(packet.chaddr, 0, packet.chaddr.length, 1) === 0;
}

/** The subnet of an address on the wire of a view. */
export function subnetById(view: DhcpView, id: number): Subnet | undefined {
  return view.wire.find((subnet) => subnet.id === id);
}

/** The address of who has none. */
export const NO_ADDRESS = '0.0.0.0' as Ipv4;
/** Everybody on the wire. */
export const BROADCAST = '255.255.255.255' as Ipv4;
