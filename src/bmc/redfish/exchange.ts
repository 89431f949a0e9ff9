import { WireError } from '../../wire/bytes.ts';
import type { BmcError, BmcTarget } from '../driver.ts';
import type { Answer } from './answer.ts';
import { takeTurn } from './gate.ts';
import { type HttpAnswer, type HttpOutcome, type HttpRequest, sendRequest } from './http.ts';
import { cleanText, decodeResource } from './json.ts';
import { chooseRedirect } from './redirect.ts';
import type { RedfishPatience } from './retry.ts';
import type { RedfishSettings } from './settings.ts';

/** What is known of how a BMC is spoken to, from one call to the next. */
export type ExchangeBond = {
  /** SHA-256 of its certificate, once one was shown. */
  fingerprint: string | undefined;
  isIdentityRefused: boolean;
};

/** Where a request goes, and who is told what is met on the way. */
export type Exchange = {
  target: BmcTarget;
  settings: Pick<RedfishSettings, 'tls'>;
  bond: ExchangeBond;
  note: (id: string) => void;
  error: (kind: 'protocol' | 'certificate', what: string) => BmcError;
  onFingerprint?: ((fingerprint: string) => unknown) | undefined;
};

export type ExchangeRequest = {
  method: HttpRequest['method'];
  path: string;
  body?: object;
  headers?: Record<string, string>;
};

/** An answer that can be read, or why there is none. */
export type Tried = { answered: true; answer: Answer } | Extract<HttpOutcome, { answered: false }>;

const REDIRECT_LIMIT = 3;

/**
 * Asks a BMC one thing, once: through the redirects that it leads through, and once more when "identity" is not acceptable
 * (R2). Fails with a BmcError for a certificate that is not the known one and for a success that cannot be read.
 */
export async function exchange(
  line: Exchange,
  asked: ExchangeRequest,
  patience: Pick<RedfishPatience, 'connectMs' | 'answerMs'>,
): Promise<Tried> {
  const { target, bond } = line;
  const what = `${asked.method} ${asked.path}`;
  let { path } = asked;
  let redirects = 0;
  for (;;) {
    const outcome = await takeTurn(`${target.address}:${target.port}`, () => send(line, { ...asked, path }, patience));
    if (!outcome.answered) return outcome;
    const answer = decode(line, outcome.answer, what);
    if (answer.status === 406 && !bond.isIdentityRefused) {
      bond.isIdentityRefused = true;
      line.note('R2');
      continue;
    }
    const redirect = chooseRedirect(answer, asked.method, path, target);
    if (redirect === undefined) return { answered: true, answer };
    if ('refused' in redirect) throw line.error('protocol', redirect.refused);
    redirects += 1;
    if (redirects > REDIRECT_LIMIT) throw line.error('protocol', `redirects ${what} again and again`);
    path = redirect.path;
  }
}

function send(
  line: Exchange,
  { method, path, body, headers }: ExchangeRequest,
  { connectMs, answerMs }: Pick<RedfishPatience, 'connectMs' | 'answerMs'>,
): Promise<HttpOutcome> {
  const { target, settings, bond } = line;
  const all = {
    Accept: 'application/json',
    'OData-Version': '4.0', // DSP0266, "Request headers"
    Connection: 'close', // R1
    ...(bond.isIdentityRefused ? {} : { 'Accept-Encoding': 'identity' }), // R2
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    ...headers,
  };
  const request = { method, path, headers: all };
  const checkCertificate = (fingerprint: string) => pin(line, fingerprint);
  return sendRequest(
    { address: target.address, port: target.port, tls: settings.tls, connectMs, answerMs, checkCertificate },
    body === undefined ? request : { ...request, body: JSON.stringify(body) },
  );
}

/** Takes the first certificate that a BMC shows, and fails at another one after it (R17). */
async function pin({ bond, onFingerprint, error }: Exchange, fingerprint: string): Promise<void> {
  if (fingerprint === '') throw error('protocol', 'shows no certificate');
  if (bond.fingerprint === undefined) {
    await onFingerprint?.(fingerprint);
    bond.fingerprint = fingerprint;
  }
  if (bond.fingerprint === fingerprint) return;
  const what = `shows another certificate than before: its SHA-256 was ${bond.fingerprint} and is ${fingerprint}`;
  throw error('certificate', what);
}

/** A refusal may come as HTML or as nothing; only a success has to be read. */
function decode({ error }: Exchange, { status, headers, body }: HttpAnswer, what: string): Answer {
  try {
    return { status, headers, resource: decodeResource(body) };
  } catch (failure) {
    if (!(failure instanceof WireError)) throw failure;
    if (status >= 200 && status < 300) throw error('protocol', `answered ${what} with ${cleanText(failure.message)}`);
    return { status, headers, resource: {} };
  }
}
