import { classifyFirmware } from '../model/firmware.ts';
import { isTellingUuid } from '../model/machine.ts';
import type { ClientKey } from '../model/network.ts';
import type { Arrival } from '../model/view.ts';
import { type Ipv4, type Mac, macFromBytes } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp } from '../wire/dhcp-packet.ts';
import { type DhcpRequest, type Door, NO_ADDRESS, type Relay } from './view.ts';

/** A datagram and how it came. */
export type Received = {
  bytes: Buffer;
  arrival: Arrival;
  door: Door;
  unicast: boolean;
  from: { address: string; port: number };
};

const SERVER_PORT = 67;

/** A datagram as a request; undefined for one that is malformed or no client's. */
export function understandDhcp(received: Received): DhcpRequest | undefined {
  try {
    return toRequest(decodeDhcp(received.bytes), received);
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function toRequest(packet: DhcpPacket, { arrival, door, unicast, from }: Received): DhcpRequest | undefined {
  const type = getOption(packet, 'messageType');
  if (packet.op !== 'request' || !type) return undefined;
  const clientId = getOption(packet, 'clientId');
  const client = clientKey(packet, clientId);
  if (!client) return undefined;
  const relay = relayOf(packet, from.port);
  const standIn = relay?.information.serverId;
  const mac = macOf(packet);
  const guid = getOption(packet, 'clientMachineId');
  return {
    packet,
    type,
    client,
    mac,
    clientId,
    uuid: guid !== undefined && isTellingUuid(guid) ? guid : undefined,
    firmware: classifyFirmware({
      vendorClass: getOption(packet, 'vendorClass'),
      userClasses: getOption(packet, 'userClass'),
      architectures: getOption(packet, 'clientArchitectures'),
      hasIpxeOptions: packet.options.has(175),
      mac,
    }),
    arrival,
    door,
    unicast,
    source: { address: from.address as Ipv4, port: from.port },
    relay,
    serverIds: standIn ? [standIn, arrival.serverAddress] : [arrival.serverAddress],
  };
}

/**
 * ROM, iPXE, installer and system send different client identifiers on one MAC, so the hardware address is what a client is
 * known by where it has one: one machine never holds two addresses, and clones with one identifier are kept apart. RFC 2131 4.2
 * would let the identifier alone count; what it still does is find the address that a replaced card had (boot-protocols 1.5).
 */
function clientKey(packet: DhcpPacket, clientId: Buffer | undefined): ClientKey | undefined {
  const hasHardware = packet.chaddr.length > 0 && packet.chaddr.some((byte) => byte !== 0);
  if (hasHardware) return `hw:${packet.htype}:${packet.chaddr.toString('hex')}` as ClientKey;
  return clientId && (`id:${clientId.toString('hex')}` as ClientKey);
}

function macOf(packet: DhcpPacket): Mac | undefined {
  if (packet.htype !== 1 || packet.chaddr.length !== 6) return undefined;
  return macFromBytes(packet.chaddr);
}

/** Option 82 counts only from a relay: what a client itself wrote there, or a switch without a giaddr, proves nothing. */
function relayOf(packet: DhcpPacket, sourcePort: number): Relay | undefined {
  if (packet.giaddr === NO_ADDRESS) return undefined;
  const information = getOption(packet, 'relayInformation') ?? {};
  return { giaddr: packet.giaddr, port: information.sourcePort ? sourcePort : SERVER_PORT, information };
}
