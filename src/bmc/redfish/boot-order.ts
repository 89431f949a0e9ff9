import type { BootDevice } from '../driver.ts';
import { readMembers } from './collection.ts';
import type { Talk } from './discover.ts';
import { linkAt, partAt, type Resource, textAt, textsAt, valueAt } from './json.ts';

/** One thing that the firmware can boot: `Boot0001`, as it names it, and what it is where that can be told. */
export type BootOption = {
  reference: string;
  name: string;
  device: BootDevice | 'other';
  /** UEFI device path as text, '' when none is told. */
  path: string;
  /** Of the network card, lower case with colons, '' for what is none. */
  mac: string;
  isEnabled: boolean;
};

/** `order`: references, first tried first. Those that no option describes are in it all the same. */
export type BootOrder = { order: string[]; options: BootOption[] };

const OPTION_LIMIT = 128;

/** The firmware's own boot order, which is in force when no override is. */
export async function readBootOrder({ client, site }: Talk): Promise<BootOrder> {
  const { resource } = await client.get(site.system);
  const boot = partAt(resource, 'Boot');
  const order = textsAt(boot, 'BootOrder');
  const path = linkAt(boot, 'BootOptions');
  if (!order && !path) throw client.error('unsupported', 'does not tell its boot order');
  const limits = { members: OPTION_LIMIT, canExpand: site.root.canExpand };
  const options = (await readMembers(client, path, limits)).map(bootOptionOf);
  return { order: (order ?? options.map((option) => option.reference)).slice(0, OPTION_LIMIT), options };
}

/** DSP0268 BootOption. */
export function bootOptionOf(option: Resource): BootOption {
  const path = textAt(option, 'UefiDevicePath');
  const alias = ALIASES[textAt(option, 'Alias')];
  const byPath = PATHS.find(([pattern]) => pattern.test(path))?.[1];
  const mac = /\bMAC\(([0-9a-f]{12})/i.exec(path)?.[1]?.toLowerCase() ?? '';
  return {
    reference: textAt(option, 'BootOptionReference') || textAt(option, 'Id'),
    name: textAt(option, 'DisplayName') || textAt(option, 'Name'),
    device: alias ?? byPath ?? 'other',
    path,
    mac: (mac.match(/../g) ?? []).join(':'),
    isEnabled: valueAt(option, 'BootOptionEnabled') !== false,
  };
}

const ALIASES: Readonly<Record<string, BootDevice>> = {
  Pxe: 'network',
  UefiHttp: 'http',
  Hdd: 'disk',
  Cd: 'cd',
  UsbCd: 'cd',
  BiosSetup: 'setup',
};

/** Nodes of a UEFI device path (UEFI 2.10, "Text Device Node Reference"). First match wins. */
const PATHS: readonly [RegExp, BootDevice][] = [
  [/\bUri\(/i, 'http'],
  [/\b(IPv4|IPv6|MAC)\(/i, 'network'],
  [/\bCDROM\(/i, 'cd'],
  [/\b(HD|NVMe|Sata|Scsi|SasEx?|UFS|eMMC)\(/i, 'disk'],
];
