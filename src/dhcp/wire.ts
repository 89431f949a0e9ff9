import type { Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import { cidrContains, type Ipv4, ipv4ToNumber } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { type DhcpRequest, NO_ADDRESS, requestedAddress } from './view.ts';

/** The subnets of one wire, the one that the client stands on first; or why the request comes from none of ours. */
export type Wire = { wire: readonly Subnet[]; noWire?: Reason };

/** Where a client stands: by its relay (RFC 3527, RFC 3011, RFC 2131 4.3.1), else by the interface that heard it. */
export function chooseWire(request: DhcpRequest, subnets: readonly Subnet[]): Wire {
  return request.relay ? behindRelay(request, request.relay.giaddr, subnets) : onOwnWire(request, subnets);
}

function behindRelay(request: DhcpRequest, giaddr: Ipv4, subnets: readonly Subnet[]): Wire {
  if (!isUnicast(giaddr)) return none('relay-impossible', `giaddr ${giaddr} is no address of a relay`);
  // a reply goes to giaddr: without the list anybody could have us send to anybody
  if (!subnets.some((subnet) => subnet.relays.includes(giaddr)))
    return none('relay-unknown', `it came through relay ${giaddr}, which no subnet allows`);
  const link = request.relay?.information.linkSelection ?? getOption(request.packet, 'subnetSelection');
  const wanted = link ?? giaddr;
  const first =
    smallestOf(wanted, subnets) ?? (link ? undefined : subnets.find((subnet) => subnet.relays.includes(giaddr)));
  if (!first) return none('no-subnet', `${wanted} is on no subnet`);
  const wire = wireOf(first, subnets);
  if (!wire.some((subnet) => subnet.relays.includes(giaddr)))
    return none('relay-elsewhere', `relay ${giaddr} may not speak for ${first.name}`);
  return { wire };
}

function onOwnWire(request: DhcpRequest, subnets: readonly Subnet[]): Wire {
  const { arrival, packet, unicast } = request;
  // a renewal comes without the relay, routed: the address that the client has tells where it stands
  const isRenewal = unicast && packet.ciaddr !== NO_ADDRESS && !requestedAddress(packet);
  const away = isRenewal ? smallestOf(packet.ciaddr, subnets) : undefined;
  if (away && away.relays.length > 0) return { wire: wireOf(away, subnets) };
  const own = subnets.filter((subnet) => subnet.interface === arrival.interface);
  const first = own.find((subnet) => cidrContains(subnet.cidr, arrival.serverAddress)) ?? own[0];
  if (!first) return none('no-subnet', `no subnet is served on ${arrival.interface} for this request`);
  const wire = wireOf(first, subnets);
  const asked = getOption(packet, 'subnetSelection');
  if (!asked) return { wire };
  const selected = wire.find((subnet) => cidrContains(subnet.cidr, asked));
  return selected ? { wire: wireOf(selected, subnets) } : none('no-subnet', `${asked} is on no subnet of this wire`);
}

/** Subnets with the longest prefix first, by the list that they come from: one that is changed is another list. */
const sorted = new WeakMap<readonly Subnet[], readonly Subnet[]>();

/** The smallest network that an address is in: networks on wires that never meet may overlap. */
function smallestOf(address: Ipv4, subnets: readonly Subnet[]): Subnet | undefined {
  let bySize = sorted.get(subnets);
  if (!bySize) {
    bySize = subnets.toSorted((a, b) => b.cidr.prefix - a.cidr.prefix);
    sorted.set(subnets, bySize);
  }
  return bySize.find((subnet) => cidrContains(subnet.cidr, address));
}

/** All subnets of that one's wire, itself first. */
export function wireOf(first: Subnet, subnets: readonly Subnet[]): Subnet[] {
  const others = subnets.filter(
    (subnet) =>
      subnet.id !== first.id &&
      ((subnet.sharedNetwork !== '' && subnet.sharedNetwork === first.sharedNetwork) ||
        (subnet.interface !== '' && subnet.interface === first.interface)),
  );
  return [first, ...others];
}

/** Whether an address can be a single host's: not 0.x, loopback, multicast or broadcast. */
function isUnicast(address: Ipv4): boolean {
  const first = ipv4ToNumber(address) >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function none(rule: string, text: string): Wire {
  return { wire: [], noWire: { rule, text } };
}
