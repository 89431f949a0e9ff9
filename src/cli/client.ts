import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

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
  /** Server-sent events from `path`, comes back by itself after an interruption. Ends when `onEvent` gives true. */
  stream(path: string, onEvent: (event: StreamedEvent) => boolean): Promise<void>;
};

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

/** Where the first start of an appliance leaves the URL and token for the CLI of the same host. */
export const CREDENTIALS_FILE = join(homedir(), '.config', 'firstlight', 'credentials.json');

/** A client of the API at FIRSTLIGHT_URL with FIRSTLIGHT_TOKEN, or of the one in the credentials file. */
export function openClient(): Client {
  const { url, token } = findCredentials();

  async function request(path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${url}${path}`, {
        ...init,
        headers: { Authorization: `Bearer ${token}`, ...(init.body ? { 'Content-Type': 'application/json' } : {}) },
      });
    } catch (error) {
      const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message;
      throw new CliError(
        `no Firstlight answers at ${url} (${cause}): start one with scripts/up, or name another with FIRSTLIGHT_URL`,
      );
    }
    if (response.ok) return response;
    const problem = (await response.json().catch(() => ({}))) as { error?: string; next?: string };
    throw new CliError(
      [problem.error ?? `${url}${path} answers ${response.status}`, problem.next]
        .filter((part) => part !== undefined)
        .join('\n  '),
    );
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
      let last: number | undefined;
      let isLost = false;
      for (;;) {
        try {
          const joint = path.includes('?') ? '&' : '?';
          const response = await request(
            last === undefined ? path : `${path.replace(/([?&])after=\d+&?/, '$1')}${joint}after=${last}`,
          );
          for await (const event of readEvents(response)) {
            last = event.id;
            isLost = false;
            if (onEvent(event)) return;
          }
        } catch (error) {
          if (last === undefined) throw error; // it never answered: say so instead of waiting
          if (!isLost)
            console.error(
              `the appliance does not answer any more: waiting for it to come back (Ctrl-C ends the waiting)`,
            );
          isLost = true;
        }
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    },
  };
}

async function* readEvents(response: Response): AsyncGenerator<StreamedEvent> {
  if (!response.body) return;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response.body) {
    rest += decoder.decode(chunk as Uint8Array, { stream: true });
    const blocks = rest.split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = block.split('\n').find((line) => line.startsWith('data: '));
      if (data) yield JSON.parse(data.slice('data: '.length)) as StreamedEvent;
    }
  }
}

export function findCredentials(): { url: string; token: string } {
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
