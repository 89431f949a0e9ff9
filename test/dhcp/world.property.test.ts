import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { wireOf } from '../../src/dhcp/wire.ts';
import { newSubnet, type Subnet } from '../../src/model/network.ts';
import { cidrContains, type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { type DhcpPacket, decodeDhcp, dhcpReplyLimit } from '../../src/wire/dhcp-packet.ts';
import { type RelayInformation, relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, buildRequest, CLIENTS, type Harness, SERVER, withHarness } from '../harness.ts';
import { openTap, type Sent, type Tap } from './tap.ts';

/**
 * Random networks of our own wire and two behind relays, each with one or more subnets, and clients that do whatever they like
 * there under changing identifiers, with relays that write whatever they like into option 82 (boot-protocols 6.1, 7.7).
 */
const LEASE_S = 600;
const MACHINES = 4;
const STRANGER = '192.0.2.9' as Ipv4;
const STAND_IN = '10.77.0.253' as Ipv4;

type Site = { wire: number; size: number; authoritative: boolean; guests: number | undefined; reserved: number[] };
const site = fc.record<Site>({
  wire: fc.nat(2),
  size: fc.integer({ min: 1, max: 3 }),
  authoritative: fc.boolean(),
  guests: fc.constantFrom(undefined, undefined, undefined, 0, 1, 2),
  reserved: fc.array(fc.nat(MACHINES - 1), { maxLength: 2 }),
});

const siteOn = (wire: number) => site.map((one) => ({ ...one, wire }));

/** `wait` comes first: it is what a sequence that fails is made simple by. */
const ACTS = [
  'wait',
  'join',
  'discover',
  'select',
  'reboot',
  'renew',
  'rebind',
  'release',
  'decline',
  'inform',
  'boot',
  'reserve',
] as const;
type Step = {
  act: (typeof ACTS)[number];
  machine: number;
  /** Which identifier it sends: none, one of its own, or one that all clones share. */
  identity: 'none' | 'own' | 'shared';
  as: keyof typeof CLIENTS;
  wire: number;
  /** The subnet that a requested address, a link or a selection is taken from. */
  site: number;
  host: number;
  lies: ('ciaddr' | 'source' | 'port' | 'server' | 'relay')[];
  relay: { circuit?: Uint8Array | undefined; link: boolean; standIn: boolean; port: boolean; junk: Uint8Array };
  selects: boolean;
  room: number | undefined;
  wants: number[] | undefined;
  seconds: number;
};
function seldom<T>(arbitrary: fc.Arbitrary<T>, usual: T): fc.Arbitrary<T> {
  return fc.oneof({ weight: 3, arbitrary: fc.constant(usual) }, arbitrary);
}
const step = fc.record<Step>({
  act: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...ACTS) },
    fc.constantFrom('join' as const, 'rebind' as const),
  ),
  machine: fc.nat(MACHINES - 1),
  identity: fc.constantFrom('none', 'own', 'shared'),
  as: fc.constantFrom(...(Object.keys(CLIENTS) as (keyof typeof CLIENTS)[])),
  wire: fc.nat(2),
  site: fc.nat(9),
  host: fc.integer({ min: 99, max: 103 }),
  lies: seldom(fc.uniqueArray(fc.constantFrom('ciaddr', 'source', 'port', 'server', 'relay'), { maxLength: 3 }), []),
  relay: fc.record({
    circuit: fc.option(fc.uint8Array({ minLength: 1, maxLength: 8 }), { nil: undefined }),
    link: seldom(fc.boolean(), false),
    standIn: fc.boolean(),
    port: fc.boolean(),
    junk: fc.uint8Array({ maxLength: 24 }),
  }),
  selects: seldom(fc.boolean(), false),
  room: fc.option(fc.constantFrom(0, 300, 576, 600, 1500, 65_535), { nil: undefined }),
  wants: fc.option(fc.uniqueArray(fc.integer({ min: 1, max: 254 }), { maxLength: 30 }), { nil: undefined }),
  seconds: fc.constantFrom(1, 30, 61, 301, 601, 90_000),
});

const macOf = (machine: number): Mac => `52:54:00:aa:bb:0${machine}` as Mac;
const addressOf = (index: number, host: number): Ipv4 => `10.80.${index}.${host}` as Ipv4;
const relayOf = (wire: number): Ipv4 => `10.90.${wire}.1` as Ipv4;

class World {
  readonly harness: Harness;
  readonly tap: Tap;
  /** The subnets, our own first. */
  readonly sites: readonly { subnet: Subnet; wire: number }[];
  /** What each machine uses on each wire by its last ACK, and until when. */
  readonly used = new Map<string, { machine: number; address: Ipv4; until: number }>();
  readonly offered = new Map<string, { address: Ipv4; server: Ipv4 | undefined }>();
  readonly reserved = new Map<Ipv4, Mac>();
  readonly seen = { offers: 0, acks: 0, naks: 0, echoes: 0 };

  constructor(harness: Harness, wanted: readonly Site[]) {
    this.harness = harness;
    this.tap = openTap(harness);
    this.sites = [
      { subnet: harness.subnet, wire: 0 },
      ...wanted.map((one, index) => ({ subnet: this.#build(one, index + 1), wire: one.wire })),
    ];
    harness.pass(61_000); // the server has been running for a while
  }

  #build({ wire, size, authoritative, guests, reserved }: Site, index: number): Subnet {
    const { network } = this.harness;
    const subnet = network.putSubnet({
      ...newSubnet({ name: `site${index}`, cidr: parseCidr(`${addressOf(index, 0)}/24`) }),
      ...(wire === 0 ? { interface: 'rack1' } : { sharedNetwork: `wire${wire}`, relays: [relayOf(wire)] }),
      pools: [{ first: addressOf(index, 100), last: addressOf(index, 99 + size) }],
      ...(guests !== undefined ? { guests } : {}),
      authoritative,
      leaseSeconds: LEASE_S,
      conflictDetection: false,
    });
    for (const machine of new Set(reserved))
      this.#reserve(subnet, machine, addressOf(index, machine % 2 === 0 ? 50 + machine : 100 + machine));
    return subnet;
  }

  #reserve(subnet: Subnet, machine: number, address: Ipv4): void {
    const mac = macOf(machine);
    if (this.harness.network.reservationOf(subnet.id, { mac })) return;
    this.harness.network.addReservation({ subnetId: subnet.id, address, mac, hostname: '' });
    this.reserved.set(address, mac);
  }

  async perform(step: Step): Promise<void> {
    const { act, machine, wire, host } = step;
    const key = `${machine} ${wire}`;
    const own = this.used.get(key)?.address;
    const asks = addressOf(step.site % this.sites.length, host);
    const open = this.offered.get(key);
    switch (act) {
      case 'wait':
        return this.harness.pass(step.seconds * 1000);
      case 'join':
        await this.perform({ ...step, act: 'discover', lies: [] });
        return this.perform({ ...step, act: 'select', lies: [] });
      case 'discover':
        return this.ask(step, { type: 'discover', asks: host === 99 ? undefined : asks });
      case 'select':
        return this.ask(step, { type: 'request', asks: open?.address, names: open?.server ?? SERVER });
      case 'reboot':
        return this.ask(step, { type: 'request', asks: own ?? asks });
      case 'renew':
        return this.ask(step, { type: 'request', has: own ?? asks, unicast: true });
      case 'rebind':
        return this.ask(step, { type: 'request', has: own ?? asks });
      case 'release':
        await this.ask(step, { type: 'release', has: own ?? asks, names: SERVER, unicast: true });
        return this.#giveUp(machine, own ?? asks);
      case 'decline':
        await this.ask(step, { type: 'decline', asks: own ?? asks, names: open?.server ?? SERVER });
        return this.#giveUp(machine, own ?? asks);
      case 'inform':
        return this.ask(step, { type: 'inform', has: host > 100 ? own : undefined, source: own, unicast: true });
      case 'reserve': {
        const index = step.site % this.sites.length;
        if (index > 0) this.#reserve(this.sites[index]?.subnet as Subnet, machine, addressOf(index, 60 + machine));
        return;
      }
      case 'boot':
        return this.ask(step, { type: 'request', has: own ?? asks, unicast: host > 100, door: 'boot-server' });
    }
  }

  async ask(step: Step, ask: Ask): Promise<void> {
    const { machine, wire, identity, lies, relay, room, wants } = step;
    const isPast = ask.unicast === true; // sent to the server itself, past the relay
    const isRelayed = wire > 0 && !isPast;
    const options: [number, Buffer][] = [];
    if (identity !== 'none')
      options.push([61, identity === 'own' ? Buffer.of(1, machine) : Buffer.from('ff00112233', 'hex')]);
    if (room !== undefined) options.push([57, Buffer.of(room >> 8, room & 255)]);
    const aside = this.sites[step.site % this.sites.length]?.subnet.cidr.base as Ipv4;
    if (step.selects) options.push([118, Buffer.from(aside.split('.').map(Number))]);
    const agent = agentOf(relay, aside);
    if (agent.length > 0) options.push([82, agent]);
    const giaddr = !isRelayed ? undefined : lies.includes('relay') ? STRANGER : relayOf(wire);
    const bytes = buildRequest({
      ...ask,
      mac: macOf(machine),
      as: step.as,
      ...(wants ? { wants } : {}),
      ...(lies.includes('ciaddr') ? { has: STRANGER } : {}),
      ...(lies.includes('server') ? { names: STRANGER } : {}),
      options,
      relay: giaddr,
    });
    const port = isRelayed ? 3067 : lies.includes('port') ? 40_000 : 68;
    const source = giaddr ?? (isPast ? (lies.includes('source') ? STRANGER : (ask.source ?? ask.has)) : undefined);
    const sent = await this.tap({
      bytes,
      port,
      ...(source ? { source } : {}),
      unicast: isPast || isRelayed,
      ...(ask.door ? { door: ask.door } : {}),
    });
    if (!sent) return;
    const request = decodeDhcp(bytes);
    this.#checkWay(sent, request, ask, port);
    checkEcho(sent, request);
    checkSize(sent, request);
    if (sent.packet.options.has(82)) this.seen.echoes++;
    if (ask.door !== 'boot-server' && ask.type !== 'inform') this.#believe(step, sent);
  }

  /** No reflection: by broadcast, to a relay that is allowed, or to an address on our subnets; at the port that is right there. */
  #checkWay({ to, packet }: Sent, request: DhcpPacket, ask: Ask, port: number): void {
    const wants = `${getOption(packet, 'messageType')} to ${to.address}:${to.port}`;
    const subnets = this.sites.map(({ subnet }) => subnet);
    if (request.giaddr !== '0.0.0.0') {
      assert.ok(
        subnets.some((subnet) => subnet.relays.includes(to.address)),
        wants,
      );
      assert.equal(to.address, request.giaddr);
      const wishes = getOption(request, 'relayInformation')?.sourcePort;
      assert.equal(to.port, wishes ? port : 67, wants);
      return;
    }
    if (to.address !== '255.255.255.255')
      assert.ok(
        subnets.some((subnet) => cidrContains(subnet.cidr, to.address)),
        wants,
      );
    assert.equal(to.port, ask.door === 'boot-server' ? port : 68, wants);
  }

  #believe({ machine, wire }: Step, { packet }: Sent): void {
    const now = this.harness.clock();
    switch (getOption(packet, 'messageType')) {
      case 'nak':
        this.seen.naks++;
        this.used.delete(`${machine} ${wire}`); // RFC 2131 3.1 (5): it begins anew
        return;
      case 'offer':
        this.seen.offers++;
        this.offered.set(`${machine} ${wire}`, { address: packet.yiaddr, server: getOption(packet, 'serverId') });
        return;
      default:
        this.seen.acks++;
    }
    for (const other of this.used.values())
      if (other.machine !== machine && other.until > now)
        assert.notEqual(other.address, packet.yiaddr, `machines ${machine} and ${other.machine} live on one address`);
    const keptFor = this.reserved.get(packet.yiaddr);
    assert.ok(!keptFor || keptFor === macOf(machine), `${packet.yiaddr} is kept for ${keptFor}`);
    // a renewal past the relay and a link that a relay names are of another wire than the one it stands on
    const site = this.sites.find(({ subnet }) => cidrContains(subnet.cidr, packet.yiaddr));
    this.used.set(`${machine} ${site?.wire}`, { machine, address: packet.yiaddr, until: now + LEASE_S * 1000 });
  }

  #giveUp(machine: number, address: Ipv4): void {
    for (const [key, own] of this.used) if (own.machine === machine && own.address === address) this.used.delete(key);
  }

  /** What is true of the leases after every message. */
  check(): void {
    const now = this.harness.clock();
    const subnets = this.sites.map(({ subnet }) => subnet);
    const live = this.harness.leases.all().filter((lease) => lease.state === 'bound' && lease.expiresAt > now);
    assert.equal(new Set(live.map((lease) => lease.address)).size, live.length, 'an address is leased twice');
    const holders = live.map((lease) => {
      const subnet = subnets.find((one) => one.id === lease.subnetId) as Subnet;
      const isKept = this.reserved.get(lease.address) === lease.mac;
      const [pool] = subnet.pools;
      const host = Number(lease.address.split('.')[3]);
      const isInPool = host >= Number(pool?.first.split('.')[3]) && host <= Number(pool?.last.split('.')[3]);
      assert.ok(isKept || isInPool, `${lease.address} of ${lease.mac} is in no pool and not kept for it`);
      const wire = wireOf(subnet, subnets).map(({ id }) => id);
      return `${lease.mac} on wire ${Math.min(...wire)}`;
    });
    assert.equal(new Set(holders).size, holders.length, `a card holds two addresses on one wire: ${holders.sort()}`);
    for (const { subnet } of this.sites) {
      const strangers = live.filter((lease) => lease.subnetId === subnet.id && lease.isGuest).length;
      assert.ok(strangers <= (subnet.guests ?? 256), `${strangers} strangers hold addresses of ${subnet.name}`);
    }
  }
}

/** Sub-options that mean something, then bytes that mean nothing. */
function agentOf({ circuit, link, standIn, port, junk }: Step['relay'], aside: Ipv4): Buffer {
  const said: RelayInformation = {};
  if (circuit) said.circuitId = Buffer.from(circuit);
  if (link) said.linkSelection = aside;
  if (standIn) said.serverId = STAND_IN;
  if (port) said.sourcePort = true;
  return Buffer.concat([relayInformation.encode(said), junk]);
}

/** Option 82 comes back from behind a relay, byte for byte and last of all; from elsewhere it never comes back. */
function checkEcho({ bytes, packet }: Sent, request: DhcpPacket): void {
  const told = request.giaddr === '0.0.0.0' ? undefined : request.options.get(82);
  assert.equal(packet.options.get(82)?.toString('hex'), told?.toString('hex'));
  if (!told) return;
  let last = 0;
  for (let at = 240; bytes[at] !== 255; at += 2 + (bytes[at + 1] as number)) last = bytes[at] as number;
  assert.equal(last, 82, 'option 82 is the last');
}

function checkSize({ bytes }: Sent, request: DhcpPacket): void {
  const limit = dhcpReplyLimit(getOption(request, 'maxMessageSize'));
  assert.ok(bytes.length >= 300 && bytes.length <= limit, `${bytes.length} bytes, ${limit} are allowed`);
}

test('whatever clients and relays do in whatever networks, nobody is harmed', async (context) => {
  const log = context.mock.method(console, 'error', () => undefined);
  const seen = { offers: 0, acks: 0, naks: 0, echoes: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(siteOn(0), siteOn(1), siteOn(2)),
      fc.array(site, { maxLength: 3 }),
      fc.array(step, { minLength: 40, maxLength: 80, size: 'max' }),
      (three, more, steps) =>
        withHarness({ subnet: { pools: [], leaseSeconds: LEASE_S } }, async (harness) => {
          for (const name of ['domain-name', 'root-path', 'merit-dump-file', 'nis-domain'])
            harness.optionSettings.put({ scope: 'global', scopeId: '', name, value: 'x'.repeat(150), force: true });
          const world = new World(harness, [...three, ...more]);
          for (const one of steps) {
            await world.perform(one);
            world.check();
          }
          for (const kind of Object.keys(seen) as (keyof typeof seen)[]) seen[kind] += world.seen[kind];
        }),
    ),
    { numRuns: 80 },
  );
  for (const [kind, count] of Object.entries(seen)) assert.ok(count > 100, `the worlds lead to ${count} ${kind}`);
  assert.equal(log.mock.callCount(), 0, `the log says ${log.mock.calls[0]?.arguments}`);
});
