import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Instant } from './model/time.ts';
import type { Tokens } from './store/tokens.ts';

export type FirstStartOptions = {
  tokens: Pick<Tokens, 'isEmpty' | 'issue'>;
  /** Where the page and the API will be. */
  url: string;
  /** The file that the CLI of this host reads, where it is to be written. */
  credentials?: string | undefined;
  now: Instant;
  log: (line: string) => void;
};

/** Give the first start its admin token: told on the log, and left with the URL in the credentials file. Later ones get none. */
export function giveFirstToken({ tokens, url, credentials, now, log }: FirstStartOptions): void {
  if (!tokens.isEmpty()) return;
  const token = tokens.issue('admin', now);
  // at once: whatever else keeps the appliance from starting, the next start will not tell it again
  log(`admin token, told only this once: ${token}`);
  if (credentials === undefined) return;
  try {
    mkdirSync(dirname(credentials), { recursive: true, mode: 0o700 });
    writeFileSync(credentials, `${JSON.stringify({ url, token })}\n`, { mode: 0o600 });
    chmodSync(credentials, 0o600);
  } catch (error) {
    log(`the admin token is not in ${credentials}: ${(error as Error).message}`);
  }
}
