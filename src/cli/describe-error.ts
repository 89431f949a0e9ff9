/** Classes whose message says all that a person needs. By name: their files load half of the appliance. */
const TOLD_BY_MESSAGE: readonly string[] = [
  'CliError',
  'ConfigError',
  'StartError',
  'SocketError',
  'AppError',
  'BmcError',
];

/** What to tell of an error: each of its problems or its message; with its stack where nobody thought of it, so that it is found. */
export function describeError(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [`${String(error)} was thrown, which is no error`];
  if (!TOLD_BY_MESSAGE.includes(error.name)) return [error.stack ?? error.message];
  return (error as { problems?: readonly string[] }).problems ?? [error.message];
}
