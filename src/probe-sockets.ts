/**
 * The sockets that ask the wire and overhear it: ARP, ICMP echo, and DHCP as a client sees it. All of them need root to be opened
 * and nothing to be used. Node cannot wait for such descriptors, so whoever needs an answer comes and takes what has arrived.
 */
import { randomInt } from 'node:crypto';
import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { errorName, inNamespace, SocketError, sockaddr } from './sockets.ts';
import { type Ipv4, type Mac, macFromBytes } from './wire/address.ts';
import { type ArpClaim, decodeArpClaim, encodeArpProbe } from './wire/arp.ts';
import {
  DHCP_CLIENT_PORT,
  decodeEchoReply,
  decodeServerDatagram,
  encodeClientDatagram,
  encodeEchoRequest,
  ICMP_ECHO_REPLY,
  IPPROTO_ICMP,
  IPPROTO_UDP,
  type OverheardDhcp,
} from './wire/ipv4-packet.ts';

/** What asks return: was it sent? Not when the interface is down, gone, or has no route. What hears never waits. */
export type ProbeSockets = {
  interface: string;
  address: Ipv4;
  /** The interface's own. */
  mac: Mac;
  /** Ask everybody on the wire who has the address, without saying that we have one. RFC 5227 2.1.1 */
  askArp(address: Ipv4): boolean;
  /** Every claim heard since the last time, also those that nobody asked for; at most as many as the kernel keeps. */
  hearArp(): ArpClaim[];
  /** Send one ICMP echo request from our address. RFC 792 */
  askEcho(address: Ipv4): boolean;
  /** The addresses that have answered an echo request of this host since the last time. */
  hearEcho(): Ipv4[];
  /** Broadcast a DHCP message as a client that has no address. RFC 2131 4.1 */
  sendDhcp(message: Buffer): boolean;
  /** What was sent to clients on this wire since the last time, other servers' offers among it. */
  hearDhcp(): OverheardDhcp[];
  close(): void;
};

export type ProbeOptions = { interface: string; address: Ipv4; namespace?: string | undefined };

const libc = koffi.load('libc.so.6');
koffi.struct('sock_filter', { code: 'uint16', jt: 'uint8', jf: 'uint8', k: 'uint32' });
const program = koffi.struct('sock_fprog', { len: 'uint16', filter: 'sock_filter *' });
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  setOption: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  setFilter: libc.func('int setsockopt(int, int, int, const sock_fprog *, uint32_t)'),
  name: libc.func('int getsockname(int, void *, void *)'),
  send: libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
  receive: libc.func('intptr_t recvfrom(int, void *, size_t, int, void *, void *)'),
  interfaceIndex: libc.func('uint32_t if_nametoindex(const char *)'),
};

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SOL_RAW = 255;
const ICMP_FILTER = 1;
const MSG_DONTWAIT = 0x40;
const ETH_P_IP = 0x0800;
const ETH_P_ARP = 0x0806;
const ARPHRD_ETHER = 1;

/** More than the kernel keeps for one socket of the usual size, so that one visit takes everything that has come. */
const MOST_AT_ONCE = 512;
const EVERYBODY = Buffer.alloc(6, 0xff);

/** Open them for one interface, inside its namespace. Throws SocketError; nothing stays open then. */
export function openProbeSockets(options: ProbeOptions): ProbeSockets {
  return inNamespace(options.namespace, () => open(options.interface, options.address));
}

function open(device: string, address: Ipv4): ProbeSockets {
  const fds: number[] = [];
  const openFd = (family: number, type: number, protocol: number): number => {
    const fd = c.socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol) as number;
    if (fd < 0) throw failure(`open a socket to probe ${device}`, 'needs root or CAP_NET_RAW at the start');
    fds.push(fd);
    return fd;
  };
  try {
    const index = c.interfaceIndex(device) as number;
    if (index === 0) throw failure(`probe interface ${device}`, 'is it there? ip link');

    const arp = openFd(AF_PACKET, SOCK_DGRAM, 0);
    bindPacket(arp, device, index, ETH_P_ARP);
    const mac = ownMac(arp, device);

    // A packet socket and not UDP port 68, which is the host's own DHCP client's. This one also hears servers whose addresses
    // our routes do not know (a reverse path filter keeps those from a UDP socket), and tells the sender's MAC.
    const dhcp = openFd(AF_PACKET, SOCK_DGRAM, 0);
    if (c.setFilter(dhcp, SOL_SOCKET, SO_ATTACH_FILTER, DHCP_TO_CLIENTS, koffi.sizeof(program)) < 0)
      throw failure(`filter DHCP on ${device}`);
    bindPacket(dhcp, device, index, ETH_P_IP);

    const echo = openFd(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    const filter = Buffer.alloc(4);
    filter.writeUInt32LE(~(1 << ICMP_ECHO_REPLY) >>> 0);
    if (c.setOption(echo, SOL_RAW, ICMP_FILTER, filter, 4) < 0) throw failure(`filter ICMP on ${device}`);
    if (c.bind(echo, sockaddr(address, 0), 16) < 0) throw failure(`bind ICMP to ${address}`, `ip address on ${device}`);

    return makeSockets({ device, index, address, mac, arp, dhcp, echo });
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    throw error;
  }
}

type Opened = { device: string; index: number; address: Ipv4; mac: Mac; arp: number; dhcp: number; echo: number };

function makeSockets({ device, index, address, mac, arp, dhcp, echo }: Opened): ProbeSockets {
  const echoId = randomInt(0x10000);
  let echoes = 0;
  let isOpen = true;

  /** A closed descriptor's number may be somebody else's by now. */
  const send = (fd: number, bytes: Buffer, to: Buffer): boolean =>
    isOpen && c.send(fd, bytes, bytes.length, MSG_DONTWAIT, to, to.length) === bytes.length;
  const hear = <T>(fd: number, decode: (bytes: Buffer, from: Mac) => T | undefined): T[] =>
    isOpen ? receiveAll(fd, decode) : [];

  return {
    interface: device,
    address,
    mac,
    askArp: (wanted) => send(arp, encodeArpProbe(mac, wanted), packetAddress(index, ETH_P_ARP, EVERYBODY)),
    hearArp: () => hear(arp, decodeArpClaim),
    askEcho: (wanted) => send(echo, encodeEchoRequest(echoId, echoes++ & 0xffff), sockaddr(wanted, 0)),
    hearEcho: () => hear(echo, decodeEchoReply),
    sendDhcp: (message) => send(dhcp, encodeClientDatagram(message), packetAddress(index, ETH_P_IP, EVERYBODY)),
    hearDhcp: () => hear(dhcp, decodeServerDatagram),
    close() {
      if (!isOpen) return;
      isOpen = false;
      for (const fd of [arp, dhcp, echo]) closeSync(fd);
    },
  };
}

/** Classic BPF over the IP header on: UDP to port 68, not a fragment. Everything else costs the host these few steps. */
const DHCP_TO_CLIENTS = {
  len: 9,
  filter: [
    { code: 0x30, jt: 0, jf: 0, k: 9 }, // protocol
    { code: 0x15, jt: 0, jf: 6, k: IPPROTO_UDP },
    { code: 0x28, jt: 0, jf: 0, k: 6 }, // more-fragments and offset
    { code: 0x45, jt: 4, jf: 0, k: 0x3fff },
    { code: 0xb1, jt: 0, jf: 0, k: 0 }, // length of the IP header
    { code: 0x48, jt: 0, jf: 0, k: 2 }, // destination port
    { code: 0x15, jt: 0, jf: 1, k: DHCP_CLIENT_PORT },
    { code: 0x06, jt: 0, jf: 0, k: 0xffff },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ],
};

const room = Buffer.alloc(65_536);
const sender = Buffer.alloc(20);
const senderLength = Buffer.alloc(4);

/** What has come to the socket, decoded; what is nothing of ours is left out. What is given is a copy. */
function receiveAll<T>(fd: number, decode: (bytes: Buffer, from: Mac) => T | undefined): T[] {
  const all: T[] = [];
  for (let count = 0; count < MOST_AT_ONCE; count++) {
    senderLength.writeUInt32LE(sender.length);
    // nothing there, or the interface went down: both mean that nothing was heard
    const length = c.receive(fd, room, room.length, MSG_DONTWAIT, sender, senderLength) as number;
    if (length < 0) break;
    const one = decode(room.subarray(0, length), macFromBytes(sender.subarray(12, 18)));
    if (one !== undefined) all.push(one);
  }
  return all;
}

function bindPacket(fd: number, device: string, index: number, protocol: number): void {
  if (c.bind(fd, packetAddress(index, protocol), 20) < 0) throw failure(`listen on ${device}`, 'is it up? ip link');
}

/** The kernel tells it with the socket's own address, in whatever namespace it was opened. */
function ownMac(fd: number, device: string): Mac {
  const address = Buffer.alloc(20);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  if (c.name(fd, address, length) < 0) throw failure(`read the MAC address of ${device}`);
  if (address.readUInt16LE(8) !== ARPHRD_ETHER || address[11] !== 6)
    throw new SocketError(`cannot probe interface ${device}: it is not Ethernet`);
  return macFromBytes(address.subarray(12, 18));
}

/** struct sockaddr_ll, see packet(7): numbers in the host's order (little-endian on every machine Node runs on) but the protocol. */
function packetAddress(index: number, protocol: number, to?: Buffer): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16LE(AF_PACKET, 0);
  bytes.writeUInt16BE(protocol, 2);
  bytes.writeInt32LE(index, 4);
  if (to) {
    bytes[11] = to.length;
    to.copy(bytes, 12);
  }
  return bytes;
}

function failure(doing: string, advice?: string): SocketError {
  return new SocketError(`cannot ${doing}: ${errorName(koffi.errno())}${advice ? ` (${advice})` : ''}`);
}
