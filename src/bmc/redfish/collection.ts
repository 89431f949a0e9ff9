import type { Client, Read } from './client.ts';
import { isResource, linkAt, partsAt, pathOf, type Resource } from './json.ts';

type CollectionLimits = {
  /** At most so many members are read. */
  members: number;
  /** Whether the BMC says that it puts members into the collection when asked to. */
  canExpand?: boolean;
  /** `needed`: a BMC that breaks over it fails the call; else what it breaks over is left out. */
  need?: 'needed' | 'extra';
};

const PAGE_LIMIT = 50;

/** The members of a collection, each whole; [] where there is none. Pages, members and loops are bounded. */
export async function readMembers(
  client: Client,
  path: string | undefined,
  limits: CollectionLimits,
): Promise<Resource[]> {
  const found: Resource[] = [];
  for (const member of await readEntries(client, path, limits)) {
    if (!isReference(member)) found.push(member);
    else {
      const read = await client.find(linkAt({ member }, 'member'), limits.need);
      if (read) found.push({ ...read.resource, '@odata.id': read.path });
    }
  }
  return found;
}

/** What a collection lists: references, or members that came along with it. */
async function readEntries(client: Client, path: string | undefined, limits: CollectionLimits): Promise<Resource[]> {
  const entries: Resource[] = [];
  const seen = new Set<string>();
  let page = path;
  while (page !== undefined && !seen.has(page) && seen.size < PAGE_LIMIT && entries.length < limits.members) {
    seen.add(page);
    const read = await readPage(client, page, limits);
    if (!read) break;
    entries.push(...partsAt(read.resource, 'Members'));
    page = pathOf(read.resource['Members@odata.nextLink']) ?? pathOf(read.resource['@odata.nextLink']);
  }
  return entries.slice(0, limits.members);
}

/** A page, with its members in it where the BMC can. */
async function readPage(
  client: Client,
  page: string,
  { canExpand, need }: CollectionLimits,
): Promise<Read | undefined> {
  if (canExpand && !client.bond.isExpandRefused && !page.includes('?')) {
    // DSP0266, "Expand parameter": `.` is the resources that are contained, here the members.
    const whole = await client.find(`${page}?$expand=.($levels=1)`);
    if (whole) return whole;
    const plain = await client.find(page, need);
    if (plain) {
      client.bond.isExpandRefused = true;
      client.note('R21');
    }
    return plain;
  }
  return client.find(page, need);
}

/** A member that is no more than a link. */
function isReference(member: Resource): boolean {
  return isResource(member) && Object.keys(member).every((name) => name.startsWith('@odata.'));
}
