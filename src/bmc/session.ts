import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AnyCommand,
  COMPLETION,
  type Command,
  closeSession,
  decodeResponse,
  describeCompletion,
  encodeRequest,
  getChannelAuthCapabilities,
  PRIVILEGE,
  setSessionPrivilege,
} from '../wire/ipmi.ts';
import {
  type CipherSuite,
  decodeOpenSessionResponse,
  decodeRakp2,
  decodeRakp4,
  decodeSessionPacket,
  deriveKeys,
  describeStatus,
  encodeOpenSessionRequest,
  encodeRakp1,
  encodeRakp3,
  encodeSessionPacket,
  isRefused,
  isSameCode,
  rakp2Code,
  rakp3Code,
  rakp4Code,
  type SessionKeys,
  STATUS,
} from '../wire/rakp.ts';
import { decodeIpmi, decodeRmcp, encodeIpmi15, encodeIpmi20, encodeRmcp, PAYLOAD } from '../wire/rmcp.ts';
import { BmcError, type BmcErrorKind, type BmcTarget } from './driver.ts';
import { chooseWaits, type Link, type Outcome, type Patience } from './link.ts';

export type SessionOptions = { suites: readonly CipherSuite[]; patience: Patience };

/**
 * A command's answer; `value` is there when `completion` is 0. `wasRepeated`: it was sent more than once, so the BMC may
 * have done it more than once.
 */
export type Answer<T> = { completion: number; value?: T; wasRepeated: boolean };

const THIS_CHANNEL = 0x0e;
/** 13.20: bit 4 looks the user up by name alone, so that the role asked for is only an upper limit. */
const NAME_ONLY = 0x10;
const BUSY = [COMPLETION.nodeBusy, COMPLETION.timeout, COMPLETION.outOfSpace, COMPLETION.initializing];
const BUSY_TRIES = 5;

/** Logs in to a BMC and raises the session to ADMINISTRATOR, else OPERATOR. Whoever opens it closes it. */
export async function openSession(link: Link, target: BmcTarget, options: SessionOptions): Promise<Session> {
  const login = await performLogin(link, target, options);
  const session = new Session(link, target, options.patience, login);
  try {
    await session.raisePrivilege();
    return session;
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** An open session on a BMC: one command in flight, each signed and encrypted. */
export class Session {
  readonly suite: CipherSuite;
  readonly guid: Buffer;
  readonly #link: Link;
  readonly #target: BmcTarget;
  readonly #patience: Patience;
  readonly #login: Login;
  #packetSequence = 1; // 6.12.8: 0 is for packets outside of a session
  #messageSequence = 0;
  #isSilent = false;

  constructor(link: Link, target: BmcTarget, patience: Patience, login: Login) {
    this.#link = link;
    this.#target = target;
    this.#patience = patience;
    this.#login = login;
    this.suite = login.keys.suite;
    this.guid = login.bmcGuid;
  }

  /** The answer of a command, or a BmcError when there is none or the BMC says no. */
  async run<Q, A>(command: Command<Q, A>, request: Q): Promise<A> {
    const outcome = await this.ask(command, request);
    if (!outcome.answered) throw this.error('unreachable', `${outcome.why} when asked for ${command.name}`);
    const { completion, value } = outcome.value;
    if (completion !== COMPLETION.ok) throw this.refusal(command, completion);
    return value as A;
  }

  /** The answer of a command whatever it is; a BMC that is busy is asked again a few times. */
  async ask<Q, A>(command: Command<Q, A>, request: Q): Promise<Outcome<Answer<A>>> {
    for (let tries = 1; ; tries++) {
      const outcome = await this.#askOnce(command, request, this.#patience.sends);
      if (!outcome.answered || !BUSY.includes(outcome.value.completion) || tries === BUSY_TRIES) return outcome;
      await sleep(this.#patience.lastMs);
    }
  }

  /** ADMINISTRATOR lets every command through; OPERATOR is enough for ours on most BMCs. */
  async raisePrivilege(): Promise<void> {
    let text = '';
    for (const privilege of [PRIVILEGE.administrator, PRIVILEGE.operator]) {
      if (privilege > this.#login.privilege) continue;
      const outcome = await this.ask(setSessionPrivilege, { privilege });
      if (!outcome.answered)
        throw this.error('unreachable', `${outcome.why} when asked for ${setSessionPrivilege.name}`);
      const { completion } = outcome.value;
      if (completion === COMPLETION.ok) return;
      if (BUSY.includes(completion)) throw this.refusal(setSessionPrivilege, completion);
      text = describeCompletion(completion, setSessionPrivilege);
    }
    throw this.error('privilege', `gives user ${this.#target.user} too little privilege: ${text}`);
  }

  /** A BMC has 4 to 16 slots and keeps a forgotten session for a minute or more: this never throws and always tells. */
  async close(): Promise<void> {
    const request = { sessionId: this.#login.bmcId };
    if (this.#isSilent) await this.#link.tell(this.#encode(closeSession, request));
    else await this.#askOnce(closeSession, request, 2).catch(() => undefined);
  }

  /** The BmcError for a completion code that is not 0. */
  refusal(command: AnyCommand, completion: number): BmcError {
    const what = `refused ${command.name}: ${describeCompletion(completion, command)}`;
    if (BUSY.includes(completion)) return this.error('busy', what);
    if (completion === COMPLETION.insufficientPrivilege) return this.error('privilege', what);
    return this.error('refused', what);
  }

  error(kind: BmcErrorKind, what: string): BmcError {
    return new BmcError(kind, this.#target, what);
  }

  async #askOnce<Q, A>(command: Command<Q, A>, request: Q, sends: number): Promise<Outcome<Answer<A>>> {
    // 6 bits, never reused in a session as short as ours: an old answer cannot pass for a new one.
    this.#messageSequence = (this.#messageSequence + 1) & 0x3f;
    const sequence = this.#messageSequence;
    let sent = 0;
    const make = () => {
      sent += 1;
      return this.#encode(command, request); // each repetition has a packet sequence of its own (6.12.8)
    };
    const read = (datagram: Buffer): Answer<A> | undefined => {
      const { body } = decodeRmcp(datagram);
      const packet = decodeSessionPacket(this.#login.keys, body);
      const answer = decodeResponse(packet.message);
      const isOurs = packet.sessionId === this.#login.consoleId && answer.sequence === sequence;
      if (!isOurs || answer.netFn !== command.netFn || answer.command !== command.command) return undefined;
      const { completion } = answer;
      if (completion !== COMPLETION.ok) return { completion, wasRepeated: sent > 1 };
      return { completion, value: command.decodeResponse(answer.data), wasRepeated: sent > 1 };
    };
    const outcome = await this.#link.ask(make, read, chooseWaits({ ...this.#patience, sends }, Math.random()));
    this.#isSilent = !outcome.answered;
    return outcome;
  }

  #encode<Q>(command: Command<Q, unknown>, request: Q): Buffer {
    const { netFn, command: number } = command;
    const data = command.encodeRequest(request);
    const message = encodeRequest({ netFn, command: number, sequence: this.#messageSequence, data });
    const packet = { sessionId: this.#login.bmcId, sequence: this.#packetSequence++, message };
    return encodeRmcp({ class: 'ipmi', body: encodeSessionPacket(this.#login.keys, packet, randomBytes(16)) });
  }
}

// ------------------------------------------------------------------------------------------------- login

/** What a login leaves behind. `privilege` is the role that the BMC took. */
type Login = { keys: SessionKeys; consoleId: number; bmcId: number; bmcGuid: Buffer; privilege: number };

/** How one attempt ended. `lost`: a question or its answer never came through, or the BMC forgot us in between. */
type Attempt =
  | { end: 'open'; login: Login }
  | { end: 'lost'; step: Step; why: string }
  | { end: 'refused'; step: Step; status: number }
  | { end: 'wrong-password' }
  | { end: 'wrong-key' };
type Step = 'Open Session' | 'RAKP 1' | 'RAKP 3';

/** What a refusal means for the login as a whole. */
type Verdict = 'restart' | 'next-suite' | 'lower-role' | BmcErrorKind;
const VERDICTS: Record<number, Verdict> = {
  [STATUS.noResources]: 'no-session-slot',
  [STATUS.invalidSession]: 'restart',
  [STATUS.invalidAuthentication]: 'next-suite',
  [STATUS.invalidIntegrity]: 'next-suite',
  [STATUS.noAuthenticationMatch]: 'next-suite',
  [STATUS.noIntegrityMatch]: 'next-suite',
  [STATUS.inactiveSession]: 'restart',
  [STATUS.invalidRole]: 'lower-role',
  [STATUS.unauthorizedRole]: 'lower-role',
  [STATUS.noResourcesForRole]: 'no-session-slot',
  [STATUS.invalidNameLength]: 'no-such-user',
  [STATUS.unauthorizedName]: 'no-such-user',
  [STATUS.invalidIntegrityValue]: 'wrong-password',
  [STATUS.invalidConfidentiality]: 'next-suite',
  [STATUS.noSuiteMatch]: 'next-suite',
};

async function performLogin(link: Link, target: BmcTarget, { suites, patience }: SessionOptions): Promise<Login> {
  refuseLongCredentials(target);
  const capabilities = await askCapabilities(link, target, patience);
  let failure = new BmcError('protocol', target, 'was offered no cipher suite');
  for (const suite of suites) {
    const result = await loginWithSuite(link, target, suite, patience);
    if (!(result instanceof BmcError)) return result;
    // A suite that is refused says nothing new about one that got no answer.
    if (failure.kind === 'unreachable') throw failure;
    failure = result;
    // Silence from a BMC that answers otherwise may be its way to refuse the suite; from any other, it is not there.
    if (failure.kind === 'unreachable' && !capabilities) throw failure;
    if (failure.kind === 'unreachable' && !capabilities?.speaks20) {
      throw new BmcError('protocol', target, 'speaks IPMI 1.5 only, whose login is not safe and not spoken here');
    }
  }
  throw failure;
}

/** IPMI 2.0 stores 16 bytes of name and 20 of password (22.28, 22.30); a longer one can never be right. */
function refuseLongCredentials(target: BmcTarget): void {
  if (Buffer.byteLength(target.user) > 16) {
    throw new BmcError('no-such-user', target, `cannot have the user ${target.user}: IPMI names have at most 16 bytes`);
  }
  if (Buffer.byteLength(target.password) > 20) {
    throw new BmcError('wrong-password', target, 'cannot have this password: IPMI 2.0 keeps at most 20 bytes');
  }
}

/**
 * What the LAN channel can do, asked in IPMI 1.5 framing since some BMCs ignore it in the newer one. Only an
 * explanation for a login that fails: BMCs that do not answer it, or wrongly, are logged in to all the same.
 */
async function askCapabilities(link: Link, target: BmcTarget, patience: Patience) {
  const { netFn, command } = getChannelAuthCapabilities;
  const question = { channel: THIS_CHANNEL, privilege: PRIVILEGE.administrator, asks20: true };
  const data = getChannelAuthCapabilities.encodeRequest(question);
  const payload = encodeRequest({ netFn, command, sequence: 0, data });
  const datagram = encodeRmcp({ class: 'ipmi', body: encodeIpmi15({ sessionId: 0, sequence: 0, payload }) });
  const read = (reply: Buffer) => {
    const packet = decodeIpmi(decodeRmcp(reply).body, 0);
    if (packet.version !== '1.5') return undefined;
    const answer = decodeResponse(packet.payload);
    if (answer.netFn !== netFn || answer.command !== command) return undefined;
    if (answer.completion !== COMPLETION.ok) return { speaks20: true };
    return getChannelAuthCapabilities.decodeResponse(answer.data);
  };
  const outcome = await link.ask(() => datagram, read, chooseWaits({ ...patience, sends: 2 }, Math.random()));
  if (outcome.answered) return outcome.value;
  if (outcome.isGone) throw new BmcError('unreachable', target, outcome.why);
  return undefined;
}

/** A login, or the BmcError after which another suite may still work; one after which none will is thrown. */
async function loginWithSuite(
  link: Link,
  target: BmcTarget,
  suite: CipherSuite,
  patience: Patience,
): Promise<Login | BmcError> {
  const waits = chooseWaits(patience, Math.random());
  let privilege = PRIVILEGE.administrator;
  let lost = '';
  for (let attempts = 0; attempts < waits.length; ) {
    const attempt = await attemptLogin(link, target, suite, privilege, waits[attempts]!);
    if (attempt.end === 'open') return attempt.login;
    if (attempt.end === 'wrong-password') {
      throw new BmcError('wrong-password', target, `does not have that password for user ${target.user}`);
    }
    if (attempt.end === 'wrong-key') {
      const what = 'proved another session key than ours; it may have a BMC key (K_G) of its own';
      throw new BmcError('protocol', target, what, 'Clear the BMC key (K_G) in the IPMI settings of the BMC');
    }
    if (attempt.end === 'lost') {
      lost = `${attempt.why} at ${attempt.step}`;
      attempts += 1;
      continue;
    }

    const { step, status } = attempt;
    const what = `refused the login of user ${target.user} at ${step}: ${describeStatus(status)}`;
    // Open Session names no role of its own, so "invalid role" there is about the suite (pyghmi, ipmitool).
    const isAboutSuite = step === 'Open Session' && status === STATUS.invalidRole;
    const verdict = isAboutSuite ? 'next-suite' : (VERDICTS[status] ?? 'protocol');
    if (verdict === 'next-suite') {
      return new BmcError('wrong-cipher-suite', target, `refused cipher suite ${suite}: ${describeStatus(status)}`);
    }
    if (verdict === 'restart') {
      lost = `lost the login: ${describeStatus(status)} at ${step}`;
      attempts += 1;
    } else if (verdict !== 'lower-role') {
      throw new BmcError(verdict, target, what);
    } else if (privilege === PRIVILEGE.operator) {
      throw new BmcError('privilege', target, what);
    } else {
      privilege = PRIVILEGE.operator;
    }
  }
  return new BmcError('unreachable', target, lost);
}

/**
 * Open Session and RAKP 1 to 4, each question sent once: BMCs do not take kindly to RAKP 1 or RAKP 3 twice (pyghmi),
 * so whatever is lost, the login starts over with a session id that the BMC has not seen.
 */
async function attemptLogin(
  link: Link,
  target: BmcTarget,
  suite: CipherSuite,
  privilege: number,
  waitMs: number,
): Promise<Attempt> {
  const tag = randomInt(256);
  const consoleId = randomInt(1, 2 ** 32);
  const consoleRandom = randomBytes(16);
  const role = privilege | NAME_ONLY;
  const user = Buffer.from(target.user);
  const password = Buffer.from(target.password);
  const ask = <T extends { tag: number; consoleId: number | undefined }>(
    payloadType: number,
    payload: Buffer,
    replyType: number,
    decode: (bytes: Buffer) => T,
  ) => {
    const read = (datagram: Buffer) => {
      const packet = decodeIpmi(decodeRmcp(datagram).body, 0);
      if (packet.version !== '2.0' || packet.payloadType !== replyType) return undefined;
      const message = decode(packet.payload);
      return message.tag === tag && (message.consoleId ?? consoleId) === consoleId ? message : undefined;
    };
    return link.ask(() => encodeLoginPacket(payloadType, payload), read, [waitMs]);
  };

  const openRequest = encodeOpenSessionRequest({ tag, privilege: 0, consoleId, suite });
  const opened = await ask(PAYLOAD.openRequest, openRequest, PAYLOAD.openResponse, decodeOpenSessionResponse);
  if (!opened.answered) return { end: 'lost', step: 'Open Session', why: opened.why };
  if (isRefused(opened.value)) return { end: 'refused', step: 'Open Session', status: opened.value.status };
  if (opened.value.suite !== suite) return { end: 'refused', step: 'Open Session', status: STATUS.noSuiteMatch };
  const { bmcId } = opened.value;

  const rakp1 = encodeRakp1({ tag, bmcId, consoleRandom, role, user });
  const second = await ask(PAYLOAD.rakp1, rakp1, PAYLOAD.rakp2, decodeRakp2);
  if (!second.answered) return { end: 'lost', step: 'RAKP 1', why: second.why };
  if (isRefused(second.value)) return { end: 'refused', step: 'RAKP 1', status: second.value.status };
  const { bmcRandom, bmcGuid, code } = second.value;
  const facts = { consoleId, bmcId, consoleRandom, bmcRandom, bmcGuid, role, user };
  if (!isSameCode(code, rakp2Code(suite, password, facts))) {
    // 13.22: tells the BMC that we gave up, so that it frees the slot at once.
    const giveUp = encodeRakp3({ tag, status: STATUS.invalidIntegrityValue, bmcId, code: Buffer.alloc(0) });
    await link.tell(encodeLoginPacket(PAYLOAD.rakp3, giveUp));
    return { end: 'wrong-password' };
  }

  const rakp3 = encodeRakp3({ tag, status: STATUS.ok, bmcId, code: rakp3Code(suite, password, facts) });
  const fourth = await ask(PAYLOAD.rakp3, rakp3, PAYLOAD.rakp4, decodeRakp4);
  if (!fourth.answered) return { end: 'lost', step: 'RAKP 3', why: fourth.why };
  if (isRefused(fourth.value)) return { end: 'refused', step: 'RAKP 3', status: fourth.value.status };
  const keys = deriveKeys(suite, password, facts);
  if (!isSameCode(fourth.value.code, rakp4Code(keys, facts))) return { end: 'wrong-key' };
  return { end: 'open', login: { keys, consoleId, bmcId, bmcGuid: Buffer.from(bmcGuid), privilege } };
}

function encodeLoginPacket(payloadType: number, payload: Buffer): Buffer {
  const body = encodeIpmi20({ payloadType, encrypted: false, sessionId: 0, sequence: 0, payload });
  return encodeRmcp({ class: 'ipmi', body });
}
