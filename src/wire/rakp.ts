// How a console and a BMC log in to each other over RMCP+, and the keys that both have then.
// Sections are those of the IPMI 2.0 specification, revision 1.1. Pure: every random value is an input.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Reader, WireError } from './bytes.ts';

/** The cipher suites we speak (22.15.2). Suite 0 logs in without a password, MD5 and RC4 are broken: never those. */
export type CipherSuite = 3 | 17;

type Algorithms = {
  authentication: number;
  integrity: number;
  confidentiality: number;
  hash: 'sha1' | 'sha256';
  /** Bytes of a truncated HMAC: RAKP 4's check value and a packet's AuthCode. */
  icvBytes: number;
};

/** The algorithms that a suite stands for (22.15.2), by their numbers on the wire (13.28). */
export const ALGORITHMS: Record<CipherSuite, Algorithms> = {
  3: { authentication: 0x01, integrity: 0x01, confidentiality: 0x01, hash: 'sha1', icvBytes: 12 },
  17: { authentication: 0x03, integrity: 0x04, confidentiality: 0x01, hash: 'sha256', icvBytes: 16 },
};

/** RMCP+ and RAKP message status codes (table 13-15) that we decide on by name. */
export const STATUS = {
  ok: 0x00,
  noResources: 0x01,
  invalidSession: 0x02,
  invalidAuthentication: 0x04,
  invalidIntegrity: 0x05,
  noAuthenticationMatch: 0x06,
  noIntegrityMatch: 0x07,
  inactiveSession: 0x08,
  invalidRole: 0x09,
  unauthorizedRole: 0x0a,
  noResourcesForRole: 0x0b,
  invalidNameLength: 0x0c,
  unauthorizedName: 0x0d,
  invalidIntegrityValue: 0x0f,
  invalidConfidentiality: 0x10,
  noSuiteMatch: 0x11,
} as const;

const STATUS_TEXT: Record<number, string> = {
  0: 'no error',
  1: 'it has no free session slot',
  2: 'it does not know this session',
  3: 'it does not know this payload type',
  4: 'it does not take this authentication algorithm',
  5: 'it does not take this integrity algorithm',
  6: 'no authentication algorithm matches',
  7: 'no integrity algorithm matches',
  8: 'the session is not active',
  9: 'it does not know this role',
  10: 'this user may not have the privilege asked for',
  11: 'it has no free session slot for this role',
  12: 'the user name has a wrong length',
  13: 'it does not know this user, or the user may not log in over the LAN',
  14: 'it refuses the GUID',
  15: 'the check value is wrong',
  16: 'it does not take this confidentiality algorithm',
  17: 'it does not take this cipher suite',
  18: 'it does not understand a parameter',
};

/** What a status code says, as the rest of a sentence. */
export function describeStatus(status: number): string {
  return STATUS_TEXT[status] ?? `status ${hex(status)}, which no standard names`;
}

// ------------------------------------------------------------------------------------------------- messages

/**
 * The BMC says no. Only tag and status are sure to be there: ipmi_sim sends nothing else, so `consoleId` may be
 * undefined.
 */
export type Refusal = { tag: number; status: number; consoleId: number | undefined; refused: true };

/** RMCP+ Open Session Request (13.17). Privilege 0 asks for the highest that the suite allows. */
export type OpenSessionRequest = { tag: number; privilege: number; consoleId: number; suite: CipherSuite };

/**
 * RMCP+ Open Session Response (13.18). The fields after `consoleId` are there when the status is 0; `suite` is undefined when
 * it is none of ours.
 */
export type OpenSessionResponse =
  | { tag: number; status: 0; privilege: number; consoleId: number; bmcId: number; suite: CipherSuite | undefined }
  | Refusal;

/**
 * RAKP message 1 (13.20): the console names its user. `role` is the whole byte: privilege, and bit 4 to look the user up by
 * name only.
 */
export type Rakp1 = { tag: number; bmcId: number; consoleRandom: Buffer; role: number; user: Buffer };

/** RAKP message 2 (13.21): the BMC proves that it knows the password. */
export type Rakp2 =
  | { tag: number; status: 0; consoleId: number; bmcRandom: Buffer; bmcGuid: Buffer; code: Buffer }
  | Refusal;

/**
 * RAKP message 3 (13.22): the console proves it too. With a status other than 0 it tells the BMC to drop the login and free its
 * slot; `code` is then empty.
 */
export type Rakp3 = { tag: number; status: number; bmcId: number; code: Buffer };

/** RAKP message 4 (13.23): the BMC proves that it has the same key, and the session is open. */
export type Rakp4 = { tag: number; status: 0; consoleId: number; code: Buffer } | Refusal;

/** The payload of an RMCP+ Open Session Request (13.17), 32 bytes. RangeError when the id does not fit into 32 bits. */
export function encodeOpenSessionRequest(request: OpenSessionRequest): Buffer {
  const head = Buffer.of(request.tag, request.privilege, 0, 0);
  return Buffer.concat([head, uint32(request.consoleId), encodeAlgorithms(request.suite)]);
}

/** An RMCP+ Open Session Request (13.17); `suite` is undefined when it proposes none of ours. WireError 'truncated'. */
export function decodeOpenSessionRequest(
  bytes: Buffer,
): Omit<OpenSessionRequest, 'suite'> & { suite: CipherSuite | undefined } {
  const reader = new Reader(bytes);
  const tag = reader.u8('message tag');
  const privilege = reader.u8('privilege') & 0x0f;
  reader.skip(2, 'reserved');
  return { tag, privilege, consoleId: reader.u32le('console session id'), suite: decodeAlgorithms(reader) };
}

/** The payload of an RMCP+ Open Session Response (13.18). Without a suite all algorithms are none. */
export function encodeOpenSessionResponse(response: OpenSessionResponse): Buffer {
  if (isRefused(response)) return encodeRefusal(response);
  const head = Buffer.of(response.tag, response.status, response.privilege, 0);
  const algorithms = response.suite === undefined ? Buffer.alloc(24) : encodeAlgorithms(response.suite);
  return Buffer.concat([head, uint32(response.consoleId), uint32(response.bmcId), algorithms]);
}

/** An RMCP+ Open Session Response (13.18), whatever its status. WireError 'truncated' when it stops inside a field. */
export function decodeOpenSessionResponse(bytes: Buffer): OpenSessionResponse {
  const reader = new Reader(bytes);
  const tag = reader.u8('message tag');
  const status = reader.u8('status');
  if (status !== STATUS.ok) return decodeRefusal(tag, status, reader);
  const privilege = reader.u8('privilege') & 0x0f;
  reader.skip(1, 'reserved');
  const consoleId = reader.u32le('console session id');
  const bmcId = reader.u32le('BMC session id');
  return { tag, status: STATUS.ok, privilege, consoleId, bmcId, suite: decodeAlgorithms(reader) };
}

/** The payload of RAKP message 1 (13.20). `consoleRandom` is 16 bytes and `user` at most 16: neither is checked. */
export function encodeRakp1(message: Rakp1): Buffer {
  return Buffer.concat([
    Buffer.of(message.tag, 0, 0, 0),
    uint32(message.bmcId),
    message.consoleRandom,
    Buffer.of(message.role, 0, 0, message.user.length),
    message.user,
  ]);
}

/** RAKP message 1 (13.20). WireError 'truncated', or 'malformed' when the user name is longer than its 16 bytes. */
export function decodeRakp1(bytes: Buffer): Rakp1 {
  const reader = new Reader(bytes);
  const tag = reader.u8('message tag');
  reader.skip(3, 'reserved');
  const bmcId = reader.u32le('BMC session id');
  const consoleRandom = reader.take(16, 'console random number');
  const role = reader.u8('role');
  reader.skip(2, 'reserved');
  const nameBytes = reader.u8('user name length');
  if (nameBytes > 16) throw new WireError('malformed', 'user name length', 27, `${nameBytes} is more than 16`);
  return { tag, bmcId, consoleRandom, role, user: reader.take(nameBytes, 'user name') };
}

/** The payload of RAKP message 2 (13.21). `bmcRandom` and `bmcGuid` are 16 bytes each: it is not checked. */
export function encodeRakp2(message: Rakp2): Buffer {
  if (isRefused(message)) return encodeRefusal(message);
  const head = Buffer.concat([Buffer.of(message.tag, message.status, 0, 0), uint32(message.consoleId)]);
  return Buffer.concat([head, message.bmcRandom, message.bmcGuid, message.code]);
}

/** RAKP message 2 (13.21), whatever its status. WireError 'truncated'. No field tells the code's length: it is the rest. */
export function decodeRakp2(bytes: Buffer): Rakp2 {
  const { tag, status, reader } = decodeRakpHead(bytes);
  if (status !== STATUS.ok) return decodeRefusal(tag, status, reader);
  const consoleId = decodeSessionId(reader);
  const bmcRandom = reader.take(16, 'BMC random number');
  const bmcGuid = reader.take(16, 'BMC GUID');
  return { tag, status: STATUS.ok, consoleId, bmcRandom, bmcGuid, code: reader.rest() };
}

/** The payload of RAKP message 3 (13.22). */
export function encodeRakp3(message: Rakp3): Buffer {
  return Buffer.concat([Buffer.of(message.tag, message.status, 0, 0), uint32(message.bmcId), message.code]);
}

/** RAKP message 3 (13.22), whatever its status. WireError 'truncated'. */
export function decodeRakp3(bytes: Buffer): Rakp3 {
  const { tag, status, reader } = decodeRakpHead(bytes);
  return { tag, status, bmcId: decodeSessionId(reader), code: reader.rest() };
}

/** The payload of RAKP message 4 (13.23). */
export function encodeRakp4(message: Rakp4): Buffer {
  if (isRefused(message)) return encodeRefusal(message);
  return Buffer.concat([Buffer.of(message.tag, message.status, 0, 0), uint32(message.consoleId), message.code]);
}

/** RAKP message 4 (13.23), whatever its status. WireError 'truncated'. No field tells the code's length: it is the rest. */
export function decodeRakp4(bytes: Buffer): Rakp4 {
  const { tag, status, reader } = decodeRakpHead(bytes);
  if (status !== STATUS.ok) return decodeRefusal(tag, status, reader);
  return { tag, status: STATUS.ok, consoleId: decodeSessionId(reader), code: reader.rest() };
}

function decodeRakpHead(bytes: Buffer) {
  const reader = new Reader(bytes);
  return { tag: reader.u8('message tag'), status: reader.u8('status'), reader };
}

function decodeSessionId(reader: Reader): number {
  reader.skip(2, 'reserved');
  return reader.u32le('session id');
}

function encodeRefusal({ tag, status, consoleId }: Refusal): Buffer {
  return Buffer.concat([Buffer.of(tag, status, 0, 0), consoleId === undefined ? Buffer.alloc(0) : uint32(consoleId)]);
}

function decodeRefusal(tag: number, status: number, reader: Reader): Refusal {
  const consoleId = reader.remaining < 6 ? undefined : decodeSessionId(reader);
  return { tag, status, consoleId, refused: true };
}

/** Whether the BMC said no: then only the status is worth reading. */
export function isRefused<T extends object>(message: T | Refusal): message is Refusal {
  return 'refused' in message;
}

/** Three records of 8 bytes: payload type, 2 reserved, length 8, algorithm, 3 reserved (13.17). */
function encodeAlgorithms(suite: CipherSuite): Buffer {
  const { authentication, integrity, confidentiality } = ALGORITHMS[suite];
  const record = (kind: number, algorithm: number) => Buffer.of(kind, 0, 0, 8, algorithm, 0, 0, 0);
  return Buffer.concat([record(0, authentication), record(1, integrity), record(2, confidentiality)]);
}

function decodeAlgorithms(reader: Reader): CipherSuite | undefined {
  const records = reader.take(24, 'algorithms');
  const algorithm = (kind: number) => records.readUInt8(kind * 8 + 4) & 0x3f;
  const isProposed = (suite: CipherSuite) =>
    ALGORITHMS[suite].authentication === algorithm(0) &&
    ALGORITHMS[suite].integrity === algorithm(1) &&
    ALGORITHMS[suite].confidentiality === algorithm(2);
  return ([3, 17] as const).find(isProposed);
}

// ------------------------------------------------------------------------------------------------- keys

/** What both sides know after RAKP 2, and sign. */
export type LoginFacts = {
  consoleId: number;
  bmcId: number;
  consoleRandom: Buffer;
  bmcRandom: Buffer;
  bmcGuid: Buffer;
  role: number;
  user: Buffer;
};

/** What a session's packets are signed (K1) and encrypted (K2) with, and the key that both come from (13.31, 13.32). */
export type SessionKeys = { suite: CipherSuite; sik: Buffer; k1: Buffer; k2: Buffer };

/** RAKP 2: the BMC proves that it knows the password (13.31). */
export function rakp2Code(suite: CipherSuite, password: Buffer, facts: LoginFacts): Buffer {
  return hmac(suite, userKey(password), [
    uint32(facts.consoleId),
    uint32(facts.bmcId),
    facts.consoleRandom,
    facts.bmcRandom,
    facts.bmcGuid,
    roleAndName(facts),
  ]);
}

/** RAKP 3: the console proves that it knows the password (13.31). */
export function rakp3Code(suite: CipherSuite, password: Buffer, facts: LoginFacts): Buffer {
  return hmac(suite, userKey(password), [facts.bmcRandom, uint32(facts.consoleId), roleAndName(facts)]);
}

/** RAKP 4: the BMC proves that it has the same session key (13.31). */
export function rakp4Code(keys: SessionKeys, facts: LoginFacts): Buffer {
  const code = hmac(keys.suite, keys.sik, [facts.consoleRandom, uint32(facts.bmcId), facts.bmcGuid]);
  return code.subarray(0, ALGORITHMS[keys.suite].icvBytes);
}

/** SIK, K1 and K2 (13.31, 13.32), with the user's password as K_G: no BMC of ours has a key of its own ("one-key login"). */
export function deriveKeys(suite: CipherSuite, password: Buffer, facts: LoginFacts): SessionKeys {
  const sik = hmac(suite, userKey(password), [facts.consoleRandom, facts.bmcRandom, roleAndName(facts)]);
  return {
    suite,
    sik,
    k1: hmac(suite, sik, [Buffer.alloc(20, 0x01)]),
    k2: hmac(suite, sik, [Buffer.alloc(20, 0x02)]),
  };
}

/** Whether two proofs are the same, in a time that does not tell where they differ. */
export function isSameCode(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** K_UID: the password, padded with zeros to the 20 bytes that IPMI 2.0 stores (13.31). */
function userKey(password: Buffer): Buffer {
  return Buffer.concat([password, Buffer.alloc(20)], 20);
}

function roleAndName(facts: LoginFacts): Buffer {
  return Buffer.concat([Buffer.of(facts.role, facts.user.length), facts.user]);
}

/** A keyed hash with the suite's algorithm (13.28). */
export function hmac(suite: CipherSuite, key: Buffer, parts: readonly Buffer[]): Buffer {
  const mac = createHmac(ALGORITHMS[suite].hash, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function hex(value: number): string {
  return `${value.toString(16).padStart(2, '0').toUpperCase()}h`;
}
