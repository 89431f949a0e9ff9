/** A measurement that cannot be made: the message names the thing and the value. */
export class BenchError extends Error {
  override readonly name = 'BenchError';
}
