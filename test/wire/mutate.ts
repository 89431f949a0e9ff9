/** mulberry32: 32 bits of state, the same numbers for the same seed everywhere. Gives 0 to limit - 1. */
export function seededRandom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

const interesting = [0, 1, 2, 4, 6, 16, 17, 43, 52, 53, 54, 61, 82, 0x7f, 0x80, 0xc0, 0xfe, 0xff];

/** One to eight changes of a packet: bytes set, bits turned, pieces cut out, doubled, moved or cut off. */
export function mutate(packet: Buffer, random: (limit: number) => number): Buffer {
  let bytes = Buffer.from(packet);
  for (let left = 1 + random(8); left > 0 && bytes.length > 0; left--) {
    const at = random(bytes.length);
    const until = at + random(Math.min(64, bytes.length - at)) + 1;
    switch (random(7)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at] = interesting[random(interesting.length)] as number;
        break;
      case 2:
        bytes[at] = (bytes[at] as number) ^ (1 << random(8));
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(until)]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, until), bytes.subarray(at)]);
        break;
      case 5:
        bytes.copy(bytes, random(bytes.length), at, until);
        break;
      case 6:
        bytes = bytes.subarray(0, at);
        break;
    }
  }
  return bytes;
}
