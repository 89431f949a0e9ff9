/**
 * The packet numbers of one direction of a session that were seen: a number counts once, and one that is 32 or more
 * behind the highest not at all, so that nothing old passes for new (IPMI 2.0 6.12.8 and following).
 */
export class SequenceWindow {
  #highest = 0;
  /** Bit n: the number n below the highest was seen. */
  #seen = 0;

  /** Whether this number is new; from then on it is not. */
  take(sequence: number): boolean {
    if (sequence > this.#highest) {
      const ahead = sequence - this.#highest;
      this.#seen = ahead >= 32 ? 1 : (this.#seen << ahead) | 1;
      this.#highest = sequence;
      return true;
    }
    const behind = this.#highest - sequence;
    if (sequence === 0 || behind >= 32 || (this.#seen >>> behind) & 1) return false;
    this.#seen |= 1 << behind;
    return true;
  }
}
