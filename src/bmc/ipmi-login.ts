import { COMPLETION, decodeResponse, encodeRequest, PRIVILEGE } from '../wire/ipmi.ts';
import { getChannelAuthCapabilities } from '../wire/ipmi-session.ts';
import { type CipherSuite, describeStatus, STATUS } from '../wire/rakp.ts';
import { decodeIpmi, decodeRmcp, encodeIpmi15, encodeRmcp } from '../wire/rmcp.ts';
import { BmcError, type BmcErrorKind, type BmcTarget } from './driver.ts';
import { attemptLogin, type Login, type Proofs } from './ipmi-attempt.ts';
import type { QuirkNotes } from './ipmi-quirks.ts';
import { chooseWaits, type Link, type Patience } from './link.ts';

/** How one login is tried. */
export type LoginOptions = {
  /** Tried in this order. */
  suites: readonly CipherSuite[];
  /** This BMC was logged in to with the first of them before: it is not asked again what it can do. */
  isKnown: boolean;
  patience: Patience;
  notes: QuirkNotes;
  /** What the BMC was seen to do in an earlier login. */
  proofs?: Proofs;
};

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

/** Logs in with the first suite that works; a BmcError says why none did. */
export async function performLogin(link: Link, target: BmcTarget, options: LoginOptions): Promise<Login> {
  refuseLongCredentials(target);
  const capabilities = options.isKnown ? undefined : await askCapabilities(link, target, options.patience);
  let failure = new BmcError('protocol', target, 'was offered no cipher suite');
  for (const suite of options.suites) {
    const result = await loginWithSuite(link, target, suite, options);
    if (!(result instanceof BmcError)) return result;
    // A suite that is refused says nothing new about one that got no answer.
    if (failure.kind === 'unreachable') throw failure;
    failure = result;
    // Silence from a BMC that answers otherwise may be its way to refuse the suite; from any other, or to a suite that it
    // took before, it is not there.
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
  // Some BMCs of IPMI 1.5 refuse the bit that asks for what 2.0 added, which was reserved (pyghmi).
  for (const asks20 of [true, false]) {
    const outcome = await askCapabilitiesOnce(link, patience, asks20);
    if (!outcome.answered && outcome.isGone) throw new BmcError('unreachable', target, outcome.why);
    if (!outcome.answered) return asks20 ? undefined : UNTOLD;
    if (outcome.value !== 'refused') return outcome.value;
  }
  return UNTOLD;
}

/** A BMC that answers and does not tell may speak 2.0. */
const UNTOLD = { speaks20: true };

function askCapabilitiesOnce(link: Link, patience: Patience, asks20: boolean) {
  const { netFn, command } = getChannelAuthCapabilities;
  const sequence = asks20 ? 0 : 1; // an answer that comes late is not taken for that of the other question
  const data = getChannelAuthCapabilities.encodeRequest({
    channel: THIS_CHANNEL,
    privilege: PRIVILEGE.administrator,
    asks20,
  });
  const payload = encodeRequest({ netFn, lun: 0, command, sequence, data });
  const datagram = encodeRmcp({ class: 'ipmi', body: encodeIpmi15({ sessionId: 0, sequence: 0, payload }) });
  const read = (reply: Buffer) => {
    const packet = decodeIpmi(decodeRmcp(reply).body, 0);
    if (packet.version !== '1.5') return undefined;
    const answer = decodeResponse(packet.payload);
    if (answer.netFn !== netFn || answer.command !== command || answer.sequence !== sequence) return undefined;
    if (answer.completion !== COMPLETION.ok) return 'refused' as const;
    return getChannelAuthCapabilities.decodeResponse(answer.data);
  };
  return link.ask(() => datagram, read, chooseWaits({ ...patience, sends: 2 }, Math.random()));
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
    const waitMs = waits[attempts]!;
    const attempt = await attemptLogin(link, target, { suite, privilege, proofs, waitMs });
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
      if (attempt.isGone) return new BmcError('unreachable', target, attempt.why);
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
