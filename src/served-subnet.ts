import type { Config, ServedSubnet } from './config.ts';
import { newSubnet, type Subnet } from './model/network.ts';
import { cidrToText } from './wire/address.ts';

/** The subnet of a served interface: as it is among those of the store, or as usual, with what the flags say. */
export function subnetToServe(
  served: ServedSubnet,
  config: Pick<Config, 'gateway' | 'dns' | 'domain' | 'leaseSeconds'>,
  subnets: readonly Subnet[],
): Omit<Subnet, 'id'> {
  const present = subnets.find((one) => cidrToText(one.cidr) === cidrToText(served.cidr));
  // a subnet of that name elsewhere keeps it; one of this interface's earlier networks gives it up, see putSubnet
  const isTaken = subnets.some((one) => one.name === served.interface && one.interface !== served.interface);
  const name = isTaken ? `${served.interface} ${cidrToText(served.cidr)}` : served.interface;
  const usual = newSubnet({ name, cidr: served.cidr });
  return {
    ...usual,
    ...present,
    interface: served.interface,
    cidr: served.cidr,
    ...(served.pool ? { pools: [served.pool] } : {}),
    relays: [...new Set([...(present?.relays ?? []), ...served.relays])],
    ...(config.gateway ? { gateway: config.gateway } : {}),
    ...(config.dns ? { dns: config.dns } : {}),
    ...(config.domain !== undefined ? { domain: config.domain } : {}),
    ...(config.leaseSeconds !== undefined ? { leaseSeconds: config.leaseSeconds } : {}),
  };
}
