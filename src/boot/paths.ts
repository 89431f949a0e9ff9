import { type Mac, macFromHyphens, macToHyphens } from '../wire/address.ts';
import { isLoaderFile, LOCAL_BOOT_FILE } from './loaders.ts';

/**
 * The only maker and the only parser of the names that machines ask for, by TFTP and by HTTP alike. A name carries its
 * machine's key: the MAC, hyphenated, so that it can be read off a firmware's screen.
 */
export type BootPath =
  | { kind: 'loader'; mac: Mac; file: string }
  | { kind: 'local'; mac: Mac }
  /** Without a MAC: a loader asked for its script by a fixed name; the sender's lease tells who it is. */
  | { kind: 'script'; mac?: Mac }
  | { kind: 'asset'; mac: Mac; bootenv: string; file: string };

/** The name of a machine's iPXE script. */
export const SCRIPT_FILE = 'boot.ipxe';
/** iPXE asks for this beside its own file, then at the root, before anything else (Q28 of the study; 2022 and later). */
const AUTOEXEC_FILE = 'autoexec.ipxe';

const MAC_KEY = /^[0-9a-f]{2}(-[0-9a-f]{2}){5}$/i;

/** The name for a path, without a slash at its beginning. */
export function formatBootPath(path: BootPath): string {
  switch (path.kind) {
    case 'loader':
      return `b/${macToHyphens(path.mac)}/${path.file}`;
    case 'local':
      return `b/${macToHyphens(path.mac)}/${LOCAL_BOOT_FILE}`;
    case 'script':
      return path.mac ? `b/${macToHyphens(path.mac)}/${SCRIPT_FILE}` : AUTOEXEC_FILE;
    case 'asset':
      return `b/${macToHyphens(path.mac)}/a/${path.bootenv}/${path.file}`;
  }
}

/** The URL of a path below the appliance's base URL. */
export function bootUrl(base: string, path: BootPath): string {
  return `${base}/${formatBootPath(path)}`;
}

/**
 * What a requested name means; undefined when it is none of ours. Backslashes, extra slashes and the case of our own words are
 * forgiven (WDS, iPXE: Q26); the files of a bootenv have the case that they have.
 */
export function parseBootPath(name: string): BootPath | undefined {
  const parts = name
    .replaceAll('\\', '/')
    .split('/')
    .filter((part) => part !== '');
  if (parts.some((part) => part === '.' || part === '..' || part.includes('\0'))) return undefined;
  const [root, key, ...rest] = parts;
  if (key === undefined) return isWord(root, AUTOEXEC_FILE) ? { kind: 'script' } : undefined;
  if (!isWord(root, 'b')) return undefined;
  if (!MAC_KEY.test(key)) return undefined;
  const mac = macFromHyphens(key);

  const [first, bootenv, file] = rest;
  if (rest.length === 1 && first !== undefined) {
    const name = first.toLowerCase();
    if (name === SCRIPT_FILE || name === AUTOEXEC_FILE) return { kind: 'script', mac };
    if (name === LOCAL_BOOT_FILE) return { kind: 'local', mac };
    if (isLoaderFile(name)) return { kind: 'loader', mac, file: name };
    return undefined;
  }
  if (rest.length === 3 && isWord(first, 'a') && bootenv && file) return { kind: 'asset', mac, bootenv, file };
  return undefined;
}

const isWord = (part: string | undefined, word: string): boolean => part?.toLowerCase() === word;

/** The URL below which what runs on a machine talks to us, see docs/architecture.md. */
export function runUrl(base: string, token: string): string {
  return `${base}/run/${token}`;
}

/** Where the caching mirror of Debian stands below the appliance's base URL. */
export const MIRROR_PATH = '/mirror/debian';
/** And the one of its security updates. */
export const SECURITY_MIRROR_PATH = '/mirror/debian-security';
