export type SyncFile = (fd: number, done: (error: Error | null) => void) => void;

/**
 * One sync of a file at a time: who asks while one is under way waits for the next, which is then for all that came meanwhile.
 * What was written before the call is on the disk when its promise resolves; it rejects with the disk's complaint.
 */
export function createFlush(sync: (done: (error: Error | null) => void) => void): () => Promise<void> {
  /** Of the next sync; absent when nobody has asked for one. */
  let next: PromiseWithResolvers<void> | undefined;
  let isUnderWay = false;

  function begin(): void {
    const waiting = next;
    if (!waiting) return;
    next = undefined;
    isUnderWay = true;
    sync((error) => {
      isUnderWay = false;
      if (error) waiting.reject(error);
      else waiting.resolve();
      begin();
    });
  }

  return () => {
    next ??= Promise.withResolvers<void>();
    const { promise } = next;
    if (!isUnderWay) begin();
    return promise;
  };
}
