import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Children, killChildren } from './children.ts';
import { LabError } from './error.ts';
import { hasNamespace } from './namespace.ts';
import { type Firmware, type NetworkOptions, RACKS_FOLDER, type RackPlan } from './plan.ts';

/** What rack.json tells about a running rack; it holds the password of its BMCs. */
export type RackFile = {
  name: string;
  namespace: string;
  pid: number;
  networks: NetworkOptions[];
  control: string;
  machines: {
    name: string;
    uuid: string;
    firmware: Firmware;
    mac: string;
    macs: string[];
    bmc: { address: string; port: number; user: string; password: string } | null;
    serialLog: string;
    console: string;
    disks: string[];
  }[];
};

/** What a rack wrote down before it made anything, so that whoever comes later can remove it. */
type Claim = { namespace: string; diskFolder: string };

const CLAIM = 'claim.json';

/** A rack's state folder, ours until `release`. */
export type StateFolder = { release: () => void };

/**
 * Makes the rack's folders and holds the rack's name, after removing what an earlier rack of that name left behind.
 * LabError when that rack still runs.
 */
export async function claimState(plan: RackPlan): Promise<StateFolder> {
  const lock = await lockWithPatience(plan.stateFolder);
  if (!lock) {
    throw new LabError(
      `rack ${plan.name} is up already (${plan.stateFolder})`,
      'End it with: firstlight lab down, or give this one another name',
    );
  }
  try {
    await removeRack(plan.stateFolder);
    refuseForeign(plan);
    mkdirSync(plan.stateFolder, { recursive: true, mode: 0o700 });
    const claim: Claim = { namespace: plan.namespace, diskFolder: plan.diskFolder };
    writeWhole(join(plan.stateFolder, CLAIM), JSON.stringify(claim));
    mkdirSync(plan.diskFolder, { recursive: true, mode: 0o700 });
    return { release: () => lock.close() };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** What the claim names is removed with the rack, so nothing in it may be somebody else's. */
function refuseForeign(plan: RackPlan): void {
  if (hasNamespace(plan.namespace)) {
    throw new LabError(
      `a network namespace ${plan.namespace} exists already and is not this rack's`,
      `Choose another name, or remove it with: ip netns delete ${plan.namespace}`,
    );
  }
  if (existsSync(plan.diskFolder)) {
    throw new LabError(
      `${plan.diskFolder} exists already and is not this rack's`,
      'Choose another folder for the disks',
    );
  }
}

/** Removes every rack whose process is gone, and gives their names. */
export async function removeStaleRacks(): Promise<string[]> {
  const removed: string[] = [];
  for (const name of listRacks()) {
    const stateFolder = join(RACKS_FOLDER, name);
    const lock = await tryLock(stateFolder);
    if (!lock) continue;
    try {
      await removeRack(stateFolder);
      removed.push(name);
    } finally {
      lock.close();
    }
  }
  return removed;
}

/** The names of the racks on this host, running or left behind. */
export function listRacks(): string[] {
  if (!existsSync(RACKS_FOLDER)) return [];
  return readdirSync(RACKS_FOLDER).filter((name) => existsSync(join(RACKS_FOLDER, name, CLAIM)));
}

export async function isRackRunning(stateFolder: string): Promise<boolean> {
  const lock = await tryLock(stateFolder);
  lock?.close();
  return !lock;
}

export function writeRackFile(stateFolder: string, file: RackFile): void {
  writeWhole(join(stateFolder, 'rack.json'), `${JSON.stringify(file, null, 2)}\n`);
}

/** Undefined while that rack is not fully up. */
export function readRackFile(stateFolder: string): RackFile | undefined {
  try {
    return JSON.parse(readFileSync(join(stateFolder, 'rack.json'), 'utf8')) as RackFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Ends the processes of that rack and removes its namespace and its files; the caller holds its lock. */
export async function removeRack(stateFolder: string): Promise<void> {
  await killChildren(stateFolder);
  const claim = readClaim(stateFolder);
  if (claim) {
    if (hasNamespace(claim.namespace)) await new Children(stateFolder).run('ip', ['netns', 'delete', claim.namespace]);
    rmSync(claim.diskFolder, { recursive: true, force: true });
    removeIfEmpty(dirname(claim.diskFolder));
    // The claim goes last: a removal that is cut off can then be done again.
    for (const entry of readdirSync(stateFolder).filter((entry) => entry !== CLAIM)) {
      rmSync(join(stateFolder, entry), { recursive: true, force: true });
    }
    rmSync(join(stateFolder, CLAIM));
  }
  rmSync(join(stateFolder, `${CLAIM}.new`), { force: true });
  removeIfEmpty(stateFolder);
  if (existsSync(stateFolder)) {
    throw new LabError(`${stateFolder} holds files that no rack wrote`, 'Look at them, and remove the folder');
  }
  removeIfEmpty(dirname(stateFolder));
}

function readClaim(stateFolder: string): Claim | undefined {
  const path = join(stateFolder, CLAIM);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Claim) : undefined;
}

/** Somebody who looks after stale racks may hold the lock for a moment. */
async function lockWithPatience(stateFolder: string): Promise<Server | undefined> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const lock = await tryLock(stateFolder);
    if (lock) return lock;
    await sleep(100);
  }
  return undefined;
}

/** An abstract unix socket is bound by one process at a time and let go by the kernel when that process ends. */
function tryLock(stateFolder: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((connection) => connection.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(`\0firstlight-rack:${stateFolder}`, () => {
      server.unref();
      resolve(server);
    });
  });
}

/** Either the whole text is there or none of it. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
