import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Events } from '../events.ts';
import { formatBytes } from '../model/size.ts';
import type { Arrival } from '../model/view.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import type { BootFile } from './boot-file.ts';
import type { BootFiles } from './open.ts';

/** A part of the machine-facing tree that is not boot files: what runs on machines, and the mirror. */
export type HttpRoute = {
  prefix: string;
  handle: (request: IncomingMessage, response: ServerResponse, path: string, arrival: Arrival) => Promise<void>;
};

/** One server listens on `listenFd`; `arrival` is what it is reached by. */
export type BootHttpOptions = {
  listenFd: number;
  arrival: Arrival;
  files: BootFiles;
  routes: readonly HttpRoute[];
  events: Events;
};

/** iPXE and EDK2 ask for the next file by the same connection, after they have looked at the last one: in Node's 5 s it may just be gone. */
const KEEP_ALIVE_MS = 65_000;

/**
 * The machine-facing HTTP server: the same tree as TFTP, with HEAD, ranges and exact-case header names, which GRUB and U-Boot
 * match by case (boot-protocols 4). Firmware speaks strangely: no Host header, absolute URLs, HTTP/1.0.
 */
export function createBootHttpServer(options: BootHttpOptions): Server {
  const server = createServer({
    requireHostHeader: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
  });
  server.on('request', (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      if (!response.headersSent) answer(response, 500, 'internal error, see the log of the appliance');
      else response.destroy();
      if (!isGone(error)) console.error(`HTTP ${request.url}: ${error instanceof Error ? error.stack : String(error)}`);
    });
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  });
  server.listen({ fd: options.listenFd });
  return server;
}

async function handle(options: BootHttpOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = requestedPath(request.url ?? '/');
  if (path === undefined) return answer(response, 400, 'this is not a path');
  const route = options.routes.find((one) => path.startsWith(one.prefix));
  if (route) return route.handle(request, response, path.slice(route.prefix.length), options.arrival);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return answer(response, 405, `${request.method} is not for this path`);

  const isProbe = request.method === 'HEAD';
  const from = (request.socket.remoteAddress ?? '0.0.0.0').replace(/^::ffff:/, '') as Ipv4;
  const opened = await options.files.open({ name: path, from, arrival: options.arrival, by: 'HTTP', isProbe });
  if (opened.file.kind === 'refused')
    return answer(response, opened.file.code === 'forbidden' ? 403 : 404, opened.file.text);
  await sendFile(options, request, response, opened.file, opened.mac);
}

async function sendFile(
  options: BootHttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  file: BootFile,
  mac: Mac | undefined,
): Promise<void> {
  const started = Date.now();
  try {
    const range = chooseRange(request, file);
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'Content-Range': `bytes */${file.size}`, 'Content-Length': 0 });
      response.end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: file.size };
    response.writeHead(range ? 206 : 200, {
      'Content-Type': file.contentType,
      'Content-Length': end - start,
      'Accept-Ranges': 'bytes',
      ETag: file.etag,
      ...(range ? { 'Content-Range': `bytes ${start}-${end - 1}/${file.size}` } : {}),
    });
    if (request.method === 'HEAD') {
      response.end();
      return;
    }
    const data = { name: file.name, by: 'HTTP', bytes: end - start, ms: 0 };
    try {
      await pipeline(file.openRange(start, end), response);
    } catch (error) {
      if (!isGone(error)) throw error;
      if (mac)
        options.events.emit({
          kind: 'file.failed',
          text: `${file.name} by HTTP broke off: the machine closed the connection`,
          mac,
          data,
        });
      return;
    }
    data.ms = Date.now() - started;
    if (mac && start === 0)
      options.events.emit({ kind: 'file.served', text: `${file.name}, ${formatBytes(end)} by HTTP`, mac, data });
  } finally {
    await file.close();
  }
}

/** A single `bytes=` range, when its conditions hold; undefined for the whole file. RFC 9110 14. */
function chooseRange(
  request: IncomingMessage,
  file: BootFile,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const header = request.headers.range;
  if (header === undefined || request.method !== 'GET') return undefined; // RFC 9110 14.2: ranges are defined for GET
  const ifRange = request.headers['if-range'];
  if (ifRange !== undefined && ifRange !== file.etag) return undefined;
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [, first, last] = match;
  if (first === '') {
    const length = Math.min(Number(last), file.size);
    return length === 0 ? 'unsatisfiable' : { start: file.size - length, end: file.size };
  }
  const start = Number(first);
  const end = last === '' ? file.size : Math.min(Number(last) + 1, file.size);
  return start < file.size && end > start ? { start, end } : 'unsatisfiable';
}

/** The path of a request, decoded once; undefined when it is none. Absolute URLs come from proxies and U-Boot. */
function requestedPath(url: string): string | undefined {
  const path = url.replace(/^https?:\/\/[^/]*/i, '').replace(/\?.*$/s, '');
  if (/%(2f|5c|00)/i.test(path)) return undefined;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}

/** A short text answer with its length, as firmware needs it. */
export function answer(response: ServerResponse, status: number, text: string): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}

function isGone(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return (
    code === 'ERR_STREAM_PREMATURE_CLOSE' ||
    code === 'ECONNRESET' ||
    code === 'EPIPE' ||
    code === 'ERR_STREAM_UNABLE_TO_PIPE' ||
    code === 'ERR_STREAM_DESTROYED'
  );
}
