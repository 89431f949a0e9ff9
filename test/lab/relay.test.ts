import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { Capture, type SeenMessage } from './capture.ts';
import { addressOf, bound, type Place, startDhclient, startUdhcpc } from './dhcp-clients.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { TestNetwork } from './wires.ts';

const SERVER = '10.95.0.1' as Ipv4;
const SERVER_MAC = '52:54:00:99:c3:01' as Mac;
const CLIENT_MAC = '52:54:00:99:c3:0a' as Mac;
/** The wires behind the relay, by its card there. */
const WIRES = { left: '10.96.0', right: '10.97.0' } as const;
type WireName = keyof typeof WIRES;
/** Relays that people run, on the host between server and clients. */
const RELAYS: Record<string, readonly [string, ...string[]]> = {
  'isc-dhcp-relay': ['dhcrelay', ...iscWords(), SERVER],
  'isc-dhcp-relay with agent options': ['dhcrelay', ...iscWords('-a', '-m', 'append'), SERVER],
  dnsmasq: [
    'dnsmasq',
    ...['--keep-in-foreground', '--conf-file=/dev/null', '--pid-file=', '--port=0', '--user=root', '--log-dhcp'],
    ...Object.values(WIRES).map((net) => `--dhcp-relay=${net}.1,${SERVER}`),
  ],
};

type LeaseRow = { address: string; mac?: string; state: string; subnet: string; relay?: string; circuitId?: string };

/** Clients on wires that the appliance reaches only through a router, which is their relay too. */
describe('real relays', { skip: whyNotHere() }, () => {
  let network: TestNetwork;
  let appliance: TestAppliance;
  let capture: Capture;
  let client: Place;

  before(async () => {
    network = new TestNetwork('fl-test-rel');
    for (const name of ['up', ...Object.keys(WIRES)]) network.addSwitch(name);
    for (const host of ['server', 'router', 'client']) network.addHost(host);
    network.plug('server', 'wire0', 'up', { mac: SERVER_MAC, address: `${SERVER}/24` });
    network.plug('router', 'up0', 'up', { address: '10.95.0.2/24' });
    for (const [name, net] of Object.entries(WIRES)) {
      network.plug('router', `${name}0`, name, { address: `${net}.1/24` });
      network.ip('server', 'route', 'add', `${net}.0/24`, 'via', '10.95.0.2');
    }
    network.sysctl('router', 'net.ipv4.ip_forward', 1);
    client = { network, host: 'client', card: 'eth0' };
    capture = await Capture.open(network.namespace('server'), 'wire0', join(network.folder, 'wire0.pcap'));
    appliance = new TestAppliance(['--namespace', network.namespace('server'), '--interface', 'wire0']);
    await appliance.start();
    for (const [name, net] of Object.entries(WIRES))
      await appliance.request('POST', '/api/v1/subnets', {
        name,
        cidr: `${net}.0/24`,
        gateway: `${net}.1`,
        relays: [`${net}.1`],
        leaseSeconds: 120,
      });
  });

  after(async () => {
    await appliance?.close();
    await network?.close();
  });

  afterEach(async () => {
    await network.clear('client');
    unplug();
    for (const relay of relays.splice(0)) await relay.stop();
  });

  for (const name of Object.keys(RELAYS))
    test(`through ${name} a client gets an address of its wire, renews it past the relay, and another after a move`, async () => {
      plugInto('left');
      startRelay(name);
      const since = capture.messages().length;
      const started = startDhclient(client);
      const address = await bound(client, started);
      assert.ok(address.startsWith(`${WIRES.left}.`), address);
      for (const { type, to, toPort, packet } of answers(since)) {
        assert.deepEqual([to, toPort, packet.giaddr], ['10.96.0.1', 67, '10.96.0.1'], `${type} goes to the relay`);
        assert.deepEqual(getOption(packet, 'routers'), ['10.96.0.1']);
      }
      assert.equal((await leaseAt(address)).relay, '10.96.0.1');

      const renewal = await capture.message(
        'a renewal past the relay',
        ({ type, packet, from }) => type === 'request' && packet.giaddr === '0.0.0.0' && from === address,
        since,
      );
      assert.deepEqual([renewal.to, renewal.packet.ciaddr], [SERVER, address]);
      const renewed = await capture.message('its answer', (one) => one.to === address, since);
      assert.deepEqual([renewed.type, renewed.packet.yiaddr], ['ack', address]);
      assert.equal(addressOf(client), address);

      await started.cut();
      const moved = capture.messages().length;
      unplug();
      plugInto('right');
      const again = startDhclient(client);
      const next = await bound(client, again);
      assert.ok(next.startsWith(`${WIRES.right}.`), next);
      const refusal = answers(moved)[0] as SeenMessage;
      assert.deepEqual([refusal.type, refusal.to, refusal.packet.broadcast], ['nak', '10.97.0.1', true]);
      await again.release();
      await until(`${next} is given back`, 20, async () =>
        (await leaseAt(next)).state === 'released' ? true : undefined,
      );
    });

  test('what the relay says of the port comes back to it unchanged and last, and to nobody else', async () => {
    plugInto('left');
    startRelay('isc-dhcp-relay with agent options');
    const since = capture.messages().length;
    const heard = await Capture.open(network.namespace('client'), 'eth0', join(network.folder, 'client.pcap'));
    await bound(client, startUdhcpc(client));
    const asked = relayed(since).find(({ packet }) => packet.op === 'request') as SeenMessage;
    const said = asked.packet.options.get(82);
    assert.equal(getOption(asked.packet, 'relayInformation')?.circuitId?.toString(), 'left0');
    for (const { packet } of answers(since)) {
      assert.deepEqual(packet.options.get(82), said);
      assert.equal([...packet.options.keys()].at(-1), 82); // RFC 3046 2.2
    }
    await heard.stop();
    assert.ok(heard.messages().length > 0);
    assert.ok(!heard.messages().some(({ packet }) => packet.options.has(82)));
  });

  test('what is reserved for a port of the relay is for whoever stands there, renewals included', async () => {
    const address = '10.96.0.33';
    await appliance.request('POST', '/api/v1/reservations', { address, circuitId: 'left0' });
    plugInto('left');
    startRelay('isc-dhcp-relay with agent options');
    const started = startUdhcpc(client);
    assert.equal(await bound(client, started), address);
    const since = capture.messages().length;
    started.program.signal('SIGUSR1');
    const renewed = await capture.message('the renewal', ({ to }) => to === address, since);
    assert.deepEqual([renewed.type, renewed.packet.yiaddr], ['ack', address]);
    assert.equal((await leaseAt(address)).circuitId, 'left0');
  });

  test('a relay that no subnet allows is not answered', async () => {
    await appliance.request('PATCH', '/api/v1/subnets/right', { relays: [] });
    plugInto('right');
    startRelay('dnsmasq');
    const since = capture.messages().length;
    startUdhcpc(client);
    await until('three DISCOVERs', 60, async () => (relayed(since).length >= 3 ? true : undefined));
    assert.deepEqual(answers(since), []);
    await appliance.request('PATCH', '/api/v1/subnets/right', { relays: ['10.97.0.1'] });
    assert.ok((await bound(client, startUdhcpc(client))).startsWith(`${WIRES.right}.`));
  });

  test('tshark finds no fault in anything that the server sent', async () => {
    await capture.stop();
    await capture.assertWellFormed(SERVER_MAC);
  });

  const relays: ReturnType<TestNetwork['start']>[] = [];

  function startRelay(name: string): void {
    const [program, ...words] = RELAYS[name] as readonly [string, ...string[]];
    relays.push(network.start('router', program, words));
  }

  function plugInto(wire: WireName): void {
    network.plug('client', 'eth0', wire, { mac: CLIENT_MAC });
  }

  function unplug(): void {
    if (network.ip('client', '-j', 'link').includes('"eth0"')) network.ip('client', 'link', 'del', 'eth0');
  }

  /** What went between the relay and the server for the client, after the first `since` messages. */
  function relayed(since: number): SeenMessage[] {
    return capture
      .messages()
      .slice(since)
      .filter(({ client, packet }) => client === CLIENT_MAC && packet.giaddr !== '0.0.0.0');
  }

  function answers(since: number): SeenMessage[] {
    return relayed(since).filter(({ packet }) => packet.op === 'reply');
  }

  async function leaseAt(address: string): Promise<LeaseRow> {
    const row = (await appliance.get<LeaseRow[]>('/api/v1/leases')).find((one) => one.address === address);
    assert.ok(row, `no lease of ${address}`);
    return row;
  }
});

function iscWords(...more: string[]): string[] {
  const cards = Object.keys(WIRES).flatMap((name) => ['-id', `${name}0`]);
  return ['-4', '-d', '--no-pid', ...more, ...cards, '-iu', 'up0'];
}
