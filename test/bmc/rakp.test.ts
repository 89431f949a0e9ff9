import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WireError } from '../../src/wire/bytes.ts';
import { decodeResponse, encodeRequest } from '../../src/wire/ipmi.ts';
import { getChassisStatus } from '../../src/wire/ipmi-chassis.ts';
import { decodeSessionPacket, encodeSessionPacket } from '../../src/wire/ipmi-packet.ts';
import {
  type CipherSuite,
  decodeOpenSessionRequest,
  decodeOpenSessionResponse,
  deriveKeys,
  encodeOpenSessionRequest,
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

/** Who logs in, and what is sent then: a user of usual length, nobody at all (B13), and the longest there can be. */
const LOGINS = {
  usual: { user: 'admin', password: 's3cret', role: 0x14, payloadType: 0, message: '2000e08104017a' },
  nobody: { user: '', password: '', role: 0x13, payloadType: 1, message: '010000006c6f67696e3a2000000000' },
  longest: {
    user: 'sixteen-letters!',
    password: 'twenty-letters-long!',
    role: 0x14,
    payloadType: 0,
    message: '2000e08104017a',
  },
} as const;

/*
 * Made with Python and the openssl program, not with our code. Rm = 00..0f, Rc = 10..1f, GUIDc = 20..2f, IV = 30..3f:
 *   H = lambda key, text: hmac.new(key, text, hashlib.sha1).digest()     # sha256 for suite 17
 *   sidm, sidc = struct.pack('<I', 0xa4a3a2a1), struct.pack('<I', 0x02003300)
 *   kuid, name = password.ljust(20, b'\0'), bytes([role, len(user)]) + user
 *   rakp2 = H(kuid, sidm + sidc + Rm + Rc + GUIDc + name); rakp3 = H(kuid, Rc + sidm + name)
 *   sik = H(kuid, Rm + Rc + name); k1 = H(sik, b'\x01' * 20); k2 = H(sik, b'\x02' * 20)
 *   rakp4 = H(sik, Rm + sidc + GUIDc)[:n]                                # n = 12, and 16 for suite 17
 *   packet: openssl enc -aes-128-cbc -nopad -K k2[:16] -iv IV over the message, 01 02 .. and the number of those,
 *   then H(k1, from the authentication type to the next header)[:n]
 */
const KNOWN: Record<CipherSuite, Record<keyof typeof LOGINS, Record<string, string>>> = {
  3: {
    usual: {
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
    nobody: {
      rakp2: '62e25ea479b3481eff03662f15db874349eb658e',
      rakp3: 'bbf40e42cc77bad4702b06e8904c88830afaffe5',
      sik: 'bc8b9d7ac2f23dfce8aebcbae17bdbdc722bac0b',
      k1: '07cd147c7f4e9b50e78e25f1cb7ecdc8c75a8e66',
      k2: '02439b89ef0577622b97ab36455073f0aed20bc7',
      rakp4: '5fc35a668db9a21736bd2512',
      packet:
        '06c100330002050000002000303132333435363738393a3b3c3d3e3f1e75e62a9cc6745d1b0349d62c0c82b3ffff0207' +
        '0a9232102ce2583acb244d15',
    },
    longest: {
      rakp2: '10919e0ab1032d4d5f0b9681a519dbde83d9df79',
      rakp3: 'a016a8550c8b28618b252449ef19a465d569fa16',
      sik: 'accf0355b6512ac475a6a77c5c30e7a71ba875f8',
      k1: 'fb2cec03cf914e26d504c22d15c3850bf19bf8f7',
      k2: '56ae03e0fa78b288a5254a6ac24729d41295360e',
      rakp4: 'afd397a02c8bf77e50a1d2b2',
      packet:
        '06c000330002050000002000303132333435363738393a3b3c3d3e3f6aee0eb957b791fc9e7bf57bf3968636ffff0207' +
        'e52eef9eab9f76c71beab01b',
    },
  },
  17: {
    usual: {
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
    nobody: {
      rakp2: '701765d0ae8b0ef1cfa3de969d4fbb1f2e47af1d01b20a41ce3e7aba7f39c61a',
      rakp3: '247f1d1b02f1937aa377f2ae2d6ff79c8523ac591eafd2c7fa60eb8f5fc25938',
      sik: '43ff89e02b835e4df0602493a09c13afa3634ea61ec7f6b542a00a7f6373853b',
      k1: '425a7f8463ca9cf4319ad00312ccb82ca25b9b27c2b5cf2f3478b41aa97de67f',
      k2: '002bfce567d521f73ce37648b77f286c3e056a5f6d35e161f797e09a0b8a42e8',
      rakp4: 'dea21ce1b141516bdef9c16253427f24',
      packet:
        '06c100330002050000002000303132333435363738393a3b3c3d3e3f45aa4963499ff65e75339c39d0b99d21ffff0207' +
        '50e102ff7a3b22f320b1c907d2a60925',
    },
    longest: {
      rakp2: '8a85a34c698b42c199dbc930ec70d1ee62d741364b42b703af35707e7f3db3a1',
      rakp3: '0e85a9d49c85b62b8199a33d110aa389e232e070f1b40ab102f7b425a2472915',
      sik: 'bbab13b34725eb516886f1f34803e9a2a3b2905b483eee2dbb8d1238a01904e6',
      k1: 'd748f57c52af1c3d03512c2bb2ee3ccfab69c83bc2f5719e5d8370a389577994',
      k2: '2f6d2d91b186edb7f1d7bb841935b9421ba6e118aa3abbb7129f7cc5c084df69',
      rakp4: '921f02d62d8a7ca15a8f7d54e928eeae',
      packet:
        '06c000330002050000002000303132333435363738393a3b3c3d3e3f4fdfec2fadd03ceaf8453c7a99834313ffff0207' +
        '95867deffa6d818b6e7f1b5f64fda4e3',
    },
  },
};

const message = encodeRequest({
  netFn: getChassisStatus.netFn,
  lun: 0,
  command: getChassisStatus.command,
  sequence: 1,
  data: Buffer.alloc(0),
});

for (const suite of [3, 17] as const) {
  for (const [name, login] of Object.entries(LOGINS)) {
    test(`proves, derives, signs and encrypts for ${name} in suite ${suite} what Python and openssl do`, () => {
      const its = { ...facts, role: login.role, user: Buffer.from(login.user) };
      const secret = Buffer.from(login.password);
      const keys = deriveKeys(suite, secret, its);
      const plain = {
        payloadType: login.payloadType,
        sessionId: facts.bmcId,
        sequence: 5,
        message: Buffer.from(login.message, 'hex'),
      };
      const packet = encodeSessionPacket(keys, plain, count(0x30));
      const made = {
        rakp2: rakp2Code(suite, secret, its),
        rakp3: rakp3Code(suite, secret, its),
        sik: keys.sik,
        k1: keys.k1,
        k2: keys.k2,
        rakp4: rakp4Code(keys, its),
        packet,
      };
      const hex = Object.fromEntries(Object.entries(made).map(([part, bytes]) => [part, bytes.toString('hex')]));
      assert.deepEqual(hex, KNOWN[suite][name as keyof typeof LOGINS]);
      assert.deepEqual(decodeSessionPacket(keys, packet), plain);
    });
  }

  test(`takes no packet of suite ${suite} with one bit changed`, () => {
    const keys = deriveKeys(suite, password, facts);
    const packet = encodeSessionPacket(
      keys,
      { payloadType: 0, sessionId: facts.bmcId, sequence: 5, message },
      count(0x30),
    );
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
      const packet = encodeSessionPacket(
        keys,
        { payloadType: 1, sessionId: 1, sequence: 2, message: bytes },
        count(length),
      );
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
