import type { Lease, RelayPort, Reservation, Subnet } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import type { OfferedBootenv } from '../model/view.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Leases } from '../store/leases.ts';
import type { Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import { beginsBoot, bootView } from '../store/views.ts';
import type { Ipv4 } from '../wire/address.ts';
import { relayInformation } from '../wire/dhcp-shapes.ts';
import { isInPool } from './lease.ts';
import type { Offers } from './offers.ts';
import type { OptionLevels } from './options.ts';
import { type AddressUse, type DhcpRequest, type DhcpView, isPassing } from './view.ts';
import { chooseWire } from './wire.ts';

/** What is looked at. */
export type LookOptions = {
  machines: Machines;
  network: Network;
  leases: Leases;
  jobs: Jobs;
  offers: Offers;
  levels: OptionLevels;
  bootenv: (name: string) => OfferedBootenv | undefined;
  settings: { unknownBoots: 'scout' | 'local' };
  /** What only the running server knows; `explain` looks without. */
  isProbed?: (address: Ipv4) => boolean;
  declines?: (subnetId: number) => number;
  startedAt?: Instant;
};

/** The snapshot for a DHCP decision. `isNewBoot`: this request begins a new boot, and the view has that boot's number. */
export type Look = (request: DhcpRequest, now: Instant) => { view: DhcpView; isNewBoot: boolean };

/** A client that was offered an address just before we started has this long to ask for it. */
const FRESH_MS = 60_000;

/** Reads the world for one request; changes nothing, so `explain` looks with it too. */
export function createLook(options: LookOptions): Look {
  const { network, leases, offers, levels } = options;

  return (request, now) => {
    const { wire, noWire } = chooseWire(request, network.subnets());
    const own = wire.flatMap((subnet) => leases.of(subnet.id, request.client) ?? []);
    if (own.length > 1) own.sort(newestFirst);
    // what a client said of itself when its lease was made holds on while it says nothing else: a ROM sends no identifier,
    // and the system after it no UUID
    const marks = {
      clientId: request.clientId ?? own[0]?.clientId,
      mac: request.mac,
      uuid: request.uuid ?? own[0]?.uuid,
      port: portOf(request, own[0]),
    };
    const reservation =
      reservationOfSystem(request, own[0], wire) ?? firstOf(wire, (subnet) => network.reservationOf(subnet.id, marks));

    let isNewBoot = false;
    const boot =
      request.mac &&
      bootView(options, {
        mac: request.mac,
        boot: (present, stage, seenAt) => {
          isNewBoot = request.type === 'discover' && beginsBoot(request.firmware.stage, stage, seenAt, now);
          return isNewBoot ? present + 1 : present;
        },
        standIn: reservation?.machineId,
      });
    const machine = boot?.machine;
    const isKnown =
      reservation !== undefined || (machine !== undefined && machine.state !== 'new' && machine.state !== 'ignored');

    const view: DhcpView = {
      now,
      wire,
      noWire,
      isKnown,
      reservation,
      leases: own,
      previous: own.length === 0 ? previousOf(request, wire, now) : undefined,
      offer: firstOf(wire, (subnet) => offers.of(subnet.id, request.client, now)),
      use: (subnetId, address): AddressUse => ({
        lease: leases.at(subnetId, address),
        offer: offers.at(subnetId, address, now),
        reservation: network.reservationAt(subnetId, address),
      }),
      routers: levels.routers(),
      touched: (subnetId) => {
        const subnet = wire.find((one) => one.id === subnetId) as Subnet;
        return leases.countIn(subnet, (address) => isInPool(address, subnet)) + offers.takenUnused(subnetId, now);
      },
      guests: (subnetId) => leases.guests(subnetId, now),
      ended: (subnetId) => leases.ended(subnetId, now),
      resting: (subnetId) => leases.resting(subnetId, now),
      offers: (subnetId) => offers.oldest(subnetId),
      isProbed: options.isProbed ?? (() => true),
      declines: (subnetId) => options.declines?.(subnetId) ?? 0,
      isFresh: options.startedAt !== undefined && now - options.startedAt < FRESH_MS,
      boot,
      options: (subnet) =>
        levels.of({ subnet, reservation, machine, job: boot?.job, mac: request.mac, arrival: request.arrival }),
    };
    return { view, isNewBoot };
  };

  /** What is kept for the system of a card whose iPXE or installer asks now, under an identifier that has no reservation of its own. */
  function reservationOfSystem(
    request: DhcpRequest,
    lease: Lease | undefined,
    wire: readonly Subnet[],
  ): Reservation | undefined {
    const { clientId } = request;
    if (!clientId || !lease?.clientId || clientId.equals(lease.clientId) || !isPassing(request)) return undefined;
    const system = { clientId: lease.clientId };
    const reservation = firstOf(wire, (subnet) => network.reservationOf(subnet.id, system));
    if (!reservation) return undefined;
    return firstOf(wire, (subnet) => network.reservationOf(subnet.id, { clientId })) ?? reservation;
  }

  /** The port that the relay tells of, or told of when the lease was made: a renewal comes past the relay. */
  function portOf({ relay }: DhcpRequest, lease: Lease | undefined): RelayPort | undefined {
    const information =
      relay?.information ?? (lease?.relayInformation && relayInformation.decode(lease.relayInformation));
    const { circuitId, remoteId } = information ?? {};
    if (!circuitId && !remoteId) return undefined;
    return { circuitId: circuitId ?? NOTHING, remoteId: remoteId ?? NOTHING };
  }

  /** What another card with this client identifier had, once nobody holds it: cards are replaced, and images are cloned. */
  function previousOf(request: DhcpRequest, wire: readonly Subnet[], now: Instant): Lease | undefined {
    const { clientId } = request;
    if (!clientId) return undefined;
    const lease = firstOf(wire, (subnet) => leases.ofClientId(subnet.id, clientId));
    return lease && (lease.state === 'released' || lease.expiresAt <= now) ? lease : undefined;
  }
}

const NOTHING = Buffer.alloc(0);

/** The lease that holds an address now before the ones that ended, and the later end first. */
const newestFirst = (a: Lease, b: Lease): number =>
  Number(b.state === 'bound') - Number(a.state === 'bound') || b.expiresAt - a.expiresAt;

function firstOf<T, R>(list: readonly T[], choose: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const chosen = choose(one);
    if (chosen !== undefined) return chosen;
  }
  return undefined;
}
