import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WireError } from '../../src/wire/bytes.ts';
import * as ipmi from '../../src/wire/ipmi.ts';
import * as rakp from '../../src/wire/rakp.ts';
import * as rmcp from '../../src/wire/rmcp.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('asks for the channel capabilities in the bytes that ipmitool sends', () => {
  const { netFn, command } = ipmi.getChannelAuthCapabilities;
  const data = ipmi.getChannelAuthCapabilities.encodeRequest({ channel: 14, privilege: 4, asks20: true });
  const payload = ipmi.encodeRequest({ netFn, command, sequence: 0, data });
  const body = rmcp.encodeIpmi15({ sessionId: 0, sequence: 0, payload });
  const datagram = rmcp.encodeRmcp({ class: 'ipmi', body });
  assert.equal(datagram.toString('hex'), '0600ff07000000000000000000092018c88100388e04b5');
  const packet = rmcp.decodeIpmi(rmcp.decodeRmcp(datagram).body, 0);
  assert.deepEqual(ipmi.decodeRequest(packet.payload), { netFn, command, sequence: 0, data });
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
  const flags = (isEfi: boolean, device: 'network' | 'disk', isPersistent = false) =>
    ipmi.encodeBootFlags({ isValid: true, isPersistent, isEfi, device }).toString('hex');
  assert.equal(flags(true, 'network'), 'a004000000');
  assert.equal(flags(false, 'network'), '8004000000');
  assert.equal(flags(true, 'disk'), 'a008000000');
  assert.equal(flags(true, 'disk', true), 'e008000000');
});

test('reads what a BMC says about itself', () => {
  const dell = hex('20 81 84 63 02 df a2 02 00 00 01 00 0d 00 00');
  assert.deepEqual(ipmi.getDeviceId.decodeResponse(dell), {
    manufacturer: 674,
    product: 256,
    firmware: '4.63',
    ipmiVersion: '2.0',
    isUpdating: true,
  });
  const status = { isOn: true, hasPowerFault: false, restorePolicy: 'power-on' };
  assert.deepEqual(ipmi.getChassisStatus.decodeResponse(hex('41 10 40 00')), status);
  assert.deepEqual(ipmi.decodeCipherSuites(hex('c0034180 c0114481 c105 112233 0341 c011 0344 81')), [3, 17, 17]);
});

test('gives back both directions of every command', () => {
  const samples: [ipmi.AnyCommand, unknown, unknown][] = [
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
      { manufacturer: 47196, product: 8210, firmware: '2.72', ipmiVersion: '2.0', isUpdating: false },
    ],
    [ipmi.getChassisStatus, undefined, { isOn: false, hasPowerFault: true, restorePolicy: 'stay-off' }],
    [ipmi.chassisControl, { action: 'soft' }, undefined],
    [ipmi.setBootOption, { parameter: 3, data: hex('08') }, undefined],
    [ipmi.getBootOption, { parameter: 5 }, { parameter: 5, isValid: false, data: hex('a004000000') }],
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
  decodeSessionPacket: (bytes) => rakp.decodeSessionPacket(keys, bytes),
  decodeOpenSessionRequest: rakp.decodeOpenSessionRequest,
  decodeOpenSessionResponse: rakp.decodeOpenSessionResponse,
  decodeRakp1: rakp.decodeRakp1,
  decodeRakp2: rakp.decodeRakp2,
  decodeRakp3: rakp.decodeRakp3,
  decodeRakp4: rakp.decodeRakp4,
  decodeRequest: ipmi.decodeRequest,
  decodeResponse: ipmi.decodeResponse,
  decodeCipherSuites: ipmi.decodeCipherSuites,
  decodeBootFlags: ipmi.decodeBootFlags,
};
for (const command of ipmi.COMMANDS) {
  DECODERS[`${command.name} request`] = (bytes) => command.decodeRequest(bytes);
  DECODERS[`${command.name} response`] = (bytes) => command.decodeResponse(bytes);
}

/** Starts that lead deeper than chance: RMCP with ASF or IPMI, both session types, signed and encrypted or not. */
const STARTS = ['', '0600ff06000011be', '0600ff07', '00', '0600', '06c0', '0640', '0000', '811c63', '2018c8'].map(hex);

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
