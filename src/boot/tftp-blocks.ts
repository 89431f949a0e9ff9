import type { BootFile } from './boot-file.ts';

/** The bytes of a file around the place where its transfer is. */
export type Blocks = {
  /** How many bytes from the start of the file are, or were, here. */
  readonly readable: number;
  /** A piece that is here: not before what release() gave up, not behind `readable`, inside one block. */
  slice(start: number, end: number): Buffer;
  /** Nothing before `offset` is wanted again. */
  release(offset: number): void;
  close(): void;
};

/** Told of a file that is read ahead: more is there now, or no more will come. */
export type BlockListener = { onReadable: (bytes: number) => void; onBroken: (text: string) => void };

/** Up to this size a file is held whole, and shared by all that ask for it: loaders and scripts are far smaller. */
export const SMALL_FILE_BYTES = 4 * 1024 * 1024;
const CACHE_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 128 * 1024;

/** Whole small files, the least recently used thrown out first. When a rack boots, each loader is read once. */
export class SmallFiles {
  readonly #files = new Map<string, { size: number; bytes: Promise<Buffer> }>();
  #total = 0;

  /** All bytes of the file; rejects when it cannot be read to its end. */
  load(file: BootFile): Promise<Buffer> {
    if (file.text !== undefined) return readWhole(file);
    const key = `${file.size} ${file.etag}`;
    const known = this.#files.get(key);
    if (known !== undefined) {
      this.#files.delete(key);
      this.#files.set(key, known);
      return known.bytes;
    }
    const bytes = readWhole(file);
    this.#files.set(key, { size: file.size, bytes });
    this.#total += file.size;
    bytes.catch(() => this.#forget(key));
    for (const oldest of this.#files.keys()) {
      if (this.#total <= CACHE_BYTES) break;
      this.#forget(oldest);
    }
    return bytes;
  }

  #forget(key: string): void {
    this.#total -= this.#files.get(key)?.size ?? 0;
    this.#files.delete(key);
  }
}

/** Blocks of a file that is here as a whole. */
export function wholeBlocks(bytes: Buffer): Blocks {
  return {
    readable: bytes.length,
    slice: (start, end) => bytes.subarray(start, end),
    release: () => {},
    close: () => {},
  };
}

/** Blocks of a large file, read a little ahead of the client: one chunk in use, one waiting, one being read. */
export class ReadAhead implements Blocks {
  readonly #file: BootFile;
  readonly #listener: BlockListener;
  /** Whole blocks, so that none lies in two chunks, and a whole window: a client with less of it would wait for more. */
  readonly #chunk: number;
  #chunks: { start: number; bytes: Buffer }[] = [];
  #released = 0;
  #reading = false;
  #closed = false;
  readable = 0;

  constructor(file: BootFile, blockSize: number, windowSize: number, listener: BlockListener) {
    this.#file = file;
    this.#listener = listener;
    this.#chunk = Math.max(windowSize, Math.floor(CHUNK_BYTES / blockSize)) * blockSize;
    void this.#fill();
  }

  slice(start: number, end: number): Buffer {
    if (start === end) return Buffer.alloc(0);
    const chunk = this.#chunks.find((one) => one.start <= start && end <= one.start + one.bytes.length);
    if (chunk === undefined) throw new Error(`bytes ${start} to ${end} of ${this.#file.name} are not in memory`);
    return chunk.bytes.subarray(start - chunk.start, end - chunk.start);
  }

  release(offset: number): void {
    this.#released = offset;
    while (this.#chunks[0] !== undefined && this.#chunks[0].start + this.#chunks[0].bytes.length <= offset) {
      this.#chunks.shift();
    }
    void this.#fill();
  }

  close(): void {
    this.#closed = true;
    this.#chunks = [];
  }

  async #fill(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#closed && this.readable < this.#file.size && this.readable < this.#released + 2 * this.#chunk) {
        const start = this.readable;
        const length = Math.min(this.#chunk, this.#file.size - start);
        const bytes = await this.#file.read(start, length);
        if (this.#closed) return;
        if (bytes.length < length) throw new Error('it was cut short while it was sent');
        this.#chunks.push({ start, bytes });
        this.readable = start + length;
        this.#listener.onReadable(this.readable);
      }
    } catch (error) {
      if (!this.#closed) this.#listener.onBroken(`${this.#file.name} cannot be read: ${reasonOf(error)}`);
    } finally {
      this.#reading = false;
    }
  }
}

/** RFC 1350, RFC 764: in netascii a line ends with CR LF, and a CR alone is CR NUL. */
export function toNetascii(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length * 2);
  let at = 0;
  for (const byte of bytes) {
    if (byte === 0x0a) out[at++] = 0x0d;
    out[at++] = byte;
    if (byte === 0x0d) out[at++] = 0;
  }
  return out.subarray(0, at);
}

/** What an unknown error says, on one line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function readWhole(file: BootFile): Promise<Buffer> {
  const bytes = await file.read(0, file.size);
  if (bytes.length < file.size) throw new Error('it was cut short while it was read');
  return bytes;
}
