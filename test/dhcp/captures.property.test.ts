import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { newSubnet } from '../../src/model/network.ts';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { WireError } from '../../src/wire/bytes.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, encodeDhcp } from '../../src/wire/dhcp-packet.ts';
import { ARRIVAL, buildRequest, type Harness, withHarness } from '../harness.ts';
import { mutate } from '../wire/mutate.ts';
import { openTap, type Tap } from './tap.ts';

/** What OVMF 2022.11 and QEMU's iPXE sent, as bytes, and what becomes of it here (boot-protocols 7.6, 7.7). */
const FOLDER = new URL('../fixtures/dhcp/', import.meta.url);
const CAPTURES = new Map(
  readdirSync(FOLDER).map((name) => [
    name.replace('.hex', ''),
    Buffer.from(readFileSync(new URL(name, FOLDER), 'utf8').trim(), 'hex'),
  ]),
);
const corpus = fc.constantFrom(...CAPTURES.values());
/** A capture with some of its bytes spoilt. */
const spoilt = fc.tuple(corpus, fc.array(fc.nat(0xffff), { minLength: 40, maxLength: 40 })).map(([bytes, numbers]) => {
  const left = [...numbers];
  return mutate(bytes, (limit) => (left.shift() ?? 0) % limit);
});

/** The server that the captures were made with: 10.22.0.1, which has one address to give. */
function openServer(harness: Harness): Tap {
  harness.network.putSubnet({
    ...newSubnet({ name: 'capture', interface: 'capture', cidr: parseCidr('10.22.0.1/16') }),
    pools: [{ first: '10.22.9.9' as Ipv4, last: '10.22.9.9' as Ipv4 }],
    conflictDetection: false,
  });
  return openTap(harness, { ...ARRIVAL, interface: 'capture', serverAddress: '10.22.0.1' as Ipv4 });
}

const LOADER = 'b/52-54-00-12-34-56/snponly.efi';
const SCRIPT = 'http://10.77.0.1/b/52-54-00-12-34-56/boot.ipxe';
const BOOTS: readonly [client: string, file: string][] = [
  ['PXEClient-arch0007 ', LOADER],
  ['PXEClient-arch0007 -ipxe', SCRIPT],
  ['PXEClient-arch0000 -ipxe', SCRIPT],
  ['HTTPClient-arch0010 ', `http://10.77.0.1/${LOADER}`],
];
for (const [client, file] of BOOTS)
  test(`the whole boot of ${client.replace(' ', '')} as it was captured: an offer, a lease, and the file on port 4011`, () =>
    withHarness({}, async (harness) => {
      const tap = openServer(harness);
      const capture = (kind: string) => CAPTURES.get(client.replace(' ', kind));
      const told: string[] = [];
      const play = async (bytes: Buffer | undefined, how: Omit<Parameters<Tap>[0], 'bytes'> = {}) => {
        if (!bytes) return;
        const sent = await tap({ bytes, ...how });
        assert.ok(sent, 'it is answered');
        const { packet, to } = sent;
        told.push(`${getOption(packet, 'messageType')} ${packet.yiaddr} to ${to.address}:${to.port}`);
        assert.equal(packet.file, file);
        assert.equal(getOption(packet, 'bootFileName'), file);
        const request = decodeDhcp(bytes);
        for (const code of [61, 97]) assert.deepEqual(packet.options.get(code), request.options.get(code));
        assert.equal(packet.broadcast, request.broadcast);
      };
      await play(capture('-type1-port67'));
      await play(capture('-type3-port67'));
      const port = client.endsWith('ipxe') ? 68 : 4011;
      const last = capture('-type3-port4011');
      await play(last, { source: '10.22.9.9' as Ipv4, port, unicast: true, door: 'boot-server' });
      assert.deepEqual(told, [
        'offer 10.22.9.9 to 255.255.255.255:68',
        'ack 10.22.9.9 to 255.255.255.255:68',
        ...(last ? [`ack 0.0.0.0 to 10.22.9.9:${port}`] : []),
      ]);
    }));

test('what was read is written and read again as the same, for every packet that a spoilt capture still is', () => {
  let packets = 0;
  fc.assert(
    fc.property(spoilt, (bytes) => {
      const packet = decodeOrRefuse(bytes);
      if (!packet) return;
      packets++;
      const { bytes: written, dropped } = encodeDhcp(packet, { maxSize: 1472 });
      const again = decodeDhcp(written);
      const { options, ...header } = again;
      const { options: before, ...headerBefore } = packet;
      assert.deepEqual(header, headerBefore);
      assert.deepEqual(
        sorted(options),
        sorted(before).filter(([code]) => !dropped.includes(code)),
      );
      assert.ok(encodeDhcp(again, { maxSize: 1472 }).bytes.equals(written), 'written twice it is the same bytes');
    }),
    { numRuns: 3000 },
  );
  assert.ok(packets > 500, `${packets} spoilt captures are still packets`);
});

test('no spoilt capture and no random bytes harm the server: the next machine boots', async (context) => {
  const log = context.mock.method(console, 'error', () => undefined);
  await withHarness({}, async (harness) => {
    harness.addMachine('vm-01', { mac: '52:54:00:12:34:56' as Mac, disks: 'empty' });
    const tap = openServer(harness);
    const any = fc.oneof(
      { weight: 4, arbitrary: spoilt },
      fc.uint8Array({ maxLength: 2048 }).map((a) => Buffer.from(a)),
    );
    await fc.assert(
      fc.asyncProperty(any, fc.boolean(), fc.boolean(), async (bytes, unicast, isPxe) => {
        const sent = await tap({ bytes, unicast, ...(isPxe ? { door: 'boot-server' as const } : {}) });
        assert.ok(!sent || (sent.bytes.length >= 300 && sent.bytes.length <= 1472));
      }),
      { numRuns: 1500 },
    );
    harness.pass(100_000_000); // whatever it leased or declined has ended
    const good = await tap({ bytes: buildRequest({ type: 'discover', mac: '52:54:00:aa:bb:99' as Mac, as: 'uefi' }) });
    assert.equal(good?.packet.yiaddr, '10.22.9.9');
    for (const { text } of harness.told) assert.match(text, /^[\x20-\x7e]*$/, 'an event is one printable line');
  });
  assert.equal(log.mock.callCount(), 0, `the log says ${log.mock.calls[0]?.arguments}`);
});

function decodeOrRefuse(bytes: Buffer): DhcpPacket | undefined {
  try {
    return decodeDhcp(bytes);
  } catch (error) {
    assert.ok(error instanceof WireError, String(error));
    return undefined;
  }
}

const sorted = (options: Map<number, Buffer>): [number, string][] =>
  [...options].map(([code, value]): [number, string] => [code, value.toString('hex')]).sort(([a], [b]) => a - b);
