// Serial over LAN: how it is turned on in a session, and its packets. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** Number of the payload (13.27.3) and of the one instance that every BMC has. */
export const SOL_PAYLOAD = { type: 0x01, instance: 0x01 };

/** What a BMC takes and gives in one packet (bytes of payload, header included), and where it listens (24.1). */
export type SolSettings = { inboundBytes: number; outboundBytes: number; port: number };

/** 24.1, encrypted and signed as the rest of the session; alerts on the same port wait. */
export const activateSol: Command<{ instance: number }, SolSettings> = {
  name: 'Activate Payload (serial over LAN)',
  netFn: NET_FN.app,
  command: 0x48,
  privilege: PRIVILEGE.operator, // appendix G leaves it to the BMC's settings (26.3 parameter 2): this or ADMINISTRATOR
  completions: {
    128: 'somebody else has the serial console',
    129: 'serial over LAN is turned off',
    130: 'it has no more serial consoles to give',
    131: 'it cannot encrypt the serial console',
    132: 'it needs the serial console to be encrypted',
  },
  encodeRequest: ({ instance }) => Buffer.of(SOL_PAYLOAD.type, instance, 0xc4, 0, 0, 0),
  decodeRequest(data) {
    const [, instance] = new Reader(data).take(6, this.name);
    return { instance: instance! & 0x0f };
  },
  encodeResponse({ inboundBytes, outboundBytes, port }) {
    const data = Buffer.alloc(12);
    data.writeUInt16LE(inboundBytes, 4);
    data.writeUInt16LE(outboundBytes, 6);
    data.writeUInt16LE(port, 8);
    data.writeUInt16LE(0xffff, 10); // no VLAN
    return data;
  },
  decodeResponse(data) {
    const bytes = new Reader(data).take(10, this.name);
    return {
      inboundBytes: bytes.readUInt16LE(4),
      outboundBytes: bytes.readUInt16LE(6),
      port: bytes.readUInt16LE(8),
    };
  },
};

/** 24.2 */
export const deactivateSol: Command<{ instance: number }, void> = {
  name: 'Deactivate Payload (serial over LAN)',
  netFn: NET_FN.app,
  command: 0x49,
  privilege: PRIVILEGE.operator, // as above
  completions: { 128: 'the serial console is not in use', 129: 'serial over LAN is turned off' },
  encodeRequest: ({ instance }) => Buffer.of(SOL_PAYLOAD.type, instance, 0, 0, 0, 0),
  decodeRequest(data) {
    const [, instance] = new Reader(data).take(2, this.name);
    return { instance: instance! & 0x0f };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};

/** 24.4. Bit 0 of `active` is instance 1. */
export const getPayloadActivation: Command<{ type: number }, { capacity: number; active: number }> = {
  name: 'Get Payload Activation Status',
  netFn: NET_FN.app,
  command: 0x4a,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: ({ type }) => Buffer.of(type),
  decodeRequest: (data) => ({ type: new Reader(data).u8('payload type') }),
  encodeResponse: ({ capacity, active }) => Buffer.of(capacity, active & 0xff, active >> 8),
  decodeResponse(data) {
    const reader = new Reader(data);
    return { capacity: reader.u8('capacity') & 0x0f, active: reader.u16le('activation') };
  },
};

/** 24.8. Payload types that a channel takes, a bit for each: `standard` from 0 on, `setup` from 10h on. */
export const getChannelPayloads: Command<{ channel: number }, { standard: number; setup: number }> = {
  name: 'Get Channel Payload Support',
  netFn: NET_FN.app,
  command: 0x4e,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: ({ channel }) => Buffer.of(channel),
  decodeRequest: (data) => ({ channel: new Reader(data).u8('channel') & 0x0f }),
  encodeResponse: ({ standard, setup }) =>
    Buffer.of(standard & 0xff, standard >> 8, setup & 0xff, setup >> 8, ...[0, 0, 0, 0]),
  decodeResponse(data) {
    const reader = new Reader(data);
    return { standard: reader.u16le('standard payloads'), setup: reader.u16le('session setup payloads') };
  },
};

/** 26.3. Its parameters (table 26-5): 0 set in progress, 1 enabled, 2 authentication, 3 send, 4 retry, 5 and 6 bit rates, 7 channel, 8 port. */
export const getSolConfiguration: Command<{ parameter: number }, { data: Buffer }> = {
  name: 'Get SOL Configuration Parameters',
  netFn: NET_FN.transport,
  command: 0x22,
  privilege: PRIVILEGE.user,
  completions: { 128: 'it does not have this parameter' },
  encodeRequest: ({ parameter }) => Buffer.of(0x0e, parameter, 0, 0),
  decodeRequest(data) {
    const [, parameter] = new Reader(data).take(4, this.name);
    return { parameter: parameter! };
  },
  encodeResponse: ({ data }) => Buffer.concat([Buffer.of(0x11), data]),
  decodeResponse(data) {
    const reader = new Reader(data);
    reader.skip(1, 'parameter revision');
    return { data: reader.rest() };
  },
};

// ------------------------------------------------------------------------------------------------- packets

/**
 * One packet (15.9). `sequence` 1 to 15 wants an acknowledgement, 0 does not. `acknowledged` is the packet that this one
 * answers, 0 for none, and `accepted` how many of its characters were taken. `flags`: see SOL_TO_BMC and SOL_FROM_BMC.
 */
export type SolPacket = {
  sequence: number;
  acknowledged: number;
  accepted: number;
  isRefused: boolean;
  flags: number;
  data: Buffer;
};

/** What a console asks for beside its characters (15.9). */
export const SOL_TO_BMC = { break: 0x10, pauseCts: 0x08, dropDcd: 0x04, flushIn: 0x02, flushOut: 0x01 };
/** What a BMC tells beside them (15.9). */
export const SOL_FROM_BMC = { unavailable: 0x20, deactivating: 0x10, overrun: 0x08, break: 0x04 };
const NACK = 0x40;
/** What comes before the characters of a packet (15.9). */
export const SOL_HEADER_BYTES = 4;

/** The payload of a serial-over-LAN packet (15.9). */
export function encodeSol({ sequence, acknowledged, accepted, isRefused, flags, data }: SolPacket): Buffer {
  return Buffer.concat([Buffer.of(sequence, acknowledged, accepted, flags | (isRefused ? NACK : 0)), data]);
}

/** A serial-over-LAN packet (15.9); one without characters is one too. WireError 'truncated' when its header is not whole. */
export function decodeSol(bytes: Buffer): SolPacket {
  const reader = new Reader(bytes);
  const [sequence, acknowledged, accepted, status] = reader.take(SOL_HEADER_BYTES, 'SOL header');
  return {
    sequence: sequence! & 0x0f,
    acknowledged: acknowledged! & 0x0f,
    accepted: accepted!,
    isRefused: (status! & NACK) !== 0,
    flags: status! & 0x3f,
    data: reader.rest(),
  };
}

/** The packet number after this one: 1 to 15, never 0 (15.9). */
export function nextSolSequence(sequence: number): number {
  return (sequence % 15) + 1;
}
