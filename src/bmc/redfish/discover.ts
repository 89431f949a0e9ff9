import type { Client, Read } from './client.ts';
import { readMembers } from './collection.ts';
import { linkAt, partAt, partsAt, pathOf, type Resource, textAt, valueAt } from './json.ts';
import { chooseSystem, isSameUuid, isUuid } from './match.ts';
import { chooseQuirks, type Facts, type Rules, rulesOf } from './quirks.ts';
import type { RedfishSettings } from './settings.ts';

/** What the service root says: where things are, and how far the BMC goes. */
type Root = {
  redfishVersion: string;
  vendor: string;
  product: string;
  canExpand: boolean;
  systems: string | undefined;
  managers: string | undefined;
  chassis: string | undefined;
  sessions: string | undefined;
};

/** A machine behind a BMC, found once and asked again and again. */
export type Site = {
  root: Root;
  rules: Rules;
  /** The path of the machine's System. */
  system: string;
  /** Of the System, as it reads; '' where it has none. */
  uuid: string;
  /** Whether the BMC has other Systems too. */
  isShared: boolean;
  manager: string | undefined;
  chassis: readonly string[];
};

/** A call's conversation with the machine that it is about. */
export type Talk = { client: Client; site: Site };

const ROOT = '/redfish/v1/';
const SYSTEM_LIMIT = 64;
const CHASSIS_LIMIT = 8;

/** Reads the service root: without a login when the BMC allows that, as it should. */
export async function readRoot(client: Client, login: (sessions: string | undefined) => Promise<void>): Promise<Root> {
  const openly = await client.getOpenly(ROOT);
  if (openly) {
    const root = rootOf(openly.resource);
    await login(root.sessions);
    return root;
  }
  await login(`${ROOT}SessionService/Sessions`);
  return rootOf((await client.get(ROOT)).resource);
}

function rootOf(root: Resource): Root {
  const expand = partAt(root, 'ProtocolFeaturesSupported', 'ExpandQuery');
  const service = linkAt(root, 'SessionService');
  return {
    redfishVersion: textAt(root, 'RedfishVersion'),
    vendor: textAt(root, 'Vendor') || Object.keys(partAt(root, 'Oem')).slice(0, 4).join(' '),
    product: textAt(root, 'Product'),
    canExpand: valueAt(expand, 'NoLinks') === true,
    systems: linkAt(root, 'Systems'),
    managers: linkAt(root, 'Managers'),
    chassis: linkAt(root, 'Chassis'),
    sessions: linkAt(root, 'Links', 'Sessions') ?? (service && `${service.replace(/\/$/, '')}/Sessions`),
  };
}

/** Finds the machine's System, its manager and its chassis, and what this BMC's quirks are. */
export async function findSite(client: Client, root: Root, settings: RedfishSettings): Promise<Site> {
  if (root.systems === undefined)
    throw client.error('unsupported', 'has no collection of Systems in its service root', 'Use IPMI for this machine');
  const systems = await readMembers(client, root.systems, { members: SYSTEM_LIMIT, need: 'needed' });
  const choice = chooseSystem(systems, settings);
  if ('refused' in choice)
    throw client.error(systems.length === 0 ? 'unsupported' : 'refused', choice.refused, choice.next);

  const { system } = choice;
  const path = pathOf(system['@odata.id']);
  if (path === undefined) throw client.error('protocol', `has a System "${textAt(system, 'Id')}" without a path`);
  const managers = partsAt(system, 'Links', 'ManagedBy').map((link) => pathOf(link['@odata.id']));
  const manager = await findManager(client, root, managers[0]);
  const facts: Facts = {
    vendor: root.vendor,
    product: root.product,
    managerModel: textAt(manager?.resource ?? {}, 'Model'),
    managerFirmware: textAt(manager?.resource ?? {}, 'FirmwareVersion'),
    manufacturer: textAt(system, 'Manufacturer'),
    model: textAt(system, 'Model'),
  };
  const quirks = chooseQuirks(facts, settings.quirks);
  for (const quirk of quirks) client.note(quirk.id);
  const chassis = await findChassis(client, root, system);
  return {
    root,
    rules: rulesOf(quirks),
    system: path,
    uuid: textAt(system, 'UUID'),
    isShared: systems.length > 1,
    manager: manager?.path,
    chassis,
  };
}

/**
 * Gives the System as it reads now. Fails when another machine is there than was found, as when a blade was moved: what was
 * meant for one must not be done to the other. A UUID that is missing for a while, as in a start, is no other one.
 */
export async function readSystem({ client, site }: Talk): Promise<Read> {
  const read = await client.get(site.system);
  const uuid = textAt(read.resource, 'UUID');
  if (!isUuid(uuid) || !isUuid(site.uuid) || isSameUuid(uuid, site.uuid)) return read;
  const what = `has another machine at ${site.system} than before: its UUID was ${site.uuid} and is ${uuid}`;
  throw client.error('refused', what, 'Try again: the machine is then looked for anew');
}

async function findManager(client: Client, root: Root, linked: string | undefined): Promise<Read | undefined> {
  const read = await client.find(linked);
  if (read) return read;
  const [first] = await readMembers(client, root.managers, { members: 1 });
  const path = first && pathOf(first['@odata.id']);
  return path === undefined ? undefined : { path, resource: first as Resource, etag: '' };
}

/** The chassis that the System names; a BMC that names none and has one System means all of them. */
async function findChassis(client: Client, root: Root, system: Resource): Promise<string[]> {
  const linked = partsAt(system, 'Links', 'Chassis').map((link) => pathOf(link['@odata.id']));
  const named = linked.filter((path) => path !== undefined);
  if (named.length > 0) return named.slice(0, CHASSIS_LIMIT);
  const all = await client.find(root.chassis);
  const members = partsAt(all?.resource ?? {}, 'Members').map((link) => pathOf(link['@odata.id']));
  return members.filter((path) => path !== undefined).slice(0, CHASSIS_LIMIT);
}
