import type { BootDecision } from '../boot/decide.ts';
import { chooseLoader, firmwareKey, LOCAL_BOOT_FILE, type WantedLoader } from '../boot/loaders.ts';
import { bootUrl, formatBootPath } from '../boot/paths.ts';
import type { Firmware } from '../model/firmware.ts';
import type { Machine, PxeStyle } from '../model/machine.ts';
import type { Subnet } from '../model/network.ts';
import type { Reason } from '../model/reason.ts';
import type { Arrival } from '../model/view.ts';
import type { Mac } from '../wire/address.ts';
import { setOption } from '../wire/dhcp-options.ts';
import { discoveryControl, encodePxe } from '../wire/pxe.ts';

/** Option 93 of a BIOS that boots by PXE, which is also what is taken for a client that sends none; by HTTP it would be 20. */
const PXE_BIOS = 0;

/** What a reply tells a boot client: the file (header field and option 67) and the options that make it believe it. */
export type BootAnswer = {
  file?: string;
  /** Not in option 67: some firmware is confused by it (boot-protocols 2.6 Q4). */
  isHeaderOnly?: boolean;
  options: Map<number, Buffer>;
  because: Reason;
};

/**
 * How to tell this firmware what was decided. The offer modes are those of boot-protocols 2.4: A (PXE), H (HTTP boot), and
 * for iPXE a script's URL with the two options that spare its three seconds of waiting for a proxy.
 */
export function answerBoot(asked: BootQuestion): BootAnswer {
  const { firmware, decision, mac, arrival, style } = asked;
  // an iPXE of ours does not come from such a machine: its ROM is one
  if (firmware.stage === 'ipxe')
    return style === 'none' ? nothing('style-none', 'no boot data: its PXE style is none') : answerIpxe(mac, arrival);
  if (firmware.mode === 'unknown')
    return nothing('unknown-architecture', `no boot data: ${firmware.name} is not known here${byQuirk(firmware)}`);
  if (style === 'none') return nothing('style-none', 'no boot data: its PXE style is none');
  if (decision.kind === 'local') return answerLocal(firmware, mac, arrival);
  if (firmware.transport === 'http' && firmware.architecture === PXE_BIOS)
    return nothing('unknown-architecture', 'no boot data: an HTTP boot client that does not say its architecture');

  const loader = chooseLoader(firmware, asked.wanted);
  if (!loader) return nothing('no-loader', `no boot data: there is no loader for ${firmware.name}`);
  const path = { kind: 'loader', mac, file: loader.file } as const;
  const because = {
    rule: 'loader',
    text: `${firmware.name} gets ${loader.file}: ${loader.why}`,
    ref: loader.ref ?? 'boot/loaders.ts',
  };
  if (firmware.transport === 'http') return { file: bootUrl(arrival.url, path), options: httpOptions(), because };
  const file = formatBootPath(path);
  if (style === 'plain') return { file, options: new Map(), because };
  if (style === 'header') return { file, isHeaderOnly: true, options: pxeOptions(), because };
  if (style === 'binl') return answerBinl();
  return { file, options: pxeOptions(), because };
}

/** The loaders that are chosen for a machine and for its subnet, and the one that its firmware needs. */
export function wantedLoaders(
  firmware: Firmware,
  machine: Machine | undefined,
  subnet: Subnet | undefined,
): WantedLoader[] {
  const ofMachine = machine?.params.loader;
  const { quirk } = firmware;
  return [
    { file: typeof ofMachine === 'string' ? ofMachine : undefined, why: `chosen for ${machine?.name}` },
    { file: subnet?.loaders[firmwareKey(firmware)], why: `chosen for subnet ${subnet?.name}` },
    { file: quirk?.effect.loader, why: `quirk ${quirk?.id}, ${quirk?.client}`, ref: QUIRKS_FILE },
  ];
}

/** Why a client that looks for a boot server of another kind is told nothing to boot; empty for other operating systems. */
export function quirkReasons({ quirk }: Firmware): Reason[] {
  return quirk
    ? [{ rule: 'quirk', text: `quirk ${quirk.id}, ${quirk.client}: ${quirk.answer}`, ref: QUIRKS_FILE }]
    : [];
}

const QUIRKS_FILE = 'model/quirks.ts';

const byQuirk = ({ quirk }: Firmware): string => (quirk ? ` (quirk ${quirk.id}, ${quirk.client})` : '');

/** What an answer to a boot client depends on. */
export type BootQuestion = {
  firmware: Firmware;
  decision: BootDecision;
  mac: Mac;
  arrival: Arrival;
  /** The loaders that are to be preferred, the more particular first: see wantedLoaders. */
  wanted: readonly WantedLoader[];
  style: PxeStyle;
};

function nothing(rule: string, text: string): BootAnswer {
  return { options: new Map(), because: { rule, text } };
}

/** Mode C of boot-protocols 2.4: 60 without 43 sends the firmware to our port 4011, where it is told the file. */
function answerBinl(): BootAnswer {
  const options = new Map<number, Buffer>();
  setOption(options, 'vendorClass', 'PXEClient');
  return { options, because: { rule: 'style-binl', text: 'sent to port 4011 for its file: its PXE style is binl' } };
}

function answerIpxe(mac: Mac, arrival: Arrival): BootAnswer {
  const options = new Map<number, Buffer>();
  // with option 60 and 175.176 iPXE does not wait for a proxyDHCP server: 0.01 s instead of 3.05 s (boot-protocols 0.6)
  setOption(options, 'vendorClass', 'PXEClient');
  // beside a foreign server the priority has our file win over its own (iPXE core/settings.c)
  setOption(options, 'ipxe', { ...(arrival.isProxy ? { priority: 1 } : {}), skipProxyDhcp: true, features: [] });
  const file = bootUrl(arrival.url, { kind: 'script', mac });
  return { file, options, because: { rule: 'ipxe', text: 'iPXE gets the script of this machine', ref: file } };
}

/**
 * Local boot, said in the way this firmware understands fastest (boot-protocols 2.7, measured on OVMF): a file whose request
 * is answered with an error at once takes 4 s, silence or an offer without a file 60 s for each boot option.
 */
function answerLocal(firmware: Firmware, mac: Mac, arrival: Arrival): BootAnswer {
  const path = { kind: 'local', mac } as const;
  if (firmware.transport === 'http')
    return {
      file: bootUrl(arrival.url, path),
      options: httpOptions(),
      because: { rule: 'local-http', text: `sent to its disk: ${LOCAL_BOOT_FILE} is answered with 404` },
    };
  if (firmware.mode === 'uefi')
    return {
      file: formatBootPath(path),
      options: pxeOptions(),
      because: { rule: 'local-tftp', text: `sent to its disk: ${LOCAL_BOOT_FILE} is answered with TFTP error 1` },
    };
  // a BIOS ROM gives up at once when there is no file name (PXE-E53) and goes on to the next boot device
  return {
    options: new Map(),
    because: { rule: 'local-bios', text: 'sent to its disk: a BIOS ROM goes on when it is told no file' },
  };
}

/** 60 and 43 belong together: with 60 alone the firmware asks port 4011 and fails (boot-protocols 0.5). */
function pxeOptions(): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  setOption(options, 'vendorClass', 'PXEClient');
  setOption(options, 'vendorEncapsulated', encodePxe({ discoveryControl: discoveryControl.useThisBootFile }));
  return options;
}

function httpOptions(): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  setOption(options, 'vendorClass', 'HTTPClient');
  return options;
}
