import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { assetName } from '../model/bootenv.ts';

/** A public file of a bootenv, as it lies on disk and was checked. */
export type Asset = { name: string; path: string; size: number; sha256: string; modifiedMs: number };

/** Why a file is not offered. `isUnread`: it could not be read, and may be the next time without having changed. */
export type AssetProblem = { problem: string; isUnread?: true };

/** The public files: kernels, initrds, disk images, each in a folder with a `SHA256SUMS` that it must agree with. */
export type Assets = {
  /** Check these files (as `FOLDER/FILE`) against their sums. Files that have not changed since are not read again. */
  check(paths: readonly string[]): Promise<void>;
  /** A checked file, or the sentence that says why it is not offered. */
  get(path: string): Asset | AssetProblem;
};

export function openAssets(folder: string): Assets {
  const known = new Map<string, Asset | AssetProblem>();

  async function checkOne(path: string): Promise<Asset | AssetProblem> {
    try {
      return await compareSum(path);
    } catch (error) {
      return { problem: `${path} cannot be read: ${(error as Error).message}`, isUnread: true };
    }
  }

  async function compareSum(path: string): Promise<Asset | AssetProblem> {
    const full = join(folder, path);
    let file: Awaited<ReturnType<typeof stat>>;
    try {
      file = await stat(full);
    } catch {
      return { problem: `${path} is not there` };
    }
    if (!file.isFile()) return { problem: `${path} is not a file` };
    const wanted = statedSum(folder, path);
    if (wanted === undefined) return { problem: `${path} is not listed in its SHA256SUMS` };
    const before = known.get(path);
    if (
      before &&
      'sha256' in before &&
      before.sha256 === wanted &&
      before.size === file.size &&
      before.modifiedMs === file.mtimeMs
    )
      return before;
    const hash = createHash('sha256');
    await pipeline(createReadStream(full, { highWaterMark: 1 << 20 }), hash);
    const sha256 = hash.digest('hex');
    if (sha256 !== wanted)
      return { problem: `${path} is damaged: its sha256 is ${sha256}, its SHA256SUMS says ${wanted}` };
    return { name: assetName(path), path: full, size: file.size, sha256, modifiedMs: file.mtimeMs };
  }

  return {
    async check(paths) {
      for (const path of paths) known.set(path, await checkOne(path));
    },
    get(path) {
      const asset = known.get(path);
      if (!asset) return { problem: `${path} was not checked yet` };
      if ('problem' in asset) return asset;
      try {
        const now = statSync(asset.path);
        if (now.size === asset.size && now.mtimeMs === asset.modifiedMs) return asset;
      } catch {
        return { problem: `${path} is not there any more` };
      }
      return { problem: `${path} changed since it was checked` };
    },
  };
}

/** The sum that `SHA256SUMS` beside the file states for it; undefined when it states none. Throws when it cannot be read. */
function statedSum(folder: string, path: string): string | undefined {
  const at = path.lastIndexOf('/');
  const sums = join(folder, path.slice(0, at), 'SHA256SUMS');
  if (!existsSync(sums)) return undefined;
  for (const line of readFileSync(sums, 'utf8').split('\n')) {
    const match = /^([0-9a-f]{64}) [ *](?:\.\/)?(.+)$/.exec(line);
    if (match && match[2] === path.slice(at + 1)) return match[1];
  }
  return undefined;
}
