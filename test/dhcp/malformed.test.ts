import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClientKey } from '../../src/model/network.ts';
import { after } from '../../src/model/time.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { buildRequest, type Harness, SERVER, withHarness } from '../harness.ts';
import { type Datagram, openTap, type Sent } from './tap.ts';

/**
 * The catalogue of broken and hostile packets, boot-protocols 6.2, M1 to M54 (M55 is the flood, which has a test of its own).
 * Each is sent to a running server with one machine, 52:54:00:aa:bb:01, and one lease, 10.77.0.105 of 52:54:00:aa:bb:02. It is
 * answered as the row says, or not; nothing is written, logged or told that is not so; and the next client is served.
 */
type Row = [
  id: string,
  what: string,
  sent: Datagram | Buffer | (Datagram | Buffer)[],
  outcome: Outcome,
  state?: Prepare,
];
type Prepare = (harness: Harness) => unknown;
/** What the last datagram leads to. `thrown away`: it is no request at all. */
type Outcome =
  | 'thrown away'
  | 'silence'
  | { type: 'offer' | 'ack' | 'nak'; check?: (sent: Sent, harness: Harness) => void };

const offer = (check?: (sent: Sent, harness: Harness) => void): Outcome => ({
  type: 'offer',
  ...(check ? { check } : {}),
});
const ack = (check?: (sent: Sent, harness: Harness) => void): Outcome => ({ type: 'ack', ...(check ? { check } : {}) });
const nak: Outcome = { type: 'nak' };

/** A packet of the machine: its options in hex, behind a header that `change` may spoil. */
function packet(options: string, change: (bytes: Buffer) => unknown = () => undefined): Buffer {
  const bytes = Buffer.alloc(240);
  bytes.write('010106000000f15b', 'hex');
  bytes.write('525400aabb01', 28, 'hex');
  bytes.write('63825363', 236, 'hex');
  change(bytes);
  return Buffer.concat([bytes, Buffer.from(options.replaceAll(' ', ''), 'hex')]);
}

const DISCOVER = '350101';
const REQUEST = '350103';
const US = '36040a4d0001';
/** Option 60 `PXEClient`. */
const PXE = '3c09505845436c69656e74';
const option = (code: number, length: number, byte: string): string =>
  Buffer.of(code, length).toString('hex') + byte.repeat(length);
const asked = (address: string): string => `3204${hexOf(address)}`;
const hexOf = (address: string): string => Buffer.from(address.split('.').map(Number)).toString('hex');
const ciaddr = (address: string) => (bytes: Buffer) => bytes.write(hexOf(address), 12, 'hex');
const giaddr = (address: string) => (bytes: Buffer) => bytes.write(hexOf(address), 24, 'hex');
const relayed = (options: string, relay = '10.77.0.254'): Datagram => ({
  bytes: packet(options, giaddr(relay)),
  source: relay as Ipv4,
  port: 67,
  unicast: true,
});
const from = (source: string, bytes: Buffer): Datagram => ({ bytes, source: source as Ipv4, unicast: true });
const at4011 = (options: string): Datagram => ({
  bytes: packet(options, ciaddr('10.77.0.105')),
  source: '10.77.0.105' as Ipv4,
  port: 4011,
  unicast: true,
  door: 'boot-server',
});

const withRelay: Prepare = ({ network, subnet }) => network.putSubnet({ ...subnet, relays: ['10.77.0.254' as Ipv4] });
const withLongOptions: Prepare = ({ optionSettings }) => {
  for (const name of ['domain-name', 'root-path'])
    optionSettings.put({ scope: 'global', scopeId: '', name, value: 'x'.repeat(200), force: true });
};
const withLeaseBy =
  (clientId?: string): Prepare =>
  ({ leases, subnet, clock }) =>
    leases.put({
      subnetId: subnet.id,
      address: '10.77.0.107' as Ipv4,
      client: 'hw:1:525400aabb01' as ClientKey,
      mac: '52:54:00:aa:bb:01' as Mac,
      ...(clientId ? { clientId: Buffer.from(clientId, 'hex') } : {}),
      hostname: '',
      state: 'bound',
      startedAt: clock(),
      expiresAt: after(clock(), 600_000),
      isGuest: false,
    });
const echoed = (code: number, hex: string) => (sent: Sent) =>
  assert.equal(sent.packet.options.get(code)?.toString('hex'), hex);
const isHeld = (sent: Sent) => assert.match(sent.packet.yiaddr, /^10\.77\.0\.10\d$/);
/** Addresses that nobody can have, or nobody of the pool. */
const IMPOSSIBLE = ['0.0.0.0', '255.255.255.255', '224.0.0.1', SERVER, '10.77.0.0', '10.77.0.255'];

const CATALOGUE: readonly Row[] = [
  ['M1', 'nothing', Buffer.alloc(0), 'thrown away'],
  ['M1', 'one byte', Buffer.of(1), 'thrown away'],
  ['M2', '235 bytes', packet('').subarray(0, 235), 'thrown away'],
  ['M2', '236 bytes', packet('').subarray(0, 236), 'thrown away'],
  ['M2', '239 bytes', packet('').subarray(0, 239), 'thrown away'],
  ['M3', 'a header and no options: BOOTP', packet(''), 'thrown away'],
  ['M4', 'a cookie of zeros', packet(DISCOVER, (b) => b.writeUInt32BE(0, 236)), 'thrown away'],
  ['M4', 'a cookie that is off by one', packet(DISCOVER, (b) => b.writeUInt32BE(0x63825364, 236)), 'thrown away'],
  ...[0, 2, 255].map((op): Row => ['M5', `op ${op}`, packet(DISCOVER, (b) => b.writeUInt8(op, 0)), 'thrown away']),
  ...[17, 255].map(
    (hlen): Row => ['M6', `hlen ${hlen}`, packet(DISCOVER, (b) => b.writeUInt8(hlen, 2)), 'thrown away'],
  ),
  ['M7', 'no hardware address and no identifier', packet(DISCOVER, (b) => b.writeUInt8(0, 2)), 'thrown away'],
  ['M7', 'a hardware address of zeros and no identifier', packet(DISCOVER, (b) => b.fill(0, 28, 34)), 'thrown away'],
  [
    'M7',
    'no hardware address but an identifier',
    packet(`${DISCOVER} 3d03ff0102`, (b) => b.writeUInt8(0, 2)),
    offer(echoed(61, 'ff0102')),
  ],
  [
    'M8',
    'a hardware type that nobody knows',
    packet(DISCOVER, (b) => b.writeUInt8(44, 1)),
    offer(({ packet: { htype, chaddr } }) => assert.equal(`${htype} ${chaddr.toString('hex')}`, '44 525400aabb01')),
  ],
  [
    'M9',
    'a GUID for a hardware address, as EDK2 can send it',
    packet(DISCOVER, (b) => b.fill(0xab, 28, 44).writeUInt8(16, 2)),
    offer(({ packet: { chaddr } }) => assert.equal(chaddr.toString('hex'), 'ab'.repeat(16))),
  ],
  ['M10', 'an option that runs past the end', packet(`${DISCOVER} 0c0366`), offer()],
  ['M11', 'a code without a length', packet(`${DISCOVER} 0c`), offer()],
  ['M12', 'no end mark', packet(DISCOVER), offer()],
  ['M13', 'another message behind the end mark', packet(`${DISCOVER} ff ${REQUEST} ${asked('10.77.0.50')}`), offer()],
  ['M14', 'a message type without a value', packet('3500'), 'thrown away'],
  ['M14', 'a message type of two bytes', packet('35020101'), 'thrown away'],
  ...[0, 9, 10, 13, 255].map(
    (type): Row => ['M14', `message type ${type}`, packet(option(53, 1, hexByte(type))), 'thrown away'],
  ),
  ...[2, 5, 6].map(
    (type): Row => [
      'P-6',
      `a server's message, ${type}, as a request`,
      packet(option(53, 1, hexByte(type))),
      'silence',
    ],
  ),
  ['M15', 'two message types', packet(`${DISCOVER} 350107`), 'thrown away'],
  ['M16', 'an empty identifier', packet(`${DISCOVER} 3d00`), offer()],
  ['M16', 'an identifier of one byte', packet(`${DISCOVER} 3d0101`), offer()],
  [
    'M17',
    'an identifier of 254 bytes that begins with 0',
    packet(DISCOVER + option(61, 254, '00')),
    offer(echoed(61, '00'.repeat(254))),
  ],
  ['M18', 'a requested address of 3 bytes in a DISCOVER', packet(`${DISCOVER} 32030a4d00`), offer(isHeld)],
  ['M18', 'a requested address of 5 bytes in a DISCOVER', packet(`${DISCOVER} 32050a4d003200`), offer(isHeld)],
  ['M18', 'a requested address of 3 bytes in a REQUEST', packet(`${REQUEST} 32030a4d00`), 'silence'],
  ...IMPOSSIBLE.flatMap((address): Row[] => [
    ['M19', `${address} asked for in a DISCOVER`, packet(DISCOVER + asked(address)), offer(isHeld)],
    ['M19', `${address} asked for in a REQUEST`, packet(REQUEST + asked(address)), nak],
    ['M19', `${address} accepted from us`, packet(REQUEST + US + asked(address)), nak],
  ]),
  ['M20', 'a server identifier of 3 bytes', packet(`${REQUEST} ${asked('10.77.0.106')} 36030a4d00`), 'thrown away'],
  ['M20', 'a server identifier of 5 bytes', packet(`${REQUEST} ${asked('10.77.0.106')} 36050a4d000100`), 'thrown away'],
  ['M21', 'another server chosen', packet(`${REQUEST} ${asked('10.77.0.106')} 36040a4d0009`), 'silence'],
  ['M22', 'a DISCOVER that names us', packet(DISCOVER + US), 'silence'],
  ['M23', 'an empty list of wishes', packet(`${DISCOVER} 3700`), offer()],
  ['M23', '255 wishes', packet(`${DISCOVER} 37ff${Buffer.from([...Array(255).keys()]).toString('hex')}`), offer()],
  ['M23', 'one wish 255 times', packet(DISCOVER + option(55, 255, '03')), offer()],
  ['M23', 'wishes for the layout and the protocol', packet(`${DISCOVER} 370600ff35363452`), offer()],
  ...[0, 100, 575].map(
    (size): Row => [
      'M24',
      `room for ${size} bytes`,
      packet(`${DISCOVER} 3902${hexByte(size >> 8)}${hexByte(size & 255)}`),
      offer(({ bytes }) => assert.ok(bytes.length <= 548, `${bytes.length} bytes`)),
      withLongOptions,
    ],
  ),
  ...['ff00', 'ffff'].map(
    (size): Row => [
      'M25',
      `room for 0x${size} bytes`,
      packet(`${DISCOVER} 3902${size}`),
      offer(({ bytes }) => assert.ok(bytes.length > 548 && bytes.length <= 1472, `${bytes.length} bytes`)),
      withLongOptions,
    ],
  ),
  ...['340100', '340104', '3401ff', '34020101'].map(
    (overload): Row => ['M26', `an overload of ${overload.slice(4)}`, packet(DISCOVER + overload), offer()],
  ),
  [
    'M27',
    'overload in overload',
    packet(
      `${DISCOVER} 340103`,
      (b) => b.write('340103 0c0161 ff'.replaceAll(' ', ''), 108, 'hex') && b.write('340103', 44, 'hex'),
    ),
    offer(),
  ],
  [
    'M28',
    'a file field of 0xff that is said to hold options',
    packet(`${DISCOVER} 340101`, (b) => b.fill(255, 108, 236)),
    offer(),
  ],
  [
    'M28',
    'options in the file field without an end',
    packet(`${DISCOVER} 340101`, (b) => b.fill('0c0161', 108, 236, 'hex')),
    offer(),
  ],
  [
    'M29',
    'a sub-option of the relay that runs past the end',
    relayed(`${DISCOVER} 52030104ff`),
    offer(echoed(82, '0104ff')),
    withRelay,
  ],
  ['M29', 'an empty option 82', relayed(`${DISCOVER} 5200`), offer(echoed(82, '')), withRelay],
  ['M29', 'two options 82', relayed(`${DISCOVER} 5203010161 5203020162`), offer(echoed(82, '010161020162')), withRelay],
  [
    'M30',
    'an option 82 without a relay',
    packet(`${DISCOVER} 5203010161`),
    offer(({ packet: { options, yiaddr } }) => {
      assert.equal(options.has(82), false);
      assert.notEqual(yiaddr, '10.77.0.20');
    }),
    ({ network, subnet }) =>
      network.addReservation({
        subnetId: subnet.id,
        address: '10.77.0.20' as Ipv4,
        hostname: '',
        port: { circuitId: Buffer.from('a'), remoteId: Buffer.alloc(0) },
      }),
  ],
  ...['224.0.0.1', '255.255.255.255', '127.0.0.1', '192.0.2.1'].map(
    (relay): Row => ['M31', `the relay ${relay}`, relayed(DISCOVER, relay), 'silence', withRelay],
  ),
  ['M32', 'a renewal of an address on no subnet', from('10.77.0.107', packet(REQUEST, ciaddr('192.0.2.9'))), 'silence'],
  [
    'M32',
    'a renewal of an address on no subnet, through a relay',
    { ...relayed(''), bytes: packet(REQUEST, (b) => ciaddr('192.0.2.9')(b) && giaddr('10.77.0.254')(b)) },
    nak,
    withRelay,
  ],
  [
    'M33',
    'a DISCOVER from everywhere',
    packet(DISCOVER, ciaddr('255.255.255.255')),
    offer((sent) => assert.equal(sent.packet.ciaddr, '0.0.0.0')),
  ],
  ['M34', 'a REQUEST for nothing', packet(REQUEST), 'silence'],
  ['M35', 'a free address accepted by a machine that we know', packet(REQUEST + US + asked('10.77.0.107')), ack()],
  [
    'M35',
    'a free address accepted by a stranger that was never offered it',
    packet(REQUEST + US + asked('10.77.0.107'), (bytes) => bytes.write('525400aabb77', 28, 'hex')),
    nak,
  ],
  ['M35', "another's address accepted", packet(REQUEST + US + asked('10.77.0.105')), nak],
  ['M36', 'a DECLINE of no address', packet(`350104${US}`), 'silence', withLeaseBy()],
  ['M36', 'a DECLINE that names no server', packet(`350104${asked('10.77.0.107')}`), 'silence', withLeaseBy()],
  ['M36', "a DECLINE of another's address", packet(`350104${US}${asked('10.77.0.105')}`), 'silence', withLeaseBy()],
  [
    'M36',
    'a DECLINE by another identifier than the address was given to',
    packet(`350104${US}${asked('10.77.0.107')} 3d03ff0102`),
    'silence',
    withLeaseBy('ff0103'),
  ],
  ['M37', 'a RELEASE of no address', from('10.77.0.107', packet(`350107${US}`)), 'silence', withLeaseBy()],
  [
    'M37',
    "a RELEASE of another's address",
    from('10.77.0.105', packet(`350107${US}`, ciaddr('10.77.0.105'))),
    'silence',
    withLeaseBy(),
  ],
  [
    'M37',
    'a RELEASE without the identifier that the address was given to',
    from('10.77.0.107', packet(`350107${US}`, ciaddr('10.77.0.107'))),
    'silence',
    withLeaseBy('ff0103'),
  ],
  ['M38', 'an INFORM from nowhere', packet('350108'), 'silence'],
  ['M39', 'an empty host name', packet(`${REQUEST}${asked('10.77.0.107')} 0c00`), ack(hasName(''))],
  [
    'M39',
    'a host name of rubbish, escape sequences and a line of its own',
    packet(`${REQUEST}${asked('10.77.0.107')} 0c10 1b5b326a0d0a61636b3e2e2e2fff2d62`),
    ack(hasName('2jack..-b')),
  ],
  ['M39', 'a host name of 255 bytes', packet(REQUEST + asked('10.77.0.107') + option(12, 255, 'e4')), ack(hasName(''))],
  ...['', '00', '0000', '040000 ff6162', '040000 c000', '040000 03616263 c003', '000000 1b5b326a'].map((fqdn): Row => {
    const value = Buffer.from(fqdn.replaceAll(' ', ''), 'hex');
    return [
      'M40',
      `a name of ${value.length} bytes in option 81, ${fqdn}`,
      packet(DISCOVER + Buffer.of(81, value.length).toString('hex') + value.toString('hex')),
      offer((sent) => assert.equal(sent.packet.options.has(81), false)),
    ];
  }),
  ...[0, 1, 3, 255].map(
    (length): Row => [
      'M41',
      `architectures of ${length} bytes`,
      packet(DISCOVER + PXE + option(93, length, '07')),
      offer(({ packet: { file } }) => assert.equal(file, 'b/52-54-00-aa-bb-01/undionly.kpxe')),
    ],
  ),
  ['M41', 'architectures that run past the end', packet(`${DISCOVER}${PXE} 5cff02f9`), offer()],
  [
    'M41',
    'architecture 0xffff',
    packet(`${DISCOVER}${PXE} 5d02ffff`),
    offer((sent) => assert.equal(sent.packet.file, '')),
  ],
  ...[
    '6101 00',
    `6110${'11'.repeat(16)}`,
    `6112${'00'.repeat(18)}`,
    `6111 01${'11'.repeat(16)}`,
    `6111${'00'.repeat(17)}`,
  ].map(
    (guid): Row => [
      'M42',
      `a GUID that is none, ${guid}`,
      packet(DISCOVER + PXE + guid),
      offer((sent) => assert.notEqual(sent.packet.yiaddr, '10.77.0.20')),
      ({ network, subnet }) =>
        network.addReservation({
          subnetId: subnet.id,
          address: '10.77.0.20' as Ipv4,
          hostname: '',
          uuid: '11111111-1111-1111-1111-111111111111',
        }),
    ],
  ),
  ['M43', 'a boot item of two bytes', at4011(`${REQUEST}${PXE} 2b05 47020001ff`), ack(echoed(43, '060108ff'))],
  ['M44', 'a user class that runs past the end', packet(`${DISCOVER}${PXE} 4d03 ff6162`), offer(bootsRom)],
  ['M44', 'an empty user class', packet(`${DISCOVER}${PXE} 4d00`), offer(bootsRom)],
  [
    'M44',
    'a user class without its length, as iPXE sends it',
    packet(`${DISCOVER}${PXE} 4d04 69505845`),
    offer((sent) => assert.match(sent.packet.file, /boot\.ipxe$/)),
  ],
  ['M45', 'a vendor class of 255 zeros', packet(DISCOVER + option(60, 255, '00')), offer(bootsNothing)],
  ['M45', 'a vendor class that is no text', packet(DISCOVER + option(60, 255, 'fe')), offer(bootsNothing)],
  ['M46', 'vendor data that run past their length', packet(`${DISCOVER} 7c06 00000009ff61 7d06 00000009ff61`), offer()],
  ['M47', 'a subnet selected that nobody serves', packet(`${DISCOVER} 7604ac100000`), 'silence'],
  ['M47', 'a link that nobody serves', relayed(`${DISCOVER} 5206 0504ac100005`), 'silence', withRelay],
  ['M48', 'domains and routes that are none', packet(`${DISCOVER} 7702c000 7903210a4d`), offer()],
  ['M49', '65507 bytes of host names', packet(`${DISCOVER}${'0c0161'.repeat(21755).slice(0, 130528)}`), 'thrown away'],
  ['M49', '4097 bytes', packet(DISCOVER + '00'.repeat(4097 - 243)), 'thrown away'],
  ['M49', '4096 bytes', packet(DISCOVER + '00'.repeat(4096 - 243)), offer()],
  [
    'M50',
    'secs of 0xffff, and all flags but the one that is defined',
    packet(DISCOVER, (b) => b.writeUInt32BE(0xffff7fff, 8)),
    offer(({ bytes }) => assert.equal(bytes.readUInt32BE(8), 0)),
  ],
  [
    'M50',
    'all flags',
    packet(DISCOVER, (b) => b.writeUInt16BE(0xffff, 10)),
    offer(({ bytes }) => assert.equal(bytes.readUInt16BE(10), 0x8000)),
  ],
  ['M51', 'xid 0', packet(DISCOVER, (b) => b.writeUInt32BE(0, 4)), offer((sent) => assert.equal(sent.packet.xid, 0))],
  [
    'M51',
    'one xid from two clients',
    [packet(DISCOVER, (b) => b.writeUInt8(0x77, 33)), packet(DISCOVER)],
    offer(({ packet: { xid, chaddr } }) => assert.equal(`${xid} ${chaddr.toString('hex')}`, `${0xf15b} 525400aabb01`)),
  ],
  [
    'M52',
    'a request from some port',
    { bytes: packet(DISCOVER), port: 40_000 },
    offer(({ to }) => assert.deepEqual(to, { address: '255.255.255.255', port: 68 })),
  ],
  [
    'M52',
    'an INFORM from some port',
    { ...from('10.77.0.9', packet('350108')), port: 40_000 },
    ack(({ to }) => assert.deepEqual(to, { address: '10.77.0.9', port: 68 })),
  ],
  ['M53', 'an offer of ours that comes back', packet(`350102${US}`, (b) => b.writeUInt8(2, 0)), 'thrown away'],
  ['M54', 'a DISCOVER on port 4011', { bytes: packet(DISCOVER + PXE), door: 'boot-server' }, 'silence'],
  ['M54', 'a REQUEST on port 4011 of one that boots nothing', at4011(REQUEST), 'silence'],
  [
    'M54',
    'a boot item with credentials',
    at4011(`${REQUEST}${PXE} 2b07 470400018000ff`),
    ack(echoed(43, '470400010000ff')),
  ],
];

function hexByte(value: number): string {
  return value.toString(16).padStart(2, '0');
}

function hasName(hostname: string) {
  return (_: Sent, { leases }: Harness) =>
    assert.equal(leases.all().find((lease) => lease.address === '10.77.0.107')?.hostname, hostname);
}

function bootsRom({ packet: { file } }: Sent): void {
  assert.equal(file, 'b/52-54-00-aa-bb-01/undionly.kpxe');
}

function bootsNothing({ packet: { file, options } }: Sent): void {
  assert.equal(`${file}${options.has(43)}${options.has(60)}`, 'falsefalse');
}

for (const [id, what, sent, outcome, prepare] of CATALOGUE) {
  const expected = typeof outcome === 'string' ? outcome : `an ${outcome.type.toUpperCase()}`;
  test(`${id}: ${what}: ${expected}`, (context) => {
    const log = context.mock.method(console, 'error', () => undefined);
    return withHarness({}, async (harness) => {
      harness.addMachine('vm-01', { disks: 'empty' });
      const tap = openTap(harness);
      harness.pass(61_000); // the server has been running for a while
      harness.leases.put(neighbourLease(harness));
      await prepare?.(harness);
      const leasesBefore = structuredClone(harness.leases.all());
      const eventsBefore = harness.told.length;

      let answer: Sent | undefined;
      for (const one of Array.isArray(sent) ? sent : [sent])
        answer = await tap(Buffer.isBuffer(one) ? { bytes: one } : one);
      if (typeof outcome === 'string') assert.equal(answer, undefined, 'nobody is answered');
      else {
        assert.ok(answer, 'it is answered');
        assert.equal(getOption(answer.packet, 'messageType'), outcome.type);
        outcome.check?.(answer, harness);
      }
      assert.equal(harness.dhcp.counts.malformed, outcome === 'thrown away' ? 1 : 0, 'packets that were thrown away');
      if (typeof outcome === 'string' || outcome.type !== 'ack')
        assert.deepEqual(structuredClone(harness.leases.all()), leasesBefore, 'no lease has changed');
      assert.equal(log.mock.callCount(), 0, `the log says ${log.mock.calls[0]?.arguments}`);
      checkEvents(harness.told.slice(eventsBefore), outcome);
      await checkGoodDiscover(tap);
    });
  });
}

function neighbourLease({ subnet, clock }: Harness) {
  return {
    subnetId: subnet.id,
    address: '10.77.0.105' as Ipv4,
    client: 'hw:1:525400aabb02' as ClientKey,
    mac: '52:54:00:aa:bb:02' as Mac,
    hostname: '',
    state: 'bound' as const,
    startedAt: clock(),
    expiresAt: after(clock(), 600_000),
    isGuest: false,
  };
}

/** The timeline tells what happened to the machine, and not a control character of what it was sent. */
function checkEvents(told: Harness['told'], outcome: Outcome): void {
  const kinds = new Set(told.map((event) => event.kind));
  kinds.delete('boot.started'); // a boot client's first word, answered or not
  const allowed: Record<string, string[]> = {
    'thrown away': [],
    silence: ['dhcp.silent', 'dhcp.refused'],
    offer: ['dhcp.offered'],
    ack: ['dhcp.acked', 'dhcp.informed'],
    nak: ['dhcp.naked'],
  };
  const expected = allowed[typeof outcome === 'string' ? outcome : outcome.type];
  assert.deepEqual(
    [...kinds].filter((kind) => !expected?.includes(kind)),
    [],
    'the timeline tells of nothing else',
  );
  for (const event of told) {
    assert.match(event.text, /^[\x20-\x7e]*$/, 'an event is one printable line');
    assert.doesNotMatch(JSON.stringify(event.because ?? ''), /[^\x20-\x7e]/);
  }
}

async function checkGoodDiscover(tap: ReturnType<typeof openTap>): Promise<void> {
  const next = await tap({ bytes: buildRequest({ type: 'discover', mac: '52:54:00:aa:bb:99' as Mac }) });
  assert.ok(next, 'the next client is served');
  assert.equal(getOption(next.packet, 'messageType'), 'offer');
}
