import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Api } from './server.ts';

/** Where `npm run build` puts the page. */
const PAGE_FOLDER = join(import.meta.dirname, '../../build/page');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page takes everything from us and nothing from anywhere else; nobody can frame it or send its forms away. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const NOT_BUILT = `The live page was not built, so there is nothing to show here; the API and the firstlight command work without it.

Build it with: npm run build
and start the appliance again. scripts/setup and scripts/up do both.
`;

/** Serves the live page from '/': each file that is in `folder` now, and no other. Needs no token, and holds nothing secret. */
export function addPage(app: Api, folder = PAGE_FOLDER): void {
  const files = readPage(folder);
  if (!files.has('index.html'))
    app.get('/', (_request, reply) =>
      reply.code(503).headers(HEADERS).type('text/plain; charset=utf-8').send(NOT_BUILT),
    );
  for (const [name, file] of files) {
    const isIndex = name === 'index.html';
    app.get(isIndex ? '/' : `/${name}`, (request, reply) => {
      reply.headers({
        ...HEADERS,
        'Content-Type': file.type,
        // the names below assets/ carry a hash of what is in them; the index names those of the newest build
        'Cache-Control': isIndex ? 'no-cache' : 'public, max-age=31536000, immutable',
        Vary: 'Accept-Encoding',
      });
      if (!/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.send(file.plain);
      return reply.header('Content-Encoding', 'gzip').send(file.gzip);
    });
  }
}

type PageFile = { type: string; plain: Buffer; gzip: Buffer };

/** The built page by its names, all of it in memory: it is smaller than one packet buffer. Empty when it was not built. */
function readPage(folder: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const name of listPage(folder)) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const plain = readFileSync(join(folder, name));
    files.set(name, { type, plain, gzip: gzipSync(plain) });
  }
  return files;
}

function listPage(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true }) as string[];
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw error;
  }
}
