import { chmodSync, closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { lockFile } from './sockets.ts';
import { StartError } from './start-error.ts';

/** A data folder that is ours alone until it is closed. */
export type DataFolder = { close(): void };

/**
 * Make the folder, for its owner only, and lock it: one appliance for one data folder. The lock goes with the process, however it
 * ends. Throws StartError when another one has it.
 */
export function takeDataFolder(folder: string): DataFolder {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  chmodSync(folder, 0o700);
  const path = join(folder, 'lock');
  const fd = openSync(path, existsSync(path) ? 'r+' : 'w+', 0o600);
  if (!lockFile(fd)) {
    const holder = readFileSync(path, 'utf8').trim();
    closeSync(fd);
    throw new StartError(
      `another Firstlight (process ${holder || 'unknown'}) uses ${folder} already: stop it first, or name another folder with --data`,
    );
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return { close: () => closeSync(fd) };
}
