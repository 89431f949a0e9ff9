import { CliError } from './cli-error.ts';

/** Nothing answers there. `error`: what fetch() or node:http threw. */
export function unreachable(url: string, error: unknown): CliError {
  const { message, code, cause } = error as { message: string; code?: string; cause?: { code?: string } };
  return new CliError(
    `no Firstlight answers at ${url} (${cause?.code ?? code ?? message}): start one with scripts/up, or name another with FIRSTLIGHT_URL`,
  );
}

/** What the API answered instead of what was asked for. `text`: the body, of the API or of whatever else stands there. */
export function refusal(url: string, status: number, text: string): CliError {
  const { error, next } = readProblem(text);
  // the API tells programs about its header
  const advice = status === 401 ? 'set FIRSTLIGHT_TOKEN to a token of this appliance: its first start tells one' : next;
  return new CliError([error ?? `${url} answers ${status}`, advice].filter((part) => part !== undefined).join('\n  '));
}

function readProblem(text: string): { error?: string; next?: string } {
  try {
    return (JSON.parse(text) ?? {}) as { error?: string; next?: string };
  } catch {
    return {};
  }
}
