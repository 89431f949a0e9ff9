import { createCipheriv, createDecipheriv, createHash, randomBytes, randomInt } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AppError } from '../model/errors.ts';
import { StartError } from '../start-error.ts';

/** Seals and opens the few values that must not be readable in the database file: BMC passwords. AES-256-GCM; a sealed value is iv, tag, text. */
export type Secrets = {
  seal(text: string): Buffer;
  /** Throws `bmc-failed` when no key of ours opens it. */
  open(sealed: Buffer): string;
  /** Whether a key of ours opens it. */
  canOpen(sealed: Buffer): boolean;
  /** Whether the newest key does not open it. */
  isOld(sealed: Buffer): boolean;
  /** A new key for what is sealed from now on; earlier ones still open. Throws where the key comes from the environment. */
  rotate(): void;
  /** Forget the earlier keys: nothing is sealed with them any more. */
  forgetOld(): void;
};

const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Keys in hex, the newest first, separated by spaces or commas: for hosts where a file must not hold them. */
export const KEY_VARIABLE = 'FIRSTLIGHT_SECRET_KEY';

/**
 * The keys of `environment`, or those in `FOLDER/secret.key` (64 hex digits a line, mode 0600), made at first use. Throws AppError for a
 * file that others may read.
 */
export function openSecrets(folder: string, environment?: string): Secrets {
  const path = join(folder, 'secret.key');
  const isOurs = environment === undefined;
  const source = isOurs ? path : KEY_VARIABLE;
  const makeKey = (): Buffer => randomBytes(32);
  if (isOurs && !existsSync(path)) writeKeys(path, [makeKey()]);
  if (isOurs) refuseOpenToOthers(path);
  let keys = readKeys(environment ?? readFileSync(path, 'utf8'), source);

  /** On disk first: nothing may be sealed with a key that is not kept. */
  function keep(wanted: Buffer[]): void {
    writeKeys(path, wanted);
    keys = wanted;
  }

  return {
    seal: (text) => {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keys[0] as Buffer, iv);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]);
    },
    open: (sealed) => {
      for (const key of keys) {
        const text = openWith(key, sealed);
        if (text !== undefined) return text;
      }
      throw new AppError(
        'bmc-failed',
        `the password of the BMC cannot be opened with ${source}: restore that ${isOurs ? 'file' : 'variable'} from your backup, or enter the password again`,
      );
    },
    canOpen: (sealed) => keys.some((key) => openWith(key, sealed) !== undefined),
    isOld: (sealed) => openWith(keys[0] as Buffer, sealed) === undefined,
    rotate() {
      if (!isOurs)
        throw new AppError(
          'bad-request',
          `the key comes from ${KEY_VARIABLE}`,
          'put the new key before the old one there and restart; take the old one away after the next start',
        );
      keep([makeKey(), ...keys]);
    },
    forgetOld() {
      if (!isOurs || keys.length === 1) return;
      keep(keys.slice(0, 1));
    },
  };
}

/** As ssh does with its keys: what others could read may be known to them, and nobody would notice. */
function refuseOpenToOthers(path: string): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new AppError(
    'bad-request',
    `${path} has the mode 0${mode.toString(8)}: others may read or change the key of all BMC passwords. Take that away with: chmod 600 ${path}`,
  );
}

function openWith(key: Buffer, sealed: Buffer): string | undefined {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
    return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString();
  } catch {
    return undefined;
  }
}

function readKeys(text: string, source: string): Buffer[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  const keys = (words.length > 0 ? words : ['']).map((word) => Buffer.from(word, 'hex'));
  for (const key of keys)
    if (key.length !== 32)
      throw new StartError(`${source} holds ${key.length} bytes of key, 32 are needed: restore it from your backup`);
  return keys;
}

/** The old file stands until the new one is on disk, and its name with it. */
function writeKeys(path: string, keys: readonly Buffer[]): void {
  const fd = openSync(`${path}.new`, 'w', 0o600);
  try {
    writeFileSync(fd, keysToText(keys));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(`${path}.new`, path);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

const keysToText = (keys: readonly Buffer[]): string => keys.map((key) => `${key.toString('hex')}\n`).join('');

/** A new token of 128 random bits as text that is safe in a URL. */
export function newToken(): string {
  return randomBytes(16).toString('base64url');
}

/** What is kept of a token. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Letters, digits and signs that neither a shell nor a form changes, without those that are taken for one another. */
const KINDS = ['ABCDEFGHJKLMNPQRSTUVWXYZ', 'abcdefghijkmnpqrstuvwxyz', '23456789', '._+=-'];

/** 16 characters, which every BMC keeps, some of each kind that their rules ask for. */
export function newBmcPassword(): string {
  const pick = (from: string): string => from[randomInt(from.length)] as string;
  const characters = [...KINDS.map(pick), ...Array.from({ length: 16 - KINDS.length }, () => pick(KINDS.join('')))];
  for (let at = characters.length - 1; at > 0; at--) {
    const other = randomInt(at + 1);
    [characters[at], characters[other]] = [characters[other] as string, characters[at] as string];
  }
  return characters.join('');
}
