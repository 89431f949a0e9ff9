import type { Subnet } from '../model/network.ts';
import { cidrBroadcast, cidrNetmask, type Ipv4, ipv4ToBytes } from '../wire/address.ts';
import { getOption, optionCode, setOption } from '../wire/dhcp-options.ts';
import type { DhcpPacket } from '../wire/dhcp-packet.ts';
import { withDefaultRoute } from '../wire/dhcp-shapes.ts';
import type { BootAnswer } from './boot.ts';
import { MERGED_CODES, mergeBootOption } from './boot-options.ts';
import { type DhcpRequest, NO_ADDRESS } from './view.ts';

/** What an OFFER or ACK says. */
export type ReplyParts = {
  type: 'offer' | 'ack';
  /** 0.0.0.0 when answering an INFORM, which gets no lease. */
  yiaddr: Ipv4;
  subnet: Subnet;
  hostname?: string | undefined;
  /** What people set for this client, by code. */
  options: ReadonlyMap<number, { bytes: Buffer; force: boolean }>;
  boot?: BootAnswer | undefined;
};

/** Sent to everybody: 3 and 6. */
const ALWAYS = [optionCode('routers'), optionCode('dnsServers')];
const FQDN = optionCode('clientFqdn');
/** What makes a machine boot is our decision; for an operating system these mean what people say. 43 and 175 are merged. */
const BOOT_CODES: ReadonlySet<number> = new Set(
  (['vendorClass', 'vendorEncapsulated', 'tftpServerName', 'bootFileName', 'clientMachineId', 'ipxe'] as const).map(
    optionCode,
  ),
);

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
  // an INFORM that does not say where it is: only a broadcast of its relay reaches it (RFC 1542 4.1.2)
  if (request.relay && yiaddr === NO_ADDRESS && reply.ciaddr === NO_ADDRESS) reply.broadcast = true;
  const { times, mask, others } = optionsOfSubnet(subnet);
  if (yiaddr !== NO_ADDRESS) for (const [code, value] of times) options.set(code, value);
  options.set(optionCode('subnetMask'), mask);
  const offered = offeredTo(parts, others);
  const put = (code: number): void => {
    const value = offered.get(code);
    if (value && !options.has(code)) options.set(code, value);
  };
  for (const code of ALWAYS) put(code);
  const wanted = getOption(request.packet, 'parameterRequestList');
  // who does not say what it wants gets all that there is for it
  for (const code of wanted ?? parts.options.keys()) put(code);
  for (const [code, { force }] of parts.options) if (force) put(code);
  if (wanted && request.packet.options.has(FQDN) && wanted.includes(FQDN)) answerFqdn(reply, request, parts.hostname);
  if (boot) {
    addBoot(reply, request, boot);
    addToBoot(options, boot, parts.options);
  }
  // RFC 3011 2: a client that selects its subnet throws away what does not repeat that
  const selected = request.packet.options.get(optionCode('subnetSelection'));
  if (selected) options.set(optionCode('subnetSelection'), selected);
  addMachineId(reply, request);
  addEchoes(reply, request);
  return reply;
}

/** An answer that names a file and no address: proxyDHCP and port 4011. */
export function composeBootReply(request: DhcpRequest, type: 'offer' | 'ack', boot: BootAnswer): DhcpPacket {
  const reply = composeHeader(request, type);
  addBoot(reply, request, boot);
  addMachineId(reply, request);
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
  const { packet, arrival, serverIds } = request;
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', type);
  setOption(options, 'serverId', serverIds[0]);
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
    sname: request.mark ?? '',
    file: '',
    options,
  };
}

/** What a subnet has for each of its clients, ready to be sent. */
type SubnetOptions = {
  /** 51, 58 and 59: with an address only. */
  times: ReadonlyMap<number, Buffer>;
  mask: Buffer;
  others: ReadonlyMap<number, Buffer>;
};
/** A subnet that is changed is another object. */
const subnetOptions = new WeakMap<Subnet, SubnetOptions>();

function optionsOfSubnet(subnet: Subnet): SubnetOptions {
  const present = subnetOptions.get(subnet);
  if (present) return present;
  const times = new Map<number, Buffer>();
  setOption(times, 'leaseSeconds', subnet.leaseSeconds);
  setOption(times, 'renewalSeconds', Math.floor(subnet.leaseSeconds * 0.5)); // RFC 2131 4.4.5
  setOption(times, 'rebindingSeconds', Math.floor(subnet.leaseSeconds * 0.875));
  const others = new Map<number, Buffer>();
  if (subnet.gateway) setOption(others, 'routers', [subnet.gateway]);
  if (subnet.dns.length > 0) setOption(others, 'dnsServers', subnet.dns);
  setOption(others, 'broadcastAddress', cidrBroadcast(subnet.cidr));
  if (subnet.domain !== '') {
    setOption(others, 'domainName', subnet.domain);
    setOption(others, 'domainSearch', [subnet.domain]);
  }
  const made = { times, mask: ipv4ToBytes(cidrNetmask(subnet.cidr)), others };
  subnetOptions.set(subnet, made);
  return made;
}

/** What there is for this client, by code: of its subnet, and what is its own. */
function offeredTo(parts: ReplyParts, ofSubnet: ReadonlyMap<number, Buffer>): ReadonlyMap<number, Buffer> {
  if (!parts.hostname && parts.options.size === 0) return ofSubnet;
  const offered = new Map(ofSubnet);
  if (parts.hostname) setOption(offered, 'hostName', parts.hostname);
  for (const [code, { bytes }] of parts.options) if (!(parts.boot && BOOT_CODES.has(code))) offered.set(code, bytes);
  addDefaultRoute(offered);
  return offered;
}

/** RFC 3442: a client that takes 121 ignores 3, so the way out has to be in 121 too. */
function addDefaultRoute(options: Map<number, Buffer>): void {
  const [gateway] = getOption({ options }, 'routers') ?? [];
  for (const name of ['classlessRoutes', 'classlessRoutesMicrosoft'] as const) {
    const routes = getOption({ options }, name);
    if (routes) setOption(options, name, withDefaultRoute(routes, gateway));
  }
}

/**
 * RFC 4702 4: we keep no DNS, so whoever wanted us to (S) is told that we do not: N, and O as that is another wish. The name comes
 * back as it was sent, in labels (E) or in plain text; who sent none is told the one that it has here.
 */
function answerFqdn(reply: DhcpPacket, request: DhcpRequest, hostname: string | undefined): void {
  const said = request.packet.options.get(FQDN);
  const read = said && getOption(request.packet, 'clientFqdn');
  if (!read) return;
  const flags = { serverUpdates: false, overridden: read.serverUpdates, noUpdates: true, labels: read.labels };
  setOption(reply.options, 'clientFqdn', { ...flags, name: read.name === '' && isLabel(hostname) ? hostname : '' });
  if (read.name !== '') reply.options.set(FQDN, Buffer.concat([reply.options.get(FQDN) as Buffer, said.subarray(3)]));
}

const isLabel = (text: string | undefined): text is string => text !== undefined && /^[A-Za-z0-9-]{1,63}$/.test(text);

function addBoot(reply: DhcpPacket, request: DhcpRequest, boot: BootAnswer): void {
  for (const [code, value] of boot.options) reply.options.set(code, value);
  if (boot.file !== undefined) {
    // shim, U-Boot and old ROMs read only the header field, others only option 67: both are filled
    if (boot.file.length <= FILE_FIELD_CHARACTERS) reply.file = boot.file;
    if (!boot.isHeaderOnly) setOption(reply.options, 'bootFileName', boot.file);
    const wanted = getOption(request.packet, 'parameterRequestList') ?? [];
    if (wanted.includes(optionCode('tftpServerName')))
      setOption(reply.options, 'tftpServerName', request.arrival.serverAddress);
    if (wanted.includes(optionCode('tftpServers')))
      setOption(reply.options, 'tftpServers', [request.arrival.serverAddress]);
  }
}

function addToBoot(options: Map<number, Buffer>, boot: BootAnswer, set: ReplyParts['options']): void {
  if (set.size === 0) return;
  for (const code of MERGED_CODES) {
    const ours = boot.options.get(code);
    const theirs = set.get(code);
    if (ours && theirs) options.set(code, mergeBootOption(code, ours, theirs.bytes));
  }
}

/** RFC 4578 2.3: whoever sends its UUID gets it back, with a file or without. A NAK has no place for it (RFC 2131 4.3.1). */
function addMachineId(reply: DhcpPacket, request: DhcpRequest): void {
  const machineId = request.packet.options.get(optionCode('clientMachineId'));
  if (machineId) reply.options.set(optionCode('clientMachineId'), machineId);
}

/** What has to come back as it was: the client identifier (RFC 6842) and, last of all, the relay's option 82 (RFC 3046 2.2). */
function addEchoes(reply: DhcpPacket, request: DhcpRequest): void {
  const clientId = request.packet.options.get(optionCode('clientId'));
  if (clientId) reply.options.set(optionCode('clientId'), clientId);
  const relay = request.packet.options.get(optionCode('relayInformation'));
  if (relay && request.packet.giaddr !== NO_ADDRESS) reply.options.set(optionCode('relayInformation'), relay);
}
