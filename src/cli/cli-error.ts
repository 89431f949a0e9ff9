/** Something that the user has to know, said without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
}
