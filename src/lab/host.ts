import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LabError } from './error.ts';
import { BIOS_NETWORK_ROM, UEFI_CODE, UEFI_VARIABLES } from './qemu.ts';

/** What the rack needs of its host, and the Debian package that brings it. */
const NEEDED: Record<string, string> = {
  ip: 'iproute2',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  perl: 'perl-base',
  'qemu-system-x86_64': 'qemu-system-x86',
  'qemu-img': 'qemu-utils',
  ipmi_sim: 'openipmi',
  [BIOS_NETWORK_ROM]: 'ipxe-qemu',
  [UEFI_CODE]: 'ovmf',
  [UEFI_VARIABLES]: 'ovmf',
};

/** LabError that says what is missing when this host cannot hold a rack. */
export function checkHost(): void {
  if (process.platform !== 'linux') {
    throw new LabError('a virtual rack needs Linux', 'Run it on a Linux host or in a Linux virtual machine');
  }
  if (process.getuid?.() !== 0) {
    throw new LabError('a virtual rack needs root, for its network namespace and the BMC port', 'Run it with sudo');
  }
  const missing = Object.keys(NEEDED).filter((name) => !isThere(name));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((name) => NEEDED[name]))];
  throw new LabError(`${missing.join(', ')} not found`, `Install it: apt-get install ${packages.join(' ')}`);
}

function isThere(name: string): boolean {
  if (name.startsWith('/')) return existsSync(name);
  return (process.env.PATH ?? '').split(delimiter).some((folder) => isExecutable(join(folder, name)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
