import { setMaxListeners } from 'node:events';
import { type IncomingMessage, Agent as PlainAgent, request as requestPlain } from 'node:http';
import { request as requestTls, Agent as TlsAgent } from 'node:https';

/** What the archive said of one file. `response` is paused, with status 200, when there is a body to read. */
export type UpstreamAnswer =
  | { status: 'found'; response: IncomingMessage; size: number | undefined; validators: Validators; done(): void }
  | { status: 'unchanged' }
  | { status: 'missing' };

/** What a later request can ask with, as the upstream gave it. */
export type Validators = { etag?: string | undefined; lastModified?: string | undefined };

/** No upstream gave a usable answer; the message names the URL and why. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
}

/** Asks Debian archives for files: several tried in order, redirects followed, a few requests at once. */
export type Upstream = {
  ask(path: string, known?: Validators): Promise<UpstreamAnswer>;
  close(): void;
};

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 5;

/** `timeoutMs` bounds silence: before the answer, and between two pieces of its body. */
export function createUpstream(bases: readonly string[], timeoutMs: number, atOnce: number): Upstream {
  const agents = {
    plain: new PlainAgent({ keepAlive: true, maxFreeSockets: atOnce }),
    tls: new TlsAgent({ keepAlive: true, maxFreeSockets: atOnce }),
  };
  const closed = new AbortController();
  setMaxListeners(0, closed.signal);
  const slots = createSlots(atOnce);

  async function ask(path: string, known: Validators = {}): Promise<UpstreamAnswer> {
    const release = await slots();
    try {
      let missing = false;
      const failures: string[] = [];
      for (const base of bases) {
        const url = `${base.replace(/\/+$/, '')}/${path.split('/').map(encodeURIComponent).join('/')}`;
        try {
          const answer = await askOne(url, known, release);
          if (answer.status !== 'missing') {
            if (answer.status === 'unchanged') release();
            return answer;
          }
          missing = true;
        } catch (error) {
          failures.push(`${url}: ${(error as Error).message}`);
        }
      }
      // With one archive out of reach, that another lacks the file does not say that there is none.
      if (missing && failures.length === 0) {
        release();
        return { status: 'missing' };
      }
      throw new UpstreamError(failures.join('; ') || `no upstream is set for ${path}`);
    } catch (error) {
      release();
      throw error;
    }
  }

  async function askOne(from: string, known: Validators, done: () => void): Promise<UpstreamAnswer> {
    let url = from;
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const response = await send(url, known);
      const status = response.statusCode ?? 0;
      if (status === 200) {
        const { etag, 'last-modified': lastModified, 'content-length': length } = response.headers;
        const size = length === undefined ? undefined : Number(length);
        return { status: 'found', response, size, validators: { etag, lastModified }, done };
      }
      response.on('error', () => {}).resume(); // its body is of no use, nor is that it breaks off
      if (status === 304) return { status: 'unchanged' };
      if (status === 404 || status === 410) return { status: 'missing' };
      const target = response.headers.location;
      if (!REDIRECTS.has(status) || target === undefined) throw new Error(`answered with ${status}`);
      url = new URL(target, url).href;
      if (!/^https?:/.test(url)) throw new Error(`redirected to ${url}`);
    }
    throw new Error(`more than ${MOST_REDIRECTS} redirects`);
  }

  function send(url: string, known: Validators): Promise<IncomingMessage> {
    const tls = url.startsWith('https:');
    const headers: Record<string, string> = { 'User-Agent': 'Firstlight mirror', Accept: '*/*' };
    if (known.etag !== undefined) headers['If-None-Match'] = known.etag;
    if (known.lastModified !== undefined) headers['If-Modified-Since'] = known.lastModified;
    return new Promise((resolve, reject) => {
      const options = { agent: tls ? agents.tls : agents.plain, headers, signal: closed.signal, timeout: timeoutMs };
      let response: IncomingMessage | undefined;
      const req = (tls ? requestTls : requestPlain)(url, options, (res) => {
        response = res;
        resolve(res);
      });
      req.on('timeout', () => (response ?? req).destroy(new Error(`silent for ${timeoutMs / 1000} s`)));
      req.on('error', reject);
      req.end();
    });
  }

  return {
    ask,
    close() {
      closed.abort(new Error('the mirror was closed'));
      agents.plain.destroy();
      agents.tls.destroy();
    },
  };
}

/** Gives out `count` slots in the order they were asked for; what it resolves to gives the slot back, once. */
function createSlots(count: number): () => Promise<() => void> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async () => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = waiting.shift();
      if (next) next();
      else free++;
    };
  };
}
