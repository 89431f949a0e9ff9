/**
 * The IPv6 router of a rack's bridges, which offers nothing: `node router.ts BRIDGE...` inside the namespace.
 * iPXE of 2019 waits 13 to 16 seconds for a router after each DHCP answer; on a real site some router answers.
 */
import { writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { LabError } from './error.ts';

const AF_INET6 = 10;
const SOCK_RAW = 3;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_IPV6 = 41;
const IPV6_MULTICAST_HOPS = 18;
const IPV6_ADD_MEMBERSHIP = 20;
const ICMP6_FILTER = 1;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;

const ROUTER_SOLICITATION = 133;
const UNSOLICITED_EVERY_MS = 3_000;

// RFC 4861 4.2: type 134; no hop limit, no flags, router lifetime 0 ("not a default router"), no prefix.
// The kernel fills in the checksum.
const ADVERTISEMENT = Buffer.from('86000000000000000000000000000000', 'hex');

const libc = koffi.load('libc.so.6');
const socket = libc.func('int socket(int, int, int)');
const setsockopt = libc.func('int setsockopt(int, int, int, const void *, uint32_t)');
const sendto = libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)');
const recvfrom = libc.func('intptr_t recvfrom(int, _Out_ void *, size_t, int, _Out_ void *, _Inout_ uint32_t *)');
const interfaceIndex = libc.func('uint32_t if_nametoindex(const char *)');

const bridges = process.argv.slice(2).map((name) => {
  // The bridge's link-local address must be usable as soon as the first machine is plugged in.
  writeFileSync(`/proc/sys/net/ipv6/conf/${name}/accept_dad`, '0');
  return interfaceIndex(name) as number;
});

const fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) as number;
if (fd < 0) throw refused('a raw ICMPv6 socket');
// RFC 4861 6.1.2: hosts drop an advertisement that does not arrive with hop limit 255.
setOption(IPPROTO_IPV6, IPV6_MULTICAST_HOPS, int32(255));
setOption(IPPROTO_ICMPV6, ICMP6_FILTER, onlyType(ROUTER_SOLICITATION));
// struct timeval: seconds, microseconds.
setOption(SOL_SOCKET, SO_RCVTIMEO, Buffer.concat([int64(0), int64(500_000)]));
for (const bridge of bridges) {
  setOption(IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, Buffer.concat([multicast('02'), int32(bridge)]));
}

const packet = Buffer.alloc(256);
const from = Buffer.alloc(28);
let lastUnsolicited = 0;
for (;;) {
  const length = recvfrom(fd, packet, packet.length, 0, from, [from.length]) as number;
  // struct sockaddr_in6: the interface is in sin6_scope_id, at 24.
  if (length > 0) advertise(from.readUInt32LE(24));
  if (Date.now() - lastUnsolicited > UNSOLICITED_EVERY_MS) {
    lastUnsolicited = Date.now();
    for (const bridge of bridges) advertise(bridge);
  }
}

/** To all nodes of that bridge. Fails while no machine is plugged in, and then nobody waits for it either. */
function advertise(bridge: number): void {
  const to = Buffer.alloc(28);
  to.writeUInt16LE(AF_INET6, 0);
  multicast('01').copy(to, 8);
  to.writeUInt32LE(bridge, 24);
  sendto(fd, ADVERTISEMENT, ADVERTISEMENT.length, 0, to, to.length);
}

function setOption(level: number, option: number, value: Buffer): void {
  if ((setsockopt(fd, level, option, value, value.length) as number) < 0) {
    throw refused(`socket option ${level}/${option}`);
  }
}

function refused(what: string): LabError {
  return new LabError(`the kernel refused ${what}, errno ${koffi.errno()}`, 'See whether IPv6 is switched off here');
}

/** ff02::LAST: 01 is all nodes, 02 all routers of a link (RFC 4291 2.7.1). */
function multicast(last: string): Buffer {
  return Buffer.from(`ff02${'00'.repeat(13)}${last}`, 'hex');
}

/** RFC 3542 3.2: a set bit blocks that type. */
function onlyType(type: number): Buffer {
  const filter = Buffer.alloc(32, 0xff);
  const word = (type >> 5) * 4;
  filter.writeUInt32LE((filter.readUInt32LE(word) & ~(1 << (type & 31))) >>> 0, word);
  return filter;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function int64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}
