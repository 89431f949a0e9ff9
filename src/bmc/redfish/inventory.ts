import type { InventoryField } from '../driver.ts';
import { readMembers } from './collection.ts';
import { readSystem, type Talk } from './discover.ts';
import { linkAt, partsAt, pathOf, type Resource, textAt } from './json.ts';

const PART_LIMIT = 256;

/** Fields of one kind of resource: the name of the value and where it stands. */
type Fields = readonly (readonly [name: string, ...path: string[]])[];

const MADE: Fields = [
  ['manufacturer', 'Manufacturer'],
  ['model', 'Model'],
  ['serial', 'SerialNumber'],
  ['part number', 'PartNumber'],
];

const SYSTEM: Fields = [
  ...MADE,
  ['SKU', 'SKU'],
  ['UUID', 'UUID'],
  ['asset tag', 'AssetTag'],
  ['host name', 'HostName'],
  ['BIOS version', 'BiosVersion'],
  ['processors', 'ProcessorSummary', 'Count'],
  ['memory GiB', 'MemorySummary', 'TotalSystemMemoryGiB'],
];
const CHASSIS: Fields = [['type', 'ChassisType'], ...MADE, ['SKU', 'SKU'], ['asset tag', 'AssetTag']];
const MANAGER: Fields = [
  ['model', 'Model'],
  ['firmware', 'FirmwareVersion'],
  ['UUID', 'UUID'],
];
const SUPPLY: Fields = [...MADE, ['watts', 'PowerCapacityWatts'], ['firmware', 'FirmwareVersion']];

/** Collections below the System, with what is told of each member. */
const COLLECTIONS: readonly { part: string; link: string; fields: Fields }[] = [
  {
    part: 'processor',
    link: 'Processors',
    fields: [...MADE, ['cores', 'TotalCores'], ['threads', 'TotalThreads'], ['MHz', 'MaxSpeedMHz']],
  },
  {
    part: 'memory',
    link: 'Memory',
    fields: [...MADE, ['MiB', 'CapacityMiB'], ['type', 'MemoryDeviceType'], ['MHz', 'OperatingSpeedMhz']],
  },
  {
    part: 'network',
    link: 'EthernetInterfaces',
    fields: [
      ['MAC', 'MACAddress'],
      ['permanent MAC', 'PermanentMACAddress'],
      ['link', 'LinkStatus'],
      ['Mbit/s', 'SpeedMbps'],
    ],
  },
];
const DRIVE: Fields = [
  ...MADE,
  ['bytes', 'CapacityBytes'],
  ['media', 'MediaType'],
  ['protocol', 'Protocol'],
  ['firmware', 'Revision'],
];

/** What is built in: System, its parts, drives, chassis with power supplies, and the manager. Parts the BMC lacks are left out. */
export async function readInventory(talk: Talk): Promise<InventoryField[]> {
  const { client, site } = talk;
  const limits = { members: PART_LIMIT, canExpand: site.root.canExpand };
  const { resource: system } = await readSystem(talk);
  const fields = fieldsOf('system', system, SYSTEM);
  for (const { part, link, fields: told } of COLLECTIONS)
    for (const member of await readMembers(client, linkAt(system, link), limits))
      fields.push(...fieldsOf(`${part} ${nameOf(member)}`, member, told));

  for (const storage of await readMembers(client, linkAt(system, 'Storage'), { ...limits, members: 16 }))
    for (const link of partsAt(storage, 'Drives').slice(0, PART_LIMIT)) {
      const drive = await client.find(pathOf(link['@odata.id']));
      if (drive) fields.push(...fieldsOf(`drive ${nameOf(drive.resource)}`, drive.resource, DRIVE));
    }

  for (const path of site.chassis) {
    const chassis = (await client.find(path))?.resource ?? {};
    fields.push(...fieldsOf(`chassis ${nameOf(chassis)}`, chassis, CHASSIS));
    const power = (await client.find(linkAt(chassis, 'Power')))?.resource ?? {};
    for (const supply of partsAt(power, 'PowerSupplies'))
      fields.push(...fieldsOf(`power supply ${textAt(supply, 'Name')}`, supply, SUPPLY));
  }
  const manager = await client.find(site.manager);
  fields.push(...fieldsOf('BMC', manager?.resource ?? {}, MANAGER));
  return fields;
}

function fieldsOf(part: string, resource: Resource, fields: Fields): InventoryField[] {
  return fields
    .map(([name, ...path]) => ({ part: part.trim(), name, value: textAt(resource, ...path) }))
    .filter(({ value }) => value !== '');
}

function nameOf(resource: Resource): string {
  return textAt(resource, 'Id') || textAt(resource, 'Name');
}
