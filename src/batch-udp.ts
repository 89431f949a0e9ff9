/**
 * UDP datagrams in batches. Node's dgram makes a syscall, a callback and an allocation for each datagram, both ways; here one
 * recvmmsg(2) takes up to 64 of them from the kernel, one listener hears all of them, and one sendmmsg(2) carries the answers.
 * Where these two calls cannot be made, node:dgram does the same more slowly (openPlainUdp).
 */
import { closeSync } from 'node:fs';
import {
  errnoName,
  type Kernel,
  kernel,
  layOutMessages,
  MMSGHDR_BYTES,
  MSG_DONTWAIT,
  putMessages,
  takeMessages,
} from './mmsg.ts';
import {
  BATCHES_A_TURN,
  type BatchDatagram,
  type BatchUdp,
  BatchUdpError,
  type BatchUdpOptions,
  checkOptions,
  errorListener,
  openPlainUdp,
  refusal,
  type SendFailure,
  type SendResult,
  withOwnBytes,
} from './plain-udp.ts';

export {
  type BatchDatagram,
  type BatchUdp,
  BatchUdpError,
  type BatchUdpOptions,
  openPlainUdp,
  type SendFailure,
  type SendResult,
} from './plain-udp.ts';

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
