import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Subnet } from '../../src/model/network.ts';
import { type Ipv4, type Mac, macToBytes, parseCidr } from '../../src/wire/address.ts';
import { getOption, type OptionName, optionCode } from '../../src/wire/dhcp-options.ts';
import { type RelayInformation, relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, buildRequest, type Harness, SERVER, withHarness } from '../harness.ts';
import { openTap, type Sent, type Tap } from './tap.ts';

/**
 * What the test suite of ISC's Forge asks of a DHCP server (boot-protocols 7.2), with clients of our own: whole conversations
 * with a running server, each on our wire and through a relay. Where Forge counts two identifiers on one card as two clients,
 * docs/decisions/0006 says why they are one here.
 */
const RELAY = '10.77.0.254' as Ipv4;
const WAYS = ['on our wire', 'through a relay'] as const;
type Way = (typeof WAYS)[number];

/** A client that says what it is told to, and gives the answer in a word: `offer 10.77.0.105`, `nak`, `nothing`. */
class Client {
  readonly tap: Tap;
  readonly way: Way;
  readonly mac: Mac;
  clientId: string | undefined;
  added: RelayInformation = {};
  last: Sent | undefined;

  constructor(tap: Tap, way: Way, number = 1, clientId?: string) {
    this.tap = tap;
    this.way = way;
    this.mac = `52:54:00:aa:bb:${String(number).padStart(2, '0')}` as Mac;
    this.clientId = clientId;
  }

  async say(ask: Omit<Ask, 'mac'>): Promise<string> {
    const options: [number, Buffer][] = [...(ask.options ?? [])];
    if (this.clientId) options.push([61, Buffer.from(this.clientId, 'hex')]);
    // RENEWING and RELEASE are sent to the server itself, past the relay
    const isPast = ask.unicast === true;
    const isRelayed = this.way === 'through a relay' && !isPast;
    const agent = relayInformation.encode(this.added);
    if (isRelayed && agent.length > 0) options.push([82, agent]);
    this.last = await this.tap({
      bytes: buildRequest({ ...ask, mac: this.mac, options, ...(isRelayed ? { relay: RELAY } : {}) }),
      ...(isRelayed ? { source: RELAY, port: 67, unicast: true } : {}),
      ...(isPast ? { source: ask.has ?? ('0.0.0.0' as Ipv4), unicast: true } : {}),
    });
    if (!this.last) return 'nothing';
    const { packet, to } = this.last;
    const type = getOption(packet, 'messageType');
    assert.equal(packet.xid, 0xf15b);
    assert.deepEqual(packet.chaddr, macToBytes(this.mac));
    if (isRelayed) assert.deepEqual(to, { address: RELAY, port: 67 });
    if (isRelayed && agent.length > 0) assert.deepEqual(packet.options.get(82), agent);
    return type === 'nak' ? 'nak' : `${type} ${packet.yiaddr}`;
  }

  discover = (asks?: string): Promise<string> => this.say({ type: 'discover', asks: asks as Ipv4 | undefined });
  select = (asks: string, names: string = SERVER): Promise<string> =>
    this.say({ type: 'request', asks: asks as Ipv4, names: names as Ipv4 });
  reboot = (asks: string): Promise<string> => this.say({ type: 'request', asks: asks as Ipv4 });
  renew = (has: string): Promise<string> => this.say({ type: 'request', has: has as Ipv4, unicast: true });
  rebind = (has: string): Promise<string> => this.say({ type: 'request', has: has as Ipv4 });
  release = (has: string, names: string | undefined = SERVER): Promise<string> =>
    this.say({ type: 'release', has: has as Ipv4, names: names as Ipv4, unicast: true });
  decline = (asks: string | undefined, names: string | undefined = SERVER): Promise<string> =>
    this.say({ type: 'decline', asks: asks as Ipv4 | undefined, names: names as Ipv4 | undefined });

  /** DISCOVER to ACK; the address. */
  async join(asks?: string): Promise<string> {
    const [type, address] = (await this.discover(asks)).split(' ');
    assert.equal(type, 'offer');
    assert.equal(await this.select(address as string), `ack ${address}`);
    return address as string;
  }
}

type Scene = { harness: Harness; tap: Tap; client: (number?: number, clientId?: string) => Client };

/** Plays a scene on our wire and through a relay. */
function scene(name: string, subnet: Partial<Subnet>, play: (scene: Scene) => Promise<unknown>): void {
  for (const way of WAYS)
    test(`${name}, ${way}`, () =>
      withHarness({ subnet: { relays: [RELAY], ...subnet } }, async (harness) => {
        const tap = openTap(harness);
        harness.pass(61_000); // the server has been running for a while
        await play({ harness, tap, client: (number, clientId) => new Client(tap, way, number, clientId) });
      }));
}

const poolOf = (first: string, last = first) => ({ first: first as Ipv4, last: last as Ipv4 });
const ONE = { pools: [poolOf('10.77.0.105')] };
const TWO = { pools: [poolOf('10.77.0.105', '10.77.0.106')] };

scene('a client gets the address that it was offered, with all that it needs to use it', {}, async ({ client }) => {
  const one = client();
  const address = await one.join();
  const reply = one.last?.packet;
  assert.match(address, /^10\.77\.0\.10\d$/);
  assert.ok(reply);
  assert.equal(getOption(reply, 'serverId'), SERVER);
  assert.equal(getOption(reply, 'leaseSeconds'), 3600);
  assert.equal(getOption(reply, 'subnetMask'), '255.255.255.0');
});

scene('a client with an identifier gets it back with each answer', {}, async ({ client }) => {
  const one = client(1, 'ff00112233');
  await one.discover();
  assert.equal(one.last?.packet.options.get(61)?.toString('hex'), 'ff00112233');
  await one.join();
  assert.equal(one.last?.packet.options.get(61)?.toString('hex'), 'ff00112233');
  assert.equal(await one.reboot('10.77.0.50'), 'nak');
  assert.equal(one.last?.packet.options.get(61)?.toString('hex'), 'ff00112233');
});

scene(
  'the second pool serves when the first one is used up',
  { pools: [poolOf('10.77.0.105'), poolOf('10.77.0.205')] },
  async ({ client }) => {
    const addresses = [await client(1).join(), await client(2).join()];
    assert.deepEqual(addresses.sort(), ['10.77.0.105', '10.77.0.205']);
    assert.equal(await client(3).discover(), 'nothing');
  },
);

scene('a pool that is used up is silent, and serves again when somebody leaves', ONE, async ({ client, harness }) => {
  const [one, two] = [client(1), client(2)];
  await one.join();
  assert.equal(await two.discover(), 'nothing');
  assert.equal(await one.release('10.77.0.105'), 'nothing');
  harness.pass(1000); // what has ended is looked up once a second
  assert.equal(await two.join(), '10.77.0.105');
});

scene("a client that asks for another one's address is refused", {}, async ({ client }) => {
  await client(1).join('10.77.0.105');
  await client(2).discover();
  assert.equal(await client(2).select('10.77.0.105'), 'nak');
  assert.equal(await client(1).renew('10.77.0.105'), 'ack 10.77.0.105');
});

scene('a REQUEST that is repeated is acknowledged again, and leaves one lease', {}, async ({ client, harness }) => {
  const one = client();
  await one.join('10.77.0.105');
  assert.equal(await one.select('10.77.0.105'), 'ack 10.77.0.105');
  assert.equal(harness.leases.all().length, 1);
});

scene('a client that chose another server is left alone, and its address is free at once', ONE, async ({ client }) => {
  await client(1).discover();
  assert.equal(await client(1).select('10.77.0.105', '10.77.0.9'), 'nothing');
  assert.equal(await client(2).discover(), 'offer 10.77.0.105');
});

scene('a client that comes back gets the address that it had', {}, async ({ client }) => {
  const address = await client().join();
  assert.equal(await client().reboot(address), `ack ${address}`);
});

scene('a client that comes back with another address than it had is refused', {}, async ({ client }) => {
  await client().join('10.77.0.105');
  assert.equal(await client().reboot('10.77.0.106'), 'nak');
  assert.equal(await client().reboot('192.168.1.5'), 'nak');
});

scene('a client that comes back and names no address is not answered', {}, async ({ client }) => {
  await client().join();
  assert.equal(await client().say({ type: 'request' }), 'nothing');
});

scene(
  'a client that comes back to a server that never knew it is not answered',
  { authoritative: false },
  async ({ client }) => {
    assert.equal(await client().reboot('10.77.0.105'), 'nothing');
    assert.equal(await client().rebind('10.77.0.105'), 'nothing');
  },
);

scene('a client renews and rebinds, and its lease is as long as at the beginning', {}, async ({ client, harness }) => {
  const address = await client().join();
  for (const again of [client().renew, client().rebind]) {
    harness.pass(1_800_000);
    assert.equal(await again(address), `ack ${address}`);
    const [lease] = harness.leases.all();
    assert.equal(lease && lease.expiresAt - harness.clock(), 3_600_000);
  }
});

scene('a renewal is answered where the client is, past every relay', {}, async ({ client }) => {
  const one = client();
  const address = await one.join();
  await one.renew(address);
  assert.deepEqual(one.last?.to, { address, port: 68 });
  assert.equal(one.last?.packet.ciaddr, address);
});

scene(
  'a client whose lease has ended gets its address again while nobody else needs it',
  TWO,
  async ({ client, harness }) => {
    const address = await client(1).join();
    harness.pass(3_601_000);
    assert.notEqual(await client(2).discover(), `offer ${address}`);
    assert.equal(await client(1).discover(), `offer ${address}`);
  },
);

scene(
  'an address whose lease has ended is given to another when there is no other one',
  ONE,
  async ({ client, harness }) => {
    await client(1).join();
    harness.pass(3_601_000);
    assert.equal(await client(2).join(), '10.77.0.105');
    assert.equal(await client(1).reboot('10.77.0.105'), 'nak');
  },
);

scene(
  'an address that was given back is offered to its last holder, and to others only at the end',
  TWO,
  async ({ client }) => {
    const address = await client(1).join();
    await client(1).release(address);
    assert.equal(await client(1).discover(), `offer ${address}`);
    assert.notEqual(await client(2).discover(), `offer ${address}`);
  },
);

scene('only the card and the identifier that an address was given to can give it back', {}, async ({ client }) => {
  const address = await client(1, 'ff0101').join();
  for (const [number, other] of [client(2, 'ff0101'), client(1, 'ff0102'), client(1), client(2)].entries()) {
    assert.equal(await other.release(address), 'nothing');
    assert.notEqual(await client(10 + number).discover(address), `offer ${address}`);
  }
  assert.equal(await client(1, 'ff0101').renew(address), `ack ${address}`);
  await client(1, 'ff0101').release(address);
  assert.equal(await client(3).discover(address), `offer ${address}`);
});

scene(
  'a RELEASE for another server, of another address or after the end changes nothing',
  ONE,
  async ({ client, harness }) => {
    const address = await client(1).join();
    await client(1).release(address, '10.77.0.9');
    await client(1).release('10.77.0.106');
    assert.equal(await client(2).discover(), 'nothing');
    harness.pass(3_601_000);
    await client(2).join();
    await client(1).release(address);
    assert.equal(await client(2).renew(address), `ack ${address}`);
  },
);

scene('a declined address rests for a day, and its holder gets another one', TWO, async ({ client, harness }) => {
  const address = await client(1).join();
  assert.equal(await client(1).decline(address), 'nothing');
  const other = await client(1).join(address);
  assert.notEqual(other, address);
  assert.equal(await client(2).discover(address), 'nothing');
  harness.pass(23 * 3600 * 1000);
  assert.equal(await client(2).discover(address), `offer ${other}`, "the other's lease has ended by now");
  harness.pass(2 * 3600 * 1000);
  assert.equal(await client(3).discover(address), `offer ${address}`);
});

scene('a declined reserved address rests for ten minutes', ONE, async ({ client, harness }) => {
  harness.network.addReservation({
    subnetId: harness.subnet.id,
    mac: client(1).mac,
    address: '10.77.0.20' as Ipv4,
    hostname: '',
  });
  await client(1).join();
  await client(1).decline('10.77.0.20');
  assert.equal(await client(1).discover(), 'offer 10.77.0.105');
  harness.pass(601_000);
  assert.equal(await client(1).discover(), 'offer 10.77.0.20');
});

scene(
  "a DECLINE that lacks the server or the address, or is not the holder's, changes nothing",
  {},
  async ({ client }) => {
    const address = await client(1, 'ff0101').join();
    await client(1, 'ff0101').say({ type: 'decline', asks: address as Ipv4 });
    await client(1, 'ff0101').decline(undefined);
    await client(1, 'ff0101').decline(address, '10.77.0.9');
    for (const other of [client(2, 'ff0101'), client(1, 'ff0102'), client(2)]) await other.decline(address);
    assert.equal(await client(1, 'ff0101').renew(address), `ack ${address}`);
  },
);

scene('the header of each answer is that of RFC 2131 table 3', {}, async ({ client }) => {
  const one = client();
  const headers: string[] = [];
  const note = (): void => {
    const { op, htype, hops, secs, ciaddr, siaddr, sname } = one.last?.packet ?? assert.fail('no answer');
    headers.push(`${op} ${htype} ${hops} ${secs} ${ciaddr} ${siaddr}${sname}`);
  };
  const address = await one.join();
  note();
  await one.discover();
  note();
  await one.rebind(address);
  note();
  await one.reboot('10.77.0.50');
  note();
  assert.deepEqual(headers, [
    `reply 1 0 0 0.0.0.0 ${SERVER}`,
    `reply 1 0 0 0.0.0.0 ${SERVER}`,
    `reply 1 0 0 ${address} ${SERVER}`,
    'reply 1 0 0 0.0.0.0 0.0.0.0',
  ]);
});

const SET: readonly [OptionName, string][] = [
  ['routers', '10.77.0.250'],
  ['dnsServers', '10.77.0.2, 10.77.0.3'],
  ['domainName', 'rack.example'],
  ['ntpServers', '10.77.0.4'],
  ['rootPath', '/srv/root'],
  ['interfaceMtu', '9000'],
  ['staticRoutes', '10.0.0.0 10.77.0.250'],
  ['vendorEncapsulated', 'hex:0102abcd'],
  ['nisDomain', 'nis.example'],
  ['netbiosNodeType', '8'],
  ['domainSearch', 'a.example, b.example'],
  ['timezonePosix', 'CET-1CEST'],
];
/** They come unasked. */
const UNASKED = ['routers', 'dnsServers'];
scene('an INFORM gets each option that it asks for, no other, and no lease', {}, async ({ client, harness }) => {
  for (const [name, value] of SET)
    harness.optionSettings.put({ scope: 'global', scopeId: '', name, value, force: false });
  for (const [name] of SET) {
    const one = client();
    assert.equal(
      await one.say({ type: 'inform', has: '10.77.0.9' as Ipv4, wants: [optionCode(name), 254] }),
      'ack 0.0.0.0',
    );
    const { options } = one.last?.packet ?? assert.fail('no answer');
    const told = SET.map(([other]) => other).filter((other) => options.has(optionCode(other)));
    assert.deepEqual(told.sort(), [...new Set([name, ...UNASKED])].sort());
    for (const time of [51, 58, 59]) assert.equal(options.has(time), false);
  }
  assert.deepEqual(harness.leases.all(), []);
});

scene('an INFORM is answered without a pool, and whether it names us or not', { pools: [] }, async ({ client }) => {
  assert.equal(await client().say({ type: 'inform', has: '10.77.0.9' as Ipv4 }), 'ack 0.0.0.0');
  assert.equal(await client().say({ type: 'inform', has: '10.77.0.9' as Ipv4, names: SERVER }), 'ack 0.0.0.0');
  assert.equal(await client().discover(), 'nothing');
});

scene(
  'an offer is held for a minute, and refused when another has taken the address',
  TWO,
  async ({ client, harness }) => {
    assert.equal(await client(1).discover('10.77.0.105'), 'offer 10.77.0.105');
    assert.equal(await client(2).discover('10.77.0.105'), 'offer 10.77.0.106');
    harness.pass(61_000);
    assert.equal(await client(3).join('10.77.0.105'), '10.77.0.105');
    assert.equal(await client(1).select('10.77.0.105'), 'nak');
  },
);

for (const cidr of ['10.77.0.1/24', '10.77.0.1/25', '10.77.0.1/28', '10.77.0.1/30'])
  test(`of ${cidr} all addresses are given out but the ends and our own`, () => {
    const size = 2 ** (32 - Number(cidr.split('/')[1]));
    const subnet = { cidr: parseCidr(cidr), pools: [poolOf('10.77.0.0', `10.77.0.${size - 1}`)] };
    return withHarness({ subnet }, async (harness) => {
      const tap = openTap(harness);
      const given: number[] = [];
      for (let number = 0; number < size; number++) {
        const mac = `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac;
        const address = (await tap({ bytes: buildRequest({ type: 'discover', mac }) }))?.packet.yiaddr;
        if (address) given.push(Number(address.split('.')[3]));
      }
      const all = Array.from({ length: size }, (_, host) => host);
      assert.deepEqual(
        given.sort((a, b) => a - b),
        all.filter((host) => host !== 0 && host !== size - 1 && host !== 1),
      );
    });
  });

/** The rest is about relays alone. */
function relayScene(
  name: string,
  subnet: Partial<Subnet>,
  play: (client: Client, harness: Harness) => Promise<unknown>,
): void {
  test(name, () =>
    withHarness({ subnet: { relays: [RELAY], ...subnet } }, async (harness) => {
      harness.pass(61_000);
      await play(new Client(openTap(harness), 'through a relay'), harness);
    }),
  );
}

relayScene('a relay that stands in for the server is the server to the client', {}, async (client) => {
  client.added = { serverId: '10.77.0.253' as Ipv4 };
  assert.match(await client.discover('10.77.0.105'), /^offer/);
  assert.equal(client.last && getOption(client.last.packet, 'serverId'), '10.77.0.253');
  assert.equal(await client.select('10.77.0.105', '10.77.0.253'), 'ack 10.77.0.105');
  assert.equal(client.last && getOption(client.last.packet, 'serverId'), '10.77.0.253');
});

relayScene('the link that a relay names decides from beginning to end', {}, async (client, harness) => {
  harness.network.putSubnet({
    ...harness.subnet,
    name: 'rack2',
    interface: '',
    cidr: parseCidr('10.78.0.0/24'),
    pools: [poolOf('10.78.0.100', '10.78.0.109')],
  });
  client.added = { linkSelection: '10.78.0.5' as Ipv4 };
  const address = await client.join();
  assert.match(address, /^10\.78\.0\.10\d$/);
  assert.equal(client.last && getOption(client.last.packet, 'subnetMask'), '255.255.255.0');
  assert.equal(await client.rebind(address), `ack ${address}`);
  assert.equal(await client.reboot('10.77.0.105'), 'nak');
});

relayScene('what is kept for a port outlives renewals that come past the relay', {}, async (client, harness) => {
  harness.network.addReservation({
    subnetId: harness.subnet.id,
    address: '10.77.0.20' as Ipv4,
    hostname: '',
    port: { circuitId: Buffer.from('eth1'), remoteId: Buffer.from('sw1') },
  });
  client.added = { circuitId: Buffer.from('eth1'), remoteId: Buffer.from('sw1') };
  assert.equal(await client.join(), '10.77.0.20');
  for (let time = 0; time < 3; time++) {
    harness.pass(1_800_000);
    assert.equal(await client.renew('10.77.0.20'), 'ack 10.77.0.20');
  }
  assert.equal(await client.rebind('10.77.0.20'), 'ack 10.77.0.20');
  // carried to another port, it is another client there
  client.added = { circuitId: Buffer.from('eth2'), remoteId: Buffer.from('sw1') };
  assert.equal(await client.reboot('10.77.0.20'), 'nak');
  assert.notEqual(await client.discover(), 'offer 10.77.0.20');
});

test('boot data are for those who say what they are: by 60, 93 and 77', () =>
  withHarness({}, async (harness) => {
    const client = new Client(openTap(harness), 'on our wire');
    const files: (string | undefined)[] = [];
    for (const as of ['os', 'bios', 'uefi', 'uefi-http', 'ipxe-bios', 'ipxe-uefi'] as const) {
      await client.say({ type: 'discover', as, wants: [66, 67] });
      files.push(client.last?.packet.file.split('/').at(-1));
      assert.equal(client.last?.packet.options.has(67), as !== 'os');
      assert.equal(client.last?.packet.siaddr, SERVER);
    }
    assert.deepEqual(files, ['', 'undionly.kpxe', 'snponly.efi', 'snponly.efi', 'boot.ipxe', 'boot.ipxe']);
  }));
