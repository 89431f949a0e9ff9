import { counted } from './counted.ts';
import type { Inventory } from './inventory.ts';

/** `12.3 MB`, for people: bytes in units of 1000, as disks are sold. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `32 threads, 256 GiB memory, 3 disks (1.9 TB)`, for people; what is removable is no disk. */
export function describeHardware({
  cpu,
  memoryBytes,
  disks,
}: Pick<Inventory, 'cpu' | 'memoryBytes' | 'disks'>): string {
  const fixed = disks.filter((disk) => !disk.removable);
  const bytes = fixed.reduce((sum, disk) => sum + disk.sizeBytes, 0);
  const gib = memoryBytes / 2 ** 30;
  const memory = `${gib >= 10 ? Math.round(gib) : gib.toFixed(1)} GiB memory`;
  return `${counted(cpu.threads, 'thread')}, ${memory}, ${counted(fixed.length, 'disk')} (${formatBytes(bytes)})`;
}
