import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StartError } from '../start-error.ts';
import { type Assets, openAssets } from '../store/assets.ts';
import { type Content, contentStamp, describeProblem, loadContent } from '../store/content.ts';
import { assetPaths, type Library, openLibrary } from './library.ts';

/** Where the content lies, and who is told what is wrong with it. */
export type ShelfOptions = {
  /** The folder with bootenvs/, templates/ and workflows/. */
  content: string;
  assets: string;
  /** Told each new thing that is wrong, as `file:line: field: what`. */
  tell: (problem: string) => void;
};

/** The library in use, and what is wrong with the content on disk now. */
export type Shelf = { library(): Library; problems(): readonly string[]; close(): void };

const CHECK_MS = 3_000;

/**
 * Keep the library in step with the disk: read again when a file changes, swapped whole, kept when the new one is wrong. At the
 * start what can be served is served, and the rest is told. Throws when there is nothing to serve.
 */
export async function openShelf(options: ShelfOptions): Promise<Shelf> {
  const assets = openAssets(options.assets);
  let library: Library | undefined;
  let problems: string[] = [];
  let stamp: string | undefined;
  let paths: string[] = [];
  let fault = '';
  let isBusy = false;

  async function refresh(): Promise<void> {
    const now = [contentStamp(options.content), ...paths.map((path) => assetStamp(join(options.assets, path)))].join(
      '\n',
    );
    if (now === stamp) return;
    const content = loadContent(options.content);
    paths = [...content.bootenvs.values()].flatMap(assetPaths);
    await assets.check(paths);
    const opened = openLibrary(content, assets);
    const found = opened.problems.map(describeProblem);
    for (const problem of found) if (!problems.includes(problem)) options.tell(problem);
    problems = found;
    if (opened.library && (found.length === 0 || !library)) library = opened.library;
    // what could not be read (EMFILE, EIO) is read again the next time, although nothing changes
    stamp = isReadWhole(content, assets, paths) ? now : undefined;
  }

  await refresh();
  if (!library) throw new StartError(`no content can be served:\n${problems.join('\n')}`);
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    refresh()
      .then(() => {
        fault = '';
      })
      .catch((error: Error) => {
        if (error.message !== fault) options.tell(`cannot be read: ${error.message}`);
        fault = error.message;
      })
      .finally(() => {
        isBusy = false;
      });
  }, CHECK_MS);

  return {
    library: () => library as Library,
    problems: () => problems,
    close: () => clearInterval(timer),
  };
}

/** Whether nothing was left out because it could not be read. */
function isReadWhole(content: Content, assets: Assets, paths: readonly string[]): boolean {
  const unread = [...content.problems, ...paths.map((path) => assets.get(path))].filter((one) => 'isUnread' in one);
  return unread.length === 0;
}

/** Changes whenever the file or the sums beside it do. */
function assetStamp(path: string): string {
  const stats = [path, join(dirname(path), 'SHA256SUMS')].map((one) => statSync(one, { throwIfNoEntry: false }));
  return stats.map((one) => (one ? `${one.size} ${one.mtimeMs}` : 'absent')).join(' ');
}
