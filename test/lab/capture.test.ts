import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type Ipv4, ipv4ToBytes, type Mac, macToBytes } from '../../src/wire/address.ts';
import { setOption } from '../../src/wire/dhcp-options.ts';
import { encodeDhcp } from '../../src/wire/dhcp-packet.ts';
import { FAULTS, tshark } from './capture.ts';
import { whyNotHere } from './rig.ts';

const SERVER = '10.77.0.1' as Ipv4;
const MAC = '52:54:00:99:00:01' as Mac;

/** All tests with a capture lean on this: that tshark would have told them. */
describe('the judgement of tshark', { skip: whyNotHere() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-pcap-'));
  after(() => rmSync(folder, { recursive: true }));

  const broken: Record<string, (offer: Buffer) => unknown> = {
    'a lease time of three bytes': (offer) => offer.writeUInt8(3, offer.indexOf(51, 240) + 1),
    'an option that is longer than the packet': (offer) => {
      offer[offer.indexOf(255, 240)] = 12;
      offer.fill(200, offer.indexOf(12, 243) + 1);
    },
  };

  test('an OFFER as we send it is well formed', async () => {
    assert.equal((await judge('good', makeOffer())).length, 0);
  });

  for (const [name, damage] of Object.entries(broken))
    test(`${name} is a fault`, async () => {
      const offer = makeOffer();
      damage(offer);
      assert.equal((await judge(name.replaceAll(' ', '-'), offer)).length, 1);
    });

  function judge(name: string, message: Buffer): Promise<string[]> {
    const file = join(folder, `${name}.pcap`);
    writeFileSync(file, toPcap(message));
    return tshark(file, FAULTS);
  }
});

function makeOffer(): Buffer {
  const options = new Map<number, Buffer>();
  setOption(options, 'messageType', 'offer');
  setOption(options, 'serverId', SERVER);
  setOption(options, 'leaseSeconds', 3600);
  const none = '0.0.0.0' as Ipv4;
  const header = { op: 'reply', htype: 1, hops: 0, xid: 1, secs: 0, broadcast: false, sname: '', file: '' } as const;
  const addresses = { ciaddr: none, yiaddr: '10.77.0.100' as Ipv4, siaddr: SERVER, giaddr: none };
  return encodeDhcp({ ...header, ...addresses, chaddr: macToBytes(MAC), options }).bytes;
}

/** A capture of one frame: Ethernet, IPv4 and UDP around a message to a client. */
function toPcap(message: Buffer): Buffer {
  const frame = Buffer.alloc(42 + message.length);
  frame.fill(0xff, 0, 6);
  macToBytes(MAC).copy(frame, 6);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame.writeUInt16BE(28 + message.length, 16);
  frame[22] = 64;
  frame[23] = 17;
  ipv4ToBytes(SERVER).copy(frame, 26);
  frame.fill(0xff, 30, 34);
  frame.writeUInt16BE(67, 34);
  frame.writeUInt16BE(68, 36);
  frame.writeUInt16BE(8 + message.length, 38);
  message.copy(frame, 42);
  const header = Buffer.alloc(24 + 16);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65_535, 16);
  header.writeUInt32LE(1, 20); // Ethernet
  header.writeUInt32LE(frame.length, 32);
  header.writeUInt32LE(frame.length, 36);
  return Buffer.concat([header, frame]);
}
