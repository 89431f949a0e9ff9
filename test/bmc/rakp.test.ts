import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '../../src/wire/bytes.ts';
import { decodeResponse, encodeRequest, getChassisStatus } from '../../src/wire/ipmi.ts';
import {
  type CipherSuite,
  decodeOpenSessionRequest,
  decodeOpenSessionResponse,
  decodeSessionPacket,
  deriveKeys,
  encodeOpenSessionRequest,
  encodeSessionPacket,
  rakp2Code,
  rakp3Code,
  rakp4Code,
} from '../../src/wire/rakp.ts';

const count = (first: number) => Buffer.from(Array.from({ length: 16 }, (_, index) => first + index));
const facts = {
  consoleId: 0xa4a3a2a1,
  bmcId: 0x02003300,
  consoleRandom: count(0x00),
  bmcRandom: count(0x10),
  bmcGuid: count(0x20),
  role: 0x14,
  user: Buffer.from('admin'),
};
const password = Buffer.from('s3cret');

/*
 * Made with Python and the openssl program, not with our code. Rm = 00..0f, Rc = 10..1f, GUIDc = 20..2f, IV = 30..3f:
 *   H = lambda key, text: hmac.new(key, text, hashlib.sha1).digest()     # sha256 for suite 17
 *   sidm, sidc = struct.pack('<I', 0xa4a3a2a1), struct.pack('<I', 0x02003300)
 *   kuid, name = b's3cret'.ljust(20, b'\0'), b'\x14\x05admin'
 *   rakp2 = H(kuid, sidm + sidc + Rm + Rc + GUIDc + name); rakp3 = H(kuid, Rc + sidm + name)
 *   sik = H(kuid, Rm + Rc + name); k1 = H(sik, b'\x01' * 20); k2 = H(sik, b'\x02' * 20)
 *   rakp4 = H(sik, Rm + sidc + GUIDc)[:n]                                # n = 12, and 16 for suite 17
 *   packet: openssl enc -aes-128-cbc -nopad -K k2[:16] -iv IV over 2000e08104017a 0102030405060708 08,
 *   then H(k1, from the authentication type to the next header)[:n]
 */
const KNOWN: Record<CipherSuite, Record<string, string>> = {
  3: {
    rakp2: '08c768a5c1b10571eba31ba0a79e8c74be9a77f1',
    rakp3: '59a9b6f1b98002043d8ef4cf35116060e94e0408',
    sik: '28c9eb230d7b1c88eed8525a926304ab98be8443',
    k1: '73163a8564f75606e06e1c0c16edb8dffc20a200',
    k2: '168a2d5c633749432d31617a08b2074afd55ec15',
    rakp4: '628b1c7e294ff8c4801a00dd',
    packet:
      '06c000330002050000002000303132333435363738393a3b3c3d3e3f2c072b32852b7ea539bbc056bc092b70ffff0207' +
      'e96f8cdf8aada1347e250bcb',
  },
  17: {
    rakp2: '6524879e8d4f75da130317cf4b5135e9436fdd94c4a8767280131af22c8ba50a',
    rakp3: 'f9d312f8fcdde960da5ca3f7a67cc0346b1a56c7dbe22631cfde0a3715161160',
    sik: '0b8847d272b45529feabd7d7fad1e3fa8674246d36c4c2fa070a6aaaad2a3e01',
    k1: '2652dd7f0a408e419f320f168622076d1ba1d3080080c417f3354084cf969676',
    k2: 'f92020a589a06c573b38a0304736603971795cc1bdfac87f70e4614e48a4273c',
    rakp4: '99fadae90b69820493d8c2ed980fa6b5',
    packet:
      '06c000330002050000002000303132333435363738393a3b3c3d3e3fd5240431456503023be36f0c35719851ffff0207' +
      '31312c30d4ec71a43ad58cec178371b0',
  },
};

const message = encodeRequest({
  netFn: getChassisStatus.netFn,
  command: getChassisStatus.command,
  sequence: 1,
  data: Buffer.alloc(0),
});

for (const suite of [3, 17] as const) {
  test(`proves, derives, signs and encrypts in suite ${suite} what Python and openssl do`, () => {
    const keys = deriveKeys(suite, password, facts);
    const packet = encodeSessionPacket(keys, { sessionId: facts.bmcId, sequence: 5, message }, count(0x30));
    const made = {
      rakp2: rakp2Code(suite, password, facts),
      rakp3: rakp3Code(suite, password, facts),
      sik: keys.sik,
      k1: keys.k1,
      k2: keys.k2,
      rakp4: rakp4Code(keys, facts),
      packet,
    };
    const hex = Object.fromEntries(Object.entries(made).map(([name, bytes]) => [name, bytes.toString('hex')]));
    assert.deepEqual(hex, KNOWN[suite]);
    assert.deepEqual(decodeSessionPacket(keys, packet), { sessionId: facts.bmcId, sequence: 5, message });
  });

  test(`takes no packet of suite ${suite} with one bit changed`, () => {
    const keys = deriveKeys(suite, password, facts);
    const packet = encodeSessionPacket(keys, { sessionId: facts.bmcId, sequence: 5, message }, count(0x30));
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const changed = Buffer.from(packet);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => decodeSessionPacket(keys, changed), WireError, `bit ${bit}`);
    }
  });

  test(`gives back messages of every length through suite ${suite}`, () => {
    const keys = deriveKeys(suite, password, facts);
    for (let length = 0; length < 70; length++) {
      const bytes = Buffer.alloc(length, length);
      const packet = encodeSessionPacket(keys, { sessionId: 1, sequence: 2, message: bytes }, count(length));
      assert.deepEqual(decodeSessionPacket(keys, packet).message, bytes);
    }
  });

  test(`proposes suite ${suite} so that the BMC reads the same`, () => {
    const request = { tag: 9, privilege: 0, consoleId: 0xfffffffe, suite };
    assert.deepEqual(decodeOpenSessionRequest(encodeOpenSessionRequest(request)), request);
  });
}

test('reads the two answers of ipmi_sim to Open Session: suite 3 taken, and suite 17 refused in two bytes', () => {
  const taken = '070000000403020102000000000000080100000001000008010000000200000801000000';
  assert.deepEqual(decodeOpenSessionResponse(Buffer.from(taken, 'hex')), {
    tag: 7,
    status: 0,
    privilege: 0,
    consoleId: 0x01020304,
    bmcId: 2,
    suite: 3,
  });
  const refused = { tag: 7, status: 4, consoleId: undefined, refused: true };
  assert.deepEqual(decodeOpenSessionResponse(Buffer.from('0704', 'hex')), refused);
});

test('takes no message outside of protection for one of a session', () => {
  const keys = deriveKeys(3, password, facts);
  const ipmi15 = Buffer.from('00000000000000000007', 'hex');
  assert.throws(() => decodeSessionPacket(keys, Buffer.concat([ipmi15, message])), WireError);
  const plain20 = Buffer.from('0600a1a2a3a4010000000700', 'hex');
  assert.throws(() => decodeSessionPacket(keys, Buffer.concat([plain20, message])), WireError);
  assert.throws(() => decodeResponse(message), WireError, 'a request is not a response');
});
