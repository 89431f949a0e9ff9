import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AppError } from '../model/errors.ts';

/** Seals and opens the few values that must not be readable in the database file: BMC passwords. */
export type Secrets = { seal(text: string): Buffer; open(sealed: Buffer): string };

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The key is `FOLDER/secret.key` (64 hex digits, mode 0600), made at first use. AES-256-GCM; a sealed value is iv, tag, text. */
export function openSecrets(folder: string): Secrets {
  const path = join(folder, 'secret.key');
  if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' });
  const key = Buffer.from(readFileSync(path, 'utf8').trim(), 'hex');
  if (key.length !== 32)
    throw new Error(`${path} holds ${key.length} bytes of key, 32 are needed: restore it from your backup`);
  return {
    seal: (text) => {
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([iv, cipher.getAuthTag(), body]);
    },
    open: (sealed) => {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES));
        decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
        return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString();
      } catch {
        throw new AppError(
          'bmc-failed',
          `the password of the BMC cannot be opened with ${path}: restore that file from your backup, or enter the password again`,
        );
      }
    },
  };
}

/** A new token of 128 random bits as text that is safe in a URL. */
export function newToken(): string {
  return randomBytes(16).toString('base64url');
}

/** What is kept of a token. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
