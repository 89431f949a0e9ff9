/**
 * UDP datagrams in batches. Node's dgram makes a syscall, a callback and an allocation for each datagram, both ways; here one
 * recvmmsg(2) takes up to 64 of them from the kernel, one listener hears all of them, and one sendmmsg(2) carries the answers.
 * Where these two calls cannot be made, node:dgram does the same more slowly (openPlainUdp).
 */
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { endianness } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type Ipv4, ipv4FromNumber, ipv4ToNumber, isIpv4 } from './wire/address.ts';

/**
 * One datagram and its peer: who it is from, or who it is for. What was received has bytes of its own, valid for as long as
 * somebody holds them: a view of the receive buffer would be another request one batch later, and copying 300 bytes is cheap
 * beside that risk. The datagrams of one batch share one allocation. What is sent may be changed as soon as `send` is back.
 */
export type BatchDatagram = { bytes: Buffer; address: Ipv4; port: number };

/** One that was not sent, and why: the kernel's name for it (`ENETUNREACH`), or a sentence. */
export type SendFailure = { datagram: BatchDatagram; error: string };

/**
 * What became of a batch: `sent` were handed to the kernel, `failed` never will be, `waiting` are on their way because the send
 * buffer is full (openPlainUdp never knows at once, so there all wait). A waiting one that fails is told to onError.
 */
export type SendResult = { sent: number; waiting: number; failed: SendFailure[] };

/** What could not be opened, received or sent: names the descriptor or the count. `failed` lists waiting datagrams given up. */
export class BatchUdpError extends Error {
  override readonly name = 'BatchUdpError';
  readonly failed: readonly SendFailure[];

  constructor(message: string, failed: readonly SendFailure[] = []) {
    super(message);
    this.failed = failed;
  }
}

export type BatchUdp = {
  /** Who hears the datagrams: 1 to `batch` at a time, in the order of their arrival. A second listener replaces the first. */
  listen(listener: (batch: BatchDatagram[]) => void): void;
  /** Send in this order. One that cannot be sent is skipped; the rest is sent all the same. Throws nothing. */
  send(batch: readonly BatchDatagram[]): SendResult;
  /** Who hears of errors, also of what the listener throws; without one they are written to stderr. */
  onError(listener: (error: Error) => void): void;
  /** Closes the descriptor; nothing is heard or sent from here on, and what waits is given up. */
  close(): void;
  /** Why node:dgram is used; undefined where the batched calls are. For the log: the difference is speed only. */
  readonly plainBecause: string | undefined;
};

export type BatchUdpOptions = {
  /** The most datagrams in one call of the kernel and of the listener. 1 to 1024 (UIO_MAXIOV), 64 unless given. */
  batch?: number;
  /**
   * The longest datagram, 1 to 65507 bytes, 4097 unless given: one more than the DHCP codec takes. A longer one arrives cut to
   * this length, so that the codec refuses it; a longer one to be sent fails.
   */
  datagramBytes?: number;
};

/** Batches received before timers and other sockets have their turn. */
const BATCHES_A_TURN = 8;
/** The most datagrams that wait for room in the send buffer; those beyond fail with EAGAIN. */
const WAITING_LIMIT = 1024;
/** A send buffer from which nothing leaves for this long is stuck, and a DHCP client has asked again by then. */
const STUCK_MS = 1000;
/** Before listening again on a socket in an error state, so that a lasting one cannot spin. */
const ERROR_PAUSE_MS = 20;

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_DOMAIN = 39;
const AF_INET = 2;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

/**
 * The datagrams of a bound IPv4 UDP socket. No dgram socket may be around the descriptor: libuv refuses a second watcher, and
 * koffi ends the process then. The descriptor belongs to the BatchUdp once it is back; no namespace and no privilege is needed
 * any more. Throws BatchUdpError for another kind of descriptor and for bad options.
 */
export function openBatchUdp(fd: number, options: BatchUdpOptions = {}): BatchUdp {
  if (typeof kernel === 'string') return openPlainUdp(fd, options, kernel);
  const { batch, datagramBytes } = checkOptions(options);
  checkDescriptor(kernel, fd);
  return startBatchUdp(kernel, fd, batch, datagramBytes);
}

function startBatchUdp(calls: Kernel, fd: number, batch: number, datagramBytes: number): BatchUdp {
  const inbox = layOutMessages(calls, batch, datagramBytes);
  const outbox = layOutMessages(calls, batch, datagramBytes);
  const errors = errorListener();
  let listener: ((batch: BatchDatagram[]) => void) | undefined;
  let waiting: BatchDatagram[] = [];
  let stuck: NodeJS.Timeout | undefined;
  let hasTurn = false;
  let isClosed = false;
  const poll = calls.poll(fd, { readable: false }, wake); // watches nothing yet

  /** Have ourselves woken for what there is to do. The poll is level-triggered: what one turn leaves brings the next. */
  function watch(): void {
    if (!isClosed) poll.start({ readable: listener !== undefined, writable: waiting.length > 0 }, wake);
  }

  /**
   * koffi calls this outside of Node's callback scope: an error thrown here (by an error listener, say) would surface in
   * somebody else's turn and stop his timers. So all work is done in an immediate, which comes in the same round of the loop.
   */
  function wake(status: unknown): void {
    if (hasTurn) return;
    hasTurn = true;
    setImmediate(takeTurn, status);
  }

  function takeTurn(status: unknown): void {
    hasTurn = false;
    if (isClosed) return;
    if (typeof status === 'number' && status < 0) {
      // a pending error (an ICMP message to a connected socket): libuv has stopped to watch, and waits to be told again
      setTimeout(watch, ERROR_PAUSE_MS);
      const errno = readOption(calls, fd, SO_ERROR);
      if (errno > 0) errors.tell(new BatchUdpError(`UDP descriptor ${fd}: ${errnoName(errno)}`));
    }
    if (waiting.length > 0) sendWaiting();
    receive();
  }

  function receive(): void {
    for (let turn = 0; turn < BATCHES_A_TURN && listener && !isClosed; turn++) {
      const count = calls.recvmmsg(fd, inbox.headers, batch, MSG_DONTWAIT, null);
      if (count < 0) {
        const errno = calls.errno();
        if (errno === calls.EAGAIN) return;
        // an error from earlier, given once; behind it the datagrams go on
        errors.tell(new BatchUdpError(`cannot receive on UDP descriptor ${fd}: ${errnoName(errno)}`));
        continue;
      }
      errors.guard(listener, takeMessages(inbox, count));
      if (count < batch) return; // there were no more, and asking would cost a call
    }
  }

  function send(datagrams: readonly BatchDatagram[]): SendResult {
    const failed: SendFailure[] = [];
    const good = datagrams.filter((datagram) => {
      const error = isClosed ? `UDP descriptor ${fd} is closed` : refusal(datagram, datagramBytes);
      if (error !== undefined) failed.push({ datagram, error });
      return error === undefined;
    });
    // those that wait come first, so nothing overtakes them
    const { settled, sent } = waiting.length > 0 ? { settled: 0, sent: 0 } : handOver(good, failed);
    const room = WAITING_LIMIT - waiting.length;
    const late = good.slice(settled, settled + room).map(withOwnBytes);
    for (const datagram of good.slice(settled + room)) failed.push({ datagram, error: 'EAGAIN' });
    if (late.length > 0) {
      waiting.push(...late);
      stuck ??= setTimeout(giveUp, STUCK_MS, 'EAGAIN');
      watch();
    }
    return { sent, waiting: late.length, failed };
  }

  /** Give the kernel datagrams until its buffer is full. `settled` of them, from the front, were sent or added to `failed`. */
  function handOver(datagrams: readonly BatchDatagram[], failed: SendFailure[]): { settled: number; sent: number } {
    let settled = 0;
    let sent = 0;
    while (settled < datagrams.length) {
      const start = settled;
      const count = putMessages(outbox, datagrams, start);
      while (settled < start + count) {
        const done = settled - start;
        const headers = done === 0 ? outbox.headers : outbox.headers.subarray(done * MMSGHDR_BYTES);
        // sendmmsg(2): it stops at a failing message and tells why only when that one is the first
        const taken = calls.sendmmsg(fd, headers, count - done, MSG_DONTWAIT);
        if (taken >= 0) {
          settled += taken;
          sent += taken;
          continue;
        }
        const errno = calls.errno();
        if (errno === calls.EAGAIN) return { settled, sent };
        failed.push({ datagram: datagrams[settled] as BatchDatagram, error: errnoName(errno) });
        settled++;
      }
    }
    return { settled, sent };
  }

  function sendWaiting(): void {
    const failed: SendFailure[] = [];
    const { settled } = handOver(waiting, failed);
    if (settled === 0) return;
    waiting = waiting.slice(settled);
    if (waiting.length > 0) stuck?.refresh();
    else stopWaiting();
    errors.tellFailed(fd, failed);
  }

  function giveUp(error: string): void {
    const failed = waiting.map((datagram) => ({ datagram, error }));
    waiting = [];
    stopWaiting();
    errors.tellFailed(fd, failed);
  }

  function stopWaiting(): void {
    clearTimeout(stuck);
    stuck = undefined;
    watch();
  }

  return {
    plainBecause: undefined,
    listen: (next) => {
      listener = next;
      watch();
    },
    send,
    onError: errors.listen,
    close: () => {
      if (isClosed) return;
      isClosed = true;
      poll.close(); // before the descriptor: libuv takes it off epoll
      closeSync(fd);
      giveUp(`UDP descriptor ${fd} is closed`);
    },
  };
}

/** The same by node:dgram, for where the batched calls cannot be made. `because` says why (BatchUdp.plainBecause). */
export function openPlainUdp(fd: number, options: BatchUdpOptions = {}, because = 'it was asked for'): BatchUdp {
  const { batch, datagramBytes } = checkOptions(options);
  const errors = errorListener();
  // without a lookup of its own each send would wait for the next tick, to look up what is an address already
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, done) => done(null, address, 4) });
  try {
    socket.bind({ fd });
  } catch (error) {
    throw new BatchUdpError(`descriptor ${fd} is not an open UDP socket: ${(error as Error).message}`);
  }
  const { family } = socket.address();
  if (family !== 'IPv4') {
    socket.close();
    throw new BatchUdpError(`descriptor ${fd} is not an IPv4 UDP socket: its family is ${family}`);
  }
  let listener: ((batch: BatchDatagram[]) => void) | undefined;
  let received: BatchDatagram[] = [];
  let isClosed = false;

  socket.on('error', errors.tell);
  socket.on('message', (bytes, { address, port }) => {
    if (!listener && received.length >= batch * BATCHES_A_TURN) return; // the kernel would drop them too
    if (received.length === 0) setImmediate(deliver);
    received.push({ bytes: bytes.subarray(0, datagramBytes), address: address as Ipv4, port });
  });

  function deliver(): void {
    while (listener && received.length > 0 && !isClosed) {
      const first = received.slice(0, batch);
      received = received.slice(batch);
      errors.guard(listener, first);
    }
  }

  function send(datagrams: readonly BatchDatagram[]): SendResult {
    const failed: SendFailure[] = [];
    for (const datagram of datagrams) {
      const error = isClosed ? `UDP descriptor ${fd} is closed` : refusal(datagram, datagramBytes);
      if (error !== undefined) {
        failed.push({ datagram, error });
        continue;
      }
      const own = withOwnBytes(datagram);
      socket.send(own.bytes, own.port, own.address, (problem) => {
        if (!problem) return;
        const code = 'code' in problem ? String(problem.code) : problem.message;
        errors.tellFailed(fd, [{ datagram: own, error: code }]);
      });
    }
    return { sent: 0, waiting: datagrams.length - failed.length, failed };
  }

  return {
    plainBecause: because,
    listen: (next) => {
      listener = next;
      setImmediate(deliver);
    },
    send,
    onError: errors.listen,
    close: () => {
      if (!isClosed) socket.close();
      isClosed = true;
    },
  };
}

function errorListener() {
  let tell = (error: Error): void => console.error(error.stack);
  return {
    listen: (listener: (error: Error) => void): void => {
      tell = listener;
    },
    tell: (error: Error): void => tell(error),
    tellFailed: (fd: number, failed: readonly SendFailure[]): void => {
      const why = [...new Set(failed.map((one) => one.error))].join(', ');
      if (failed.length > 0)
        tell(
          new BatchUdpError(`UDP descriptor ${fd}: ${failed.length} waiting datagrams were not sent: ${why}`, failed),
        );
    },
    /** A listener that throws loses its own batch only. */
    guard: (listener: (batch: BatchDatagram[]) => void, batch: BatchDatagram[]): void => {
      try {
        listener(batch);
      } catch (error) {
        tell(error instanceof Error ? error : new BatchUdpError(`the listener threw ${String(error)}`));
      }
    },
  };
}

/** What neither kind of socket could send. */
function refusal({ bytes, address, port }: BatchDatagram, datagramBytes: number): string | undefined {
  if (bytes.length > datagramBytes) return `${bytes.length} bytes are more than the ${datagramBytes} of one datagram`;
  if (!isIpv4(address)) return `${address} is not an IPv4 address`;
  if (!Number.isInteger(port) || port < 1 || port > 65535) return `${port} is not a UDP port`;
  return undefined;
}

function withOwnBytes(datagram: BatchDatagram): BatchDatagram {
  return { ...datagram, bytes: Buffer.from(datagram.bytes) };
}

function checkOptions(options: BatchUdpOptions): Required<BatchUdpOptions> {
  const { batch = 64, datagramBytes = 4097 } = options;
  if (!Number.isInteger(batch) || batch < 1 || batch > 1024)
    throw new BatchUdpError(`batch is ${batch}: it must be 1 to 1024 datagrams`);
  if (!Number.isInteger(datagramBytes) || datagramBytes < 1 || datagramBytes > 65507)
    throw new BatchUdpError(`datagramBytes is ${datagramBytes}: it must be 1 to 65507`);
  return { batch, datagramBytes };
}

function checkDescriptor(calls: Kernel, fd: number): void {
  const family = readOption(calls, fd, SO_DOMAIN);
  if (family < 0) throw new BatchUdpError(`descriptor ${fd} is not an open socket: ${errnoName(calls.errno())}`);
  const type = readOption(calls, fd, SO_TYPE);
  if (family !== AF_INET || type !== SOCK_DGRAM)
    throw new BatchUdpError(`descriptor ${fd} is not an IPv4 UDP socket: its family is ${family}, its type ${type}`);
}

/** A number of SOL_SOCKET, or -1. */
function readOption(calls: Kernel, fd: number, option: number): number {
  const value = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  return calls.getsockopt(fd, SOL_SOCKET, option, value, length) < 0 ? -1 : value.readInt32LE();
}

function errnoName(errno: number): string {
  return getSystemErrorName(-errno);
}

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
type Messages = { headers: Buffer; iovecs: Buffer; names: Buffer; data: Buffer; count: number; stride: number };

const MMSGHDR_BYTES = 64;
const MSG_NAMELEN = 8;
const MSG_LEN = 56;
const IOVEC_BYTES = 16;
const IOV_LEN = 8;
const NAME_BYTES = 16;

function layOutMessages(calls: Kernel, count: number, datagramBytes: number): Messages {
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
function takeMessages({ headers, names, data, stride }: Messages, count: number): BatchDatagram[] {
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
function putMessages(
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

type Kernel = {
  recvmmsg: (fd: number, headers: Buffer, count: number, flags: number, timeout: null) => number;
  sendmmsg: (fd: number, headers: Buffer, count: number, flags: number) => number;
  getsockopt: (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;
  address: (memory: Buffer) => bigint;
  errno: () => number;
  poll: typeof import('koffi').node.poll;
  EAGAIN: number;
};

/** The calls, or why they cannot be made. */
const kernel: Kernel | string = await loadKernel();

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
