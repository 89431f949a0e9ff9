import { type IncomingMessage, request as startRequest } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, getCACertificates, type SecureContext, TLSSocket } from 'node:tls';
import { type BmcDriver, BmcError, type BmcErrorKind, type BmcTarget } from './driver.ts';
import { describeSocketError } from './link.ts';
import { cleanText } from './redfish/json.ts';
import { normalizeFingerprint } from './redfish/settings.ts';
import { blot, createVerbDriver, VERBS, type Verb, type VerbOrder } from './verbs.ts';

/** How long a webhook has, in milliseconds. */
export type WebhookOptions = {
  /** For the connection, 10 s by default, and then for the answer, 30 s by default. */
  connectMs?: number;
  answerMs?: number;
};

const METHODS: readonly string[] = ['GET', 'POST', 'PUT', 'PATCH'];
const ANSWER_LIMIT = 64 * 1024;
const REDIRECTS = 3;
/** Settings that begin so are facts about the machine, for the body: `machine.outlet` is `outlet` there. */
const FACT = 'machine.';

/**
 * What is wrong with the settings, as sentences. A verb (on, off, cycle, reset, soft, status, boot) is a URL; `method` is that
 * of all verbs (else POST, and GET for status); `fingerprint` the SHA-256 of the only certificate that is taken. The password
 * goes as Basic with a user and as Bearer without one.
 */
export function checkWebhookSettings({ user, password, settings = {} }: BmcTarget): string[] {
  const problems: string[] = [];
  const urls = VERBS.flatMap((verb) => {
    const value = settings[verb];
    if (value === undefined) return [];
    const url = URL.parse(value);
    if (url?.username || url?.password) problems.push(`the URL of the setting ${verb} has a user or a password in it`);
    else if (!url || !/^https?:$/.test(url.protocol))
      problems.push(`the setting ${verb} is "${value}", which is not a URL of http or https`);
    return url ? [url] : [];
  });
  if (VERBS.every((verb) => settings[verb] === undefined))
    problems.push(`there is no URL for any of ${VERBS.join(', ')}`);
  const { method, fingerprint } = settings;
  if (method !== undefined && !METHODS.includes(method))
    problems.push(`the setting method is "${method}", which is not one of ${METHODS.join(', ')}`);
  if (method === 'GET' && settings.boot !== undefined)
    problems.push('the setting method is "GET", which has no body to tell the boot device in');
  if (fingerprint !== undefined && !/^([0-9a-f]{2}:?){32}$/i.test(fingerprint))
    problems.push(`the setting fingerprint is "${fingerprint}", which is not a SHA-256 of 32 bytes in hex`);
  if (fingerprint !== undefined && urls.some((url) => url.protocol === 'http:'))
    problems.push('there is a setting fingerprint, and a URL of http, which has no certificate');
  if (user.includes(':')) problems.push(`the user is "${user}": RFC 7617 allows no colon in it`);
  if (user === '' && /[^\x21-\x7e]/.test(password))
    problems.push('the password is sent as a Bearer token, and has a character that none can have');
  return problems;
}

/**
 * A driver that asks a service of the site by HTTP, a URL for each verb. The body is JSON: `verb`, `machine` with the facts
 * of the settings, and for boot `boot`: {device, firmware, isPersistent, httpUri}. Any 2xx is "taken"; `status` answers what
 * readPowerText reads. Settings that checkWebhookSettings refuses are a BmcError `unsupported`.
 */
export function openWebhook(target: BmcTarget, options: WebhookOptions = {}): BmcDriver {
  const { settings = {}, user, password } = target;
  const { connectMs = 10_000, answerMs = 30_000 } = options;
  const [problem] = checkWebhookSettings(target);
  const verbs = new Set<Verb>(VERBS.filter((verb) => settings[verb] !== undefined));
  const first = URL.parse(VERBS.map((verb) => settings[verb]).find((url) => url !== undefined) ?? '');
  const place = first && !problem ? placeOf(first) : { address: target.address, port: target.port };
  if (problem)
    throw new BmcError('unsupported', place, `cannot be used: ${problem}`, 'Correct the settings of this BMC');
  const authorization = chooseAuthorization(user, password);
  const secrets = [authorization.replace(/^\w+ /, ''), password];
  const facts = Object.entries(settings).filter(([name]) => name.startsWith(FACT));
  const machine = Object.fromEntries(facts.map(([name, value]) => [name.slice(FACT.length), value]));
  const pin = settings.fingerprint && normalizeFingerprint(settings.fingerprint);

  async function perform(order: VerbOrder): Promise<string> {
    const method = settings.method ?? (order.verb === 'status' ? 'GET' : 'POST');
    const body = method === 'GET' ? '' : JSON.stringify({ verb: order.verb, machine, boot: order.wish });
    const headers = {
      Accept: 'application/json, text/plain',
      Connection: 'close',
      ...(authorization && { Authorization: authorization }),
      ...(body && { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }),
    };
    let url = new URL(settings[order.verb] ?? '');
    for (let hops = 0; hops <= REDIRECTS; hops++) {
      const answer = await exchange(url, { method, headers, body }, { connectMs, answerMs, pin });
      const next = redirectOf(answer, url, method);
      if (next === undefined) return judge(answer, order.verb, url);
      url = next;
    }
    throw new BmcError('refused', placeOf(url), `redirects more than ${REDIRECTS} times`);
  }

  function judge({ status, retryAfter, body }: Answer, verb: Verb, url: URL): string {
    if (status >= 200 && status < 300) return body;
    const { kind, next } = KINDS[status] ?? { kind: status >= 500 ? 'protocol' : 'refused' };
    const line = body.split('\n').find((one) => one.trim() !== '') ?? '';
    const said = cleanText(blot(line, secrets), 200);
    const isLater = kind === 'busy' && retryAfter !== '';
    const later = isLater ? `; it wants to be asked again after ${describeRetryAfter(retryAfter)}` : '';
    const what = `answered "${verb}" with HTTP ${status}${said && `: ${said}`}${later}`;
    throw new BmcError(kind, placeOf(url), what, next);
  }

  return createVerbDriver({ place, noun: 'URL', verbs, perform, secrets });
}

/** RFC 9110 10.2.3: a number of seconds or a date. */
function describeRetryAfter(value: string): string {
  return /^\d{1,9}$/.test(value) ? `${value} s` : cleanText(value, 40);
}

/** Statuses that mean more than their hundred (RFC 9110 15, RFC 6585 4). A gateway that lost its service may find it again. */
const KINDS: Readonly<Record<number, { kind: BmcErrorKind; next?: string }>> = {
  401: { kind: 'wrong-password', next: 'Check the user and the password (or token) that this service wants' },
  403: { kind: 'wrong-password', next: 'Check that this user or token may do that there' },
  408: { kind: 'busy' },
  429: { kind: 'busy' },
  501: { kind: 'unsupported' },
  502: { kind: 'busy' },
  503: { kind: 'busy' },
  504: { kind: 'busy' },
};

function chooseAuthorization(user: string, password: string): string {
  if (user !== '') return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`; // RFC 7617
  return password === '' ? '' : `Bearer ${password}`; // RFC 6750 2.1
}

/** The host alone: a path or a query may carry a token of its own. */
function placeOf(url: URL): { address: string; port: number } {
  const usual = url.protocol === 'https:' ? 443 : 80;
  return { address: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || usual };
}

/**
 * Where an answer sends us on: RFC 9110 15.4.8 and 15.4.9, which keep the method, and the others for a GET. Elsewhere than
 * the origin that was asked our password must not go, so that is a BmcError.
 */
function redirectOf({ status, location }: Answer, url: URL, method: string): URL | undefined {
  if (![301, 302, 303, 307, 308].includes(status)) return undefined;
  const next = location === '' ? null : URL.parse(location, url.href);
  if (next?.origin !== url.origin) {
    const what = `redirects to ${next ? `another place, ${cleanText(next.origin, 100)}` : 'nowhere'}`;
    throw new BmcError('refused', placeOf(url), what, 'Give the URL that is meant in the setting');
  }
  if (status !== 307 && status !== 308 && method !== 'GET')
    throw new BmcError('refused', placeOf(url), `redirects with HTTP ${status}, which would drop the command`);
  return next;
}

type Answer = { status: number; location: string; retryAfter: string; body: string };
type Limits = { connectMs: number; answerMs: number; pin: string | undefined };
type Message = { method: string; headers: Record<string, string>; body: string };

async function exchange(url: URL, message: Message, limits: Limits): Promise<Answer> {
  const place = placeOf(url);
  const socket = await openSocket(url, limits);
  try {
    return await new Promise<Answer>((resolve, reject) => {
      const lose = (what: string) => {
        const known = message.method === 'GET' ? what : `${what}, so whether it acted is not known`;
        reject(new BmcError('unreachable', place, known));
      };
      const timer = setTimeout(() => lose(`did not answer within ${limits.answerMs / 1000} s`), limits.answerMs);
      const { method, headers } = message;
      const path = `${url.pathname}${url.search}`;
      const request = startRequest({
        createConnection: () => socket,
        host: url.host,
        method,
        path,
        headers: { Host: url.host, ...headers },
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code?.startsWith('HPE_'))
          reject(new BmcError('protocol', place, `answered something that is not HTTP (${error.code})`));
        else lose(lossOf(error));
      });
      request.on('response', (response) => {
        readText(response).then(
          (body) => {
            clearTimeout(timer);
            const { location = '', 'retry-after': retryAfter = '' } = response.headers;
            resolve({ status: response.statusCode ?? 0, location, retryAfter, body });
          },
          (error: Error) => lose(lossOf(error)),
        );
      });
      request.on('close', () => clearTimeout(timer));
      request.end(message.body);
    });
  } finally {
    socket.destroy();
  }
}

function lossOf(error: Error): string {
  const code = 'code' in error ? String(error.code) : '';
  return code === 'ECONNRESET' || code === 'EPIPE' ? 'closed the connection' : describeSocketError(error);
}

/** As much of the body as anybody needs; what comes after is not waited for. */
async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= ANSWER_LIMIT) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, ANSWER_LIMIT);
}

/** A connection whose certificate was found good before anything is sent: the pinned one, or one of an authority of this system. */
function openSocket(url: URL, { connectMs, pin }: Limits): Promise<Socket> {
  const place = placeOf(url);
  const { address: host, port } = place;
  return new Promise((resolve, reject) => {
    const socket =
      url.protocol === 'http:'
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            servername: isIP(host) ? '' : host, // RFC 6066 3: no literal addresses in SNI
            rejectUnauthorized: false, // judged below, where a reason can be given
            ...(!pin && { secureContext: systemContext() }),
          });
    const refuse = (kind: BmcErrorKind, what: string, next?: string) => {
      clearTimeout(timer);
      socket.destroy();
      reject(new BmcError(kind, place, what, next));
    };
    const late = `did not open a connection within ${connectMs / 1000} s`;
    const timer = setTimeout(() => refuse('unreachable', late), connectMs);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (/^ERR_SSL|^EPROTO$/.test(error.code ?? ''))
        refuse('protocol', `answered something that is not TLS (${error.code})`);
      else refuse('unreachable', lossOf(error));
    });
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => {
      const doubt = socket instanceof TLSSocket ? doubtOf(socket, pin) : undefined;
      if (doubt) return refuse('certificate', doubt.what, doubt.next);
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

let context: SecureContext | undefined;

function systemContext(): SecureContext {
  context ??= createSecureContext({ ca: [...getCACertificates('system'), ...getCACertificates('extra')] });
  return context;
}

function doubtOf(socket: TLSSocket, pin: string | undefined): { what: string; next?: string } | undefined {
  const shown = socket.getPeerCertificate().fingerprint256;
  if (pin !== undefined && shown !== pin)
    return { what: `shows another certificate than before: its SHA-256 was ${pin} and is ${shown}` };
  if (pin !== undefined || socket.authorized) return undefined;
  const next = `Make its authority known to this system, or set fingerprint to ${shown} if that is its certificate`;
  return { what: `shows a certificate that this system does not trust (${socket.authorizationError})`, next };
}
