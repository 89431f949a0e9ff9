import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './cli-error.ts';
import { readText } from './input.ts';

/** Where the API is, and the token for it. */
export type Place = { url: string; token: string };

const USUAL_URL = 'http://127.0.0.1:7070';
/**
 * Where the CLI looks for URL and token when FIRSTLIGHT_TOKEN is not set. The first start of an appliance writes it there only when
 * `serve --credentials` names it, as scripts/up does.
 */
const CREDENTIALS_FILE = join(homedir(), '.config', 'firstlight', 'credentials.json');

/** The API at FIRSTLIGHT_URL with FIRSTLIGHT_TOKEN, or the one of the credentials file. Throws CliError. */
export function findCredentials(): Place {
  const { FIRSTLIGHT_URL: url, FIRSTLIGHT_TOKEN: token } = process.env;
  if (token) return { url: readUrl(url || USUAL_URL), token: readToken(token) };
  if (!existsSync(CREDENTIALS_FILE))
    throw new CliError(
      `no token: set FIRSTLIGHT_TOKEN (and FIRSTLIGHT_URL), or start an appliance here with scripts/up, which leaves one in ${CREDENTIALS_FILE}`,
    );
  const saved = readSaved(readText(CREDENTIALS_FILE));
  return { url: readUrl(url || saved.url), token: readToken(saved.token) };
}

function readSaved(text: string): Place {
  try {
    const { url, token } = JSON.parse(text) as Partial<Place>;
    if (typeof url === 'string' && typeof token === 'string') return { url, token };
  } catch {
    // told below
  }
  throw new CliError(
    `${CREDENTIALS_FILE} holds no URL and token: remove it, and set FIRSTLIGHT_URL and FIRSTLIGHT_TOKEN`,
  );
}

function readUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:\/\//.test(text))
    throw new CliError(`${text} is not where a Firstlight can be: write its URL like ${USUAL_URL} (FIRSTLIGHT_URL)`);
  return text.replace(/\/+$/, '');
}

/** As it goes into a header: anything else was not copied whole. */
function readToken(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text))
    throw new CliError('the token has blanks or signs that no token has: copy it once more');
  return text;
}
