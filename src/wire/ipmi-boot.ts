// What a machine boots next. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** Parameters of the boot options (table 28-14). */
export const BOOT_OPTION = { setInProgress: 0, validBitClearing: 3, infoAcknowledge: 4, flags: 5 };

const BOOT_OPTION_COMPLETIONS = {
  128: 'it does not have this boot option',
  129: 'somebody else is setting the boot options',
  130: 'this boot option can only be read',
};

/** 28.12 */
export const setBootOption: Command<{ parameter: number; data: Buffer }, void> = {
  name: 'Set System Boot Options',
  netFn: NET_FN.chassis,
  command: 0x08,
  privilege: PRIVILEGE.operator,
  completions: BOOT_OPTION_COMPLETIONS,
  encodeRequest: (request) => Buffer.concat([Buffer.of(request.parameter), request.data]),
  decodeRequest(data) {
    return { parameter: new Reader(data).u8('boot option parameter') & 0x7f, data: data.subarray(1) };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

/** 28.13 */
export const getBootOption: Command<{ parameter: number }, { parameter: number; isValid: boolean; data: Buffer }> = {
  name: 'Get System Boot Options',
  netFn: NET_FN.chassis,
  command: 0x09,
  privilege: PRIVILEGE.operator,
  completions: BOOT_OPTION_COMPLETIONS,
  encodeRequest: (request) => Buffer.of(request.parameter, 0, 0),
  decodeRequest(data) {
    return { parameter: new Reader(data).u8('boot option parameter') & 0x7f };
  },
  encodeResponse(response) {
    return Buffer.concat([Buffer.of(0x01, response.parameter | (response.isValid ? 0 : 0x80)), response.data]);
  },
  decodeResponse(data) {
    const parameter = new Reader(data).take(2, this.name).readUInt8(1);
    return { parameter: parameter & 0x7f, isValid: (parameter & 0x80) === 0, data: data.subarray(2) };
  },
};

/** Boot device selectors (table 28-14, parameter 5, data 2, bits 5:2). There is none for UEFI HTTP boot. */
export const BOOT_SELECTOR = {
  none: 0x0,
  pxe: 0x1,
  disk: 0x2,
  safeDisk: 0x3,
  diagnostics: 0x4,
  cd: 0x5,
  setup: 0x6,
  remoteFloppy: 0x7,
  remoteCd: 0x8,
  remoteMedia: 0x9,
  remoteDisk: 0xb,
  floppy: 0xf,
};

/** Boot flags (table 28-14, parameter 5): from where (a BOOT_SELECTOR), how the firmware starts, and for how long. */
export type BootFlags = { isValid: boolean; isPersistent: boolean; isEfi: boolean; selector: number };

/** The 5 bytes of the boot flags (table 28-14, parameter 5), of which the last three are 0. */
export function encodeBootFlags(flags: BootFlags): Buffer {
  const mode = (flags.isValid ? 0x80 : 0) | (flags.isPersistent ? 0x40 : 0) | (flags.isEfi ? 0x20 : 0);
  return Buffer.of(mode, flags.selector << 2, 0, 0, 0);
}

/** What the boot flags say (table 28-14, parameter 5). WireError 'truncated' for fewer than two bytes. */
export function decodeBootFlags(data: Buffer): BootFlags {
  const [mode, selector] = new Reader(data).take(2, 'boot flags');
  return {
    isValid: (mode! & 0x80) !== 0,
    isPersistent: (mode! & 0x40) !== 0,
    isEfi: (mode! & 0x20) !== 0,
    selector: (selector! >> 2) & 0x0f,
  };
}
