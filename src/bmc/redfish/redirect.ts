import type { BmcTarget } from '../driver.ts';
import type { Answer } from './answer.ts';
import { cleanText, pathOf } from './json.ts';

/**
 * Where a redirect leads: a path of the same host, or why it is not followed; undefined when the answer is none. The
 * password goes along, so it never leads to another host, or away from TLS. What changes something is sent again only where
 * that is meant (RFC 9110 15.4: 307 and 308), or where the path differs by its last slash alone.
 */
export function chooseRedirect(
  { status, headers }: Answer,
  method: string,
  from: string,
  target: Pick<BmcTarget, 'address' | 'port'>,
): { path: string } | { refused: string } | undefined {
  if (![301, 302, 303, 307, 308].includes(status)) return undefined;
  const refuse = (why: string) => ({ refused: `redirects ${method} ${from} ${why}` });
  const origin = `https://${target.address.includes(':') ? `[${target.address}]` : target.address}:${target.port}`;
  const location = headers.location ?? '';
  if (!URL.canParse(location, origin + from) || location === '') return refuse('to nowhere');
  const to = new URL(location, origin + from);
  if (to.origin !== new URL(origin).origin) return refuse(`to ${cleanText(to.origin, 80)}, which is not this BMC`);
  const path = pathOf(to.pathname + to.search);
  if (path === undefined) return refuse('to a path that we cannot ask for');
  const isSameButSlash = path.replace(/\/$/, '') === from.replace(/\/$/, '');
  if (method !== 'GET' && status < 307 && !isSameButSlash)
    return refuse(`with ${status}, so as if it were a page to be read`);
  return { path };
}
