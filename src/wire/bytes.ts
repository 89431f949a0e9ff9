/** What is wrong with the bytes: they stop inside a field, are more than allowed, say something their format forbids,
 *  use a part of it that we do not speak, or (our own side) ask for a value that the format cannot carry. */
export type WireErrorCode = 'truncated' | 'oversized' | 'malformed' | 'unsupported' | 'unencodable';

/** The peer is wrong: bytes (or text) that their format does not allow, with the field and the offset where it shows.
 *  The message alone says what is wrong, with the name and the value. */
export class WireError extends Error {
  readonly code: WireErrorCode;
  readonly field: string;
  readonly offset: number;

  constructor(code: WireErrorCode, field: string, offset: number, text: string) {
    super(text);
    this.name = 'WireError';
    this.code = code;
    this.field = field;
    this.offset = offset;
  }
}

/** Reads numbers and bytes one after the other; a read past the end throws WireError 'truncated' and never wraps. */
export class Reader {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  u8(field: string): number {
    return this.bytes.readUInt8(this.#claim(1, field));
  }

  u16(field: string): number {
    return this.bytes.readUInt16BE(this.#claim(2, field));
  }

  u32(field: string): number {
    return this.bytes.readUInt32BE(this.#claim(4, field));
  }

  u16le(field: string): number {
    return this.bytes.readUInt16LE(this.#claim(2, field));
  }

  u32le(field: string): number {
    return this.bytes.readUInt32LE(this.#claim(4, field));
  }

  /** The next `length` bytes as a view, not a copy. */
  take(length: number, field: string): Buffer {
    const start = this.#claim(length, field);
    return this.bytes.subarray(start, start + length);
  }

  /** Everything that is left, as a view. */
  rest(): Buffer {
    return this.take(this.remaining, 'rest');
  }

  skip(length: number, field: string): void {
    this.#claim(length, field);
  }

  #claim(length: number, field: string): number {
    const start = this.offset;
    if (length > this.bytes.length - start) {
      throw new WireError(
        'truncated',
        field,
        start,
        `${field} needs ${length} bytes, ${this.bytes.length - start} are left`,
      );
    }
    this.offset = start + length;
    return start;
  }
}

/** Writes numbers and bytes one after the other into `capacity` zeroed bytes; more than that is WireError 'oversized'. */
export class Writer {
  readonly #bytes: Buffer;
  offset = 0;

  constructor(capacity: number) {
    // zeroed in the shared pool: Buffer.alloc asks the system for memory of its own each time, which takes ten times as long
    this.#bytes = Buffer.allocUnsafe(capacity).fill(0);
  }

  get remaining(): number {
    return this.#bytes.length - this.offset;
  }

  u8(value: number, field: string): this {
    this.#bytes.writeUInt8(fitting(value, 0xff, field, this.offset), this.#claim(1, field));
    return this;
  }

  u16(value: number, field: string): this {
    this.#bytes.writeUInt16BE(fitting(value, 0xffff, field, this.offset), this.#claim(2, field));
    return this;
  }

  u32(value: number, field: string): this {
    this.#bytes.writeUInt32BE(fitting(value, 0xffffffff, field, this.offset), this.#claim(4, field));
    return this;
  }

  u16le(value: number, field: string): this {
    this.#bytes.writeUInt16LE(fitting(value, 0xffff, field, this.offset), this.#claim(2, field));
    return this;
  }

  u32le(value: number, field: string): this {
    this.#bytes.writeUInt32LE(fitting(value, 0xffffffff, field, this.offset), this.#claim(4, field));
    return this;
  }

  put(bytes: Uint8Array, field: string): this {
    this.#bytes.set(bytes, this.#claim(bytes.length, field));
    return this;
  }

  /** Leaves `length` bytes zero. */
  skip(length: number, field: string): this {
    this.#claim(length, field);
    return this;
  }

  /** What was written so far, as a view. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.offset);
  }

  #claim(length: number, field: string): number {
    const start = this.offset;
    if (length > this.#bytes.length - start) {
      throw new WireError('oversized', field, start, `${field} needs ${length} bytes, ${this.remaining} are free`);
    }
    this.offset = start + length;
    return start;
  }
}

/** One byte per character (latin1), so that no byte of a peer is lost. It ends at the first NUL, if there is one. */
export function textFromBytes(bytes: Buffer): string {
  const nul = bytes.indexOf(0);
  return bytes.toString('latin1', 0, nul < 0 ? bytes.length : nul);
}

/** The bytes of a text of one-byte characters; a NUL or a character above U+00FF is WireError 'unencodable'. */
export function textToBytes(text: string, field: string): Buffer {
  const bad = text.search(/[^\x01-\xff]/);
  if (bad >= 0) {
    throw new WireError(
      'unencodable',
      field,
      bad,
      `${field} cannot carry ${JSON.stringify(text[bad])} in ${JSON.stringify(text)}`,
    );
  }
  return Buffer.from(text, 'latin1');
}

/** A peer's text made safe for a log or a terminal: printable ASCII stays, the rest is written \xNN. */
export function escapeText(text: string): string {
  return text.replace(/[^\x20-\x7e]|\\/g, (c) =>
    c === '\\' ? '\\\\' : `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

function fitting(value: number, max: number, field: string, offset: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new WireError('unencodable', field, offset, `${field} cannot be ${value}: whole numbers from 0 to ${max} only`);
}
