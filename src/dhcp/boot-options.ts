import { optionCode } from '../wire/dhcp-options.ts';
import { decodeSubOptions, encodeSubOptions } from '../wire/dhcp-shapes.ts';
import { discoveryControl, ipxeSubOptions, pxeSubOptions } from '../wire/pxe.ts';

/** The options that carry what makes a client boot beside what people set in them. */
export const MERGED_CODES = [optionCode('ipxe'), optionCode('vendorEncapsulated')] as const;
const [IPXE, VENDOR] = MERGED_CODES;
const END = 255;

/** Sub-options that are ours to say or to leave out, why, and the only value that people may give them. */
const OURS = [
  {
    code: IPXE,
    sub: ipxeSubOptions.skipProxyDhcp.code,
    value: 1,
    refusal: 'ipxe: skip-proxy-dhcp is yes for every iPXE: it would wait three seconds for a server that does not come',
  },
  {
    code: VENDOR,
    sub: pxeSubOptions.discoveryControl.code,
    value: discoveryControl.useThisBootFile,
    refusal: 'vendor-encapsulated: discovery-control is 8 for every PXE client: it boots the file that it is told',
  },
  {
    code: VENDOR,
    sub: pxeSubOptions.bootServers.code,
    value: undefined,
    refusal: 'vendor-encapsulated: boot-servers would send every PXE client there for a file that only Firstlight has',
  },
];

/** What people set in option 175 or 43 behind what we say there: of one sub-option ours counts. */
export function mergeBootOption(code: number, ours: Buffer, theirs: Buffer): Buffer {
  if (code === VENDOR && !isPxeForm(theirs)) return ours;
  const subs = decodeSubOptions(ours, true);
  for (const [sub, value] of decodeSubOptions(theirs, true))
    if (!subs.has(sub) && !isOurs(code, sub)) subs.set(sub, value);
  const merged = encodeSubOptions(subs);
  return code === VENDOR ? Buffer.concat([merged, Buffer.of(END)]) : merged;
}

/** Why a value of option 175 or 43 would not reach the clients that it is for; undefined when it does, or is for others. */
export function refuseBootOption(code: number, bytes: Buffer): string | undefined {
  if (code === VENDOR && !isPxeForm(bytes)) return undefined;
  const subs = decodeSubOptions(bytes, true);
  return OURS.find((one) => one.code === code && subs.has(one.sub) && subs.get(one.sub)?.[0] !== one.value)?.refusal;
}

const isOurs = (code: number, sub: number): boolean => OURS.some((one) => one.code === code && one.sub === sub);

/** Ended by the mark that PXE 2.1 asks for. Option 43 of other vendors is not for PXE clients. */
function isPxeForm(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length && bytes[at] !== END) at += bytes[at] === 0 ? 1 : 2 + (bytes[at + 1] ?? 0);
  return at === bytes.length - 1;
}
