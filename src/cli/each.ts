import { describeError } from './describe-error.ts';

/** Do it for each name and say what came of it; one that fails does not keep the others from being done. */
export async function forEach(
  names: readonly string[],
  say: (line: string) => void,
  work: (name: string) => Promise<string>,
): Promise<void> {
  const results = await Promise.allSettled(names.map(work));
  for (const [index, result] of results.entries()) {
    if (result.status === 'fulfilled') say(result.value);
    else {
      for (const line of describeError(result.reason)) console.error(`${names[index]}: ${line}`);
      process.exitCode = 1;
    }
  }
}
