import { randomBytes, randomInt } from 'node:crypto';
import { COMPLETION, decodeResponse, encodeRequest, PRIVILEGE } from '../wire/ipmi.ts';
import { getChannelAuthCapabilities } from '../wire/ipmi-session.ts';
import {
  type CipherSuite,
  decodeOpenSessionResponse,
  decodeRakp2,
  decodeRakp4,
  deriveKeys,
  describeStatus,
  encodeOpenSessionRequest,
  encodeRakp1,
  encodeRakp3,
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
import type { QuirkNotes } from './ipmi-quirks.ts';
import { chooseWaits, type Link, type Patience } from './link.ts';

/**
 * Which byte a BMC puts into its proofs for the role (B9): the whole one as 13.31 has it, without bit 4 in RAKP 3 only
 * (Intel BMCs), or without it anywhere (Intel 82571).
 */
export type Proofs = 'whole' | 'bare-rakp3' | 'bare';

export type LoginOptions = {
  suites: readonly CipherSuite[];
  patience: Patience;
  notes: QuirkNotes;
  /** What the BMC was seen to do in an earlier login. */
  proofs?: Proofs;
};

/** What a login leaves behind. `privilege` is the role that the BMC took. */
export type Login = {
  keys: SessionKeys;
  consoleId: number;
  bmcId: number;
  bmcGuid: Buffer;
  privilege: number;
  proofs: Proofs;
};

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

const THIS_CHANNEL = 0x0e;
/** 13.20: bit 4 looks the user up by name alone, so that the role asked for is only an upper limit. */
const NAME_ONLY = 0x10;

/** Logs in with the first suite that works; a BmcError says why none did. */
export async function performLogin(link: Link, target: BmcTarget, options: LoginOptions): Promise<Login> {
  refuseLongCredentials(target);
  const capabilities = await askCapabilities(link, target, options.patience);
  let failure = new BmcError('protocol', target, 'was offered no cipher suite');
  for (const suite of options.suites) {
    const result = await loginWithSuite(link, target, suite, options);
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
  const payload = encodeRequest({ netFn, lun: 0, command, sequence: 0, data });
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
  options: LoginOptions,
): Promise<Login | BmcError> {
  const waits = chooseWaits(options.patience, Math.random());
  let privilege = PRIVILEGE.administrator;
  let proofs = options.proofs ?? 'whole';
  let lost = '';
  for (let attempts = 0; attempts < waits.length; ) {
    const attempt = await attemptLogin(link, target, { suite, privilege, proofs, waitMs: waits[attempts]! });
    if (attempt.end === 'open') {
      if (attempt.login.proofs !== 'whole') options.notes.add('B9', 'leaves the "name only" bit out of its proofs');
      return attempt.login;
    }
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
    // It proved in RAKP 2 that the password is right, and does not believe RAKP 3: it may count the role otherwise (B9).
    if (step === 'RAKP 3' && status === STATUS.invalidIntegrityValue && proofs === 'whole') {
      proofs = 'bare-rakp3';
      continue;
    }
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
  how: { suite: CipherSuite; privilege: number; proofs: Proofs; waitMs: number },
): Promise<Attempt> {
  const { suite, privilege } = how;
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
    return link.ask(() => encodeLoginPacket(payloadType, payload), read, [how.waitMs]);
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
  const bare = { ...facts, role: privilege };
  const proofs = chooseProofs(
    how.proofs,
    [facts, bare].map((proved) => isSameCode(code, rakp2Code(suite, password, proved))),
  );
  if (proofs === undefined) {
    // 13.22: tells the BMC that we gave up, so that it frees the slot at once.
    const giveUp = encodeRakp3({ tag, status: STATUS.invalidIntegrityValue, bmcId, code: Buffer.alloc(0) });
    await link.tell(encodeLoginPacket(PAYLOAD.rakp3, giveUp));
    return { end: 'wrong-password' };
  }

  const proof = rakp3Code(suite, password, proofs === 'whole' ? facts : bare);
  const rakp3 = encodeRakp3({ tag, status: STATUS.ok, bmcId, code: proof });
  const fourth = await ask(PAYLOAD.rakp3, rakp3, PAYLOAD.rakp4, decodeRakp4);
  if (!fourth.answered) return { end: 'lost', step: 'RAKP 3', why: fourth.why };
  if (isRefused(fourth.value)) return { end: 'refused', step: 'RAKP 3', status: fourth.value.status };
  const keys = deriveKeys(suite, password, proofs === 'bare' ? bare : facts);
  if (!isSameCode(fourth.value.code, rakp4Code(keys, facts))) return { end: 'wrong-key' };
  return { end: 'open', login: { keys, consoleId, bmcId, bmcGuid: Buffer.from(bmcGuid), privilege, proofs } };
}

/** How a BMC proves itself, from whether its RAKP 2 has the whole role, or the privilege only; undefined for neither. */
function chooseProofs(before: Proofs, [isWhole, isBare]: readonly boolean[]): Proofs | undefined {
  if (isWhole) return before === 'bare' ? 'whole' : before;
  return isBare ? 'bare' : undefined;
}

function encodeLoginPacket(payloadType: number, payload: Buffer): Buffer {
  const body = encodeIpmi20({ payloadType, encrypted: false, sessionId: 0, sequence: 0, payload });
  return encodeRmcp({ class: 'ipmi', body });
}
