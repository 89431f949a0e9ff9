/** So often the loop shows that it is alive. */
const BEAT_MS = 250;
/** Away for longer than this: whoever asked meanwhile has asked again. */
const LONG_MS = 2000;
/** What lay in the kernel is read within this time after the return. */
const RETURN_MS = 50;

/**
 * Whether the loop was away (stopped, swapped out, waiting for a slow disk), so that a datagram that is read now may have lain in
 * the kernel for long: the kernel does not say since when. `steady` is milliseconds that go on evenly, of this very process.
 */
export function createAbsence(steady: () => number) {
  let lastBeat = steady();
  let returnedAt = Number.NEGATIVE_INFINITY;

  function beat(): void {
    const now = steady();
    if (now - lastBeat > LONG_MS) returnedAt = now;
    lastBeat = now;
  }

  const timer = setInterval(beat, BEAT_MS);
  timer.unref();

  return {
    beat,
    /** Whether what is read now may be older than two seconds. */
    wasLong(): boolean {
      const now = steady();
      return now - lastBeat > LONG_MS || now - returnedAt < RETURN_MS;
    },
    close: (): void => clearInterval(timer),
  };
}
