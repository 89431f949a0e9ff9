import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../model/errors.ts';

/** Seals and opens the few values that must not be readable in the database file: BMC passwords. AES-256-GCM; a sealed value is iv, tag, text. */
export type Secrets = {
  seal(text: string): Buffer;
  /** Throws `bmc-failed` when no key of ours opens it. */
  open(sealed: Buffer): string;
  /** Whether it was sealed with an earlier key. */
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

/** The keys of `environment`, or those in `FOLDER/secret.key` (64 hex digits a line, mode 0600), made at first use. */
export function openSecrets(folder: string, environment?: string): Secrets {
  const path = join(folder, 'secret.key');
  const isOurs = environment === undefined;
  const source = isOurs ? path : KEY_VARIABLE;
  const makeKey = (): Buffer => randomBytes(32);
  if (isOurs && !existsSync(path)) writeFileSync(path, keysToText([makeKey()]), { mode: 0o600, flag: 'wx' });
  let keys = readKeys(environment ?? readFileSync(path, 'utf8'), source);

  /** The old file stands until the new one is on disk. */
  function keep(): void {
    const fd = openSync(`${path}.new`, 'w', 0o600);
    writeFileSync(fd, keysToText(keys));
    fsyncSync(fd);
    closeSync(fd);
    renameSync(`${path}.new`, path);
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
    isOld: (sealed) => openWith(keys[0] as Buffer, sealed) === undefined,
    rotate() {
      if (!isOurs)
        throw new AppError(
          'bad-request',
          `the key comes from ${KEY_VARIABLE}`,
          'put the new key before the old one there and restart; take the old one away after the next start',
        );
      keys = [makeKey(), ...keys];
      keep();
    },
    forgetOld() {
      if (!isOurs || keys.length === 1) return;
      keys = keys.slice(0, 1);
      keep();
    },
  };
}

function openWith(key: Buffer, sealed: Buffer): string | undefined {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES));
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
      throw new Error(`${source} holds ${key.length} bytes of key, 32 are needed: restore it from your backup`);
  return keys;
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
