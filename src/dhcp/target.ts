import { BROADCAST, type DhcpRequest, NO_ADDRESS, type Target } from './view.ts';

const CLIENT_PORT = 68;

/** Where a reply goes. RFC 2131 4.1. */
export function replyTarget(request: DhcpRequest, type: 'offer' | 'ack' | 'nak', isNear = true): Target {
  const { packet, source, relay } = request;
  if (relay) return { address: relay.giaddr, port: relay.port, why: 'to the relay' };
  if (type === 'nak')
    // RFC 2131 4.1 has every refusal broadcast, which a client beyond a router would never hear (dnsmasq does this too)
    return isNear
      ? { address: BROADCAST, port: CLIENT_PORT, why: 'a refusal is broadcast' }
      : { address: packet.ciaddr, port: CLIENT_PORT, why: 'it stands beyond a router' };
  if (packet.ciaddr !== NO_ADDRESS) return { address: packet.ciaddr, port: CLIENT_PORT, why: 'to the address it has' };
  if (request.type === 'inform' && source.address !== NO_ADDRESS)
    return { address: source.address, port: CLIENT_PORT, why: 'to where it sent from' };
  // The RFC would send to yiaddr when the broadcast flag is not set. The kernel cannot: it would ask by ARP for an address
  // that the client does not have yet. Broadcast is permitted instead, and every client takes it (boot-protocols 1.4).
  return { address: BROADCAST, port: CLIENT_PORT, why: 'broadcast, the client has no address yet' };
}
