// What a BMC is. Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** Who made a BMC, and what it can do (20.1). */
export type DeviceId = {
  /** IANA private enterprise number: 343 Intel, 674 Dell, 11 HP, 47196 HPE, 19046 Lenovo, 10876 Supermicro. */
  manufacturer: number;
  product: number;
  firmware: string;
  ipmiVersion: string;
  isUpdating: boolean;
  /** It keeps a repository of sensor records for the whole machine. */
  hasSdrRepository: boolean;
  /** It lists its own sensors by itself. */
  hasDeviceSdrs: boolean;
};

/** 20.1 */
export const getDeviceId: Command<void, DeviceId> = {
  name: 'Get Device ID',
  netFn: NET_FN.app,
  command: 0x01,
  privilege: PRIVILEGE.user,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse(response) {
    const data = Buffer.alloc(11);
    const [major, minor] = response.firmware.split('.').map(Number);
    const [ipmiMajor, ipmiMinor] = response.ipmiVersion.split('.').map(Number);
    data[0] = 0x20;
    data[1] = response.hasDeviceSdrs ? 0x81 : 0x01;
    data[2] = major! | (response.isUpdating ? 0x80 : 0);
    data[3] = (Math.floor(minor! / 10) << 4) | (minor! % 10);
    data[4] = (ipmiMinor! << 4) | ipmiMajor!;
    // Chassis, FRU, event log and sensors are devices of their own, and a BMC has them all.
    data[5] = 0x8d | (response.hasSdrRepository ? 0x02 : 0);
    data.writeUIntLE(response.manufacturer, 6, 3);
    data.writeUInt16LE(response.product, 9);
    return data;
  },
  decodeResponse(data) {
    const bytes = new Reader(data).take(11, this.name);
    const [, revision, major, minor, version, devices] = bytes;
    return {
      manufacturer: bytes.readUIntLE(6, 3) & 0x0fffff, // 20 bits; the rest is reserved
      product: bytes.readUInt16LE(9),
      firmware: `${major! & 0x7f}.${minor!.toString(16).padStart(2, '0')}`, // the minor number is BCD
      ipmiVersion: `${version! & 0x0f}.${version! >> 4}`,
      isUpdating: (major! & 0x80) !== 0,
      hasSdrRepository: (devices! & 0x02) !== 0,
      hasDeviceSdrs: (revision! & 0x80) !== 0,
    };
  },
};

/** 22.14. 16 bytes as they came; `decodeGuid` knows what they may mean. */
export const getSystemGuid: Command<void, { guid: Buffer }> = {
  name: 'Get System GUID',
  netFn: NET_FN.app,
  command: 0x37,
  privilege: PRIVILEGE.none,
  completions: {},
  encodeRequest: nothing,
  decodeRequest: ignore,
  encodeResponse: (response) => response.guid,
  decodeResponse(data) {
    return { guid: new Reader(data).take(16, this.name) };
  },
};

/** The order of a GUID's bytes on the wire, likeliest first: as in SMBIOS, all reversed as in 20.8, as it is written. */
const GUID_ORDERS: readonly (readonly number[])[] = [
  [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15],
  [15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
  [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
];

/**
 * A system GUID in the way that SMBIOS writes it, lower case; '' for all zeros or ones. IPMI says one order of bytes and
 * makers use three: the first in which version and variant are those of RFC 4122, else the order of SMBIOS.
 */
export function decodeGuid(guid: Buffer): string {
  if (guid.length !== 16 || guid.every((byte) => byte === guid[0] && (byte === 0 || byte === 0xff))) return '';
  const orders = GUID_ORDERS.map((order) => Buffer.from(order.map((at) => guid[at]!)));
  const isPlausible = (bytes: Buffer) => bytes[6]! >> 4 >= 1 && bytes[6]! >> 4 <= 5 && bytes[8]! >> 6 === 2;
  const text = (orders.find(isPlausible) ?? orders[0]!).toString('hex');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}
