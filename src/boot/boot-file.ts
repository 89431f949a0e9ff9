import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';

/** A file that a machine may have, opened: it stays the same bytes until close(), whatever happens to its name. */
export type BootFile = {
  kind: 'file';
  name: string;
  size: number;
  contentType: string;
  /** Strong, with its quotes, as HTTP writes it: two files of one etag and size have the same bytes. */
  etag: string;
  /** The whole content, when it was rendered and not read from a disk. */
  text?: string | undefined;
  /** The bytes from `start` up to, not with, `end`. */
  openRange(start: number, end: number): Readable;
  /** At most `length` bytes from `offset` on; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>;
  close(): Promise<void>;
};

/** Why a machine does not get a file. `declined`: it is told to boot its disk. `busy`: it may ask again. */
export type BootRefusal = {
  kind: 'refused';
  code: 'not-found' | 'forbidden' | 'declined' | 'busy';
  text: string;
};

/** A file that was rendered: its bytes are the text in UTF-8. */
export function textBootFile(name: string, text: string, contentType: string): BootFile {
  const bytes = Buffer.from(text, 'utf8');
  return {
    kind: 'file',
    name,
    size: bytes.length,
    contentType,
    etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`,
    text,
    openRange: (start, end) => Readable.from(start < end ? [bytes.subarray(start, end)] : []),
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    close: async () => {},
  };
}

/** The regular file at `path`, which the caller has already held to its root; links are followed. Anything else there
 *  (a folder, a device, a FIFO, nothing) is a refusal. Throws only when the host itself is at fault. */
export async function diskBootFile(
  name: string,
  path: string,
  contentType: string,
  { etag }: { etag?: string } = {},
): Promise<BootFile | BootRefusal> {
  let handle: FileHandle | undefined;
  try {
    // O_NONBLOCK: a FIFO without a writer would hold the open for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stat = await handle.stat();
    if (!stat.isFile()) {
      await handle.close();
      return { kind: 'refused', code: 'not-found', text: `${name} is not a file` };
    }
    const version = [stat.dev, stat.ino, stat.size, stat.mtimeMs].map((part) => part.toString(36)).join('-');
    return openedFile(handle, name, stat.size, contentType, etag ?? `"${version}"`);
  } catch (error) {
    await handle?.close();
    const code = refusalOf(error);
    if (code === undefined) throw error;
    return { kind: 'refused', code: code[0], text: `${name} ${code[1]}` };
  }
}

function openedFile(handle: FileHandle, name: string, size: number, contentType: string, etag: string): BootFile {
  return {
    kind: 'file',
    name,
    size,
    contentType,
    etag,
    openRange: (start, end) =>
      start < end
        ? handle.createReadStream({ start, end: end - 1, autoClose: false, highWaterMark: 256 * 1024 })
        : Readable.from([]),
    read: (offset, length) => readFully(handle, offset, length),
    close: () => handle.close(),
  };
}

async function readFully(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

const REFUSALS: { [code: string]: [BootRefusal['code'], string] } = {
  ENOENT: ['not-found', 'does not exist'],
  ENOTDIR: ['not-found', 'does not exist'],
  ELOOP: ['not-found', 'is a link that leads nowhere'],
  ENAMETOOLONG: ['not-found', 'has too long a name'],
  ENXIO: ['not-found', 'is not a file'],
  EACCES: ['forbidden', 'may not be read'],
  EPERM: ['forbidden', 'may not be read'],
  EMFILE: ['busy', 'cannot be opened: too many open files'],
  ENFILE: ['busy', 'cannot be opened: too many open files'],
};

function refusalOf(error: unknown): [BootRefusal['code'], string] | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? REFUSALS[code] : undefined;
}
