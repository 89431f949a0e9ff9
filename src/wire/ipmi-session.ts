// The commands around a session: what a BMC's LAN channel can do, its cipher suites, privilege, logout.
// Sections: IPMI 2.0 specification, revision 1.1.
import { Reader } from './bytes.ts';
import { type Command, ignore, NET_FN, nothing, PRIVILEGE } from './ipmi.ts';

/** 22.13. Channel 14 is "the one this came in on". Flags that only an IPMI 2.0 BMC gives are false on others. */
export const getChannelAuthCapabilities: Command<
  { channel: number; privilege: number; asks20: boolean },
  { channel: number; speaks20: boolean; needsBmcKey: boolean; allowsAnonymous: boolean }
> = {
  name: 'Get Channel Authentication Capabilities',
  netFn: NET_FN.app,
  command: 0x38,
  privilege: PRIVILEGE.none,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.channel | (request.asks20 ? 0x80 : 0), request.privilege),
  decodeRequest(data) {
    const [channel, privilege] = new Reader(data).take(2, this.name);
    return { channel: channel! & 0x0f, privilege: privilege! & 0x0f, asks20: (channel! & 0x80) !== 0 };
  },
  encodeResponse: (response) =>
    Buffer.of(
      response.channel,
      response.speaks20 ? 0x80 : 0x00,
      (response.needsBmcKey ? 0x20 : 0) | 0x04 | (response.allowsAnonymous ? 0x01 : 0),
      response.speaks20 ? 0x03 : 0x01,
      ...[0, 0, 0, 0],
    ),
  decodeResponse(data) {
    const [channel, types, status, extended] = new Reader(data).take(8, this.name);
    const speaks20 = (types! & 0x80) !== 0 && (extended! & 0x02) !== 0;
    return {
      channel: channel! & 0x0f,
      speaks20,
      needsBmcKey: speaks20 && (status! & 0x20) !== 0,
      allowsAnonymous: (status! & 0x01) !== 0,
    };
  },
};

/** 22.15. One block of 16 bytes at a time; `records` is a piece of the list (22.15.1). */
export const getChannelCipherSuites: Command<
  { channel: number; listIndex: number },
  { channel: number; records: Buffer }
> = {
  name: 'Get Channel Cipher Suites',
  netFn: NET_FN.app,
  command: 0x54,
  privilege: PRIVILEGE.none,
  completions: {},
  encodeRequest: (request) => Buffer.of(request.channel, 0x00, 0x80 | request.listIndex),
  decodeRequest(data) {
    const [channel, , index] = new Reader(data).take(3, this.name);
    return { channel: channel! & 0x0f, listIndex: index! & 0x3f };
  },
  encodeResponse: (response) => Buffer.concat([Buffer.of(response.channel), response.records]),
  decodeResponse(data) {
    const channel = new Reader(data).u8('channel') & 0x0f;
    return { channel, records: data.subarray(1, 17) };
  },
};

/** 22.18 */
export const setSessionPrivilege: Command<{ privilege: number }, { privilege: number }> = {
  name: 'Set Session Privilege Level',
  netFn: NET_FN.app,
  command: 0x3b,
  privilege: PRIVILEGE.user,
  completions: {
    128: 'this user does not have that privilege',
    129: 'that privilege is above the limit of the user or the LAN channel',
    130: 'it cannot turn off user level authentication',
  },
  encodeRequest: (request) => Buffer.of(request.privilege),
  decodeRequest(data) {
    return { privilege: new Reader(data).u8('privilege') & 0x0f };
  },
  encodeResponse: (response) => Buffer.of(response.privilege),
  decodeResponse(data) {
    return { privilege: new Reader(data).u8('privilege') & 0x0f };
  },
};

/** 22.19 */
export const closeSession: Command<{ sessionId: number }, void> = {
  name: 'Close Session',
  netFn: NET_FN.app,
  command: 0x3c,
  privilege: PRIVILEGE.user,
  completions: { 135: 'it does not know this session' },
  encodeRequest(request) {
    const data = Buffer.alloc(4);
    data.writeUInt32LE(request.sessionId);
    return data;
  },
  decodeRequest(data) {
    return { sessionId: new Reader(data).u32le('session id') };
  },
  encodeResponse: nothing,
  decodeResponse: ignore,
};
