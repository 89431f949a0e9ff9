import type { BootOption } from '../boot-order.ts';
import type { BootDevice } from '../driver.ts';
import { type Resource, textAt, valueAt } from './json.ts';

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
