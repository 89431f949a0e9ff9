/** From so many waiting DISCOVERs on it matters who asks. */
const CROWDED = 256;
/** Of strangers' DISCOVERs no more than this many wait; the oldest makes room: its client asks again soon. */
const STRANGERS = 1024;
/** Of all others, who have an offer or a lease to lose. */
const OTHERS = 4096;

const OPTIONS_AT = 240;
const MESSAGE_TYPE = 53;
const DISCOVER = 1;

/**
 * What waits for its answer. A client that is in the middle of something (a REQUEST, a renewal) comes before one that begins, and
 * in a crowd one that we know before a stranger: so a flood of DISCOVERs keeps nobody from his lease, and what is more than can be
 * answered costs the answers of none.
 */
export function createRequestQueue<T extends { bytes: Buffer }>(isKnown: (bytes: Buffer) => boolean) {
  let first: T[] = [];
  let strangers: T[] = [];
  let dropped = 0;

  return {
    push(datagram: T): void {
      const isStranger = beginsDiscover(datagram.bytes) && !(strangers.length >= CROWDED && isKnown(datagram.bytes));
      if (isStranger) {
        strangers.push(datagram);
        if (strangers.length <= 2 * STRANGERS) return;
        dropped += strangers.length - STRANGERS;
        strangers = strangers.slice(-STRANGERS); // now and then, so that dropping one does not move all the others
      } else if (first.length < OTHERS) first.push(datagram);
      else dropped++;
    },

    /** At most so many, the more urgent before the others, each in the order in which they came. */
    take(most: number): T[] {
      if (first.length + strangers.length <= most) {
        const all = first.length === 0 ? strangers : [...first, ...strangers];
        first = [];
        strangers = [];
        return all;
      }
      const urgent = first.slice(0, most);
      first = first.slice(most);
      if (strangers.length > STRANGERS) {
        dropped += strangers.length - STRANGERS;
        strangers = strangers.slice(-STRANGERS);
      }
      const rest = strangers.slice(0, most - urgent.length);
      strangers = strangers.slice(rest.length);
      return [...urgent, ...rest];
    },

    length: (): number => first.length + strangers.length,
    /** How many found no room so far. */
    dropped: (): number => dropped,
  };
}

/** Nearly every client has the message type first; who hides it further back is looked at in his turn. */
function beginsDiscover(bytes: Buffer): boolean {
  return bytes.length > OPTIONS_AT + 2 && bytes[OPTIONS_AT] === MESSAGE_TYPE && bytes[OPTIONS_AT + 2] === DISCOVER;
}
