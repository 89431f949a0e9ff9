import { rmSync } from 'node:fs';
import { BenchError } from './error.ts';
import { Processes } from './processes.ts';

/** What scripts/bench hands to a benchmark: its folder, and flags. Throws BenchError without a folder. */
export function openBench(subject: string) {
  const [folder, ...flags] = process.argv.slice(2);
  if (folder === undefined) throw new BenchError(`${subject}.ts wants a folder: run scripts/bench ${subject}`);
  const processes = new Processes();
  let isClosing = false;

  return {
    isQuick: flags.includes('--quick'),
    processes,
    /** Runs it to its end, or to a signal; its processes, its wire and its folder are gone afterwards. */
    async run(work: (folder: string) => Promise<void>, closeNet: () => void): Promise<void> {
      const close = async (): Promise<void> => {
        isClosing = true;
        await processes.close();
        closeNet();
        rmSync(folder, { recursive: true, force: true });
      };
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
        process.on(signal, () => {
          if (isClosing) return;
          say(`${signal}: ends what it started and removes the namespaces`);
          void close().then(() => process.exit(130));
        });
      try {
        await work(folder);
        await close();
      } catch (error) {
        if (isClosing) return;
        console.error(
          `bench: ${error instanceof BenchError ? error.message : error instanceof Error ? error.stack : error}`,
        );
        await close();
        process.exitCode = 1;
      }
    },
  };
}

export function say(text: string): void {
  console.log(`bench: ${text}`);
}
