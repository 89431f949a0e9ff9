import type { BmcIdentity } from '../driver.ts';
import { readSystem, type Talk } from './discover.ts';
import { textAt } from './json.ts';
import { normalizeUuid } from './match.ts';

/** Who the machine is and what its BMC runs. */
export async function readIdentity(talk: Talk): Promise<BmcIdentity> {
  const { client, site } = talk;
  const { resource: system } = await readSystem(talk);
  const manager = (await client.find(site.manager))?.resource ?? {};
  const sku = site.rules.serialIsSku ? textAt(system, 'SKU') : '';
  return {
    manufacturer: textAt(system, 'Manufacturer') || site.root.vendor,
    model: textAt(system, 'Model'),
    firmware: textAt(manager, 'FirmwareVersion'),
    protocol: `Redfish ${site.root.redfishVersion}`.trim(),
    uuid: normalizeUuid(textAt(system, 'UUID')) ?? '',
    serial: sku || textAt(system, 'SerialNumber'),
  };
}
