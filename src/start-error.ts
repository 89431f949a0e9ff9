/** What a person must mend before the appliance can start: told by its message alone, without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
