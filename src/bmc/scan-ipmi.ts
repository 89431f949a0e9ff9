import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import type { Ipv4 } from '../wire/address.ts';
import { WireError } from '../wire/bytes.ts';
import { type AnyCommand, COMPLETION, decodeResponse, encodeRequest, PRIVILEGE } from '../wire/ipmi.ts';
import { getChannelAuthCapabilities, getChannelCipherSuites } from '../wire/ipmi-session.ts';
import { decodeAsf, decodeIpmi, decodeRmcp, encodeAsf, encodeIpmi15, encodeRmcp } from '../wire/rmcp.ts';
import { describeSocketError } from './link.ts';

/** What an address said of itself on the port of IPMI. What it did not say is absent. */
export type IpmiFinding = { version?: '1.5' | '2.0'; suites?: number[]; latencyMs: number };

/** A datagram of a BMC, as far as a scan cares. */
type ScanReply =
  | { kind: 'pong'; speaksIpmi: boolean }
  | { kind: 'capabilities'; speaks20: boolean | undefined }
  | { kind: 'suites'; index: number; records: Buffer | undefined };

/** Where and how fast addresses are asked. */
export type ProberOptions = {
  port: number;
  /** Waits until one more datagram may leave. */
  pace: () => Promise<void>;
  /** For the answer to each of the two rounds. */
  waitMs: readonly [number, number];
};

/** An address that is being asked, and what it has said by now. */
type Pending = {
  wake: () => void;
  since: number;
  finding?: IpmiFinding;
  isPong: boolean;
  records: Buffer[];
  isWhole: boolean;
};

const THIS_CHANNEL = 0x0e;
/** 22.15: the list index has 6 bits; a block that is not full is the last. */
const BLOCKS = 64;
const BLOCK_BYTES = 16;

/**
 * Asks many addresses over one socket: an ASF presence ping, and beside it Get Channel Authentication Capabilities in IPMI
 * 1.5 framing, since many BMCs answer no ping. Both go twice, unless the first ones are answered.
 */
export class IpmiProber {
  readonly #socket: Socket;
  readonly #options: ProberOptions;
  readonly #pending = new Map<string, Pending>();
  readonly #tag = randomInt(256);
  #isStopped = false;
  /** Datagrams that did not leave, and why the first of them did not. */
  unsent = 0;
  whyUnsent = '';

  private constructor(socket: Socket, options: ProberOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (datagram, from) => this.#receive(datagram, from));
  }

  static async open(options: ProberOptions): Promise<IpmiProber> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    await new Promise<void>((resolve, reject) => socket.on('error', reject).bind(0, resolve));
    return new IpmiProber(socket, options);
  }

  /** What it says; undefined when it stays silent, or when the prober is stopped. */
  async ask(address: Ipv4): Promise<IpmiFinding | undefined> {
    const pending: Pending = { wake: () => {}, since: 0, isPong: false, records: [], isWhole: false };
    this.#pending.set(address, pending);
    try {
      for (const waitMs of this.#options.waitMs) {
        if (!pending.isPong) await this.#send(address, pending, encodePing(this.#tag));
        if (!pending.isWhole) await this.#send(address, pending, encodeCapabilitiesRequest());
        await this.#until(() => pending.finding?.version !== undefined || pending.isWhole, pending, waitMs);
        if (pending.finding?.version !== undefined || pending.isWhole || this.#isStopped) break;
      }
      if (pending.finding?.version === '2.0') await this.#askSuites(address, pending);
      return pending.finding;
    } finally {
      this.#pending.delete(address);
    }
  }

  /** The cipher suites of a BMC that speaks IPMI 2.0, block by block; a BMC that does not tell is left at that. */
  async #askSuites(address: Ipv4, pending: Pending): Promise<void> {
    pending.isWhole = false;
    for (let index = 0; index < BLOCKS && !this.#isStopped; index++) {
      for (const waitMs of this.#options.waitMs) {
        if (pending.records.length > index || pending.isWhole || this.#isStopped) break;
        await this.#send(address, pending, encodeSuitesRequest(index));
        await this.#until(() => pending.records.length > index || pending.isWhole, pending, waitMs);
      }
      const block = pending.records[index];
      if (!block) return;
      if (block.length < BLOCK_BYTES) break;
    }
    if (pending.finding) pending.finding.suites = suitesOf(Buffer.concat(pending.records));
  }

  async #send(address: Ipv4, pending: Pending, datagram: Buffer): Promise<void> {
    await this.#options.pace();
    if (this.#isStopped) return;
    if (pending.since === 0) pending.since = performance.now();
    this.#socket.send(datagram, this.#options.port, address, (error) => {
      if (!error) return;
      this.unsent += 1;
      this.whyUnsent ||= describeSocketError(error);
    });
  }

  async #until(isDone: () => boolean, pending: Pending, waitMs: number): Promise<void> {
    const deadline = performance.now() + waitMs;
    for (let left = waitMs; left > 0 && !isDone() && !this.#isStopped; left = deadline - performance.now()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        pending.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #receive(datagram: Buffer, from: { address: string; port: number }): void {
    const pending = this.#pending.get(from.address);
    if (!pending || from.port !== this.#options.port) return;
    const reply = readReply(datagram, this.#tag);
    if (!reply) return;
    learn(pending, reply, performance.now());
    pending.wake();
  }

  /** Ends all waits: what was learned by now is what `ask` gives. */
  stop(): void {
    this.#isStopped = true;
    for (const pending of this.#pending.values()) pending.wake();
  }

  close(): void {
    this.stop();
    this.#socket.close();
  }
}

function learn(pending: Pending, reply: ScanReply, now: number): void {
  if (reply.kind === 'suites') {
    if (!reply.records) pending.isWhole = true;
    else if (reply.index === pending.records.length) pending.records.push(reply.records);
    return;
  }
  if (reply.kind === 'pong' && !reply.speaksIpmi) return; // ASF alone: an old network card
  pending.finding ??= { latencyMs: Math.max(1, Math.round(now - pending.since)) };
  if (reply.kind === 'pong') pending.isPong = true;
  else if (reply.speaks20 === undefined) pending.isWhole = true;
  else pending.finding.version ??= reply.speaks20 ? '2.0' : '1.5';
}

/** The standard suites of a joined list of records (22.15.1) in their order, each once; those of a maker are left out. */
export function suitesOf(records: Buffer): number[] {
  const suites = new Set<number>();
  for (let at = 0; at < records.length; at++) {
    const suite = records[at + 1];
    if (records[at] === 0xc0 && suite !== undefined) suites.add(suite);
    if (records[at] === 0xc0) at += 1;
    if (records[at] === 0xc1) at += 4; // its number and three bytes of an enterprise number
  }
  return [...suites].sort((a, b) => a - b);
}

/**
 * A datagram as the answer to one of our questions; undefined for anything else. An answer to the capabilities that is a
 * refusal leaves the version open, one to the suites gives no records: the BMC does not tell.
 */
export function readReply(datagram: Buffer, tag: number): ScanReply | undefined {
  try {
    const packet = decodeRmcp(datagram);
    if (packet.class === 'asf') {
      const message = decodeAsf(packet.body);
      return message.type === 'pong' && message.tag === tag
        ? { kind: 'pong', speaksIpmi: message.speaksIpmi }
        : undefined;
    }
    const body = decodeIpmi(packet.body, 0);
    if (body.version !== '1.5') return undefined;
    const { netFn, command, completion, sequence, data } = decodeResponse(body.payload);
    const isOk = completion === COMPLETION.ok;
    const isOf = (one: AnyCommand) => netFn === one.netFn && command === one.command;
    if (isOf(getChannelAuthCapabilities)) {
      return {
        kind: 'capabilities',
        speaks20: isOk ? getChannelAuthCapabilities.decodeResponse(data).speaks20 : undefined,
      };
    }
    if (!isOf(getChannelCipherSuites)) return undefined;
    return {
      kind: 'suites',
      index: sequence,
      records: isOk ? getChannelCipherSuites.decodeResponse(data).records : undefined,
    };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function encodePing(tag: number): Buffer {
  return encodeRmcp({ class: 'asf', body: encodeAsf({ type: 'ping', tag }) });
}

function encodeCapabilitiesRequest(): Buffer {
  const question = { channel: THIS_CHANNEL, privilege: PRIVILEGE.administrator, asks20: true };
  return encodeOutside(getChannelAuthCapabilities, getChannelAuthCapabilities.encodeRequest(question), 0);
}

/** The sequence number, which comes back, is the index of the block. */
function encodeSuitesRequest(listIndex: number): Buffer {
  const question = { channel: THIS_CHANNEL, listIndex };
  return encodeOutside(getChannelCipherSuites, getChannelCipherSuites.encodeRequest(question), listIndex);
}

function encodeOutside({ netFn, command }: AnyCommand, data: Buffer, sequence: number): Buffer {
  const payload = encodeRequest({ netFn, lun: 0, command, sequence, data });
  return encodeRmcp({ class: 'ipmi', body: encodeIpmi15({ sessionId: 0, sequence: 0, payload }) });
}
