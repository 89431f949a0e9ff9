import { setTimeout as wait } from 'node:timers/promises';
import { CliError } from './cli-error.ts';
import { findCredentials, type Place } from './credentials.ts';
import { refusal, unreachable } from './refusal.ts';

/** Asks the API, in plain words where it refuses: each throws CliError. */
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

/** What the API tells of an event. */
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

/** A client of the API, by default of the one that the environment or the credentials file names. `tell`: where interruptions are told. */
export function openClient(
  { url, token }: Place = findCredentials(),
  tell: (line: string) => void = console.error,
): Client {
  /** Throws what fetch() throws where nothing answers. */
  function reach(path: string, init: RequestInit = {}): Promise<Response> {
    const type = init.body ? { 'Content-Type': 'application/json' } : {};
    return fetch(`${url}${path}`, { ...init, headers: { Authorization: `Bearer ${token}`, ...type } });
  }

  async function checked(path: string, response: Response): Promise<Response> {
    if (response.ok) return response;
    throw refusal(`${url}${path}`, response.status, await response.text().catch(() => ''));
  }

  async function request(path: string, init?: RequestInit): Promise<Response> {
    const response = await reach(path, init).catch((error: unknown) => {
      throw unreachable(url, error);
    });
    return checked(path, response);
  }

  async function textOf(response: Response): Promise<string> {
    return response.text().catch((error: unknown) => {
      throw unreachable(url, error);
    });
  }

  async function jsonOf<T>(response: Response): Promise<T> {
    const text = await textOf(response);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new CliError(`what answers at ${url} is no Firstlight: name another with FIRSTLIGHT_URL`);
    }
  }

  return {
    get: async <T>(path: string) => jsonOf<T>(await request(path)),
    text: async (path) => textOf(await request(path)),
    send: async <T>(method: string, path: string, body?: unknown) => {
      const response = await request(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
      return response.status === 204 ? (undefined as T) : jsonOf<T>(response);
    },
    async *lines<T>(method: string, path: string, body: unknown) {
      const response = await request(path, { method, body: JSON.stringify(body) });
      if (!response.body) return;
      const decoder = new TextDecoder();
      let rest = '';
      try {
        for await (const chunk of response.body) {
          const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line !== '') yield JSON.parse(line) as T;
        }
      } catch (error) {
        throw error instanceof SyntaxError ? error : unreachable(url, error);
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
          if (!hasAnswered) throw unreachable(url, error); // it never was there: say so instead of waiting
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
