import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Arrived, type Download, openSource, type Source, writeWhole } from './mirror-download.ts';
import type { Validators } from './mirror-upstream.ts';

/** A cached file: where it lies, and what was said of it. */
export type Entry = { file: string; size: number; sha256: string } & Validators;

/** What a request for a file can come to. */
export type Found = { source: Source } | { status: 404 | 502 | 507; text: string };

/** What the parts of the mirror share. */
export type Shelf = {
  folder: string;
  tell(kind: 'mirror.fetched' | 'mirror.failed', text: string, data: Record<string, unknown>): void;
  /** One fetch per key at a time: who asks meanwhile gets the one that runs. */
  fetchOnce(path: string, known: Validators, keep: (arrived: Arrived) => Promise<void>): Promise<Fetch>;
};

/** What the upstream answered: `download` goes on while it is served. */
export type Fetch =
  | { status: 'missing' | 'unchanged' }
  | { status: 'coming'; download: Download; validators: Validators };

/** Files whose name says what is in them (pool, by-hash): once here, they are served for ever. */
export async function findImmutable(shelf: Shelf, path: string): Promise<Found> {
  // Keyed by hash: a name can neither leave the folder nor stand where another needs a folder.
  const key = createHash('sha256').update(path).digest('hex');
  const file = join(shelf.folder, 'pool', key.slice(0, 2), key);
  const entry = await readEntry(file);
  if (entry) return { source: await openEntry(entry, path) };

  const fetch = await shelf.fetchOnce(path, {}, async (arrived) => {
    await mkdir(dirname(file), { recursive: true });
    await rename(arrived.file, file);
    const { size, sha256, validators } = arrived;
    await writeWhole(`${file}.json`, JSON.stringify({ path, size, sha256, ...validators }), join(shelf.folder, 'tmp'));
  });
  if (fetch.status !== 'coming') return { status: 404, text: `${path} is not in the archive.` };
  const source = fetch.download.follow(etagOf(path, fetch.validators));
  if (source) return { source };
  await fetch.download.kept;
  const kept = await readEntry(file);
  if (!kept) throw new Error(`${path} was kept and is gone`);
  return { source: await openEntry(kept, path) };
}

async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    const entry = { ...(JSON.parse(await readFile(`${file}.json`, 'utf8')) as Entry), file };
    return (await stat(file)).size === entry.size ? entry : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** A reader of a cached file. */
export function openEntry(entry: Entry, path: string): Promise<Source> {
  const { file, size, lastModified } = entry;
  return openSource(file, { size, lastModified, etag: etagOf(path, entry) });
}

/** The upstream's ETag when it is a strong one; else ours, of what names the content. */
export function etagOf(path: string, known: Validators & { sha256?: string }): string {
  if (known.etag !== undefined && /^"[^"]*"$/.test(known.etag)) return known.etag;
  const name = path.startsWith('pool/') || path.includes('/by-hash/') ? path : (known.sha256 ?? path);
  return `"${createHash('sha256').update(name).digest('hex').slice(0, 32)}"`;
}

/** Whether nothing more can be kept, for want of space or by a quota. */
export const isDiskFull = (error: Error): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

/** Why a file could not be had, in words that name it. */
export function failureText(path: string, error: Error, folder: string): string {
  if (isDiskFull(error)) return `the disk that holds the mirror's cache (${folder}) is full: ${path} was not kept`;
  return `the mirror did not get ${path}: ${error.message}`;
}
