import type { FirmwareMode } from './machine.ts';

/** What a DHCP client says of itself in options 60, 77, 93 and 175; absent or malformed options are undefined. */
export type ClientHints = {
  vendorClass?: string | undefined;
  userClasses?: string[] | undefined;
  architectures?: number[] | undefined;
  hasIpxeOptions?: boolean | undefined;
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
};

type Architecture = { mode: FirmwareMode | 'unknown'; transport: 'tftp' | 'http'; cpu: Cpu; name: string };

const row = (mode: Architecture['mode'], transport: 'tftp' | 'http', cpu: Cpu, name: string): Architecture => ({
  mode,
  transport,
  cpu,
  name,
});

/**
 * Processor architecture types of option 93: IANA registry of RFC 4578 2.1 and 5970. RFC 4578 had 7 and 9 swapped (erratum), and
 * firmware of both readings is in the field: both are x64 UEFI.
 */
export const ARCHITECTURES: Readonly<Record<number, Architecture>> = {
  0: row('bios', 'tftp', 'x86', 'BIOS PXE'),
  6: row('uefi', 'tftp', 'x86', 'UEFI x86 PXE'),
  7: row('uefi', 'tftp', 'x64', 'UEFI x64 PXE'),
  9: row('uefi', 'tftp', 'x64', 'UEFI x64 PXE'),
  10: row('uefi', 'tftp', 'arm32', 'UEFI ARM32 PXE'),
  11: row('uefi', 'tftp', 'arm64', 'UEFI ARM64 PXE'),
  15: row('uefi', 'http', 'x86', 'UEFI x86 HTTP boot'),
  16: row('uefi', 'http', 'x64', 'UEFI x64 HTTP boot'),
  17: row('uefi', 'http', 'x64', 'UEFI x64 HTTP boot (EBC)'),
  18: row('uefi', 'http', 'arm32', 'UEFI ARM32 HTTP boot'),
  19: row('uefi', 'http', 'arm64', 'UEFI ARM64 HTTP boot'),
  20: row('bios', 'http', 'x86', 'BIOS HTTP boot'),
};

/** Tell what kind of client speaks; first match wins. Anything that claims no boot protocol is an operating system. */
export function classifyFirmware(hints: ClientHints): Firmware {
  const vendorClass = hints.vendorClass ?? '';
  const isIpxe = hints.hasIpxeOptions === true || (hints.userClasses ?? []).includes('iPXE');
  const isHttp = vendorClass.startsWith('HTTPClient');
  const isPxe = vendorClass.startsWith('PXEClient');
  if (!isIpxe && !isHttp && !isPxe)
    return { stage: 'os', mode: 'unknown', transport: 'tftp', cpu: 'other', name: 'operating system' };

  const architecture =
    hints.architectures?.find((code) => ARCHITECTURES[code]) ?? hints.architectures?.[0] ?? statedIn(vendorClass) ?? 0;
  const known =
    ARCHITECTURES[architecture] ?? row('unknown', isHttp ? 'http' : 'tftp', 'other', `architecture ${architecture}`);
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
    };
  return {
    ...known,
    cpu,
    stage: 'firmware',
    transport: isHttp ? 'http' : known.transport,
    architecture,
    name: known.name,
  };
}

/** The number in `PXEClient:Arch:00007:UNDI:003000`, for firmware that leaves option 93 out. */
function statedIn(vendorClass: string): number | undefined {
  const match = /:Arch:(\d{5})/.exec(vendorClass);
  return match ? Number(match[1]) : undefined;
}
