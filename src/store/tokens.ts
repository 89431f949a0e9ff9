import type { Instant } from '../model/time.ts';
import type { Db } from './db.ts';
import { hashToken, newToken } from './secrets.ts';

/** Who may use the API. */
export type Tokens = ReturnType<typeof openTokens>;

export function openTokens(db: Db) {
  const put = db.sql.prepare(
    'INSERT INTO api_token (name, hash, created_at) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET hash = excluded.hash',
  );
  const byHash = db.sql.prepare<[string], { name: string }>('SELECT name FROM api_token WHERE hash = ?');
  const count = db.sql.prepare<[], { n: number }>('SELECT count(*) AS n FROM api_token');

  return {
    isEmpty: (): boolean => count.get()?.n === 0,
    /** Make a new token for this name, replacing an earlier one. It can be read only now. */
    issue(name: string, now: Instant): string {
      const token = newToken();
      put.run(name, hashToken(token), now);
      return token;
    },
    /** Whose token this is. Only hashes are compared, so timing tells nothing of a token. */
    owner: (token: string): string | undefined => byHash.get(hashToken(token))?.name,
  };
}
