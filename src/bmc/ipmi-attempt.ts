import { randomBytes, randomInt } from 'node:crypto';
import { encodeRequest } from '../wire/ipmi.ts';
import { encodeSessionPacket } from '../wire/ipmi-packet.ts';
import { closeSession } from '../wire/ipmi-session.ts';
import {
  type CipherSuite,
  decodeOpenSessionResponse,
  decodeRakp2,
  decodeRakp4,
  deriveKeys,
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
import { decodeIpmi, decodeRmcp, encodeIpmi20, encodeRmcp, PAYLOAD } from '../wire/rmcp.ts';
import type { BmcTarget } from './driver.ts';
import type { Link } from './link.ts';

/**
 * Which byte a BMC puts into its proofs for the role (B9): the whole one as 13.31 has it, without bit 4 in RAKP 3 only
 * (Intel BMCs), or without it anywhere (Intel 82571).
 */
export type Proofs = 'whole' | 'bare-rakp3' | 'bare';

/** What a login leaves behind. `privilege` is the role that the BMC took. */
export type Login = {
  keys: SessionKeys;
  consoleId: number;
  bmcId: number;
  bmcGuid: Buffer;
  privilege: number;
  proofs: Proofs;
};

/** How one attempt ended. `lost`: a question or its answer never came through, `isGone`: nobody is there. */
type Attempt =
  | { end: 'open'; login: Login }
  | { end: 'lost'; step: Step; why: string; isGone: boolean }
  | { end: 'refused'; step: Step; status: number }
  | { end: 'wrong-password' }
  | { end: 'wrong-key' };
type Step = 'Open Session' | 'RAKP 1' | 'RAKP 3';

/** 13.20: bit 4 looks the user up by name alone, so that the role asked for is only an upper limit. */
const NAME_ONLY = 0x10;

/**
 * Open Session and RAKP 1 to 4, each question sent once: BMCs do not take kindly to RAKP 1 or RAKP 3 twice (pyghmi),
 * so whatever is lost, the login starts over with a session id that the BMC has not seen. `waitMs` is for each answer.
 */
export async function attemptLogin(
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
  if (!opened.answered) return { end: 'lost', step: 'Open Session', ...opened };
  if (isRefused(opened.value)) return { end: 'refused', step: 'Open Session', status: opened.value.status };
  if (opened.value.suite !== suite) return { end: 'refused', step: 'Open Session', status: STATUS.noSuiteMatch };
  const { bmcId } = opened.value;

  const rakp1 = encodeRakp1({ tag, bmcId, consoleRandom, role, user });
  const second = await ask(PAYLOAD.rakp1, rakp1, PAYLOAD.rakp2, decodeRakp2);
  if (!second.answered) return { end: 'lost', step: 'RAKP 1', ...second };
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
  const keys = deriveKeys(suite, password, proofs === 'bare' ? bare : facts);
  if (!fourth.answered) {
    // The session is open if only the answer was lost, and would keep its slot for a minute.
    await link.tell(encodeLogout(keys, bmcId));
    return { end: 'lost', step: 'RAKP 3', ...fourth };
  }
  if (isRefused(fourth.value)) return { end: 'refused', step: 'RAKP 3', status: fourth.value.status };
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

/** Close Session as the first and only packet of a session. */
function encodeLogout(keys: SessionKeys, bmcId: number): Buffer {
  const { netFn, command } = closeSession;
  const data = closeSession.encodeRequest({ sessionId: bmcId });
  const message = encodeRequest({ netFn, lun: 0, command, sequence: 1, data });
  const packet = { payloadType: PAYLOAD.ipmi, sessionId: bmcId, sequence: 1, message };
  return encodeRmcp({ class: 'ipmi', body: encodeSessionPacket(keys, packet, randomBytes(16)) });
}
