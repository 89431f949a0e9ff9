import type { TftpAgreement } from '../wire/tftp.ts';

/** One file on its way to one client. Blocks are counted from 1 and never wrap here: on the wire they are modulo 65536,
 *  and after 65535 comes 0 (as in iPXE, EDK2, U-Boot and GRUB). Times are milliseconds of one clock. */
export type Transfer = {
  readonly size: number;
  readonly blockSize: number;
  readonly windowSize: number;
  /** The last block, shorter than the others; empty when the size is a multiple of the block size. */
  readonly last: number;
  /** How long to wait for the first answer before sending again. */
  readonly waitMs: number;
  /** `greeting`: the OACK is out and not acknowledged. */
  readonly phase: 'greeting' | 'data' | 'ended';
  /** The lowest block that is not acknowledged. */
  readonly base: number;
  /** The block to send next. */
  readonly next: number;
  /** The highest block that was ever sent: what is sent at or below it is sent again. */
  readonly highest: number;
  /** How many bytes from the start of the file can be sent without waiting for the disk. */
  readonly readable: number;
  /** Has the client answered at all? */
  readonly heard: boolean;
  /** Timeouts since the client last moved on, and how long they were together. */
  readonly timeouts: number;
  readonly idleMs: number;
  /** When the blocks from `base` on were first sent, and whether some of them were sent again since. */
  readonly sentAt: number;
  readonly resent: boolean;
  /** The shortest time in which a window was acknowledged. */
  readonly roundTripMs: number;
  /** How often a request that came again was answered again. */
  readonly repeats: number;
  readonly retransmits: number;
};

/** What can happen to a transfer. */
export type TransferInput =
  | { kind: 'ack'; block: number; at: number }
  | { kind: 'timeout'; at: number }
  /** The client gives up. */
  | { kind: 'error'; code: number; text: string }
  /** `bytes` from the start of the file are there now. */
  | { kind: 'readable'; bytes: number; at: number }
  /** The same request came again, from the same port. */
  | { kind: 'repeat'; at: number }
  /** The file cannot be read any further. */
  | { kind: 'broken'; text: string };

/** What to send: its bytes are made where the file is. */
export type TransferPacket = { kind: 'oack' } | { kind: 'data'; block: number } | { kind: 'error'; text: string };

/** How a transfer ended. */
export type TransferEnd =
  /** All of it was sent. Many clients leave before they acknowledge the last block. */
  | { kind: 'done' }
  /** The client wanted to know the size (or that the file is there), and nothing else. */
  | { kind: 'probe' }
  | { kind: 'failed'; reason: string };

/** What follows: the transfer as it is now, what to send, when to look again. */
export type TransferStep = {
  state: Transfer;
  send: TransferPacket[];
  /** Call again with 'timeout' so long from now, instead of whenever was said before; undefined: that stands. */
  timerMs?: number;
  ended?: TransferEnd;
};

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 8_000;
/** PXE ROMs have long given up by then. */
const PATIENCE_MS = 30_000;
const MAX_REPEATS = 3;

/** The first packets to a client: the OACK when there is something to acknowledge, else the first window. */
export function startTransfer(agreement: TftpAgreement, size: number, readable: number, at: number): TransferStep {
  const { blockSize, windowSize, timeoutSeconds, accepted } = agreement;
  const state: Transfer = {
    size,
    blockSize,
    windowSize,
    last: Math.floor(size / blockSize) + 1,
    waitMs: timeoutSeconds === undefined ? FIRST_WAIT_MS : timeoutSeconds * 1000,
    phase: accepted.size > 0 ? 'greeting' : 'data',
    base: 1,
    next: 1,
    highest: 0,
    readable,
    heard: false,
    timeouts: 0,
    idleMs: 0,
    sentAt: at,
    resent: false,
    roundTripMs: Number.POSITIVE_INFINITY,
    repeats: 0,
    retransmits: 0,
  };
  if (state.phase === 'greeting') return { state, send: [{ kind: 'oack' }], timerMs: state.waitMs };
  return { ...sendWindow(state), timerMs: state.waitMs };
}

/** What follows from one thing that happened. Changes nothing; an ended transfer stays as it is. */
export function stepTransfer(state: Transfer, input: TransferInput): TransferStep {
  if (state.phase === 'ended') return { state, send: [] };
  switch (input.kind) {
    case 'ack':
      return stepAck(state, input.block, input.at);
    case 'timeout':
      return stepTimeout(state);
    case 'readable':
      return stepReadable(state, input.bytes, input.at);
    case 'repeat':
      return stepRepeat(state);
    case 'error':
      return end(state, endOfError(state, input.code, input.text));
    case 'broken':
      return { ...end(state, { kind: 'failed', reason: input.text }), send: [{ kind: 'error', text: input.text }] };
  }
}

/** Where a block lies in the file. */
export function blockRange(transfer: Transfer, block: number): { start: number; end: number } {
  const start = (block - 1) * transfer.blockSize;
  return { start, end: Math.min(start + transfer.blockSize, transfer.size) };
}

function stepAck(state: Transfer, wireBlock: number, at: number): TransferStep {
  if (state.phase === 'greeting') {
    // RFC 2347: ACK 0 takes the OACK. It comes again when the OACK was sent again; the second one is ignored below.
    if (wireBlock !== 0) return { state, send: [] };
    const greeted: Transfer = { ...moved(state, at), phase: 'data' };
    return { ...sendWindow(greeted), timerMs: greeted.waitMs };
  }
  const acknowledged = state.base - 1;
  // The block at or after the last acknowledged one with these 16 bits: for an older ACK that is one never sent.
  const block = acknowledged + ((wireBlock - acknowledged) & 0xffff);
  if (block >= state.next) return { state, send: [] };
  if (block === acknowledged) return stepDuplicate(state, at);
  return acknowledge(state, block, at);
}

function acknowledge(state: Transfer, block: number, at: number): TransferStep {
  if (block === state.last) return end({ ...state, base: block + 1, heard: true }, { kind: 'done' });
  // RFC 7440 4: an ACK inside the window says that what came behind it was lost.
  const next = block + 1;
  const onward: Transfer = { ...moved(state, at), base: next, next };
  return { ...sendWindow(onward), timerMs: onward.waitMs };
}

/** RFC 1123 4.2.3.1: never answer a duplicate ACK with data, or every packet is soon sent twice (the Sorcerer's
 *  Apprentice). In a window it can mean that the first block was lost: go back once, and only when a round trip has
 *  passed since the window was sent, because an earlier one cannot be about this window. */
function stepDuplicate(state: Transfer, at: number): TransferStep {
  const lost = state.windowSize > 1 && state.next > state.base && !state.resent;
  if (!lost || at - state.sentAt < state.roundTripMs / 2) return { state, send: [] };
  const back: Transfer = { ...state, next: state.base, resent: true };
  return { ...sendWindow(back), timerMs: back.waitMs };
}

function stepTimeout(state: Transfer): TransferStep {
  const idleMs = state.idleMs + waitAfter(state, state.timeouts);
  const patience = Math.max(PATIENCE_MS, state.waitMs * 4);
  if (idleMs >= patience) return end(state, endOfSilence(state, idleMs));
  const again: Transfer = { ...state, idleMs, timeouts: state.timeouts + 1, next: state.base, resent: true };
  const timerMs = waitAfter(again, again.timeouts);
  if (state.phase === 'greeting') {
    return { state: { ...again, retransmits: again.retransmits + 1 }, send: [{ kind: 'oack' }], timerMs };
  }
  return { ...sendWindow(again), timerMs };
}

function stepReadable(state: Transfer, bytes: number, at: number): TransferStep {
  const wasWaiting = state.phase === 'data' && state.next === state.base;
  const more: Transfer = {
    ...state,
    readable: Math.max(state.readable, bytes),
    sentAt: wasWaiting ? at : state.sentAt,
  };
  if (state.phase === 'greeting') return { state: more, send: [] };
  const step = sendWindow(more);
  return step.send.length > 0 && wasWaiting ? { ...step, timerMs: state.waitMs } : step;
}

/** The client repeats its request because it has not seen our answer: one more, not a second transfer. */
function stepRepeat(state: Transfer): TransferStep {
  if (state.heard || state.repeats >= MAX_REPEATS) return { state, send: [] };
  const again: Transfer = { ...state, repeats: state.repeats + 1, next: state.base, resent: true };
  if (state.phase === 'greeting') {
    return { state: { ...again, retransmits: again.retransmits + 1 }, send: [{ kind: 'oack' }] };
  }
  return sendWindow(again);
}

/** The client has moved on: it is there, and its next silence starts anew. */
function moved(state: Transfer, at: number): Transfer {
  // A block that was sent twice says nothing about the round trip (Karn).
  const roundTripMs = state.resent ? state.roundTripMs : Math.min(state.roundTripMs, at - state.sentAt);
  return { ...state, heard: true, timeouts: 0, idleMs: 0, sentAt: at, resent: false, roundTripMs };
}

/** Everything from `next` on that the window and the disk allow. */
function sendWindow(state: Transfer): { state: Transfer; send: TransferPacket[] } {
  const send: TransferPacket[] = [];
  const limit = Math.min(state.base + state.windowSize - 1, state.last);
  let next = state.next;
  for (; next <= limit && blockRange(state, next).end <= state.readable; next++)
    send.push({ kind: 'data', block: next });
  const again = Math.max(0, Math.min(next - 1, state.highest) - state.next + 1);
  const highest = Math.max(state.highest, next - 1);
  return { state: { ...state, next, highest, retransmits: state.retransmits + again }, send };
}

function waitAfter(state: Transfer, timeouts: number): number {
  return Math.min(state.waitMs * 2 ** timeouts, Math.max(LONGEST_WAIT_MS, state.waitMs));
}

/** OVMF asks for the size first and ends that with ERROR 8, iPXE with ERROR 0: not a failure. */
function endOfError(state: Transfer, code: number, text: string): TransferEnd {
  if (state.phase === 'greeting' && (code === 0 || code === 8)) return { kind: 'probe' };
  const why = text === '' ? `error ${code}` : `error ${code}, ${text}`;
  return { kind: 'failed', reason: `the client ended the transfer at block ${state.base} of ${state.last}: ${why}` };
}

/** Silence behind the last block is the usual end with clients that do not acknowledge it. */
function endOfSilence(state: Transfer, idleMs: number): TransferEnd {
  if (state.heard && state.next > state.last) return { kind: 'done' };
  const silence = `${Math.round(idleMs / 1000)} s of silence`;
  if (!state.heard) return { kind: 'failed', reason: `the client never answered (${silence})` };
  if (state.next === state.base)
    return { kind: 'failed', reason: `block ${state.base} could not be read (${silence})` };
  return { kind: 'failed', reason: `the client stopped at block ${state.base} of ${state.last} (${silence})` };
}

function end(state: Transfer, ended: TransferEnd): TransferStep {
  return { state: { ...state, phase: 'ended' }, send: [], ended };
}
