import type { Cpu, Firmware } from '../model/firmware.ts';
import type { FirmwareMode } from '../model/machine.ts';

/** A network boot program: which firmware it is for and the file's name in the loaders folder. */
export type Loader = { mode: FirmwareMode; cpu: Cpu; file: string; why: string; ref?: string | undefined };

/** The first row that fits is the default; the others are served where a machine, its subnet or a quirk wants them. */
export const LOADERS: readonly Loader[] = [
  {
    mode: 'bios',
    cpu: 'x64',
    file: 'undionly.kpxe',
    why: "iPXE on the ROM's own UNDI driver: no native driver that may hang (sidero#447)",
  },
  { mode: 'bios', cpu: 'x64', file: 'ipxe.pxe', why: 'iPXE with its own network drivers' },
  {
    mode: 'uefi',
    cpu: 'x64',
    file: 'snponly.efi',
    why: "iPXE on the firmware's own network driver",
  },
  { mode: 'uefi', cpu: 'x64', file: 'ipxe.efi', why: 'iPXE with its own network drivers' },
];

/** The file with which a UEFI machine is sent to its own disk: it is answered with an error at once, on purpose. */
export const LOCAL_BOOT_FILE = 'local-boot.efi';

/** The loader for this firmware; undefined when there is none for it. `wanted`: files to be preferred, the first that fits. */
export function chooseLoader(firmware: Firmware, wanted: readonly WantedLoader[] = []): Loader | undefined {
  const fitting = LOADERS.filter((loader) => loader.mode === firmware.mode && loader.cpu === firmware.cpu);
  for (const { file, why, ref } of wanted) {
    const loader = fitting.find((one) => one.file === file);
    if (loader) return { ...loader, why, ref };
  }
  return fitting[0];
}

/** A loader that somebody chose, and who; `ref` where that stands. */
export type WantedLoader = { file: string | undefined; why: string; ref?: string };

/** How a firmware is called where loaders are chosen for it: `uefi-x64`. */
export const firmwareKey = (firmware: Firmware): string => `${firmware.mode}-${firmware.cpu}`;

/** Whether this is the name of a loader that we serve. */
export function isLoaderFile(name: string): boolean {
  return LOADERS.some((loader) => loader.file === name);
}
