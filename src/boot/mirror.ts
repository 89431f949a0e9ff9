import { mkdir, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { NewEvent } from '../model/event.ts';
import { type Fetch, type Found, failureText, findImmutable, isDiskFull, type Shelf } from './mirror-cache.ts';
import { type Arrived, startDownload } from './mirror-download.ts';
import { answerWith } from './mirror-reply.ts';
import { createSuites } from './mirror-suites.ts';
import { createUpstream, type Validators } from './mirror-upstream.ts';

/** Where the mirror gets its files and where it keeps them. */
export type MirrorOptions = {
  /** Base URL of a Debian archive (`http://host/debian`), or several, tried in order. */
  upstream: string | readonly string[];
  cacheFolder: string;
  onEvent: (event: NewEvent) => void;
  /** How long the upstream may be silent, in milliseconds. */
  fetchTimeoutMs?: number;
  /** How old what we know of a suite may be, in milliseconds. */
  freshMs?: number;
  /** How many files are fetched at the same time. */
  fetchesAtOnce?: number;
};

/** A caching reverse proxy of a Debian archive; `path` is what follows `mirror/debian/` in the URL. */
export type Mirror = {
  handle(req: IncomingMessage, res: ServerResponse, path: string): Promise<void>;
  close(): Promise<void>;
};

/** Nothing is fetched before somebody asks; what was fetched is kept in `cacheFolder` over restarts. */
export function createMirror(options: MirrorOptions): Mirror {
  const { cacheFolder: folder, onEvent, fetchTimeoutMs = 30_000, freshMs = 60_000, fetchesAtOnce = 8 } = options;
  const bases = typeof options.upstream === 'string' ? [options.upstream] : options.upstream;
  const upstream = createUpstream(bases, fetchTimeoutMs, fetchesAtOnce);
  const running = new Map<string, Promise<Fetch>>();
  const open = new Set<Promise<void>>();
  const told = new WeakSet<Error>();
  let closing = false;

  function tellFailure(path: string, error: Error): void {
    if (closing || told.has(error)) return;
    told.add(error);
    onEvent({ kind: 'mirror.failed', text: failureText(path, error, folder), data: { path } });
  }

  const shelf: Shelf = {
    folder,
    tell: (kind, text, data) => onEvent({ kind, text, data }),
    fetchOnce(path, known, keep) {
      const now = running.get(path);
      if (now) return now;
      const fetch = begin(path, known, keep);
      running.set(path, fetch);
      fetch
        .then((it) => (it.status === 'coming' ? it.download.kept : undefined))
        .catch(() => {})
        .finally(() => running.delete(path));
      return fetch;
    },
  };

  async function begin(path: string, known: Validators, keep: (arrived: Arrived) => Promise<void>): Promise<Fetch> {
    const answer = await upstream.ask(path, known);
    if (answer.status !== 'found') return { status: answer.status };
    const began = Date.now();
    const download = startDownload(answer, join(folder, 'tmp'), async (arrived) => {
      await keep(arrived);
      const data = { path, bytes: arrived.size, milliseconds: Date.now() - began };
      shelf.tell('mirror.fetched', `the mirror fetched ${path} (${arrived.size} bytes)`, data);
    });
    const kept = download.kept.catch((error: Error) => tellFailure(path, error));
    open.add(kept);
    kept.finally(() => open.delete(kept));
    return { status: 'coming', download, validators: answer.validators };
  }

  // What an earlier process left unfinished is of no use.
  const ready = rm(join(folder, 'tmp'), { recursive: true, force: true }).then(() =>
    mkdir(join(folder, 'tmp'), { recursive: true }),
  );
  ready.catch(() => {}); // each request says it
  const suites = createSuites(shelf, freshMs);

  async function find(path: string): Promise<Found> {
    await ready;
    const suite = /^dists\/([^/]+)\/(?!.*\/by-hash\/)/.exec(path)?.[1];
    return suite === undefined ? findImmutable(shelf, path) : suites.find(suite, path);
  }

  return {
    async handle(req, res, rawPath) {
      if (req.method !== 'GET' && req.method !== 'HEAD') {
        return answerWith(req, res, { status: 405, text: 'The mirror answers GET and HEAD.' });
      }
      const path = readMirrorPath(rawPath);
      if (path === undefined) return answerWith(req, res, { status: 404, text: 'No such file in a Debian archive.' });
      let found: Found;
      try {
        found = await find(path);
      } catch (error) {
        tellFailure(path, error as Error);
        found = isDiskFull(error as Error)
          ? { status: 507, text: 'The disk of the mirror is full.' }
          : { status: 502, text: `The mirror cannot get ${path}.` };
      }
      return answerWith(req, res, found);
    },
    async close() {
      closing = true;
      upstream.close();
      await Promise.allSettled([...running.values(), ...open, ready]);
      await Promise.allSettled(open);
    },
  };
}

/**
 * The archive path that a request means; undefined for what no archive has. Only the characters that archives use are
 * let through, so that neither `..` nor an encoded slash, a NUL or an absolute name can come this far.
 */
export function readMirrorPath(raw: string): string | undefined {
  if (raw.length > 1000 || /%2f|%5c|%00/i.test(raw)) return undefined;
  let path: string;
  try {
    path = decodeURIComponent(raw);
  } catch {
    return undefined;
  }
  if (!/^(pool|dists)\//.test(path)) return undefined;
  const parts = path.split('/').filter((part) => part !== '');
  if (path.endsWith('/') || parts.length < 3) return undefined;
  if (parts.some((part) => /^\.{1,2}$/.test(part) || !/^[A-Za-z0-9._+~:=@,-]{1,255}$/.test(part))) return undefined;
  return parts.join('/');
}
