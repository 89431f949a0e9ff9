import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
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
import { type Login, type LoginOptions, type Proofs, performLogin } from './ipmi-login.ts';
import { type Answer, BUSY, type IpmiPath, refusal } from './ipmi-path.ts';
import type { QuirkNotes } from './ipmi-quirks.ts';
import { chooseWaits, type Link, type Outcome, type Patience } from './link.ts';

const BUSY_TRIES = 5;
/** BMCs forget a session after a minute without a command (6.12.15): well within that. */
const KEEP_ALIVE_MS = 25_000;

/** Logs in to a BMC and raises the session to ADMINISTRATOR, else OPERATOR. Whoever opens it closes it. */
export async function openSession(link: Link, target: BmcTarget, options: LoginOptions): Promise<Session> {
  const login = await performLogin(link, target, options);
  const session = new Session(link, target, options, login);
  try {
    await session.raisePrivilege();
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** An open session on a BMC: one command in flight, each signed and encrypted. */
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
  #running: Promise<unknown> = Promise.resolve();
  #askedAt = 0;

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
    const outcome = this.#running.then(() => this.#askUntilReady(command, request, lun));
    this.#running = outcome.catch(() => undefined);
    return outcome;
  }

  async #askUntilReady<Q, A>(command: Command<Q, A>, request: Q, lun: number): Promise<Outcome<Answer<A>>> {
    for (let tries = 1; ; tries++) {
      const outcome = await this.#askOnce(command, request, lun, this.#patience.sends);
      if (!outcome.answered || !BUSY.includes(outcome.value.completion)) return outcome;
      this.#notes.add('B8', `said to ${command.name}: ${describeCompletion(outcome.value.completion, command)}`);
      if (tries === BUSY_TRIES) return outcome;
      await sleep(this.#patience.lastMs);
    }
  }

  /** ADMINISTRATOR lets every command through; OPERATOR is enough for ours on most BMCs. */
  async raisePrivilege(): Promise<void> {
    let text = '';
    for (const privilege of [PRIVILEGE.administrator, PRIVILEGE.operator]) {
      if (privilege > this.#login.privilege) continue;
      const outcome = await this.ask(setSessionPrivilege, { privilege });
      if (!outcome.answered) {
        throw new BmcError('unreachable', this.target, `${outcome.why} when asked for ${setSessionPrivilege.name}`);
      }
      const { completion } = outcome.value;
      if (completion === COMPLETION.ok) return;
      if (BUSY.includes(completion)) throw refusal(this, setSessionPrivilege, completion);
      text = describeCompletion(completion, setSessionPrivilege);
    }
    throw new BmcError('privilege', this.target, `gives user ${this.target.user} too little privilege: ${text}`);
  }

  /** Packets of serial over LAN, each once, until the function that it returns is called. */
  listenSol(listener: (payload: Buffer) => void): () => void {
    const seen = new SequenceWindow();
    return this.#link.listen((datagram) => {
      try {
        const packet = this.#decode(datagram);
        if (packet?.payloadType === PAYLOAD.sol && seen.take(packet.sequence)) listener(packet.message);
      } catch (error) {
        if (!(error instanceof WireError)) throw error; // anybody can send garbage
      }
    });
  }

  async sendSol(payload: Buffer): Promise<void> {
    await this.#link.tell(this.#encode(PAYLOAD.sol, payload));
  }

  /** Asks the BMC for its device id whenever nothing else was asked for a while; `onLost` once it does not answer. */
  keepAlive(onLost: (why: string) => void, everyMs = KEEP_ALIVE_MS): () => void {
    let isAsking = false;
    const check = async () => {
      if (isAsking || Date.now() - this.#askedAt < everyMs / 2) return;
      isAsking = true;
      const outcome = await this.ask(getDeviceId, undefined);
      isAsking = false;
      if (!outcome.answered) onLost(outcome.why);
    };
    const timer = setInterval(() => void check().catch((error: Error) => onLost(error.message)), everyMs);
    return () => clearInterval(timer);
  }

  /** A BMC has 4 to 16 slots and keeps a forgotten session for a minute or more: this never throws and always tells. */
  async close(): Promise<void> {
    await this.#running;
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
    this.#askedAt = Date.now();
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
