import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** Something that the user has to know, said without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
}

export type Client = {
  get<T>(path: string): Promise<T>;
  /** What is no JSON, as it is. */
  text(path: string): Promise<string>;
  send<T>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T>;
  /** The lines of an answer that comes bit by bit, each JSON. */
  lines<T>(method: 'POST', path: string, body: unknown): AsyncGenerator<T>;
  /**
   * Server-sent events from `path`. Once it was answered, it comes back by itself after an interruption, for what is after the last
   * event (before the first: after the `after` of `path`). Ends when `onEvent` gives true; throws CliError for a refusal.
   */
  stream(path: string, onEvent: (event: StreamedEvent) => boolean): Promise<void>;
};

/** Where the API is, and the token for it. */
export type Place = { url: string; token: string };

export type StreamedEvent = {
  id: number;
  at: number;
  kind: string;
  text: string;
  machine?: string;
  boot?: number;
  because?: { text: string }[];
  data?: Record<string, unknown>;
};

/** From one try to the next, while the appliance does not answer. */
const RETRY_MS = 1000;

/** Where the first start of an appliance leaves the URL and token for the CLI of the same host. */
export const CREDENTIALS_FILE = join(homedir(), '.config', 'firstlight', 'credentials.json');

/** A client of the API at FIRSTLIGHT_URL with FIRSTLIGHT_TOKEN, or of the one in the credentials file. */
export function openClient(
  { url, token }: Place = findCredentials(),
  tell: (line: string) => void = console.error,
): Client {
  /** Throws what fetch() throws where nothing answers. */
  function reach(path: string, init: RequestInit = {}): Promise<Response> {
    const type = init.body ? { 'Content-Type': 'application/json' } : {};
    return fetch(`${url}${path}`, { ...init, headers: { Authorization: `Bearer ${token}`, ...type } });
  }

  function unreachable(error: unknown): CliError {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message;
    return new CliError(
      `no Firstlight answers at ${url} (${cause}): start one with scripts/up, or name another with FIRSTLIGHT_URL`,
    );
  }

  async function checked(path: string, response: Response): Promise<Response> {
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { error?: string; next?: string };
    throw new CliError(
      [problem.error ?? `${url}${path} answers ${response.status}`, problem.next]
        .filter((part) => part !== undefined)
        .join('\n  '),
    );
  }

  async function request(path: string, init?: RequestInit): Promise<Response> {
    const response = await reach(path, init).catch((error: unknown) => {
      throw unreachable(error);
    });
    return checked(path, response);
  }

  return {
    get: async <T>(path: string) => (await request(path)).json() as Promise<T>,
    text: async (path) => (await request(path)).text(),
    send: async <T>(method: string, path: string, body?: unknown) => {
      const response = await request(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      return (response.status === 204 ? undefined : await response.json()) as T;
    },
    async *lines<T>(method: string, path: string, body: unknown) {
      const response = await request(path, { method, body: JSON.stringify(body) });
      if (!response.body) return;
      const decoder = new TextDecoder();
      let rest = '';
      for await (const chunk of response.body) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line !== '') yield JSON.parse(line) as T;
      }
    },
    async stream(path, onEvent) {
      const [route, query] = path.split('?');
      const wanted = new URLSearchParams(query);
      let hasAnswered = false;
      let isLost = false;
      for (;;) {
        const asked = wanted.size === 0 ? `${route}` : `${route}?${wanted}`;
        const response = await reach(asked).catch((error: unknown) => {
          if (!hasAnswered) throw unreachable(error); // it never was there: say so instead of waiting
        });
        if (response) {
          await checked(asked, response);
          if (isLost) tell('the appliance answers again');
          hasAnswered = true;
          isLost = false;
          for await (const event of readEvents(response)) {
            wanted.set('after', String(event.id));
            if (onEvent(event)) return;
          }
        } else {
          if (!isLost)
            tell(`the appliance does not answer any more: waiting for it to come back (Ctrl-C ends the waiting)`);
          isLost = true;
        }
        await wait(RETRY_MS);
      }
    },
  };
}

/** The events of an answer, up to its end or to where the connection breaks. */
async function* readEvents(response: Response): AsyncGenerator<StreamedEvent> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of untilBroken(response.body)) {
    rest += decoder.decode(chunk, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice('data: '.length)) as StreamedEvent;
    }
  }
}

async function* untilBroken(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch {
    // what reads a stream comes back for the rest
  }
}

export function findCredentials(): Place {
  const fromEnvironment = process.env.FIRSTLIGHT_TOKEN;
  const url = process.env.FIRSTLIGHT_URL;
  if (fromEnvironment !== undefined)
    return { url: (url ?? 'http://127.0.0.1:7070').replace(/\/+$/, ''), token: fromEnvironment };
  if (!existsSync(CREDENTIALS_FILE))
    throw new CliError(
      `no token: set FIRSTLIGHT_TOKEN (and FIRSTLIGHT_URL), or start an appliance here with scripts/up, which leaves one in ${CREDENTIALS_FILE}`,
    );
  const saved = JSON.parse(readFileSync(CREDENTIALS_FILE, 'utf8')) as { url: string; token: string };
  return { url: (url ?? saved.url).replace(/\/+$/, ''), token: saved.token };
}
