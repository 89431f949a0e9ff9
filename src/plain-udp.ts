/**
 * UDP datagrams in batches: what a socket of them promises (BatchUdp), and the one that keeps it by node:dgram alone, a callback
 * and an allocation for each datagram. batch-udp.ts keeps the same promise faster, and is what everybody else imports.
 */
import { createSocket } from 'node:dgram';
import { type Ipv4, isIpv4 } from './wire/address.ts';

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
export const BATCHES_A_TURN = 8;

/**
 * The datagrams of a bound IPv4 UDP socket by node:dgram, for where the batched calls cannot be made; `because` says why
 * (BatchUdp.plainBecause). The descriptor belongs to it as soon as it is back. BatchUdpError as from openBatchUdp.
 */
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

/** Where the errors of one socket go: to the listener, or to stderr as long as there is none. */
export function errorListener() {
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
export function refusal({ bytes, address, port }: BatchDatagram, datagramBytes: number): string | undefined {
  if (bytes.length > datagramBytes) return `${bytes.length} bytes are more than the ${datagramBytes} of one datagram`;
  if (!isIpv4(address)) return `${address} is not an IPv4 address`;
  if (!Number.isInteger(port) || port < 1 || port > 65535) return `${port} is not a UDP port`;
  return undefined;
}

/** For one that is kept until later: the caller may change its own bytes. */
export function withOwnBytes(datagram: BatchDatagram): BatchDatagram {
  return { ...datagram, bytes: Buffer.from(datagram.bytes) };
}

/** The options, all of them given. BatchUdpError for those that make no sense. */
export function checkOptions(options: BatchUdpOptions): Required<BatchUdpOptions> {
  const { batch = 64, datagramBytes = 4097 } = options;
  if (!Number.isInteger(batch) || batch < 1 || batch > 1024)
    throw new BatchUdpError(`batch is ${batch}: it must be 1 to 1024 datagrams`);
  if (!Number.isInteger(datagramBytes) || datagramBytes < 1 || datagramBytes > 65507)
    throw new BatchUdpError(`datagramBytes is ${datagramBytes}: it must be 1 to 65507`);
  return { batch, datagramBytes };
}
