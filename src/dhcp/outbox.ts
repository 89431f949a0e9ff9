import type { BatchDatagram, BatchUdp } from '../batch-udp.ts';

/** A reply, the socket it leaves from, and how long its client is made to wait for it. */
export type Answer = { datagram: BatchDatagram; via: BatchUdp; delayMs: number };

/** So many answers leave in one go: a relay's socket has room for some 270 small datagrams by default (net.core.rmem_default). */
const BURST = 96;

/**
 * Answers on their way out: they leave at once, but not too many, because what a relay cannot take in one go would be lost. What
 * could not be sent is counted and logged, never thrown: the client asks again.
 */
export function createOutbox(counts: { sent: number; unsent: number }, log: (line: string) => void) {
  const waiting: Answer[] = [];
  let isSending = false;

  function sendSome(): void {
    const some = waiting.splice(0, BURST);
    isSending = waiting.length > 0;
    if (isSending) setImmediate(sendSome);
    const byDoor = Map.groupBy(some, ({ via }) => via);
    for (const [via, batch] of byDoor)
      sendBatch(
        via,
        batch.map(({ datagram }) => datagram),
      );
  }

  function sendBatch(via: BatchUdp, batch: readonly BatchDatagram[]): void {
    try {
      const { sent, waiting: late, failed } = via.send(batch);
      counts.sent += sent + late;
      counts.unsent += failed.length;
      for (const { datagram, error } of failed)
        log(`reply to ${datagram.address}:${datagram.port} was not sent: ${error}`);
    } catch (error) {
      counts.unsent += batch.length;
      log(`${batch.length} replies could not be sent: ${error instanceof Error ? error.stack : String(error)}`);
    }
  }

  return {
    /** Nothing of this throws. */
    send(answers: readonly Answer[]): void {
      for (const answer of answers) {
        if (answer.delayMs > 0) setTimeout(() => sendBatch(answer.via, [answer.datagram]), answer.delayMs);
        else waiting.push(answer);
      }
      if (!isSending) sendSome();
    },
  };
}
