import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Source } from './mirror-download.ts';

const PIECE = 256 * 1024;

/** Answers a GET or HEAD with a file, whole or one range of it, or with a refusal in words. */
export async function answerWith(
  req: IncomingMessage,
  res: ServerResponse,
  found: { source: Source } | { status: number; text: string },
): Promise<void> {
  if ('source' in found) {
    try {
      return await sendFile(req, res, found.source);
    } finally {
      await found.source.release();
    }
  }
  const body = `${found.text}\n`;
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': Buffer.byteLength(body) };
  res.writeHead(found.status, found.status === 405 ? { ...headers, Allow: 'GET, HEAD' } : headers);
  res.end(req.method === 'HEAD' ? undefined : body);
}

async function sendFile(req: IncomingMessage, res: ServerResponse, source: Source): Promise<void> {
  const headers: Record<string, string | number> = {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    ETag: source.etag,
  };
  if (source.lastModified !== undefined) headers['Last-Modified'] = source.lastModified;
  if (isKnownToClient(req, source)) {
    res.writeHead(304, headers).end();
    return;
  }
  const range = chooseRange(req, source);
  if (range === 'none') {
    res.writeHead(416, { 'Content-Range': `bytes */${source.size}`, 'Content-Length': 0 }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: source.size };
  headers['Content-Length'] = end - start;
  if (range) headers['Content-Range'] = `bytes ${start}-${end - 1}/${source.size}`;
  res.writeHead(range ? 206 : 200, headers);
  if (req.method === 'HEAD') {
    res.end();
    return;
  }
  try {
    await sendBytes(res, source, start, end);
  } catch {
    // Half a file must not look like a whole one; why it broke off was told where it did.
    res.destroy();
    return;
  }
  res.end();
}

async function sendBytes(res: ServerResponse, source: Source, start: number, end: number): Promise<void> {
  res.flushHeaders();
  for (let at = start; at < end; ) {
    if (res.destroyed) return;
    const limit = Math.min(await source.readable(at), end);
    const piece = Buffer.allocUnsafe(Math.min(PIECE, limit - at));
    const count = await source.read(piece, at);
    if (count === 0) throw new Error(`the file ends at ${at}`);
    at += count;
    if (!res.write(piece.subarray(0, count))) await drained(res);
  }
}

function drained(res: ServerResponse): Promise<void> {
  if (res.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const go = () => {
      res.off('drain', go).off('close', go);
      resolve();
    };
    res.on('drain', go).on('close', go);
  });
}

// RFC 9110 13.2.2: If-None-Match goes before If-Modified-Since.
function isKnownToClient(req: IncomingMessage, source: Source): boolean {
  const tags = req.headers['if-none-match'];
  if (tags !== undefined)
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === source.etag);
  const since = Date.parse(req.headers['if-modified-since'] ?? '');
  return Date.parse(source.lastModified ?? '') <= since;
}

/** The one range asked for (RFC 9110 14.2), `end` exclusive; undefined for the whole file, `none` for one beyond it. */
function chooseRange(req: IncomingMessage, { size, etag, lastModified }: Source) {
  const asked = /^bytes=(\d*)-(\d*)$/.exec(req.headers.range ?? '');
  if (!asked || asked[0] === 'bytes=-') return undefined;
  const condition = req.headers['if-range'];
  if (condition !== undefined && condition !== etag && condition !== lastModified) return undefined;
  const [, first = '', last = ''] = asked;
  if (first === '') {
    const count = Math.min(Number(last), size);
    return count === 0 ? 'none' : { start: size - count, end: size };
  }
  const start = Number(first);
  const end = last === '' ? size : Math.min(Number(last) + 1, size);
  if (last !== '' && Number(last) < start) return undefined; // RFC 9110 14.1.1: not a range, to be ignored
  return start >= size ? 'none' : { start, end };
}
