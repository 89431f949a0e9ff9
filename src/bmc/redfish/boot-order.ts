import type { BootOrder } from '../boot-order.ts';
import { bootOptionOf } from './boot-options.ts';
import { readMembers } from './collection.ts';
import { readSystem, type Talk } from './discover.ts';
import { linkAt, partAt, textsAt } from './json.ts';

const OPTION_LIMIT = 128;

/** The firmware's own boot order, which is in force when no override is. */
export async function readBootOrder(talk: Talk): Promise<BootOrder> {
  const { client, site } = talk;
  const { resource } = await readSystem(talk);
  const boot = partAt(resource, 'Boot');
  const order = textsAt(boot, 'BootOrder');
  const path = linkAt(boot, 'BootOptions');
  if (!order && !path) throw client.error('unsupported', 'does not tell its boot order');
  const limits = { members: OPTION_LIMIT, canExpand: site.root.canExpand };
  const options = (await readMembers(client, path, limits)).map(bootOptionOf);
  return { order: (order ?? options.map((option) => option.reference)).slice(0, OPTION_LIMIT), options };
}
