import type { BootDecision } from '../boot/decide.ts';
import type { Firmware } from '../model/firmware.ts';
import type { ClientKey, Lease, Reservation, Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import type { Instant } from '../model/time.ts';
import type { Arrival, BootView } from '../model/view.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import type { DhcpPacket } from '../wire/dhcp-packet.ts';
import type { MessageType } from '../wire/dhcp-shapes.ts';

/** A request as the rim understood it: the packet, who sent it, and how it came. */
export type DhcpRequest = {
  packet: DhcpPacket;
  type: MessageType;
  client: ClientKey;
  /** Undefined for hardware that is not Ethernet (hlen is not 6). */
  mac?: Mac | undefined;
  firmware: Firmware;
  arrival: Arrival;
  /** Sent to our own address, not broadcast: tells RENEWING from REBINDING. */
  unicast: boolean;
  source: { address: Ipv4; port: number };
};

/** An address held for a client that was offered it. Kept in memory only, until `expiresAt`. */
export type Offer = { subnetId: number; address: Ipv4; client: ClientKey; expiresAt: Instant };

/** What stands against giving an address to somebody. */
export type AddressUse = { lease?: Lease | undefined; offer?: Offer | undefined; reservedFor?: Mac | undefined };

/** The snapshot that a DHCP decision reads. */
export type DhcpView = {
  now: Instant;
  /** The subnet of the wire the request came by; undefined when it is none of ours. */
  subnet?: Subnet | undefined;
  reservation?: Reservation | undefined;
  /** This client's own lease on the subnet, in whatever state. */
  lease?: Lease | undefined;
  offer?: Offer | undefined;
  use(address: Ipv4): AddressUse;
  /** Addresses whose lease has ended, the longest ended first. */
  ended(): Ipv4[];
  /** What the sender boots; undefined for a sender that has no MAC. */
  boot?: BootView | undefined;
};

export type LeaseChange =
  | { kind: 'bind'; lease: Lease }
  | { kind: 'release'; lease: Lease }
  | { kind: 'decline'; lease: Lease };

export type OfferChange = { kind: 'hold'; offer: Offer } | { kind: 'forget'; client: ClientKey };

/** Where a reply goes. RFC 2131 4.1. */
export type Target = { address: Ipv4; port: number; why: string };

/** What to answer, what to remember, and why. Nothing here has been done yet. */
export type DhcpDecision = {
  because: Reason[];
  lease?: LeaseChange;
  offer?: OfferChange;
  /** What the machine will boot, when the request was a boot client's. */
  boot?: BootDecision;
} & ({ kind: 'reply'; type: 'offer' | 'ack' | 'nak'; packet: DhcpPacket; to: Target } | { kind: 'silent' });

/** The options that decide most often, typed. */
export function requestedAddress(packet: DhcpPacket): Ipv4 | undefined {
  return getOption(packet, 'requestedAddress');
}

export const NO_ADDRESS = '0.0.0.0' as Ipv4;
export const BROADCAST = '255.255.255.255' as Ipv4;
