import { randomBytes } from 'node:crypto';
import { after, type Clock, type Instant } from '../../model/time.ts';
import { PRIVILEGE } from '../../wire/ipmi.ts';
import { SequenceWindow } from '../../wire/ipmi-window.ts';
import * as rakp from '../../wire/rakp.ts';
import { PAYLOAD } from '../../wire/rmcp.ts';
import { type Faults, spendFault } from './ipmi-faults.ts';

export type SimUser = { password: string; privilege: number };

/** A session, from Open Session on; its keys are there once it is open. */
export type SimSession = {
  facts: rakp.LoginFacts;
  suite: rakp.CipherSuite;
  password: string;
  /** The most that its user may have, and what it has now. */
  limit: number;
  privilege: number;
  keys?: rakp.SessionKeys;
  seen: SequenceWindow;
  /** Of the next packet to the console. */
  sequence: number;
  goodUntil: Instant;
};

/** 6.12.15: an open session without a packet ends after a minute; one that is not open yet sooner. */
const SESSION_MS = 60_000;
const LOGIN_MS = 20_000;
/** Bit 4 of a role: look the user up by name alone (13.20). */
const NAME_ONLY = 0x10;

export type SessionsOptions = {
  users: Readonly<Record<string, SimUser>>;
  suites: readonly rakp.CipherSuite[];
  slots: number;
  guid: Buffer;
  clock: Clock;
  faults: Faults;
};

/** A BMC's session slots, and how a console gets one. */
export class SimSessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<number, SimSession>();
  /** Session ids that consoles chose, in the order they came. */
  readonly consoleIds: number[] = [];
  /** Of the last login that succeeded. */
  lastSuite: rakp.CipherSuite | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /** Sessions that a console can close. */
  get open(): number {
    return [...this.#sessions.values()].filter(({ keys }) => keys).length;
  }

  /** An open session by its BMC's id. */
  find(bmcId: number): (SimSession & { keys: rakp.SessionKeys }) | undefined {
    const session = this.#sessions.get(bmcId);
    const now = this.#options.clock();
    if (session && session.goodUntil <= now) this.#sessions.delete(bmcId);
    if (!session?.keys || session.goodUntil <= now) return undefined;
    session.goodUntil = after(now, SESSION_MS);
    return session as SimSession & { keys: rakp.SessionKeys };
  }

  has(bmcId: number): boolean {
    return this.#sessions.has(bmcId);
  }

  close(bmcId: number): void {
    this.#sessions.delete(bmcId);
  }

  /** The answer to a message of a login, with its payload type; undefined is silence. */
  answer(payloadType: number, payload: Buffer): [number, Buffer] | undefined {
    if (payloadType === PAYLOAD.openRequest) return [PAYLOAD.openResponse, this.#answerOpen(payload)];
    if (payloadType === PAYLOAD.rakp1) return [PAYLOAD.rakp2, this.#answerRakp1(payload)];
    if (payloadType !== PAYLOAD.rakp3) return undefined;
    const answer = this.#answerRakp3(payload);
    return answer && [PAYLOAD.rakp4, answer];
  }

  #answerOpen(payload: Buffer): Buffer {
    const { suites, slots, guid, clock, faults } = this.#options;
    const { tag, privilege, consoleId, suite } = rakp.decodeOpenSessionRequest(payload);
    this.consoleIds.push(consoleId);
    const refuse = (status: number) => rakp.encodeOpenSessionResponse({ tag, status, consoleId, refused: true });
    const planned = faults.get('refuse-open');
    if (planned !== undefined) return refuse(planned);
    if (suite === undefined || !suites.includes(suite)) return refuse(rakp.STATUS.noSuiteMatch);
    this.#dropOld();
    if (spendFault(faults, 'no-slots') || this.#sessions.size >= slots) return refuse(rakp.STATUS.noResources);
    const bmcId = randomBytes(4).readUInt32LE() || 1;
    const facts = {
      consoleId,
      bmcId,
      consoleRandom: Buffer.alloc(0),
      bmcRandom: randomBytes(16),
      bmcGuid: guid,
      role: 0,
      user: Buffer.alloc(0),
    };
    this.#sessions.set(bmcId, {
      facts,
      suite,
      password: '',
      limit: 0,
      privilege: PRIVILEGE.user,
      seen: new SequenceWindow(),
      sequence: 1,
      goodUntil: after(clock(), LOGIN_MS),
    });
    // 13.18: the highest that the suite allows, or what was asked for.
    const granted = privilege === 0 ? PRIVILEGE.administrator : privilege;
    return rakp.encodeOpenSessionResponse({ tag, status: 0, privilege: granted, consoleId, bmcId, suite });
  }

  #dropOld(): void {
    const now = this.#options.clock();
    for (const [id, session] of this.#sessions) if (session.goodUntil <= now) this.#sessions.delete(id);
  }

  #answerRakp1(payload: Buffer): Buffer {
    const { users, guid, faults } = this.#options;
    const { tag, bmcId, consoleRandom, role, user } = rakp.decodeRakp1(payload);
    const session = this.#sessions.get(bmcId);
    const consoleId = session?.facts.consoleId ?? 0;
    const refuse = (status: number) => {
      this.#sessions.delete(bmcId);
      return rakp.encodeRakp2({ tag, status, consoleId, refused: true });
    };
    const planned = faults.get('refuse-rakp1');
    if (planned !== undefined) return refuse(planned);
    // A second RAKP 1 finds the login used up, as on real BMCs; the first one goes on.
    if (!session || session.facts.consoleRandom.length > 0) {
      return rakp.encodeRakp2({ tag, status: rakp.STATUS.invalidSession, consoleId, refused: true });
    }
    const account = users[user.toString()];
    if (!account) return refuse(rakp.STATUS.unauthorizedName);
    const isTooHigh = (role & 0x0f) > account.privilege;
    if (isTooHigh && (faults.has('refuses-role') || (role & NAME_ONLY) === 0)) {
      return refuse(rakp.STATUS.unauthorizedRole);
    }
    Object.assign(session.facts, { consoleRandom: Buffer.from(consoleRandom), role, user: Buffer.from(user) });
    session.password = account.password;
    session.limit = Math.min(account.privilege, role & 0x0f);
    const { facts } = session;
    const proved = faults.has('intel-82571') ? bare(facts) : facts;
    const code = rakp.rakp2Code(session.suite, Buffer.from(account.password), proved);
    return rakp.encodeRakp2({ tag, status: 0, consoleId, bmcRandom: facts.bmcRandom, bmcGuid: guid, code });
  }

  #answerRakp3(payload: Buffer): Buffer | undefined {
    const { faults, clock } = this.#options;
    const { tag, status, bmcId, code } = rakp.decodeRakp3(payload);
    const session = this.#sessions.get(bmcId);
    const consoleId = session?.facts.consoleId ?? 0;
    const refuse = (why: number) => rakp.encodeRakp4({ tag, status: why, consoleId, refused: true });
    if (!session || session.keys) return refuse(rakp.STATUS.invalidSession);
    const { facts, suite } = session;
    const password = Buffer.from(session.password);
    const planned = faults.get('refuse-rakp3');
    const proved = faults.has('intel-plus') || faults.has('intel-82571') ? bare(facts) : facts;
    const isRight = rakp.isSameCode(code, rakp.rakp3Code(suite, password, proved));
    if (status !== 0 || planned !== undefined || !isRight) {
      this.#sessions.delete(bmcId);
      return status === 0 ? refuse(planned ?? rakp.STATUS.invalidIntegrityValue) : undefined;
    }
    session.keys = rakp.deriveKeys(suite, password, faults.has('intel-82571') ? bare(facts) : facts);
    session.goodUntil = after(clock(), SESSION_MS);
    this.lastSuite = suite;
    return rakp.encodeRakp4({ tag, status: 0, consoleId, code: rakp.rakp4Code(session.keys, facts) });
  }
}

function bare(facts: rakp.LoginFacts): rakp.LoginFacts {
  return { ...facts, role: facts.role & 0x0f };
}
