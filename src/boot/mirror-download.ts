import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { UpstreamAnswer, Validators } from './mirror-upstream.ts';

/** Bytes that can be read while they still arrive. The last byte is only given when the whole file is known to be good. */
export type Source = {
  size: number;
  etag: string;
  lastModified: string | undefined;
  /** How many bytes can be read, once that is more than `position`. Rejects when the rest will not come. */
  readable(position: number): Promise<number>;
  read(buffer: Buffer, position: number): Promise<number>;
  release(): Promise<void>;
};

/** A file that arrived whole: where it lies (a temporary name), its size and SHA-256. */
export type Arrived = { file: string; size: number; sha256: string; validators: Validators };

/** One fetch of one file into the cache, which any number of readers may follow. */
export type Download = {
  /** Resolves when the file was kept; rejects with what went wrong. */
  kept: Promise<void>;
  /** A reader that follows; undefined when the size is not known before the end, or the fetch has ended. */
  follow(etag: string): Source | undefined;
};

type Found = Extract<UpstreamAnswer, { status: 'found' }>;

/** Fetches into `folder`; `keep` puts the whole file where it belongs, or throws when it is not the right one. */
export function startDownload(found: Found, folder: string, keep: (arrived: Arrived) => Promise<void>): Download {
  const file = join(folder, randomBytes(12).toString('hex'));
  const changed = createBell();
  let handle: FileHandle | undefined;
  let written = 0;
  let failure: Error | undefined;
  let whole = false;
  let users = 1;

  const release = async () => {
    users--;
    if (users === 0) await handle?.close();
  };

  async function run(): Promise<void> {
    const hash = createHash('sha256');
    try {
      handle = await open(file, 'w+');
      changed.ring();
      for await (const chunk of found.response as AsyncIterable<Buffer>) {
        hash.update(chunk);
        for (let at = 0; at < chunk.length; )
          at += (await handle.write(chunk, at, chunk.length - at, written + at)).bytesWritten;
        written += chunk.length;
        changed.ring();
      }
      if (found.size !== undefined && written !== found.size) {
        throw new Error(`${written} of ${found.size} bytes came`);
      }
      await handle.sync();
      await keep({ file, size: written, sha256: hash.digest('hex'), validators: found.validators });
      whole = true;
    } catch (error) {
      failure = error as Error;
      found.response.destroy();
      await rm(file, { force: true });
      throw error;
    } finally {
      found.done();
      changed.ring();
      await release();
    }
  }

  function follow(etag: string): Source | undefined {
    const { size } = found;
    if (size === undefined || whole || failure) return undefined;
    users++;
    return {
      size,
      etag,
      lastModified: found.validators.lastModified,
      async readable(position) {
        for (;;) {
          if (failure) throw failure;
          const end = whole ? size : Math.min(written, size - 1);
          if (end > position || whole) return end;
          await changed.next();
        }
      },
      async read(buffer, position) {
        return (await handle!.read(buffer, 0, buffer.length, position)).bytesRead;
      },
      release,
    };
  }

  const kept = run();
  kept.catch(() => {}); // those who wait see it; nobody has to
  return { kept, follow };
}

/** A reader of a file that lies whole in the cache. */
export async function openSource(file: string, of: Omit<Source, 'readable' | 'read' | 'release'>): Promise<Source> {
  const handle = await open(file, 'r');
  return {
    ...of,
    readable: async () => of.size,
    read: async (buffer, position) => (await handle.read(buffer, 0, buffer.length, position)).bytesRead,
    release: () => handle.close(),
  };
}

/** Writes text whole or not at all: temporary name, fsync, rename. */
export async function writeWhole(file: string, text: string, folder: string): Promise<void> {
  const temporary = join(folder, randomBytes(12).toString('hex'));
  const handle = await open(temporary, 'w');
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

function createBell(): { ring(): void; next(): Promise<void> } {
  let { promise, resolve } = Promise.withResolvers<void>();
  return {
    ring() {
      resolve();
      ({ promise, resolve } = Promise.withResolvers<void>());
    },
    next: () => promise,
  };
}
