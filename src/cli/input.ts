import { readFileSync } from 'node:fs';
import { CliError } from './cli-error.ts';

/** Why a file cannot be read, in plain words. */
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a directory: name one file of it',
  EACCES: 'you may not read it',
};

/** The text of a file, - for standard input: UTF-8, or UTF-16 with its byte order mark, as Windows writes it. Throws CliError. */
export function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file === '-' ? 0 : file);
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    throw new CliError(`${file} cannot be read: ${REASONS[code] ?? message}`);
  }
  return bytes.toString(bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf16le' : 'utf8');
}

/** From a file, - for standard input: an argument would be seen by everybody on this host. Throws CliError. */
export function readPassword(file: string): string {
  return readText(file).replace(/\r?\n$/, '');
}
