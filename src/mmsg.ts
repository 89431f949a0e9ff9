/**
 * recvmmsg(2) and sendmmsg(2): the calls, through koffi, and the memory that they read and write. Without koffi, and where a
 * sandbox refuses them, `kernel` says so instead.
 */
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import type { BatchDatagram } from './plain-udp.ts';
import { ipv4FromNumber, ipv4ToNumber } from './wire/address.ts';

/**
 * What the kernel reads and writes in place: `count` messages, each with one buffer and one address.
 * recvmmsg(2), recvmsg(2) and ip(7), for 64-bit little-endian machines (x86-64, AArch64):
 *
 *   struct mmsghdr, 64 bytes                      struct iovec, 16 bytes
 *    0 void *msg_name        -> its sockaddr_in    0 void *iov_base  -> its part of `data`
 *    8 socklen_t msg_namelen (4, then 4 unused)    8 size_t iov_len
 *   16 struct iovec *msg_iov -> its iovec
 *   24 size_t msg_iovlen                          struct sockaddr_in, 16 bytes
 *   32 void *msg_control        none               0 sa_family_t sin_family, host order
 *   40 size_t msg_controllen                       2 in_port_t sin_port, network order
 *   48 int msg_flags (4, then 4 unused)            4 struct in_addr sin_addr, network order
 *   56 unsigned msg_len, the bytes received        8 zero
 *
 * The memory of a Buffer of this size lies outside of the garbage-collected heap and never moves; the Messages object holds it.
 */
export type Messages = { headers: Buffer; iovecs: Buffer; names: Buffer; data: Buffer; count: number; stride: number };

/** Of one struct mmsghdr, for whoever begins behind the first. */
export const MMSGHDR_BYTES = 64;
const MSG_NAMELEN = 8;
const MSG_LEN = 56;
const IOVEC_BYTES = 16;
const IOV_LEN = 8;
const NAME_BYTES = 16;
const AF_INET = 2;
/** For both calls: never wait. */
export const MSG_DONTWAIT = 0x40;

/** Room for `count` messages of at most `datagramBytes`, ready to receive. */
export function layOutMessages(calls: Kernel, count: number, datagramBytes: number): Messages {
  const stride = Math.ceil(datagramBytes / 64) * 64; // each at the beginning of a cache line
  const block = Buffer.alloc(count * (MMSGHDR_BYTES + IOVEC_BYTES + NAME_BYTES + stride));
  const iovecsAt = count * MMSGHDR_BYTES;
  const namesAt = iovecsAt + count * IOVEC_BYTES;
  const dataAt = namesAt + count * NAME_BYTES;
  const base = calls.address(block);
  for (let index = 0; index < count; index++) {
    const header = index * MMSGHDR_BYTES;
    const iovec = iovecsAt + index * IOVEC_BYTES;
    const name = namesAt + index * NAME_BYTES;
    block.writeBigUInt64LE(base + BigInt(name), header);
    block.writeUInt32LE(NAME_BYTES, header + MSG_NAMELEN);
    block.writeBigUInt64LE(base + BigInt(iovec), header + 16);
    block.writeBigUInt64LE(1n, header + 24);
    block.writeBigUInt64LE(base + BigInt(dataAt + index * stride), iovec);
    block.writeBigUInt64LE(BigInt(datagramBytes), iovec + IOV_LEN);
    block.writeUInt16LE(AF_INET, name);
  }
  return {
    headers: block.subarray(0, iovecsAt),
    iovecs: block.subarray(iovecsAt, namesAt),
    names: block.subarray(namesAt, dataAt),
    data: block.subarray(dataAt),
    count,
    stride,
  };
}

/** The first `count` messages as datagrams with bytes of their own, in one allocation. */
export function takeMessages({ headers, names, data, stride }: Messages, count: number): BatchDatagram[] {
  let total = 0;
  for (let index = 0; index < count; index++) total += headers.readUInt32LE(index * MMSGHDR_BYTES + MSG_LEN);
  const block = Buffer.allocUnsafe(total);
  const batch: BatchDatagram[] = [];
  let start = 0;
  for (let index = 0; index < count; index++) {
    const header = index * MMSGHDR_BYTES;
    const name = index * NAME_BYTES;
    const end = start + headers.readUInt32LE(header + MSG_LEN);
    data.copy(block, start, index * stride, index * stride + end - start);
    batch.push({
      bytes: block.subarray(start, end),
      address: ipv4FromNumber(names.readUInt32BE(name + 4)),
      port: names.readUInt16BE(name + 2),
    });
    headers.writeUInt32LE(NAME_BYTES, header + MSG_NAMELEN); // recvmsg(2): the kernel wrote the length it used
    start = end;
  }
  return batch;
}

/** Make messages of the datagrams from `from` on; gives of how many. */
export function putMessages(
  { iovecs, names, data, count, stride }: Messages,
  datagrams: readonly BatchDatagram[],
  from: number,
): number {
  const used = Math.min(count, datagrams.length - from);
  for (let index = 0; index < used; index++) {
    const { bytes, address, port } = datagrams[from + index] as BatchDatagram;
    const name = index * NAME_BYTES;
    names.writeUInt16BE(port, name + 2);
    names.writeUInt32BE(ipv4ToNumber(address), name + 4);
    iovecs.writeUInt32LE(bytes.length, index * IOVEC_BYTES + IOV_LEN);
    bytes.copy(data, index * stride);
  }
  return used;
}

/** The kernel's calls as koffi makes them: -1 is an error, and `errno` tells which. */
export type Kernel = {
  recvmmsg: (fd: number, headers: Buffer, count: number, flags: number, timeout: null) => number;
  sendmmsg: (fd: number, headers: Buffer, count: number, flags: number) => number;
  getsockopt: (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;
  address: (memory: Buffer) => bigint;
  errno: () => number;
  poll: typeof import('koffi').node.poll;
  EAGAIN: number;
};

/** The calls, or why they cannot be made. */
export const kernel: Kernel | string = await loadKernel();

async function loadKernel(): Promise<Kernel | string> {
  try {
    const koffi = await import('koffi');
    // the layout above, and a poll that koffi has but does not document
    if (koffi.sizeof('void *') !== 8 || endianness() !== 'LE') return `${process.arch} is not 64-bit little-endian`;
    if (typeof koffi.node?.poll !== 'function') return `koffi ${koffi.version} has no poll`;
    const libc = koffi.load('libc.so.6');
    const { EAGAIN, EBADF } = koffi.os.errno;
    const calls: Kernel = {
      recvmmsg: libc.func('int recvmmsg(int, void *, uint32_t, int, void *)'),
      sendmmsg: libc.func('int sendmmsg(int, void *, uint32_t, int)'),
      getsockopt: libc.func('int getsockopt(int, int, int, void *, void *)'),
      address: koffi.address,
      errno: koffi.errno,
      poll: koffi.node.poll,
      EAGAIN: EAGAIN as number,
    };
    // a sandbox may refuse the calls themselves: no descriptor gives EBADF where they are allowed
    for (const name of ['recvmmsg', 'sendmmsg'] as const) {
      calls[name](-1, Buffer.alloc(MMSGHDR_BYTES), 0, MSG_DONTWAIT, null);
      if (koffi.errno() !== EBADF) return `${name} is not possible here: ${errnoName(koffi.errno())}`;
    }
    return calls;
  } catch (error) {
    return `koffi is not usable: ${(error as Error).message.split('\n')[0]}`;
  }
}

/** `EAGAIN`, for a number of errno(3). */
export function errnoName(errno: number): string {
  return getSystemErrorName(-errno);
}
