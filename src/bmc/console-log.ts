import {
  close as closeFile,
  constants,
  createReadStream,
  fstatSync,
  ftruncate,
  mkdirSync,
  openSync,
  type ReadStream,
  read,
  readdirSync,
  rmSync,
  statSync,
  write,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { AppError } from '../model/errors.ts';
import type { Instant } from '../model/time.ts';

const readAt = promisify(read);
const writeAt = promisify(write);
const truncate = promisify(ftruncate);
const closeFd = promisify(closeFile);

export type LogLimits = {
  /** Of one file. One that grows beyond it keeps its first `endBytes`, the boot, and its last, what happened then. */
  bytes: number;
  endBytes: number;
  /** Files of a machine that are kept. */
  boots: number;
  /** What waits for the disk, at most: a disk that hangs costs what is printed meanwhile, and no more. */
  waitingBytes: number;
};

export const LOG_LIMITS: LogLimits = { bytes: 4 << 20, endBytes: 1 << 20, boots: 10, waitingBytes: 1 << 20 };

/** A log as it is listed. `since` is when its first byte was written, where the file system tells; `until` the last. */
export type LogFile = { boot: number; bytes: number; since: Instant; until: Instant };

const LEFT_OUT = Buffer.from('\r\n[firstlight: the log grew too long, and what came here was left out]\r\n');
const TOO_SLOW = Buffer.from('\r\n[firstlight: the disk was too slow, and what came here is lost]\r\n');
const READ_WRITE = constants.O_RDWR | constants.O_CREAT;

/** What one machine's console printed, a file for each boot: `FOLDER/boot-7.log`. Bytes as they came. */
export type BootLog = {
  /** Never fails and never waits. The first byte of another boot begins another file. */
  append(boot: number, bytes: Buffer): void;
  /** Resolves once what was appended before is in the file, or could not be written. */
  flushed(): Promise<void>;
  /** The file is closed once it is written; what is appended later opens it again. */
  close(): Promise<void>;
  /** Nothing is written any more: the machine is gone, and its folder with it. */
  discard(): void;
};

export type LogOptions = {
  folder: string;
  limits?: LogLimits;
  /** Told when nothing can be written, once until it can be again. */
  onProblem: (error: Error) => void;
};

/** Opening is synchronous, and rare; writing is not, and takes all that has come since the last write. */
export function openBootLog({ folder, limits = LOG_LIMITS, onProblem }: LogOptions): BootLog {
  let waiting: { boot: number; bytes: Buffer }[] = [];
  let waitingBytes = 0;
  let hasLost = false;
  let file: { boot: number; fd: number; bytes: number } | undefined;
  let writing: Promise<void> | undefined;
  let isFailing = false;
  let isDiscarded = false;

  async function writeAll(): Promise<void> {
    for (let first = waiting[0]; first && !isDiscarded; first = waiting[0]) {
      const { boot } = first;
      const other = waiting.findIndex((one) => one.boot !== boot);
      const part = waiting.splice(0, other < 0 ? waiting.length : other);
      waitingBytes = waiting.reduce((sum, one) => sum + one.bytes.length, 0);
      try {
        await writePart(boot, Buffer.concat(part.map((one) => one.bytes)));
        isFailing = false;
      } catch (error) {
        if (!isFailing) onProblem(error as Error);
        isFailing = true;
        await closeNow();
      }
    }
  }

  async function writePart(boot: number, bytes: Buffer): Promise<void> {
    if (file?.boot !== boot) {
      await closeNow();
      if (isDiscarded) return;
      file = openLog(folder, boot, limits);
    }
    await writeWhole(file.fd, bytes, file.bytes);
    file.bytes += bytes.length;
    if (file.bytes > limits.bytes) file.bytes = await thin(file.fd, file.bytes, limits.endBytes);
  }

  async function closeNow(): Promise<void> {
    const fd = file?.fd;
    file = undefined;
    if (fd !== undefined) await closeFd(fd).catch(() => undefined); // what it held is written or lost already
  }

  async function flushed(): Promise<void> {
    while (writing) await writing;
  }

  return {
    append(boot, bytes) {
      if (isDiscarded || bytes.length === 0) return;
      const isTooMuch = waitingBytes + bytes.length > limits.waitingBytes;
      if (isTooMuch && hasLost) return;
      hasLost = isTooMuch;
      const kept = isTooMuch ? TOO_SLOW : bytes;
      waiting.push({ boot, bytes: kept });
      waitingBytes += kept.length;
      writing ??= writeAll().finally(() => {
        writing = undefined;
      });
    },
    flushed,
    async close() {
      await flushed();
      await closeNow();
    },
    discard() {
      isDiscarded = true;
      waiting = [];
    },
  };
}

function openLog(folder: string, boot: number, { boots }: LogLimits): { boot: number; fd: number; bytes: number } {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const others = listLogs(folder)
    .filter((one) => one.boot !== boot)
    .sort((one, other) => other.until - one.until || other.boot - one.boot);
  for (const old of others.slice(boots - 1)) rmSync(logPath(folder, old.boot), { force: true });
  const fd = openSync(logPath(folder, boot), READ_WRITE, 0o600);
  return { boot, fd, bytes: fstatSync(fd).size };
}

/** Leaves the first and the last `endBytes`, and a sentence between them. Gives the size that is left. */
async function thin(fd: number, bytes: number, endBytes: number): Promise<number> {
  const tail = Buffer.alloc(endBytes);
  await readAt(fd, tail, 0, endBytes, bytes - endBytes);
  const rest = Buffer.concat([LEFT_OUT, tail]);
  await writeWhole(fd, rest, endBytes);
  await truncate(fd, endBytes + rest.length);
  return endBytes + rest.length;
}

/** A disk that is full takes a part of it, and then says so. */
async function writeWhole(fd: number, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await writeAt(fd, bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** The logs in a machine's folder, the oldest boot first. */
export function listLogs(folder: string): LogFile[] {
  return namesIn(folder)
    .flatMap((name): LogFile[] => {
      const boot = /^boot-(\d{1,15})\.log$/.exec(name)?.[1];
      const stat = boot === undefined ? undefined : statSync(join(folder, name), { throwIfNoEntry: false });
      if (boot === undefined || !stat?.isFile()) return [];
      const until = Math.floor(stat.mtimeMs) as Instant;
      // a file system that keeps no time of birth gives 0 or a later change
      const born = Math.floor(stat.birthtimeMs) as Instant;
      return [{ boot: Number(boot), bytes: stat.size, since: born > 0 && born < until ? born : until, until }];
    })
    .sort((one, other) => one.boot - other.boot);
}

/** One log as a stream of its bytes. Throws `not-found`. */
export function readLog(folder: string, boot: number): ReadStream {
  const logs = listLogs(folder);
  if (!logs.some((one) => one.boot === boot))
    throw new AppError(
      'not-found',
      `there is no console log of boot ${boot}`,
      logs.length > 0 ? `there are those of ${logs.map((one) => one.boot).join(', ')}` : 'none was kept yet',
    );
  return createReadStream(logPath(folder, boot));
}

/** The last bytes of a log; none where there is no such log, or it cannot be read. */
export async function readLogEnd(folder: string, boot: number, most: number): Promise<Buffer> {
  let fd: number | undefined;
  try {
    fd = openSync(logPath(folder, boot), 'r');
    const { size } = fstatSync(fd);
    const bytes = Buffer.alloc(Math.min(size, most));
    const { bytesRead } = await readAt(fd, bytes, 0, bytes.length, size - bytes.length);
    return bytes.subarray(0, bytesRead);
  } catch {
    return Buffer.alloc(0);
  } finally {
    if (fd !== undefined) await closeFd(fd);
  }
}

/** Removes the folders of machines that are no more. Theirs would be the next machine's with that number. */
export function dropOtherLogs(folder: string, isKnown: (machineId: number) => boolean): void {
  for (const name of namesIn(folder))
    if (/^\d{1,15}$/.test(name) && !isKnown(Number(name))) rmSync(join(folder, name), { recursive: true, force: true });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return [];
    throw error;
  }
}

const logPath = (folder: string, boot: number): string => join(folder, `boot-${boot}.log`);
