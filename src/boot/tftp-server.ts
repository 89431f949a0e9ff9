import type { RemoteInfo, Socket } from 'node:dgram';
import { type Ipv4, isIpv4 } from '../wire/address.ts';
import { escapeText, WireError } from '../wire/bytes.ts';
import {
  decodeTftp,
  encodeDataHeader,
  encodeTftp,
  negotiate,
  type TftpAgreement,
  type TftpPacket,
  type TftpRequest,
  tftpErrors,
} from '../wire/tftp.ts';
import type { BootFile, BootRefusal } from './boot-file.ts';
import {
  type Blocks,
  ReadAhead,
  reasonOf,
  SMALL_FILE_BYTES,
  SmallFiles,
  toNetascii,
  wholeBlocks,
} from './tftp-blocks.ts';
import {
  blockRange,
  startTransfer,
  stepTransfer,
  type Transfer,
  type TransferEnd,
  type TransferInput,
  type TransferPacket,
  type TransferStep,
} from './tftp-transfer.ts';

/** Who asks, from which port. A port is one client's one transfer (RFC 1350 4). */
export type TftpPeer = { address: Ipv4; port: number };

/**
 * What happened to a request. `name` is what the client asked for, made printable.
 * `probe`: the client asked for the size only; its real request comes from another port. `done`: all of it was sent; many clients
 * do not acknowledge the last block. `refused` with `illegal`: a write, or no request that makes sense; with `busy`: not answered,
 * the client will ask again. `trouble`: something on our side that belongs to no one request.
 */
export type TftpEvent =
  | (TftpPeer & { name: string } & (
        | { kind: 'probe'; bytes: number }
        | { kind: 'done'; bytes: number; ms: number; blockSize: number; retransmits: number }
        | { kind: 'failed'; reason: string }
        | { kind: 'refused'; code: BootRefusal['code'] | 'illegal'; text: string }
      ))
  | { kind: 'trouble'; text: string };

/** The time of transfers: a clock that also wakes. */
export type TransferClock = {
  /** Milliseconds of a clock that only goes forward. */
  now(): number;
  /** Calls once, later; the returned function forgets it. */
  after(ms: number, call: () => void): () => void;
};

/** The sockets to serve on, what opens a file, and who is told. */
export type TftpServerOptions = {
  /** Bound to port 69. Requests come here; nothing but refusals is sent from here. */
  listen: Socket;
  /** Bound to ports of their own, not connected. Each serves one transfer at a time: their number is the limit. */
  transfers: Socket[];
  /** Decides and opens. What it throws is the host's fault and reaches the client as ERROR 0 without details. */
  open: (name: string, from: TftpPeer) => Promise<BootFile | BootRefusal>;
  /** Must not throw. */
  onEvent: (event: TftpEvent) => void;
  clock?: TransferClock;
};

/** A server that runs until it is closed. */
export type TftpServer = {
  /** Transfers that run now. */
  active(): number;
  /** Ends all transfers in silence. The sockets stay open: they are the caller's. */
  close(): void;
};

/** Serves files read-only over TFTP (RFC 1350, 2347, 2348, 2349, 7440) on sockets that are given. */
export function createTftpServer(options: TftpServerOptions): TftpServer {
  return new Server(options);
}

type Slot = { socket: Socket; session?: Session | undefined; restedAt: number };

type Session = TftpPeer & {
  key: string;
  request: TftpRequest;
  slot: Slot;
  startedAt: number;
  strangers: number;
  over: boolean;
  running?: { transfer: Transfer; blocks: Blocks; oack: Buffer } | undefined;
  file?: BootFile | undefined;
  forgetTimer?: (() => void) | undefined;
  sendError?: string | undefined;
};

const MAX_NAME_CHARACTERS = 255;
/** Fits Ethernet without fragments. */
const MAX_BLOCK_SIZE = 1468;
const MAX_WINDOW = 16;
/** How long a socket stays unused after a transfer, so that late packets of the old client find nobody. */
const REST_MS = 3_000;
/** A request that comes again within this time, unanswered, is a retransmission and not a new wish. */
const REPEAT_MS = 1_000;
const MAX_STRANGERS = 8;
const BUSY_EVENT_MS = 1_000;

class Server implements TftpServer {
  readonly #options: TftpServerOptions;
  readonly #clock: TransferClock;
  readonly #slots: Slot[];
  /** Not in use, the one that rested longest first. */
  readonly #idle: Slot[];
  readonly #sessions = new Map<string, Session>();
  readonly #small = new SmallFiles();
  readonly #forget: (() => void)[] = [];
  #toldBusyAt = Number.NEGATIVE_INFINITY;

  constructor(options: TftpServerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#slots = options.transfers.map((socket) => ({ socket, restedAt: Number.NEGATIVE_INFINITY }));
    this.#idle = [...this.#slots];
    this.#hear(options.listen, (bytes, peer) => this.#onListen(bytes, peer));
    for (const slot of this.#slots) this.#hear(slot.socket, (bytes, peer) => this.#onTransfer(slot, bytes, peer));
  }

  active(): number {
    return this.#sessions.size;
  }

  close(): void {
    for (const session of [...this.#sessions.values()]) this.#release(session);
    for (const forget of this.#forget) forget();
  }

  /** The one place where bytes come in, and where whatever they provoke is caught. */
  #hear(socket: Socket, onPacket: (bytes: Buffer, peer: TftpPeer) => void): void {
    const onMessage = (bytes: Buffer, { address, port }: RemoteInfo) => {
      if (port === 0 || !isIpv4(address)) return;
      try {
        onPacket(bytes, { address, port });
      } catch (error) {
        this.#options.onEvent({ kind: 'trouble', text: `packet from ${address}:${port}: ${reasonOf(error)}` });
      }
    };
    const onError = (error: Error) => this.#options.onEvent({ kind: 'trouble', text: error.message });
    socket.on('message', onMessage);
    socket.on('error', onError);
    this.#forget.push(() => {
      socket.off('message', onMessage);
      socket.off('error', onError);
      socket.on('error', () => {}); // Still open, and nobody else may be there to take it.
    });
  }

  #onListen(bytes: Buffer, peer: TftpPeer): void {
    const packet = this.#decode(bytes, peer);
    if (packet === undefined) return;
    if (packet.kind === 'write') {
      this.#refuse(peer, packet.name, { kind: 'refused', code: 'illegal', text: 'this server is read-only' });
    } else if (packet.kind === 'read') this.#onRead(packet, peer);
  }

  #decode(bytes: Buffer, peer: TftpPeer): TftpPacket | undefined {
    try {
      return decodeTftp(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (error.code === 'malformed') this.#refuse(peer, '', { kind: 'refused', code: 'illegal', text: error.message });
      return undefined;
    }
  }

  #onRead(request: TftpRequest, peer: TftpPeer): void {
    const key = `${peer.address}:${peer.port}`;
    const now = this.#clock.now();
    const old = this.#sessions.get(key);
    if (old !== undefined) {
      const unheard = !old.running?.transfer.heard && now - old.startedAt < REPEAT_MS;
      if (unheard && old.request.name === request.name) {
        if (old.running) this.#input(old, { kind: 'repeat', at: now });
        return;
      }
      this.#finish(old, { kind: 'failed', reason: 'the client asked anew from the same port' });
    }
    if (request.name.length > MAX_NAME_CHARACTERS || /[\x00-\x1f\x7f]/.test(request.name)) {
      const text = 'no file has such a name';
      this.#refuse(peer, request.name.slice(0, MAX_NAME_CHARACTERS), { kind: 'refused', code: 'not-found', text });
      return;
    }
    const slot = this.#takeSlot(now);
    if (slot === undefined) {
      this.#tellBusy(peer, request.name, now);
      return;
    }
    const session: Session = {
      ...peer,
      key,
      request,
      slot,
      startedAt: now,
      strangers: 0,
      over: false,
    };
    slot.session = session;
    this.#sessions.set(key, session);
    void this.#serve(session);
  }

  async #serve(session: Session): Promise<void> {
    try {
      const opened = await this.#options.open(session.request.name, { address: session.address, port: session.port });
      if (opened.kind === 'refused') {
        if (session.over) return;
        this.#refuse(session, session.request.name, opened, session.slot.socket);
        this.#release(session, 0);
        return;
      }
      session.file = opened;
      if (session.over) this.#closeFile(session);
      else await this.#start(session, opened);
    } catch (error) {
      this.#breakDown(session, error);
    }
  }

  async #start(session: Session, file: BootFile): Promise<void> {
    const { request } = session;
    let whole: Buffer | undefined;
    if (file.size <= SMALL_FILE_BYTES) {
      session.file = undefined; // Others may wait for the same load: it ends, whatever becomes of this session.
      whole = await this.#small.load(file).finally(() => file.close());
      if (request.mode === 'netascii') whole = toNetascii(whole);
    } else if (request.mode === 'netascii') {
      const text = `${file.size} bytes are too many for netascii, ask for octet`;
      this.#refuse(session, request.name, { kind: 'refused', code: 'illegal', text }, session.slot.socket);
      this.#release(session, 0);
      return;
    }
    if (session.over) return;
    const size = whole?.length ?? file.size;
    const agreement = negotiate(request, { size, maxBlockSize: MAX_BLOCK_SIZE, maxWindow: MAX_WINDOW });
    const blocks = whole ? wholeBlocks(whole) : this.#readAhead(session, file, agreement);
    const step = startTransfer(agreement, size, blocks.readable, this.#clock.now());
    const oack = encodeTftp({ kind: 'options', options: agreement.accepted });
    session.running = { transfer: step.state, blocks, oack };
    this.#apply(session, step);
  }

  #readAhead(session: Session, file: BootFile, { blockSize, windowSize }: TftpAgreement): Blocks {
    return new ReadAhead(file, blockSize, windowSize, {
      onReadable: (bytes) => this.#input(session, { kind: 'readable', bytes, at: this.#clock.now() }),
      onBroken: (text) => this.#input(session, { kind: 'broken', text }),
    });
  }

  #onTransfer(slot: Slot, bytes: Buffer, peer: TftpPeer): void {
    const { session } = slot;
    if (session === undefined) return;
    let packet: TftpPacket;
    try {
      packet = decodeTftp(bytes);
    } catch (error) {
      if (error instanceof WireError) return;
      throw error;
    }
    if (peer.port !== session.port || peer.address !== session.address) {
      // RFC 1350 4: tell the stranger, and go on. An ERROR is never answered, or two servers could quarrel for ever.
      if (packet.kind !== 'error' && session.strangers++ < MAX_STRANGERS) {
        this.#sendError(slot.socket, peer, tftpErrors.unknownTransfer, 'unknown transfer');
      }
    } else if (packet.kind === 'ack') {
      this.#input(session, { kind: 'ack', block: packet.block, at: this.#clock.now() });
    } else if (packet.kind === 'error') {
      this.#input(session, { kind: 'error', code: packet.code, text: escapeText(packet.text.slice(0, 200)) });
    }
  }

  #input(session: Session, input: TransferInput): void {
    if (session.running === undefined || session.over) return;
    try {
      this.#apply(session, stepTransfer(session.running.transfer, input));
    } catch (error) {
      this.#breakDown(session, error);
    }
  }

  #apply(session: Session, step: TransferStep): void {
    const { running } = session;
    if (running === undefined) return;
    running.transfer = step.state;
    for (const packet of step.send) this.#sendPacket(session, running, packet);
    if (step.ended !== undefined) {
      this.#finish(session, step.ended);
      return;
    }
    running.blocks.release(blockRange(step.state, step.state.base).start);
    if (step.timerMs === undefined) return;
    session.forgetTimer?.();
    session.forgetTimer = this.#clock.after(step.timerMs, () =>
      this.#input(session, { kind: 'timeout', at: this.#clock.now() }),
    );
  }

  #sendPacket(session: Session, running: NonNullable<Session['running']>, packet: TransferPacket): void {
    const { socket } = session.slot;
    if (packet.kind === 'oack') this.#send(socket, session, [running.oack]);
    else if (packet.kind === 'error') this.#sendError(socket, session, tftpErrors.undefined, 'the file cannot be read');
    else {
      const { start, end } = blockRange(running.transfer, packet.block);
      this.#send(socket, session, [encodeDataHeader(packet.block & 0xffff), running.blocks.slice(start, end)]);
    }
  }

  #finish(session: Session, ended: TransferEnd): void {
    const transfer = session.running?.transfer;
    const about = subject(session);
    this.#release(session);
    if (ended.kind === 'failed') {
      const sending = session.sendError ? `; sending failed: ${session.sendError}` : '';
      this.#options.onEvent({ ...about, kind: 'failed', reason: ended.reason + sending });
    } else if (transfer !== undefined && ended.kind === 'probe') {
      this.#options.onEvent({ ...about, kind: 'probe', bytes: transfer.size });
    } else if (transfer !== undefined && ended.kind === 'done') {
      const { size: bytes, blockSize, retransmits } = transfer;
      const ms = Math.round(this.#clock.now() - session.startedAt);
      this.#options.onEvent({ ...about, kind: 'done', bytes, ms, blockSize, retransmits });
    }
  }

  /** We are wrong, or the host is: the client learns that it is over, the operator why. */
  #breakDown(session: Session, error: unknown): void {
    if (session.over) return;
    this.#sendError(session.slot.socket, session, tftpErrors.undefined, 'the server failed');
    this.#finish(session, { kind: 'failed', reason: reasonOf(error) });
  }

  #takeSlot(now: number): Slot | undefined {
    const first = this.#idle[0];
    return first !== undefined && first.restedAt <= now ? this.#idle.shift() : undefined;
  }

  /** Ends the session. A socket that has only refused needs no rest: nothing of it is under way. */
  #release(session: Session, restMs = REST_MS): void {
    if (session.over) return;
    session.over = true;
    session.forgetTimer?.();
    session.running?.blocks.close();
    this.#closeFile(session);
    this.#sessions.delete(session.key);
    session.slot.session = undefined;
    session.slot.restedAt = this.#clock.now() + restMs;
    if (restMs === 0) this.#idle.unshift(session.slot);
    else this.#idle.push(session.slot);
  }

  #closeFile(session: Session): void {
    const { file } = session;
    session.file = undefined;
    file?.close().catch((error) => {
      this.#options.onEvent({ kind: 'trouble', text: `${file.name} cannot be closed: ${reasonOf(error)}` });
    });
  }

  #refuse(peer: TftpPeer, name: string, { code, text }: Refusal, socket = this.#options.listen): void {
    const about = { address: peer.address, port: peer.port, name: escapeText(name) };
    // Any ERROR is the end of the boot for EDK2 and U-Boot; whoever gets no answer asks again.
    if (code !== 'busy') this.#sendError(socket, peer, REFUSAL_ERRORS[code], text);
    this.#options.onEvent({ ...about, kind: 'refused', code, text });
  }

  #tellBusy(peer: TftpPeer, name: string, now: number): void {
    if (now - this.#toldBusyAt < BUSY_EVENT_MS) return;
    this.#toldBusyAt = now;
    const text = `all ${this.#slots.length} transfers are taken`;
    this.#refuse(peer, name, { kind: 'refused', code: 'busy', text });
  }

  #sendError(socket: Socket, peer: TftpPeer, code: number, text: string): void {
    this.#send(socket, peer, [encodeTftp({ kind: 'error', code, text })]);
  }

  /** Sends and goes on: what is lost is sent again by the transfer's timer. */
  #send(socket: Socket, peer: TftpPeer & { sendError?: string | undefined }, parts: Buffer[]): void {
    try {
      socket.send(parts, peer.port, peer.address, (error) => {
        if (error) peer.sendError = error.message;
      });
    } catch (error) {
      peer.sendError = reasonOf(error); // The socket was closed under us.
    }
  }
}

type Refusal = { kind: 'refused'; code: BootRefusal['code'] | 'illegal'; text: string };

const REFUSAL_ERRORS = {
  'not-found': tftpErrors.notFound,
  // ERROR 1 at once sends UEFI on to the disk in four seconds (boot-protocols 2.7).
  declined: tftpErrors.notFound,
  forbidden: tftpErrors.accessViolation,
  illegal: tftpErrors.illegalOperation,
} as const;

const systemClock: TransferClock = {
  now: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

function subject(session: Session): TftpPeer & { name: string } {
  return { address: session.address, port: session.port, name: escapeText(session.request.name) };
}
