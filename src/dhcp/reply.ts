import type { Subnet } from '../model/network.ts';
import { cidrBroadcast, cidrNetmask, type Ipv4 } from '../wire/address.ts';
import { getOption, optionCode, setOption } from '../wire/dhcp-options.ts';
import type { DhcpPacket } from '../wire/dhcp-packet.ts';
import type { BootAnswer } from './boot.ts';
import { type DhcpRequest, NO_ADDRESS } from './view.ts';

export type ReplyParts = {
  type: 'offer' | 'ack';
  /** 0.0.0.0 when answering an INFORM, which gets no lease. */
  yiaddr: Ipv4;
  subnet: Subnet;
  hostname?: string | undefined;
  boot?: BootAnswer | undefined;
};

/** The largest lengths of the header's `file`: a longer name goes into option 67 alone. */
const FILE_FIELD_CHARACTERS = 127;

/**
 * An OFFER or ACK. The options are put in the order of their importance: what every reply has, what the client asked for in
 * the order of its list (RFC 2132 9.8), then what makes it boot and what it has to get back.
 */
export function composeReply(request: DhcpRequest, parts: ReplyParts): DhcpPacket {
  const { subnet, boot, yiaddr } = parts;
  const reply = composeHeader(request, parts.type);
  const { options } = reply;
  reply.yiaddr = yiaddr;
  reply.ciaddr = parts.type === 'ack' ? request.packet.ciaddr : NO_ADDRESS; // RFC 2131 4.3.1 table 3
  if (yiaddr !== NO_ADDRESS) {
    setOption(options, 'leaseSeconds', subnet.leaseSeconds);
    setOption(options, 'renewalSeconds', Math.floor(subnet.leaseSeconds * 0.5)); // RFC 2131 4.4.5
    setOption(options, 'rebindingSeconds', Math.floor(subnet.leaseSeconds * 0.875));
  }
  setOption(options, 'subnetMask', cidrNetmask(subnet.cidr));
  if (subnet.gateway) setOption(options, 'routers', [subnet.gateway]);
  if (subnet.dns.length > 0) setOption(options, 'dnsServers', subnet.dns);

  const offered = networkOptions(subnet, parts.hostname);
  for (const code of getOption(request.packet, 'parameterRequestList') ?? []) {
    const value = offered.get(code);
    if (value && !options.has(code)) options.set(code, value);
  }
  if (boot) addBoot(reply, request, boot);
  addEchoes(reply, request);
  return reply;
}

/** A NAK: 53, 54, 56 and the echoes, and nothing else. RFC 2131 4.3.1 table 3. */
export function composeNak(request: DhcpRequest, message: string): DhcpPacket {
  const reply = composeHeader(request, 'nak');
  setOption(reply.options, 'message', message.slice(0, 255));
  reply.siaddr = NO_ADDRESS;
  // RFC 2131 4.3.2: through a relay a NAK is broadcast on the client's wire
  if (request.packet.giaddr !== NO_ADDRESS) reply.broadcast = true;
  addEchoes(reply, request);
  return reply;
}

function composeHeader(request: DhcpRequest, type: 'offer' | 'ack' | 'nak'): DhcpPacket {
  const { packet, arrival } = request;
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', type);
  setOption(options, 'serverId', arrival.serverAddress);
  return {
    op: 'reply',
    htype: packet.htype,
    hops: 0,
    xid: packet.xid,
    secs: 0,
    broadcast: packet.broadcast,
    ciaddr: NO_ADDRESS,
    yiaddr: NO_ADDRESS,
    siaddr: arrival.serverAddress,
    giaddr: packet.giaddr,
    chaddr: packet.chaddr,
    sname: '',
    file: '',
    options,
  };
}

/** What is sent only to those who ask for it. */
function networkOptions(subnet: Subnet, hostname: string | undefined): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  setOption(options, 'broadcastAddress', cidrBroadcast(subnet.cidr));
  if (subnet.domain !== '') {
    setOption(options, 'domainName', subnet.domain);
    setOption(options, 'domainSearch', [subnet.domain]);
  }
  if (hostname) setOption(options, 'hostName', hostname);
  return options;
}

function addBoot(reply: DhcpPacket, request: DhcpRequest, boot: BootAnswer): void {
  for (const [code, value] of boot.options) reply.options.set(code, value);
  if (boot.file !== undefined) {
    // shim, U-Boot and old ROMs read only the header field, others only option 67: both are filled
    if (boot.file.length <= FILE_FIELD_CHARACTERS) reply.file = boot.file;
    setOption(reply.options, 'bootFileName', boot.file);
    const wanted = getOption(request.packet, 'parameterRequestList') ?? [];
    if (wanted.includes(optionCode('tftpServerName')))
      setOption(reply.options, 'tftpServerName', request.arrival.serverAddress);
    if (wanted.includes(optionCode('tftpServers')))
      setOption(reply.options, 'tftpServers', [request.arrival.serverAddress]);
  }
  const machineId = request.packet.options.get(optionCode('clientMachineId'));
  if (machineId) reply.options.set(optionCode('clientMachineId'), machineId); // RFC 4578 2.3
}

/** What has to come back as it was: the client identifier (RFC 6842) and, last of all, the relay's option 82 (RFC 3046 2.2). */
function addEchoes(reply: DhcpPacket, request: DhcpRequest): void {
  const clientId = request.packet.options.get(optionCode('clientId'));
  if (clientId) reply.options.set(optionCode('clientId'), clientId);
  const relay = request.packet.options.get(optionCode('relayInformation'));
  if (relay && request.packet.giaddr !== NO_ADDRESS) reply.options.set(optionCode('relayInformation'), relay);
}
