import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/bytes.ts';
import * as messages from '../../src/wire/ipmi.ts';
import * as boot from '../../src/wire/ipmi-boot.ts';
import * as chassis from '../../src/wire/ipmi-chassis.ts';
import { COMMANDS } from '../../src/wire/ipmi-commands.ts';
import * as dcmi from '../../src/wire/ipmi-dcmi.ts';
import * as device from '../../src/wire/ipmi-device.ts';
import * as fru from '../../src/wire/ipmi-fru.ts';
import * as packets from '../../src/wire/ipmi-packet.ts';
import * as sdr from '../../src/wire/ipmi-sdr.ts';
import * as records from '../../src/wire/ipmi-sdr-record.ts';
import * as sel from '../../src/wire/ipmi-sel.ts';
import * as sensor from '../../src/wire/ipmi-sensor.ts';
import * as session from '../../src/wire/ipmi-session.ts';
import * as sol from '../../src/wire/ipmi-sol.ts';
import * as rakp from '../../src/wire/rakp.ts';
import * as rmcp from '../../src/wire/rmcp.ts';

const ipmi = {
  ...messages,
  ...boot,
  ...chassis,
  ...dcmi,
  ...device,
  ...fru,
  ...sdr,
  ...sel,
  ...sensor,
  ...session,
  ...sol,
  COMMANDS,
};
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('asks for the channel capabilities in the bytes that ipmitool sends', () => {
  const { netFn, command } = ipmi.getChannelAuthCapabilities;
  const data = ipmi.getChannelAuthCapabilities.encodeRequest({ channel: 14, privilege: 4, asks20: true });
  const payload = ipmi.encodeRequest({ netFn, lun: 0, command, sequence: 0, data });
  const body = rmcp.encodeIpmi15({ sessionId: 0, sequence: 0, payload });
  const datagram = rmcp.encodeRmcp({ class: 'ipmi', body });
  assert.equal(datagram.toString('hex'), '0600ff07000000000000000000092018c88100388e04b5');
  const packet = rmcp.decodeIpmi(rmcp.decodeRmcp(datagram).body, 0);
  assert.deepEqual(ipmi.decodeRequest(packet.payload), { netFn, lun: 0, command, sequence: 0, data });
});

test('addresses the logical unit of a sensor, and is answered by it', () => {
  const request = { netFn: 4, lun: 2, command: 0x2d, sequence: 63, data: hex('30') };
  const bytes = messages.encodeRequest(request);
  assert.equal(bytes.toString('hex'), '2012ce81fc2d3026');
  assert.deepEqual(messages.decodeRequest(bytes), request);
  const response = { ...request, completion: 0, data: hex('80c000') };
  assert.deepEqual(messages.decodeResponse(messages.encodeResponse(response)), response);
});

test('pings and answers pings as ASF does', () => {
  const ping = rmcp.encodeRmcp({ class: 'asf', body: rmcp.encodeAsf({ type: 'ping', tag: 5 }) });
  assert.equal(ping.toString('hex'), '0600ff06000011be80050000');
  assert.deepEqual(rmcp.decodeAsf(rmcp.decodeRmcp(ping).body), { type: 'ping', tag: 5 });
  const pong = hex('000011be 40050010 000011be 00000000 81 00 000000000000');
  assert.deepEqual(rmcp.decodeAsf(pong), { type: 'pong', tag: 5, speaksIpmi: true });
  assert.deepEqual(rmcp.encodeAsf({ type: 'pong', tag: 5, speaksIpmi: true }), pong);
});

test('sends chassis control and boot flags in the bytes of the standard', () => {
  const actions = ['off', 'on', 'cycle', 'reset', 'nmi', 'soft'] as const;
  const bytes = actions.map((action) => ipmi.chassisControl.encodeRequest({ action }).toString('hex'));
  assert.deepEqual(bytes, ['00', '01', '02', '03', '04', '05']);
  const { BOOT_SELECTOR } = boot;
  const flags = (isEfi: boolean, selector: number, isPersistent = false) =>
    ipmi.encodeBootFlags({ isValid: true, isPersistent, isEfi, selector }).toString('hex');
  assert.equal(flags(true, BOOT_SELECTOR.pxe), 'a004000000');
  assert.equal(flags(false, BOOT_SELECTOR.pxe), '8004000000');
  assert.equal(flags(true, BOOT_SELECTOR.disk), 'a008000000');
  assert.equal(flags(true, BOOT_SELECTOR.disk, true), 'e008000000');
  assert.equal(flags(false, BOOT_SELECTOR.cd), '8014000000');
  assert.equal(flags(false, BOOT_SELECTOR.setup, true), 'c018000000');
});

test('reads what a BMC says about itself', () => {
  const dell = hex('20 81 84 63 02 df a2 02 00 00 01 00 0d 00 00');
  assert.deepEqual(ipmi.getDeviceId.decodeResponse(dell), {
    manufacturer: 674,
    product: 256,
    firmware: '4.63',
    ipmiVersion: '2.0',
    isUpdating: true,
    hasSdrRepository: true,
    hasDeviceSdrs: true,
  });
  const status = { isOn: true, hasPowerFault: false, restorePolicy: 'power-on' };
  assert.deepEqual(ipmi.getChassisStatus.decodeResponse(hex('41 10 40 00')), status);
});

test('gives back both directions of every command', () => {
  const samples: [messages.AnyCommand, unknown, unknown][] = [
    [
      ipmi.getChannelAuthCapabilities,
      { channel: 14, privilege: 4, asks20: true },
      { channel: 1, speaks20: true, needsBmcKey: true, allowsAnonymous: false },
    ],
    [ipmi.getChannelCipherSuites, { channel: 14, listIndex: 2 }, { channel: 1, records: hex('c0034180') }],
    [ipmi.setSessionPrivilege, { privilege: 4 }, { privilege: 4 }],
    [ipmi.closeSession, { sessionId: 0x80000001 }, undefined],
    [
      ipmi.getDeviceId,
      undefined,
      {
        manufacturer: 47196,
        product: 8210,
        firmware: '2.72',
        ipmiVersion: '2.0',
        isUpdating: false,
        hasSdrRepository: true,
        hasDeviceSdrs: false,
      },
    ],
    [ipmi.getSystemGuid, undefined, { guid: hex('00112233445566778899aabbccddeeff') }],
    [ipmi.getChassisStatus, undefined, { isOn: false, hasPowerFault: true, restorePolicy: 'stay-off' }],
    [ipmi.chassisControl, { action: 'soft' }, undefined],
    [ipmi.chassisIdentify, { seconds: 15 }, undefined],
    [ipmi.getRestartCause, undefined, { cause: 11 }],
    [ipmi.setBootOption, { parameter: 3, data: hex('08') }, undefined],
    [ipmi.getBootOption, { parameter: 5 }, { parameter: 5, isValid: false, data: hex('a004000000') }],
    [
      ipmi.getSelInfo,
      undefined,
      { entries: 4, freeBytes: 8000, addedAt: 1700000000, erasedAt: 1600000000, hasOverflowed: true },
    ],
    [ipmi.reserveSel, undefined, { reservation: 0x1234 }],
    [
      ipmi.getSelEntry,
      { reservation: 0, record: 0, offset: 0, count: 0xff },
      { next: 0xffff, data: Buffer.alloc(16, 7) },
    ],
    [ipmi.clearSel, { reservation: 0xfffe, starts: true }, { isDone: true }],
    [ipmi.getSelTime, undefined, { seconds: 1700000000 }],
    [ipmi.getSdrRepositoryInfo, undefined, { records: 15, addedAt: 5, erasedAt: 0xffffffff }],
    [ipmi.reserveSdr, undefined, { reservation: 1 }],
    [ipmi.getSdr, { reservation: 513, record: 258, offset: 5, count: 16 }, { next: 259, data: hex('0102') }],
    [ipmi.reserveDeviceSdr, undefined, { reservation: 0xffff }],
    [ipmi.getDeviceSdr, { reservation: 1, record: 2, offset: 3, count: 4 }, { next: 0, data: hex('') }],
    [ipmi.getSensorReading, { number: 0x30 }, { raw: 0x80, isAvailable: true, states: 0x5aa5 }],
    [ipmi.getReadingFactors, { number: 6, raw: 30 }, { m: -512, b: 511, bExponent: -8, rExponent: 7 }],
    [ipmi.getFruAreaInfo, { fru: 3 }, { bytes: 4096, inWords: true }],
    [ipmi.readFru, { fru: 3, offset: 0x0102, count: 32 }, { count: 1, data: hex('0100') }],
    [
      ipmi.getPowerReading,
      undefined,
      { now: 128, least: 9, most: 310, average: 140, seconds: 1700000000, periodMs: 60000, isMeasuring: true },
    ],
    [ipmi.activateSol, { instance: 1 }, { inboundBytes: 200, outboundBytes: 198, port: 623 }],
    [ipmi.deactivateSol, { instance: 1 }, undefined],
    [ipmi.getPayloadActivation, { type: 1 }, { capacity: 1, active: 0x8001 }],
    [ipmi.getChannelPayloads, { channel: 14 }, { standard: 3, setup: 0x3f }],
    [ipmi.getSolConfiguration, { parameter: 5 }, { data: hex('0a') }],
  ];
  assert.deepEqual(
    samples.map(([command]) => command),
    ipmi.COMMANDS,
  );
  for (const [command, request, response] of samples) {
    assert.deepEqual(command.decodeRequest(command.encodeRequest(request)), request, command.name);
    assert.deepEqual(command.decodeResponse(command.encodeResponse(response)), response, command.name);
  }
});

test('says which field of a broken frame is wrong, and where', () => {
  const chassisStatus = hex('811c63 2004 01 00 410040 5a');
  assert.equal(ipmi.decodeResponse(chassisStatus).completion, 0);
  const broken: [string, () => unknown, string, string, number][] = [
    ['empty datagram', () => rmcp.decodeRmcp(hex('')), 'truncated', 'RMCP version', 0],
    ['RMCP 5', () => rmcp.decodeRmcp(hex('0500ff07')), 'unsupported', 'RMCP version', 0],
    ['OEM class', () => rmcp.decodeRmcp(hex('0600ff08')), 'unsupported', 'RMCP class', 3],
    ['RMCP ACK', () => rmcp.decodeRmcp(hex('0600ff87')), 'unsupported', 'RMCP class', 3],
    ['MD5 session', () => rmcp.decodeIpmi(hex('02'), 0), 'unsupported', 'authentication type', 0],
    ['short 1.5 payload', () => rmcp.decodeIpmi(hex('00 00000000 00000000 02 00'), 0), 'truncated', 'payload', 10],
    ['short 2.0 payload', () => rmcp.decodeIpmi(hex('0600 00000000 00000000 0200 00'), 0), 'truncated', 'payload', 12],
    [
      'signed, no session',
      () => rmcp.decodeIpmi(hex('0640 00000000 00000000 0000'), 0),
      'malformed',
      'payload type',
      1,
    ],
    ['no trailer', () => rmcp.decodeIpmi(hex('0640 00000000 00000000 0000'), 12), 'malformed', 'session trailer', 12],
    ['other checksum', () => ipmi.decodeResponse(hex('811c63 2004 01 00 410040 5b')), 'malformed', 'data checksum', 10],
    ['other header', () => ipmi.decodeResponse(hex('811c64 2004 01 00 410040 5a')), 'malformed', 'header checksum', 2],
    ['half a message', () => ipmi.decodeResponse(hex('811c63 20')), 'truncated', 'message body', 3],
    ['long user name', () => rakp.decodeRakp1(Buffer.alloc(28, 17)), 'malformed', 'user name length', 27],
    ['RAKP 2 without GUID', () => rakp.decodeRakp2(Buffer.alloc(30)), 'truncated', 'BMC GUID', 24],
  ];
  for (const [name, decode, code, field, offset] of broken) {
    assert.throws(decode, (error) => {
      assert.ok(error instanceof WireError, name);
      assert.deepEqual([error.code, error.field, error.offset], [code, field, offset], name);
      return true;
    });
  }
});

const facts = {
  consoleId: 1,
  bmcId: 2,
  consoleRandom: Buffer.alloc(16),
  bmcRandom: Buffer.alloc(16),
  bmcGuid: Buffer.alloc(16),
  role: 4,
  user: Buffer.alloc(0),
};
const keys = rakp.deriveKeys(17, Buffer.from('x'), facts);

const DECODERS: Record<string, (bytes: Buffer) => unknown> = {
  decodeRmcp: rmcp.decodeRmcp,
  decodeAsf: rmcp.decodeAsf,
  decodeIpmi: (bytes) => rmcp.decodeIpmi(bytes, 0),
  'decodeIpmi in a session': (bytes) => rmcp.decodeIpmi(bytes, 16),
  decodeSessionPacket: (bytes) => packets.decodeSessionPacket(keys, bytes),
  decodeOpenSessionRequest: rakp.decodeOpenSessionRequest,
  decodeOpenSessionResponse: rakp.decodeOpenSessionResponse,
  decodeRakp1: rakp.decodeRakp1,
  decodeRakp2: rakp.decodeRakp2,
  decodeRakp3: rakp.decodeRakp3,
  decodeRakp4: rakp.decodeRakp4,
  decodeRequest: ipmi.decodeRequest,
  decodeResponse: ipmi.decodeResponse,
  decodeBootFlags: ipmi.decodeBootFlags,
  decodeSdr: records.decodeSdr,
  decodeSelEntry: sel.decodeSelEntry,
  decodeFru: fru.decodeFru,
  decodeSol: sol.decodeSol,
  decodeGuid: device.decodeGuid,
};
for (const command of ipmi.COMMANDS) {
  DECODERS[`${command.name} request`] = (bytes) => command.decodeRequest(bytes);
  DECODERS[`${command.name} response`] = (bytes) => command.decodeResponse(bytes);
}

/** Starts that lead deeper than chance: RMCP with ASF or IPMI, both session types, signed and encrypted or not. */
const STARTS = [
  ...['', '0600ff06000011be', '0600ff07', '00', '0600', '06c0', '0640', '0000', '811c63', '2018c8'],
  // sensor records of each type, and an inventory with a header that is right and three areas
  ...['0100510140', '0100510220', '0100510310', '0100511110', '0100511210', '010001020300' + '00f9'],
  ...['dc', '01000102'],
].map(hex);

test('random bytes raise WireError or nothing in every decoder', () => {
  const bytes = fc
    .tuple(fc.constantFrom(...STARTS), fc.uint8Array({ maxLength: 80 }))
    .map(([start, rest]) => Buffer.concat([start, rest]));
  for (const [name, decode] of Object.entries(DECODERS)) {
    const decodes = fc.property(bytes, (input) => {
      try {
        decode(input);
      } catch (error) {
        if (!(error instanceof WireError)) throw new Error(`${name} threw ${error}`);
      }
    });
    fc.assert(decodes, { numRuns: 1000 });
  }
});
