// How much power a machine draws. Sections: Data Center Manageability Interface specification 1.5.
import { Reader, WireError } from './bytes.ts';
import { type Command, NET_FN, PRIVILEGE } from './ipmi.ts';

/** 6.1: the first data byte of every request and answer. */
const DCMI = 0xdc;

/** Watts over the last `periodMs` milliseconds. `isMeasuring` is false while nothing is measured: then they mean nothing. */
export type PowerReading = {
  now: number;
  least: number;
  most: number;
  average: number;
  /** Seconds since 1970 by the BMC's clock. */
  seconds: number;
  periodMs: number;
  isMeasuring: boolean;
};

/** 6.6.1, mode 1: what the whole machine draws. */
export const getPowerReading: Command<void, PowerReading> = {
  name: 'Get Power Reading',
  netFn: NET_FN.group,
  command: 0x02,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: () => Buffer.of(DCMI, 0x01, 0x00, 0x00),
  decodeRequest(data) {
    const [, mode] = decodeGroup(data, 2, this.name);
    if (mode !== 1) throw new WireError('unsupported', 'mode', 1, `${mode} is not that of a machine's power`);
  },
  encodeResponse(response) {
    const data = Buffer.alloc(18);
    data[0] = DCMI;
    data.writeUInt16LE(response.now, 1);
    data.writeUInt16LE(response.least, 3);
    data.writeUInt16LE(response.most, 5);
    data.writeUInt16LE(response.average, 7);
    data.writeUInt32LE(response.seconds, 9);
    data.writeUInt32LE(response.periodMs, 13);
    data[17] = response.isMeasuring ? 0x40 : 0x00;
    return data;
  },
  decodeResponse(data) {
    const bytes = decodeGroup(data, 18, this.name);
    return {
      now: bytes.readUInt16LE(1),
      least: bytes.readUInt16LE(3),
      most: bytes.readUInt16LE(5),
      average: bytes.readUInt16LE(7),
      seconds: bytes.readUInt32LE(9),
      periodMs: bytes.readUInt32LE(13),
      isMeasuring: (bytes[17]! & 0x40) !== 0,
    };
  },
};

function decodeGroup(data: Buffer, bytes: number, name: string): Buffer {
  const group = new Reader(data).u8('group');
  if (group !== DCMI) throw new WireError('unsupported', 'group', 0, `${group} is not DCMI`);
  return new Reader(data).take(bytes, name);
}
