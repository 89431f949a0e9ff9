import { randomBytes } from 'node:crypto';
import { createTurns } from '../model/turns.ts';
import { WireError } from '../wire/bytes.ts';
import {
  COMPLETION,
  type Command,
  decodeResponse,
  describeCompletion,
  encodeRequest,
  PRIVILEGE,
} from '../wire/ipmi.ts';
import { getDeviceId } from '../wire/ipmi-device.ts';
import { decodeSessionPacket, encodeSessionPacket, type SessionPacket } from '../wire/ipmi-packet.ts';
import { closeSession, setSessionPrivilege } from '../wire/ipmi-session.ts';
import { SequenceWindow } from '../wire/ipmi-window.ts';
import type { CipherSuite } from '../wire/rakp.ts';
import { decodeRmcp, encodeRmcp, PAYLOAD } from '../wire/rmcp.ts';
import { BmcError, type BmcTarget } from './driver.ts';
import type { Login, Proofs } from './ipmi-attempt.ts';
import { type LoginOptions, performLogin } from './ipmi-login.ts';
import { type Answer, askUntilReady, BUSY, type IpmiPath, refusal } from './ipmi-path.ts';
import type { QuirkNotes } from './ipmi-quirks.ts';
import { chooseWaits, type Link, type Outcome, type Patience } from './link.ts';

/** BMCs forget a session after a minute without a command (6.12.15): twice within that. */
const KEEP_ALIVE_MS = 25_000;
/** A BMC that shares a port with the host is away for seconds when the power changes: one silence is no end (B12). */
const SILENCES = 2;

/** Logs in to a BMC. Whoever opens a session closes it. */
export async function openSession(link: Link, target: BmcTarget, options: LoginOptions): Promise<Session> {
  return new Session(link, target, options, await performLogin(link, target, options));
}

/**
 * An open session on a BMC: one command in flight, each signed and encrypted. It has the privilege USER (22.18), and more
 * from the first command on that needs more, or is refused for want of it.
 */
export class Session implements IpmiPath {
  readonly target: BmcTarget;
  readonly suite: CipherSuite;
  /** How this BMC proves who it is, for its next session. */
  readonly proofs: Proofs;
  readonly guid: Buffer;
  readonly #link: Link;
  readonly #patience: Patience;
  readonly #notes: QuirkNotes;
  readonly #login: Login;
  readonly #seen = new SequenceWindow();
  #packetSequence = 1; // 6.12.8: 0 is for packets outside of a session
  #messageSequence = 0;
  #isSilent = false;
  #isRaised = false;
  readonly #turns = createTurns();
  #askedAt = performance.now();

  constructor(link: Link, target: BmcTarget, { patience, notes }: LoginOptions, login: Login) {
    this.target = target;
    this.#link = link;
    this.#patience = patience;
    this.#notes = notes;
    this.#login = login;
    this.suite = login.keys.suite;
    this.proofs = login.proofs;
    this.guid = login.bmcGuid;
  }

  /** The answer of a command whatever it is; a BMC that is busy is asked again a few times. */
  ask<Q, A>(command: Command<Q, A>, request: Q, lun = 0): Promise<Outcome<Answer<A>>> {
    return this.#turns.take(() => this.#askWithPrivilege(command, request, lun));
  }

  async #askWithPrivilege<Q, A>(command: Command<Q, A>, request: Q, lun: number): Promise<Outcome<Answer<A>>> {
    if (command.privilege > PRIVILEGE.user) await this.#raisePrivilege();
    const outcome = await this.#askUntilReady(command, request, lun);
    const isRefused = outcome.answered && outcome.value.completion === COMPLETION.insufficientPrivilege;
    if (!isRefused || this.#isRaised) return outcome;
    await this.#raisePrivilege();
    return this.#askUntilReady(command, request, lun);
  }

  #askUntilReady<Q, A>(command: Command<Q, A>, request: Q, lun: number): Promise<Outcome<Answer<A>>> {
    const ask = () => this.#askOnce(command, request, lun, this.#patience.sends);
    return askUntilReady(command, ask, { notes: this.#notes, waitMs: this.#patience.lastMs });
  }

  /** ADMINISTRATOR lets every command through; OPERATOR is enough for ours on most BMCs. */
  async #raisePrivilege(): Promise<void> {
    if (this.#isRaised) return;
    let text = '';
    for (const privilege of [PRIVILEGE.administrator, PRIVILEGE.operator]) {
      if (privilege > this.#login.privilege) continue;
      const outcome = await this.#askUntilReady(setSessionPrivilege, { privilege }, 0);
      if (!outcome.answered) {
        throw new BmcError('unreachable', this.target, `${outcome.why} when asked for ${setSessionPrivilege.name}`);
      }
      const { completion } = outcome.value;
      this.#isRaised = completion === COMPLETION.ok;
      if (this.#isRaised) return;
      if (BUSY.includes(completion)) throw refusal(this, setSessionPrivilege, completion);
      text = describeCompletion(completion, setSessionPrivilege);
    }
    throw new BmcError('privilege', this.target, `gives user ${this.target.user} too little privilege: ${text}`);
  }

  /** Packets of serial over LAN until the function that it returns is called. `isNew`: this very packet was not here before. */
  listenSol(listener: (payload: Buffer, isNew: boolean) => void): () => void {
    const seen = new SequenceWindow();
    return this.#link.listen((datagram) => {
      try {
        const packet = this.#decode(datagram);
        if (packet?.payloadType === PAYLOAD.sol) listener(packet.message, seen.take(packet.sequence));
      } catch (error) {
        if (!(error instanceof WireError)) throw error; // anybody can send garbage
      }
    });
  }

  async sendSol(payload: Buffer): Promise<void> {
    await this.#link.tell(this.#encode(PAYLOAD.sol, payload));
  }

  /**
   * Asks the BMC for its device id whenever nothing else was asked for a while, until the function that it returns is
   * called. `onLost` is told when it did not answer twice, one after the other: by then it has forgotten the session.
   */
  keepAlive(onLost: (why: string) => void, everyMs = KEEP_ALIVE_MS): () => void {
    let isAsking = false;
    let silences = 0;
    const check = async () => {
      if (isAsking || performance.now() - this.#askedAt < everyMs / 2) return;
      isAsking = true;
      const outcome = await this.ask(getDeviceId, undefined);
      isAsking = false;
      silences = outcome.answered ? 0 : silences + 1;
      if (!outcome.answered && silences >= SILENCES) onLost(outcome.why);
    };
    const timer = setInterval(() => void check().catch((error: Error) => onLost(error.message)), everyMs);
    return () => clearInterval(timer);
  }

  /** For a session that is to be open for hours: its link loses its limit. */
  removeLimit(): void {
    this.#link.removeLimit();
  }

  /** A BMC has 4 to 16 slots and keeps a forgotten session for a minute or more: this never throws and always tells. */
  async close(): Promise<void> {
    await this.#turns.ended();
    this.#link.removeLimit(); // the two sends of a logout are limit enough
    const request = { sessionId: this.#login.bmcId };
    if (this.#isSilent) await this.#link.tell(this.#encodeCommand(closeSession, request, 0));
    else await this.#askOnce(closeSession, request, 0, 2).catch(() => undefined);
  }

  async #askOnce<Q, A>(command: Command<Q, A>, request: Q, lun: number, sends: number): Promise<Outcome<Answer<A>>> {
    this.#messageSequence = (this.#messageSequence + 1) & 0x3f;
    const sequence = this.#messageSequence;
    let sent = 0;
    const make = () => {
      sent += 1;
      return this.#encodeCommand(command, request, lun); // each repetition has a packet sequence of its own (6.12.8)
    };
    const read = (datagram: Buffer): Answer<A> | undefined => {
      const packet = this.#decode(datagram);
      if (packet?.payloadType !== PAYLOAD.ipmi) return undefined;
      const answer = decodeResponse(packet.message);
      const isOurs = answer.sequence === sequence && answer.netFn === command.netFn;
      if (!isOurs || answer.command !== command.command || !this.#seen.take(packet.sequence)) return undefined;
      const { completion } = answer;
      if (completion !== COMPLETION.ok) return { completion, wasRepeated: sent > 1 };
      return { completion, value: command.decodeResponse(answer.data), wasRepeated: sent > 1 };
    };
    const outcome = await this.#link.ask(make, read, chooseWaits({ ...this.#patience, sends }, Math.random()));
    this.#isSilent = !outcome.answered;
    this.#askedAt = performance.now();
    return outcome;
  }

  /** A packet of this session, or undefined for one of another; a WireError for what is neither. */
  #decode(datagram: Buffer): SessionPacket | undefined {
    const packet = decodeSessionPacket(this.#login.keys, decodeRmcp(datagram).body);
    return packet.sessionId === this.#login.consoleId ? packet : undefined;
  }

  #encodeCommand<Q>(command: Command<Q, unknown>, request: Q, lun: number): Buffer {
    const { netFn, command: number } = command;
    const data = command.encodeRequest(request);
    const message = encodeRequest({ netFn, lun, command: number, sequence: this.#messageSequence, data });
    return this.#encode(PAYLOAD.ipmi, message);
  }

  #encode(payloadType: number, message: Buffer): Buffer {
    const packet = { payloadType, sessionId: this.#login.bmcId, sequence: this.#packetSequence++, message };
    return encodeRmcp({ class: 'ipmi', body: encodeSessionPacket(this.#login.keys, packet, randomBytes(16)) });
  }
}
