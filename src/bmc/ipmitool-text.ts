import type { BmcErrorKind } from './driver.ts';

/** What `raw` printed: an answer's completion code and data, or why there is none. */
export type RawAnswer = { completion: number; data: Buffer } | { why: string };

/** Reads what ipmitool prints, at -v, for one `raw` command in its shell. */
export function readRawAnswer(text: string): RawAnswer {
  const response = /RAW RSP \((\d+) bytes\)\s*((?:[0-9a-f]{2}\s+)*)/.exec(text);
  if (response) {
    const data = Buffer.from(response[2]!.replace(/\s+/g, ''), 'hex');
    if (data.length === Number(response[1])) return { completion: 0, data };
    return { why: `gave ${data.length} of ${response[1]} bytes` };
  }
  const completion = /Unable to send RAW command .*rsp=0x([0-9a-f]+)\)/.exec(text)?.[1];
  if (completion !== undefined) return { completion: Number.parseInt(completion, 16), data: Buffer.alloc(0) };
  return { why: 'did not answer' };
}

/** What a failed login comes to. `next-suite` and `lower-role`: another try may work. */
type LoginFailure = { kind: BmcErrorKind | 'next-suite' | 'lower-role'; what: string };

/** ipmitool's words, the likeliest cause of a failure first: it always ends with the last row's. */
const FAILURES: readonly { says: RegExp; kind: LoginFailure['kind']; what: string }[] = [
  {
    says: /RAKP 2 HMAC is invalid|invalid integrity check value/,
    kind: 'wrong-password',
    what: 'does not have that password',
  },
  { says: /unauthorized name|invalid name length/, kind: 'no-such-user', what: 'does not know this user' },
  { says: /insufficient resources/, kind: 'no-session-slot', what: 'has no free session slot' },
  {
    says: /no matching (cipher suite|authentication|integrity)|invalid (authentication|integrity|confidentiality)|open session response message : invalid role/,
    kind: 'next-suite',
    what: 'refused the cipher suite',
  },
  {
    says: /unauthorized role|invalid role|Set Session Privilege Level to \S+ failed/,
    kind: 'lower-role',
    what: 'refused the privilege',
  },
  { says: /RAKP 4.*(HMAC|invalid)/, kind: 'protocol', what: 'proved another session key than ours' },
  { says: /Authentication Capabilities|Unable to establish|./s, kind: 'unreachable', what: 'did not answer ipmitool' },
  { says: /^$/, kind: 'unreachable', what: 'did not answer ipmitool' },
];

/** Reads what ipmitool printed, at -v, before it gave up. */
export function readLoginFailure(text: string): LoginFailure {
  const { kind, what } = FAILURES.find(({ says }) => says.test(text))!;
  return { kind, what };
}
