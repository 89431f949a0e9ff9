import type { ParamDeclaration } from '../model/params.ts';
import type { Client } from './client.ts';
import { readText } from './input.ts';
import { splitPair } from './options.ts';

/** NAME=VALUE pairs as params of their declared types. */
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

function typedParam(type: ParamDeclaration['type'] | undefined, text: string): unknown {
  if (type === 'list')
    return text
      .split(/\n|,(?=\S)/)
      .map((line) => line.trim())
      .filter((line) => line !== '');
  if (type === 'integer') return Number(text);
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  return type === 'script' ? text : text.replace(/\n$/, '');
}
