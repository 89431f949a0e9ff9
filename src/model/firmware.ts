import type { FirmwareMode } from './machine.ts';
import { type ParticularQuirk, quirkOf } from './quirks.ts';

/** What a DHCP client says of itself in options 60, 77, 93 and 175; absent or malformed options are undefined. */
export type ClientHints = {
  vendorClass?: string | undefined;
  userClasses?: string[] | undefined;
  architectures?: number[] | undefined;
  hasIpxeOptions?: boolean | undefined;
  mac?: string | undefined;
};

/** Who is speaking: the firmware's own ROM, iPXE (ours or the ROM's), or an operating system or installer. */
export type ClientStage = 'firmware' | 'ipxe' | 'os';

export type Cpu = 'x64' | 'x86' | 'arm64' | 'arm32' | 'other';

export type Firmware = {
  stage: ClientStage;
  mode: FirmwareMode | 'unknown';
  transport: 'tftp' | 'http';
  cpu: Cpu;
  /** Option 93, as sent. */
  architecture?: number;
  /** How people call it: `UEFI x64 PXE`. */
  name: string;
  /** What is done differently for it. */
  quirk?: ParticularQuirk | undefined;
};

type Architecture = { mode: FirmwareMode | 'unknown'; transport: 'tftp' | 'http'; cpu: Cpu; name: string };

/** One row of ARCHITECTURES. */
const row = (mode: Architecture['mode'], transport: 'tftp' | 'http', cpu: Cpu, name: string): Architecture => ({
  mode,
  transport,
  cpu,
  name,
});

/** Firmware that starts no loader of ours: it gets an address and no boot data. */
const foreign = (transport: 'tftp' | 'http', name: string, cpu: Cpu = 'other'): Architecture =>
  row('unknown', transport, cpu, name);

/**
 * Processor architecture types of option 93: the IANA registry that RFC 4578 2.1 began. RFC 4578 had 7 and 9 swapped (erratum), and
 * firmware of both readings is in the field: both are x64 UEFI.
 */
export const ARCHITECTURES: Readonly<Record<number, Architecture>> = {
  0: row('bios', 'tftp', 'x86', 'BIOS PXE'),
  1: foreign('tftp', 'NEC PC98'),
  2: foreign('tftp', 'Itanium UEFI PXE'),
  3: foreign('tftp', 'DEC Alpha'),
  4: foreign('tftp', 'Arc x86'),
  5: foreign('tftp', 'Intel Lean Client'),
  6: row('uefi', 'tftp', 'x86', 'UEFI x86 PXE'),
  7: row('uefi', 'tftp', 'x64', 'UEFI x64 PXE'),
  8: foreign('tftp', 'UEFI Xscale PXE'),
  9: row('uefi', 'tftp', 'x64', 'UEFI x64 PXE'),
  10: row('uefi', 'tftp', 'arm32', 'UEFI ARM32 PXE'),
  11: row('uefi', 'tftp', 'arm64', 'UEFI ARM64 PXE'),
  12: foreign('tftp', 'PowerPC Open Firmware'),
  13: foreign('tftp', 'PowerPC ePAPR'),
  14: foreign('tftp', 'POWER OPAL'),
  15: row('uefi', 'http', 'x86', 'UEFI x86 HTTP boot'),
  16: row('uefi', 'http', 'x64', 'UEFI x64 HTTP boot'),
  17: row('uefi', 'http', 'x64', 'UEFI x64 HTTP boot (EBC)'),
  18: row('uefi', 'http', 'arm32', 'UEFI ARM32 HTTP boot'),
  19: row('uefi', 'http', 'arm64', 'UEFI ARM64 HTTP boot'),
  20: row('bios', 'http', 'x86', 'BIOS HTTP boot'),
  21: foreign('tftp', 'ARM32 U-Boot', 'arm32'),
  22: foreign('tftp', 'ARM64 U-Boot', 'arm64'),
  23: foreign('http', 'ARM32 U-Boot HTTP boot', 'arm32'),
  24: foreign('http', 'ARM64 U-Boot HTTP boot', 'arm64'),
  25: foreign('tftp', 'UEFI RISC-V32 PXE'),
  26: foreign('http', 'UEFI RISC-V32 HTTP boot'),
  27: foreign('tftp', 'UEFI RISC-V64 PXE'),
  28: foreign('http', 'UEFI RISC-V64 HTTP boot'),
  29: foreign('tftp', 'UEFI RISC-V128 PXE'),
  30: foreign('http', 'UEFI RISC-V128 HTTP boot'),
  31: foreign('tftp', 's390 basic'),
  32: foreign('tftp', 's390 extended'),
  33: foreign('tftp', 'UEFI MIPS32 PXE'),
  34: foreign('tftp', 'UEFI MIPS64 PXE'),
  35: foreign('tftp', 'UEFI Sunway32 PXE'),
  36: foreign('tftp', 'UEFI Sunway64 PXE'),
  37: foreign('tftp', 'UEFI LoongArch32 PXE'),
  38: foreign('http', 'UEFI LoongArch32 HTTP boot'),
  39: foreign('tftp', 'UEFI LoongArch64 PXE'),
  40: foreign('http', 'UEFI LoongArch64 HTTP boot'),
  41: foreign('tftp', 'Raspberry Pi boot ROM', 'arm64'),
};

/** Tell what kind of client speaks; first match wins. Anything that claims no boot protocol is an operating system. */
export function classifyFirmware(hints: ClientHints): Firmware {
  const vendorClass = hints.vendorClass ?? '';
  const isIpxe = hints.hasIpxeOptions === true || (hints.userClasses ?? []).includes('iPXE');
  const isHttp = vendorClass.startsWith('HTTPClient');
  const isPxe = vendorClass.startsWith('PXEClient');
  if (!isIpxe && !isHttp && !isPxe) {
    const quirk = quirkOf({ mac: hints.mac, vendorClass });
    const name = quirk?.effect.name ?? 'operating system';
    return { stage: 'os', mode: 'unknown', transport: 'tftp', cpu: 'other', name, quirk };
  }

  const architecture =
    hints.architectures?.find((code) => ARCHITECTURES[code]) ?? hints.architectures?.[0] ?? statedIn(vendorClass) ?? 0;
  const quirk = quirkOf({ mac: hints.mac, vendorClass, architecture });
  const known =
    ARCHITECTURES[quirk?.effect.architecture ?? architecture] ??
    foreign(isHttp ? 'http' : 'tftp', `architecture ${architecture}`);
  // iPXE on BIOS says x86 whatever the processor: what it boots is decided by the bootenv, which is x64.
  const cpu = known.mode === 'bios' ? 'x64' : known.cpu;
  if (isIpxe)
    return {
      ...known,
      cpu,
      stage: 'ipxe',
      transport: 'http',
      architecture,
      name: `iPXE on ${known.mode === 'unknown' ? known.name : known.mode.toUpperCase()}`,
      quirk,
    };
  return {
    ...known,
    cpu,
    stage: 'firmware',
    transport: isHttp ? 'http' : known.transport,
    architecture,
    name: known.name,
    quirk,
  };
}

/** The number in `PXEClient:Arch:00007:UNDI:003000`, for firmware that leaves option 93 out. */
function statedIn(vendorClass: string): number | undefined {
  const match = /:Arch:(\d{5})/.exec(vendorClass);
  return match ? Number(match[1]) : undefined;
}
