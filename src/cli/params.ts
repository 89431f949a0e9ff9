import type { ParamDeclaration } from '../model/params.ts';
import type { Client } from './client.ts';
import { readText } from './input.ts';
import { splitPair } from './options.ts';

/** NAME=VALUE pairs as params of their declared types; NAME=@FILE reads a file. `mayRemove`: NAME= gives null. Throws CliError. */
export async function readParams(
  client: Pick<Client, 'get'>,
  pairs: readonly string[],
  mayRemove: boolean,
): Promise<Record<string, unknown>> {
  if (pairs.length === 0) return {};
  const declarations = await client.get<Record<string, ParamDeclaration>>('/api/v1/params');
  return Object.fromEntries(
    pairs.map((pair) => {
      const [name, written] = splitPair(pair);
      if (written === '' && mayRemove) return [name, null];
      const text = written.startsWith('@') ? readText(written.slice(1)) : written;
      return [name, typedParam(declarations[name]?.type, text)];
    }),
  );
}

/** A text that is not of the type stays one: the API refuses it in its own words. */
function typedParam(type: ParamDeclaration['type'] | undefined, text: string): unknown {
  if (type === 'list')
    return text
      .split(/\n|,(?=\S)/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const word = text.trim();
  if (type === 'integer' && /^-?\d+$/.test(word)) return Number(word);
  if (type === 'boolean' && (word === 'true' || word === 'false')) return word === 'true';
  return type === 'script' ? text : text.replace(/\n$/, '');
}
