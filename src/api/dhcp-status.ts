import { isHeld, type Lease, type Reservation, type Subnet } from '../model/network.ts';
import type { Arrival } from '../model/view.ts';
import { cidrBroadcast, cidrToText, type Ipv4, ipv4ToNumber } from '../wire/address.ts';
import type { Api, ApiOptions } from './server.ts';

/** How full the pools of one subnet are, in addresses. `size` = `held` + `reserved` + `free`. */
export type PoolUse = {
  subnet: string;
  cidr: string;
  /** Of all pools, without the network's own addresses and those of routers, name servers, relays and ours. */
  size: number;
  /** Leased, or resting after a DECLINE. */
  held: number;
  /** Of `held`: nobody gets them, since somebody uses them without a lease. */
  declined: number;
  /** Kept for somebody who does not hold it now. */
  reserved: number;
  free: number;
  guests: number;
  /** How many of them there may be; absent for no limit. */
  guestLimit?: number;
};

/** What the DHCP server has done since its start, how full its pools are, and who else serves. */
export function addDhcpStatusRoute(app: Api, options: ApiOptions): void {
  const { network, leases, dhcp, arrivals, clock } = options;

  app.get('/api/v1/dhcp', () => {
    const now = clock();
    const held = groupBySubnet(leases.all().filter((lease) => isHeld(lease, now)));
    const reserved = groupBySubnet(network.reservations());
    return {
      serves: arrivals.map((one) => ({
        interface: one.interface,
        address: one.serverAddress,
        mode: one.isProxy ? 'proxy' : 'server',
      })),
      counts: dhcp.counts,
      pools: network
        .subnets()
        .map((subnet) => poolUse(subnet, held.get(subnet.id) ?? [], reserved.get(subnet.id) ?? [], arrivals)),
      foreignServers: options.foreignServers?.() ?? [],
    };
  });
}

/** `held`: the subnet's leases that hold an address now. */
function poolUse(
  subnet: Subnet,
  held: readonly Lease[],
  reservations: readonly Reservation[],
  arrivals: readonly Arrival[],
): PoolUse {
  const pools = subnet.pools.map(({ first, last }) => ({ first: ipv4ToNumber(first), last: ipv4ToNumber(last) }));
  const isInRange = (address: Ipv4): boolean => {
    const number = ipv4ToNumber(address);
    return pools.some((pool) => number >= pool.first && number <= pool.last);
  };
  const { cidr, gateway, dns, relays } = subnet;
  const kept = new Set([
    cidr.base,
    cidrBroadcast(cidr),
    ...(gateway ? [gateway] : []),
    ...dns,
    ...relays,
    ...arrivals.map((one) => one.serverAddress),
  ]);
  const isInPool = (address: Ipv4): boolean => isInRange(address) && !kept.has(address);
  const range = pools.reduce((sum, pool) => sum + pool.last - pool.first + 1, 0);
  const size = range - [...kept].filter(isInRange).length;
  const taken = new Set(held.filter((lease) => isInPool(lease.address)).map((lease) => lease.address));
  const reserved = reservations.filter(({ address }) => address && isInPool(address) && !taken.has(address)).length;
  return {
    subnet: subnet.name,
    cidr: cidrToText(cidr),
    size,
    held: taken.size,
    declined: held.filter((lease) => lease.state === 'declined' && taken.has(lease.address)).length,
    reserved,
    free: size - taken.size - reserved,
    guests: held.filter((lease) => lease.isGuest && lease.state === 'bound').length,
    ...(subnet.guests !== undefined ? { guestLimit: subnet.guests } : {}),
  };
}

function groupBySubnet<T extends { subnetId: number }>(list: readonly T[]): Map<number, T[]> {
  return Map.groupBy(list, (one) => one.subnetId);
}
