/** The last bytes of a stream, at most `limit` of them, in memory that does not grow. */
export type Recent = { add(bytes: Buffer): void; bytes(): Buffer };

/** Twice the room: it is moved down once for each `limit` bytes, and not for each that comes. */
export function createRecent(limit: number): Recent {
  const room = Buffer.alloc(limit * 2);
  let end = 0;
  return {
    add(bytes) {
      const part = bytes.subarray(Math.max(0, bytes.length - limit));
      if (end + part.length > room.length) {
        const kept = Math.min(end, limit - part.length);
        room.copy(room, 0, end - kept, end);
        end = kept;
      }
      part.copy(room, end);
      end += part.length;
    },
    bytes: () => Buffer.from(room.subarray(Math.max(0, end - limit), end)),
  };
}
