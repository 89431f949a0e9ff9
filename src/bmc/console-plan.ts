import type { BmcLink } from '../model/bmc.ts';

/** What a link's setting `console` may be: `watch` reads the console while somebody watches (as without it), `keep` always. */
const CONSOLE_SETTINGS: readonly string[] = ['watch', 'keep'];

/** What is wrong with a link's setting `console`, as a sentence; undefined when nothing is. */
export function checkConsoleSetting({ console }: Readonly<Record<string, string>>): string | undefined {
  if (console === undefined || CONSOLE_SETTINGS.includes(console)) return undefined;
  return `the setting console is ${JSON.stringify(console)}, which is none of ${CONSOLE_SETTINGS.join(', ')}`;
}

/** Whether a machine's console is read, and so its log kept, when nobody watches. */
export function isConsoleKept(chain: readonly Pick<BmcLink, 'settings'>[]): boolean {
  return chain.some(({ settings }) => settings.console === 'keep');
}

/** A console that was open for so long has worked: what comes after is a new trouble. */
export const STEADY_MS = 60_000;

/** The first pause, doubled each time up to the last one. Two that take one console from each other do so ever more rarely. */
const PAUSES = {
  watched: { firstMs: 2000, lastMs: 30_000 },
  kept: { firstMs: 5000, lastMs: 300_000 },
};

/** How long after its `failures`th end in a row a console is opened again. */
export function nextTryMs(failures: number, isWatched: boolean): number {
  const { firstMs, lastMs } = isWatched ? PAUSES.watched : PAUSES.kept;
  return Math.min(lastMs, firstMs * 2 ** (failures - 1));
}

/** From so long without a key on, who types is told anew. */
const TYPIST_MS = 600_000;

/** Whether it is to be told that somebody types. Times in milliseconds; `before`: when they typed last. */
export function isNewTypist(before: number | undefined, now: number): boolean {
  return before === undefined || now - before > TYPIST_MS;
}
