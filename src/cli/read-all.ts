import type { Client } from './client.ts';
import { queryOf } from './paths.ts';

/** The appliance answers machines between two parts. */
const ITEMS_OF_A_PART = 2000;

/** All items of a list that the API gives in parts. `keyOf`: what the next part begins after. */
export async function readAll<T>(
  client: Client,
  path: string,
  wanted: Readonly<Record<string, string | undefined>>,
  keyOf: (item: T) => string | number,
): Promise<T[]> {
  const all: T[] = [];
  let after: string | number | undefined;
  for (;;) {
    const part = await client.get<T[]>(`${path}${queryOf({ ...wanted, limit: ITEMS_OF_A_PART, after })}`);
    for (const item of part) all.push(item);
    const last = part.at(-1);
    if (last === undefined || part.length < ITEMS_OF_A_PART) return all;
    after = keyOf(last);
  }
}
