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
      console.error(`${names[index]}: ${(result.reason as Error).message}`);
      process.exitCode = 1;
    }
  }
}
