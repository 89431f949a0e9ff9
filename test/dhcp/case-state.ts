import assert from 'node:assert/strict';
import type { DhcpView } from '../../src/dhcp/view.ts';
import { type MachineState, PXE_STYLES, type PxeStyle } from '../../src/model/machine.ts';
import type { ClientKey, LeaseState } from '../../src/model/network.ts';
import { type ClientMarks, newSubnet, type RelayPort, type Subnet } from '../../src/model/network.ts';
import { after } from '../../src/model/time.ts';
import type { OptionScope } from '../../src/store/options.ts';
import { cidrContains, type Ipv4, isMac, type Mac, parseCidr, parseIpv4, parseMac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, buildRequest, type Harness, type Options, SERVER } from '../harness.ts';
import { datagramOf, parseRequest } from './case-request.ts';
import type { Tap } from './tap.ts';

/** What a case knows of the world beside what the harness keeps: what only a running server would know. */
export type World = { harness: Harness; tap: Tap; asked: Set<Ipv4>; isJustStarted: boolean };

type Trait = [RegExp, (...words: string[]) => Partial<Subnet>];

/** What a subnet can be: a line each for rack1, comma by comma for another one. */
const TRAITS: readonly Trait[] = [
  [/^not authoritative$/, () => ({ authoritative: false })],
  [/^no pool$/, () => ({ pools: [] })],
  [/^pool (\S+) to (\S+)$/, (first, last) => ({ pools: [pool(first, last)] })],
  [
    /^pools (\S+) to (\S+) and (\S+) to (\S+)$/,
    (a, b, c, d) => ({ pools: [pool(a as string, b as string), pool(c as string, d as string)] }),
  ],
  [
    /^with router, name servers and domain$/,
    () => ({ gateway: '10.77.0.254' as Ipv4, dns: ['10.77.0.2', '10.77.0.3'] as Ipv4[], domain: 'rack.example' }),
  ],
  [/^router (\S+)$/, (address) => ({ gateway: parseIpv4(address) })],
  [/^relay (\S+)$/, (address) => ({ relays: [parseIpv4(address)] })],
  [/^shared network (\S+)$/, (name) => ({ sharedNetwork: name })],
  [/^behind relays only$/, () => ({ interface: '' })],
  [/^interface (\S+)$/, (name) => ({ interface: name })],
  [/^at most (\d+) strangers?$/, (count) => ({ guests: Number(count) })],
  [/^the wire is asked first$/, () => ({ conflictDetection: true })],
  [/^leases of (\d+) s$/, (seconds) => ({ leaseSeconds: Number(seconds) })],
  [/^loader of (\S+) is (\S+)$/, (firmware, file) => ({ loaders: { [firmware]: file as string } })],
];

const pool = (first: string, last: string) => ({ first: parseIpv4(first), last: parseIpv4(last) });

function traitOf(line: string): Partial<Subnet> | undefined {
  for (const [pattern, read] of TRAITS) {
    const match = pattern.exec(line);
    if (match) return read(...(match.slice(1) as [string, ...string[]]));
  }
  return undefined;
}

/** What has to be known before the server is there. */
export function harnessOptions(state: readonly string[]): Options {
  return {
    subnet: Object.assign({}, ...state.map(traitOf)),
    unknownBoots: state.includes('unknown machines boot local') ? 'local' : 'scout',
  };
}

type StateLine = [RegExp, (world: World, ...words: string[]) => unknown];

const STATE: readonly StateLine[] = [
  [/^unknown machines boot local$/, () => undefined],
  [
    /^subnet (\S+) (\S+?)((?:, .+)?)$/,
    ({ harness: { network } }, name, cidr, traits) => {
      const wanted = traits.split(', ').slice(1).map(traitOf);
      assert.ok(!wanted.includes(undefined), `nobody understands all of the subnet${traits}`);
      network.putSubnet(Object.assign(newSubnet({ name, cidr: parseCidr(cidr), conflictDetection: false }), ...wanted));
    },
  ],
  [
    /^machine (\S+) (\S+) is (\w+)(?:, its disks are (empty|used))?(, locked)?$/,
    ({ harness }, name, mac, state, disks, locked) =>
      harness.addMachine(name, {
        mac: parseMac(mac),
        state: state as MachineState,
        locked: locked !== undefined,
        ...(disks ? { disks: disks as 'empty' | 'used' } : {}),
      }),
  ],
  [
    /^(\S+) is to be installed with (\S+)$/,
    ({ harness }, name, bootenv) => harness.install(harness.machines.named(name), bootenv),
  ],
  [
    /^(\S+) was started (\d+) times on its ticket$/,
    ({ harness: { db } }, _name, times) => db.sql.prepare('UPDATE ticket SET attempts = ?, last_boot = 0').run(times),
  ],
  [
    /^the PXE style of (\S+) is (\S+)$/,
    ({ harness: { machines } }, name, style) => {
      assert.ok((PXE_STYLES as readonly string[]).includes(style), `there is no PXE style ${style}`);
      machines.setPxe(machines.named(name).id, style as PxeStyle, 0);
    },
  ],
  [
    /^the loader of (\S+) is (\S+)$/,
    ({ harness: { machines } }, name, loader) => machines.setParams(machines.named(name).id, { loader }),
  ],
  [
    /^(\S+) was booted by way of (direct|binl)$/,
    ({ harness: { machines } }, name, way) => machines.setPxeLearned(machines.named(name).id, way as 'direct' | 'binl'),
  ],
  [
    /^(\S+) has the profile (\S+)$/,
    ({ harness: { machines } }, name, profile) => machines.setProfiles(machines.named(name).id, [profile]),
  ],
  [
    /^reserved (an address of the pool|\S+) for (.+?)(?:, called (\S+))?(?:, which is (\S+))?$/,
    ({ harness: { network, machines, subnet } }, address, marks, hostname, machine) => {
      const reserved = /^\d/.test(address) ? parseIpv4(address) : undefined;
      network.addReservation({
        subnetId: (reserved && network.subnetOf(reserved)?.id) ?? subnet.id,
        ...(reserved ? { address: reserved } : {}),
        ...marksNamed(marks),
        hostname: hostname ?? '',
        ...(machine ? { machineId: machines.named(machine).id } : {}),
      });
    },
  ],
  [
    /^lease (\S+) of (\S+), (bound|released|declined)(?: until (-?\d+) s)?(?:, client id ([0-9a-f]+))?(?:, through relay (\S+)(?: at port (\S+) of (\S+))?)?$/,
    ({ harness: { leases, network, clock } }, address, mac, state, seconds, clientId, relay, circuit, remote) => {
      const subnet = network.subnets().find((one) => cidrContains(one.cidr, parseIpv4(address)));
      assert.ok(subnet, `${address} is on no subnet`);
      leases.put({
        subnetId: subnet.id,
        address: parseIpv4(address),
        ...(isMac(mac) ? { client: `hw:1:${mac.replaceAll(':', '')}` as ClientKey, mac: mac as Mac } : {}),
        ...(clientId ? { clientId: Buffer.from(clientId, 'hex') } : {}),
        hostname: '',
        state: state as LeaseState,
        startedAt: clock(),
        isGuest: false,
        expiresAt: after(clock(), Number(seconds ?? 0) * 1000),
        ...(relay ? { giaddr: parseIpv4(relay) } : {}),
        ...(circuit ? { relayInformation: relayInformation.encode(portNamed(circuit, remote)) } : {}),
      });
    },
  ],
  [
    /^(\S+) was offered to (\S+)$/,
    async ({ tap }, address, mac) => {
      const ask: Ask = { type: 'discover', mac: parseMac(mac), asks: parseIpv4(address) };
      const offer = (await tap({ bytes: buildRequest(ask) }))?.packet;
      assert.equal(offer?.yiaddr, address, 'the state of the case: what was offered');
    },
  ],
  [
    /^before: (.+) => (nothing|NAK|(?:OFFER|ACK) \S+)$/,
    async ({ tap }, request, expected) => {
      const packet = (await tap(datagramOf(parseRequest(request))))?.packet;
      const type = packet && getOption(packet, 'messageType')?.toUpperCase();
      const said = !packet ? 'nothing' : type === 'NAK' ? type : `${type} ${packet.yiaddr}`;
      assert.equal(said, expected, `the state of the case: what ${request} led to`);
    },
  ],
  [/^(\d+) s pass$/, ({ harness }, seconds) => harness.pass(Number(seconds) * 1000)],
  [/^(\d+) addresses were declined$/, declineSome],
  [
    /^set for (everybody|subnet|profile|machine|the reservation of) ?(\S*): (\S+) (.+?)( \(forced\))?$/,
    ({ harness }, scope, whose, name, text, forced) => {
      const value = text.replace(/^(\d+) characters$/, (_, count) => 'x'.repeat(Number(count)));
      assert.equal(harness.dhcp.levels.check({ name, value }), undefined, 'the state of the case: an option');
      harness.optionSettings.put({ ...scopeOf(harness, scope, whose), name, value, force: forced !== undefined });
    },
  ],
  [/^the wire was asked for (\S+)$/, ({ asked }, address) => asked.add(parseIpv4(address))],
  [
    /^this server was just started$/,
    (world) => {
      world.isJustStarted = true;
    },
  ],
];

/** Make one line of the state true; throws on one that nobody understands. */
export async function setState(world: World, line: string): Promise<void> {
  if (traitOf(line)) return;
  for (const [pattern, set] of STATE) {
    const match = pattern.exec(line);
    if (match) return void (await set(world, ...(match.slice(1) as [string, ...string[]])));
  }
  throw new Error(`nobody understands the state ${line}`);
}

/** The view with what only a running server knows: whether the wire was asked, and whether it has just begun. */
export function viewOf({ asked, isJustStarted }: World, view: DhcpView): DhcpView {
  return { ...view, isProbed: (address) => asked.has(address), isFresh: isJustStarted };
}

/** Who a reservation is for: a MAC, `client id 01ab`, `UUID ...`, `port eth1 of sw1`, `port eth1 of any`, `port any of sw1`. */
function marksNamed(text: string): ClientMarks {
  const [kind, word = '', , remote = ''] = text.split(' ');
  if (kind === 'client') return { clientId: Buffer.from(text.replace('client id ', ''), 'hex') };
  if (kind === 'UUID') return { uuid: word };
  if (kind === 'port') return { port: portNamed(word, remote) };
  return { mac: parseMac(text) };
}

function portNamed(circuit: string, remote: string): RelayPort {
  const bytes = (word: string): Buffer => Buffer.from(word === 'any' ? '' : word);
  return { circuitId: bytes(circuit), remoteId: bytes(remote) };
}

function scopeOf(harness: Harness, scope: string, whose: string): { scope: OptionScope; scopeId: string } {
  switch (scope) {
    case 'everybody':
      return { scope: 'global', scopeId: '' };
    case 'subnet':
      return { scope, scopeId: String(harness.network.subnetNamed(whose).id) };
    case 'profile':
      return { scope, scopeId: whose };
    case 'machine':
      return { scope, scopeId: String(harness.machines.named(whose).id) };
    default: {
      const address = parseIpv4(whose);
      const subnet = harness.network.subnetOf(address);
      return { scope: 'reservation', scopeId: String(subnet && harness.network.reservationAt(subnet.id, address)?.id) };
    }
  }
}

/** Clients come, get an address and give it back as taken, one after the other. */
async function declineSome({ tap }: World, count: string): Promise<void> {
  const say = async (ask: Ask) => (await tap({ bytes: buildRequest(ask) }))?.packet;
  for (let n = 0; n < Number(count); n++) {
    const mac = `52:54:00:dd:00:${n.toString(16).padStart(2, '0')}` as Mac;
    const asks = (await say({ type: 'discover', mac }))?.yiaddr;
    const reply = await say({ type: 'request', mac, names: SERVER, asks });
    assert.equal(reply && getOption(reply, 'messageType'), 'ack', 'the state of the case: an address to decline');
    await say({ type: 'decline', mac, names: SERVER, asks });
  }
}
