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
  const { htype, chaddr } = packet;
  if (chaddr.every((byte) => byte === 0)) return clientId && (`id:${clientId.toString('hex')}` as ClientKey);
  if (htype === 1 && chaddr.length === 6) return ethernetKey(chaddr);
  return `hw:${htype}:${chaddr.toString('hex')}` as ClientKey;
}

/**
 * `hw:1:525400aabb01`, as the template above writes it, but in one piece: V8 keeps what a template joins as a rope of its parts,
 * and a look into a Map of many clients takes twice as long when its keys are ropes.
 */
function ethernetKey(chaddr: Buffer): ClientKey {
  const high = (index: number): number => digit((chaddr[index] as number) >> 4);
  const low = (index: number): number => digit((chaddr[index] as number) & 15);
  // biome-ignore format: two digits for each byte
  return String.fromCharCode(
    H, W, COLON, ONE, COLON,
    high(0), low(0), high(1), low(1), high(2), low(2), high(3), low(3), high(4), low(4), high(5), low(5),
  ) as ClientKey;
}

const [H, W, COLON, ONE] = [...Buffer.from('hw:1')] as [number, number, number, number];

/** The character of a hexadecimal digit. */
function digit(value: number): number {
  return value + (value < 10 ? 48 : 87);
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
