import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createTurns } from '../model/turns.ts';
import { type Entry, etagOf, type Found, failureText, openEntry, type Shelf } from './mirror-cache.ts';
import { type Arrived, writeWhole } from './mirror-download.ts';
import type { Validators } from './mirror-upstream.ts';

/**
 * The index files of suites (`dists/SUITE/...`), which change together: what is served is one consistent set. The
 * signed list (InRelease, else Release) says which content each file has; when it changes upstream, every file we
 * hold is renewed beside the old set, which goes on being served until the new one is complete.
 */
export type Suites = { find(suite: string, path: string): Promise<Found> };

/** One set, kept as `dists/SUITE.json`; files by their path in the archive. */
type Suite = { anchor: string; files: Record<string, Entry>; sums: Map<string, string>; checkedAt: number };

/** What arrived is not what the signed list says. */
class OutOfStep extends Error {
  override readonly name = 'OutOfStep';
}

/** What is known of a suite is asked for anew when it is older than `freshMs`. */
export function createSuites(shelf: Shelf, freshMs: number): Suites {
  const folder = join(shelf.folder, 'dists');
  const blobs = join(folder, 'blobs');
  const suites = new Map<string, Promise<Suite | undefined>>();
  const checks = new Map<string, Promise<Suite | undefined>>();
  let cut = false; // the upstream does not answer, and that was told
  const saves = createTurns();

  return {
    async find(name, path) {
      let suite = await check(name, freshMs);
      if (!suite) return { status: 404, text: `The archive has no suite ${name}.` };
      for (const last of [false, true]) {
        try {
          const entry = suite.files[path];
          return entry ? { source: await openEntry(entry, path) } : await fetchInto(name, suite, path);
        } catch (error) {
          if (last) throw error;
          // Somebody emptied the cache, or the set was renewed this very moment.
          if ((error as NodeJS.ErrnoException).code === 'ENOENT') delete suite.files[path];
          else if (!(error instanceof OutOfStep)) throw error;
        }
        // The archive may have moved on since we read its list.
        suite = (await check(name, 0)) ?? suite;
      }
      throw new Error(`${path} was neither found nor refused`);
    },
  };

  /** The suite as it was known at most `age` milliseconds ago; as it was last known when the upstream does not answer. */
  function check(name: string, age: number): Promise<Suite | undefined> {
    const running = checks.get(name);
    if (running) return running;
    const run = (async () => {
      const suite = await load(name);
      if (suite && Date.now() - suite.checkedAt < age) return suite;
      if (!suite) return begin(name);
      suite.checkedAt = Date.now(); // also when it fails: not every request waits for a dead upstream
      try {
        const next = await renew(name, suite);
        cut = false;
        return next;
      } catch (error) {
        const reason = failureText(suite.anchor, error as Error, shelf.folder);
        if (!cut) shelf.tell('mirror.failed', `${reason}; serving ${name} as it was`, { path: suite.anchor });
        cut = true;
        return suite;
      }
    })().finally(() => checks.delete(name));
    checks.set(name, run);
    return run;
  }

  /** First sight of a suite. */
  async function begin(name: string): Promise<Suite | undefined> {
    for (const file of ['InRelease', 'Release']) {
      const anchor = `dists/${name}/${file}`;
      const entry = await fetchWhole(anchor, {});
      if (typeof entry === 'string') continue;
      const suite = { anchor, files: { [anchor]: entry }, sums: await readSums(entry, name), checkedAt: Date.now() };
      await commit(name, suite);
      return suite;
    }
    return undefined;
  }

  /** The suite as it is now: the same object when nothing changed, else a new one that is complete. */
  async function renew(name: string, suite: Suite): Promise<Suite> {
    const old = suite.files[suite.anchor];
    const entry = await fetchWhole(suite.anchor, old ?? {});
    if (entry === 'missing') throw new Error('it is gone from the archive');
    if (entry === 'unchanged' || entry.sha256 === old?.sha256) return suite;
    const sums = await readSums(entry, name);
    const files: Record<string, Entry> = { [suite.anchor]: entry };
    for (const [path, held] of Object.entries(suite.files)) {
      if (path === suite.anchor) continue;
      const sum = sums.get(path);
      if (sum === held.sha256) {
        files[path] = held;
        continue;
      }
      const fresh = await fetchWhole(path, sum === undefined ? held : {}, sum);
      if (fresh !== 'missing') files[path] = fresh === 'unchanged' ? held : fresh;
    }
    const next = { anchor: suite.anchor, files, sums, checkedAt: Date.now() };
    await commit(name, next, suite);
    return next;
  }

  /** Fetches a file that the set does not hold yet, and adds it. */
  async function fetchInto(name: string, suite: Suite, path: string): Promise<Found> {
    const sum = suite.sums.get(path);
    const fetch = await shelf.fetchOnce(path, {}, async (arrived) => {
      if (sum !== undefined && sum !== arrived.sha256) suite.checkedAt = 0; // the next request looks again
      const entry = await keepBlob(path, arrived, sum);
      // A set that was renewed meanwhile does not take what belongs to the one before it.
      const now = await suites.get(name);
      if (now !== suite) return;
      suite.files[path] = entry;
      await save(name, suite);
    });
    if (fetch.status !== 'coming') return { status: 404, text: `${path} is not in the archive.` };
    const { download, validators } = fetch;
    // Without a name for its content it can only be served when it is here.
    const named = sum !== undefined || validators.etag !== undefined || validators.lastModified !== undefined;
    const source = named ? download.follow(etagOf(path, { ...validators, ...(sum && { sha256: sum }) })) : undefined;
    if (source) return { source };
    await download.kept;
    const entry = suite.files[path];
    if (!entry) throw new OutOfStep(`${path} belongs to another state of ${name}`);
    return { source: await openEntry(entry, path) };
  }

  /** Fetches a file to its end. */
  async function fetchWhole(path: string, known: Validators, sum?: string): Promise<Entry | 'unchanged' | 'missing'> {
    let entry: Entry | undefined;
    const { etag, lastModified } = known;
    const fetch = await shelf.fetchOnce(path, { etag, lastModified }, async (arrived) => {
      entry = await keepBlob(path, arrived, sum);
    });
    if (fetch.status !== 'coming') return fetch.status;
    await fetch.download.kept;
    if (!entry) throw new OutOfStep(`${path} was on its way for another request`);
    return entry;
  }

  async function keepBlob(path: string, arrived: Arrived, sum: string | undefined): Promise<Entry> {
    const { size, sha256, validators } = arrived;
    if (sum !== undefined && sum !== sha256)
      throw new OutOfStep(`its SHA-256 is ${sha256}, the signed list says ${sum} for ${path}`);
    await mkdir(blobs, { recursive: true });
    const file = join(blobs, sha256);
    await rename(arrived.file, file);
    return { file, size, sha256, ...validators };
  }

  async function commit(name: string, suite: Suite, before?: Suite): Promise<void> {
    await save(name, suite);
    suites.set(name, Promise.resolve(suite));
    if (before) await sweep(Object.values(before.files));
  }

  function save(name: string, suite: Suite): Promise<void> {
    return saves.take(async () => {
      await mkdir(folder, { recursive: true });
      const text = JSON.stringify({ anchor: suite.anchor, files: suite.files }, undefined, 1);
      await writeWhole(join(folder, `${name}.json`), text, join(shelf.folder, 'tmp'));
    });
  }

  function load(name: string): Promise<Suite | undefined> {
    const known = suites.get(name);
    if (known) return known;
    const loading = read(name);
    suites.set(name, loading);
    loading.then(
      (suite) => suite ?? suites.delete(name),
      () => suites.delete(name),
    );
    return loading;
  }

  async function read(name: string): Promise<Suite | undefined> {
    const text = await readFile(join(folder, `${name}.json`), 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    const { anchor, files } = parseSuite(text);
    for (const [path, entry] of Object.entries(files)) {
      // The cache may have been moved as a whole: blobs are where we are, under their content's name.
      entry.file = join(blobs, entry.sha256);
      const size = await stat(entry.file).then(
        (info) => info.size,
        () => -1,
      );
      if (size !== entry.size) delete files[path];
    }
    const first = files[anchor];
    return first && { anchor, files, sums: await readSums(first, name), checkedAt: 0 };
  }

  /** Removes what no set names any more; readers that have it open keep it. */
  async function sweep(entries: Entry[]): Promise<void> {
    const named = new Set<string>();
    for (const file of await readdir(folder)) {
      if (!file.endsWith('.json')) continue;
      const suite = await load(file.slice(0, -'.json'.length));
      for (const entry of Object.values(suite?.files ?? {})) named.add(entry.sha256);
    }
    for (const { file, sha256 } of entries) if (!named.has(sha256)) await rm(file, { force: true });
  }
}

/** What a kept set says; nothing when it is not whole. */
function parseSuite(text: string): Pick<Suite, 'anchor' | 'files'> {
  try {
    return JSON.parse(text);
  } catch {
    return { anchor: '', files: {} };
  }
}

/** The SHA256 section of a Release file: archive path to hash. */
async function readSums(anchor: Entry, suite: string): Promise<Map<string, string>> {
  const sums = new Map<string, string>();
  let inside = false;
  for (const line of (await readFile(anchor.file, 'utf8')).split('\n')) {
    if (!line.startsWith(' ')) inside = line.startsWith('SHA256:');
    const [sum, , name] = line.trim().split(/\s+/);
    if (inside && sum !== undefined && name !== undefined) sums.set(`dists/${suite}/${name}`, sum);
  }
  return sums;
}
