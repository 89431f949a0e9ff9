/** From so many waiting datagrams on it matters who asks. */
const CROWDED = 256;
/** An eighth of what is answered in one go is for each kind that has less urgent business, so that none waits for ever. */
const SHARE = 1 / 8;

const OPTIONS_AT = 240;
const PAD = 0;
const MESSAGE_TYPE = 53;
const END = 255;
const DISCOVER = 1;

/** What waits of one kind, in the order in which it came, from `head` on. No more than `most`: the oldest makes room. */
type Lane<T> = { waiting: T[]; head: number; readonly most: number };

/**
 * What waits for its answer. A client that is in the middle of something (a REQUEST, a renewal) comes before one that begins; in a
 * crowd those that we know come before both, whatever they ask, and each kind has its share of every turn. So no flood keeps a
 * known machine from its address or a stranger from the one that it was offered, and what is more than can be answered costs the
 * answers of none.
 */
export function createRequestQueue<T extends { bytes: Buffer }>(isKnown: (bytes: Buffer) => boolean) {
  const known: Lane<T> = { waiting: [], head: 0, most: 4096 };
  const begun: Lane<T> = { waiting: [], head: 0, most: 2048 };
  const beginning: Lane<T> = { waiting: [], head: 0, most: 1024 };
  let dropped = 0;

  const length = (): number => lengthOf(known) + lengthOf(begun) + lengthOf(beginning);

  function laneOf(bytes: Buffer): Lane<T> {
    if (length() >= CROWDED && bytes.length > OPTIONS_AT && isKnown(bytes)) return known;
    return hasBegun(bytes) ? begun : beginning;
  }

  return {
    push(datagram: T): void {
      if (!add(laneOf(datagram.bytes), datagram)) dropped++;
    },

    /** At most so many, the more urgent before the others, each in the order in which they came. */
    take(most: number): T[] {
      const share = Math.floor(most * SHARE);
      const ofBeginning = Math.min(lengthOf(beginning), share);
      const ofBegun = Math.min(lengthOf(begun), share);
      const taken = removeFirst(known, most - ofBegun - ofBeginning);
      taken.push(...removeFirst(begun, most - taken.length - ofBeginning));
      taken.push(...removeFirst(beginning, most - taken.length));
      return taken;
    },

    length,
    /** How many found no room so far. */
    dropped: (): number => dropped,
  };
}

const lengthOf = <T>({ waiting, head }: Lane<T>): number => waiting.length - head;

/** False when the oldest made room: its client asks again soon. */
function add<T>(lane: Lane<T>, datagram: T): boolean {
  lane.waiting.push(datagram);
  if (lengthOf(lane) <= lane.most) return true;
  lane.head++;
  // now and then, so that dropping one does not move all the others
  if (lane.head >= lane.most) cutOff(lane);
  return false;
}

function removeFirst<T>(lane: Lane<T>, most: number): T[] {
  if (lane.head === 0 && lane.waiting.length <= most) {
    const all = lane.waiting;
    lane.waiting = [];
    return all;
  }
  const first = lane.waiting.slice(lane.head, lane.head + most);
  lane.head += first.length;
  if (lane.head >= lane.most || lane.head === lane.waiting.length) cutOff(lane);
  return first;
}

/** Lets go of what was taken or dropped. */
function cutOff<T>(lane: Lane<T>): void {
  lane.waiting = lane.waiting.slice(lane.head);
  lane.head = 0;
}

/** Nearly every client has the message type first. One whose type is not found has nothing to lose that we know of. */
function hasBegun(bytes: Buffer): boolean {
  for (let at = OPTIONS_AT; at + 2 < bytes.length; ) {
    const code = bytes[at] as number;
    if (code === MESSAGE_TYPE) return bytes[at + 2] !== DISCOVER;
    if (code === END) return false;
    at += code === PAD ? 1 : 2 + (bytes[at + 1] as number);
  }
  return false;
}
