import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { Capture, type SeenMessage } from './capture.ts';
import {
  addressOf,
  bound,
  type ClientOptions,
  forgetLeases,
  type Place,
  startDhclient,
  startDhcpcd,
  startNetworkd,
  startUdhcpc,
} from './dhcp-clients.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { TestNetwork } from './wires.ts';

const SERVER_MAC = '52:54:00:99:c1:01' as Mac;
const CLIENT_MAC = '52:54:00:99:c1:0a' as Mac;
const OTHER_MAC = '52:54:00:99:c1:0b' as Mac;
const CLIENTS = {
  udhcpc: startUdhcpc,
  dhclient: startDhclient,
  dhcpcd: startDhcpcd,
  'systemd-networkd': startNetworkd,
} as const;
type ClientName = keyof typeof CLIENTS;
const NAMES = Object.keys(CLIENTS) as ClientName[];

type LeaseRow = { address: string; mac?: string; state: string; startedAt: number; expiresAt: number };

/** One appliance, one switch, clients as people run them. */
describe('real clients on one wire', { skip: whyNotHere() }, () => {
  let network: TestNetwork;
  let appliance: TestAppliance;
  let capture: Capture;
  let client: Place;
  let other: Place;

  before(async () => {
    network = new TestNetwork('fl-test-cli');
    for (const name of ['lan', 'lan2']) network.addSwitch(name);
    for (const host of ['server', 'client', 'other', 'squatter']) network.addHost(host);
    // the server cannot see the squatter, so that it is the client who finds out that its address is in use
    network.plug('server', 'wire0', 'lan', { mac: SERVER_MAC, address: '10.92.0.1/24', isolated: true });
    network.plug('server', 'wire1', 'lan2', { address: '10.93.0.1/24' });
    network.plug('squatter', 'eth0', 'lan', { isolated: true });
    network.plug('client', 'eth0', 'lan', { mac: CLIENT_MAC });
    network.plug('other', 'eth0', 'lan', { mac: OTHER_MAC });
    network.plug('other', 'eth1', 'lan');
    network.plug('other', 'eth2', 'lan2', { mac: OTHER_MAC });
    client = { network, host: 'client', card: 'eth0' };
    other = { network, host: 'other', card: 'eth0' };
    capture = await Capture.open(network.namespace('server'), 'wire0', join(network.folder, 'wire0.pcap'));
    appliance = new TestAppliance([
      '--namespace',
      network.namespace('server'),
      '--interface',
      'wire0',
      '--interface',
      'wire1',
      '--lease-seconds',
      '120',
    ]);
    await appliance.start();
  });

  after(async () => {
    await appliance?.close();
    await network?.close();
  });

  afterEach(async () => {
    for (const host of ['client', 'other']) await network.clear(host);
  });

  for (const name of NAMES)
    test(`${name} gets an address, renews it, gives it back and gets the same again`, async () => {
      const since = capture.messages().length;
      const first = CLIENTS[name](client);
      const address = await bound(client, first);
      await capture.message('its ACK', ({ type, client }) => type === 'ack' && client === CLIENT_MAC, since);
      assert.deepEqual(
        said(since)
          .slice(0, 4)
          .map(({ type }) => type),
        ['discover', 'offer', 'request', 'ack'],
      );
      const expires = (await leaseAt(address)).expiresAt;

      const bindings = capture.messages().length;
      if (name === 'udhcpc' || name === 'dhcpcd') first.program.signal('SIGUSR1');
      const renewal = await capture.message(
        'the renewal',
        ({ type, packet }) => type === 'request' && packet.ciaddr === address,
        bindings,
        120,
      );
      assert.equal(renewal.to, '10.92.0.1', 'RENEWING is unicast to the server: RFC 2131 4.3.6');
      const renewed = await capture.message('its ACK', (one) => isAnswer(one, renewal), bindings);
      assert.deepEqual([renewed.type, renewed.packet.yiaddr, renewed.to], ['ack', address, address]);
      const row = await leaseAt(address);
      assert.ok(row.expiresAt > expires, 'the renewed lease ends later');
      assert.equal(addressOf(client), address);

      await first.release();
      await until(`${address} is given back`, 20, async () =>
        (await leaseAt(address)).state === 'released' ? true : undefined,
      );
      const second = CLIENTS[name](client);
      assert.equal(await bound(client, second), address);
      await second.cut();
      assert.deepEqual(
        said(since).filter(({ type }) => type === 'nak'),
        [],
      );
    });

  test('one card has one address, whatever program asks and whatever client identifier it sends', async () => {
    const since = capture.messages().length;
    const addresses: string[] = [];
    const ways: [ClientName, ClientOptions][] = [
      ['udhcpc', {}],
      ['udhcpc', { words: ['-C'] }],
      ['dhclient', {}],
      ['dhcpcd', {}],
      ['systemd-networkd', {}],
      ['udhcpc', {}],
    ];
    for (const [name, options] of ways) {
      forgetLeases(client);
      const started = CLIENTS[name](client, options);
      addresses.push(await bound(client, started));
      await started.cut();
    }
    const asked = said(since).filter(({ type }) => type === 'request');
    const identifiers = new Set(asked.map(({ packet }) => getOption(packet, 'clientId')?.toString('hex')));
    assert.equal(identifiers.size, 4, [...identifiers].join(' '));
    assert.deepEqual(new Set(addresses).size, 1, addresses.join(' '));
  });

  for (const name of ['dhclient', 'dhcpcd', 'systemd-networkd'] as const)
    test(`${name} comes back after a power cut with the address that it had (INIT-REBOOT)`, async () => {
      forgetLeases(client);
      const first = CLIENTS[name](client);
      const address = await bound(client, first);
      const since = capture.messages().length;
      let second = first;
      if (name === 'systemd-networkd') {
        // it keeps no lease on disk, but asks for the last one when its cable comes back
        network.ip('client', 'link', 'set', 'eth0', 'down');
        network.ip('client', 'link', 'set', 'eth0', 'up');
      } else {
        await first.cut();
        second = CLIENTS[name](client);
      }
      const asked = await capture.message('a REQUEST', ({ type }) => type === 'request', since);
      assert.equal(getOption(asked.packet, 'requestedAddress'), address);
      assert.equal(getOption(asked.packet, 'serverId'), undefined);
      assert.equal((await capture.message('its answer', (one) => isAnswer(one, asked), since)).type, 'ack');
      assert.equal(await bound(client, second), address);
      await second.cut();
    });

  test('a client whose server does not answer its renewals rebinds its address', async () => {
    forgetLeases(client);
    const started = startDhclient(client);
    const address = await bound(client, started);
    network.nft('client', 'table ip mute { chain out { type filter hook output priority 0; udp dport 67 drop; }; }');
    const since = capture.messages().length;
    const asked = await capture.message(
      'a REQUEST to everybody',
      ({ type, to, packet }) => type === 'request' && to === '255.255.255.255' && packet.ciaddr === address,
      since,
    );
    const answer = await capture.message('its answer', (one) => isAnswer(one, asked), since);
    assert.deepEqual([answer.type, answer.packet.yiaddr], ['ack', address]);
    network.nft('client', 'delete table ip mute');
    await started.cut();
  });

  for (const name of ['udhcpc', 'dhclient', 'dhcpcd'] as const)
    test(`${name} declines an address that somebody else uses and is given another`, async () => {
      forgetLeases(client);
      const first = CLIENTS[name](client);
      const address = await bound(client, first);
      await first.release();
      network.ip('squatter', 'address', 'add', `${address}/24`, 'dev', 'eth0');
      const since = capture.messages().length;
      const second = CLIENTS[name](client, { declines: true });
      const declined = await capture.message('a DECLINE', ({ type }) => type === 'decline', since);
      assert.equal(getOption(declined.packet, 'requestedAddress'), address);
      await until(`${address} rests`, 20, async () =>
        (await leaseAt(address)).state === 'declined' ? true : undefined,
      );
      const next = await until('another address', 60, async () => {
        const present = addressOf(client);
        return present !== undefined && present !== address ? present : undefined;
      });
      assert.equal((await leaseAt(next)).mac, CLIENT_MAC);
      await second.cut();
      const third = startUdhcpc(client);
      assert.equal(await bound(client, third), next);
      await third.cut();
    });

  test('dhcpcd with an address of its own is told the options and gets no lease (INFORM)', async () => {
    const since = capture.messages().length;
    const held = await leases();
    const started = startDhcpcd(client, { words: ['--inform=10.92.0.77/24'] });
    const asked = await capture.message('an INFORM', ({ type }) => type === 'inform', since);
    const answer = await capture.message('its answer', (one) => isAnswer(one, asked), since);
    assert.deepEqual([answer.type, answer.to, answer.packet.yiaddr], ['ack', '10.92.0.77', '0.0.0.0']);
    assert.equal(getOption(answer.packet, 'leaseSeconds'), undefined);
    await started.cut();
    assert.deepEqual(await leases(), held);
  });

  test('two machines with one client identifier have an address each, and keep it', async () => {
    const words = ['-x', '0x3d:ff0102030405060708'];
    const [one, two] = [startUdhcpc(client, { words }), startUdhcpc(other, { words })];
    const before = [await bound(client, one), await bound(other, two)];
    assert.notEqual(before[0], before[1]);
    for (const started of [one, two]) {
      const since = capture.messages().length;
      started.program.signal('SIGUSR1');
      const asked = await capture.message('the renewal', ({ type }) => type === 'request', since);
      assert.equal(asked.packet.options.get(61)?.toString('hex'), 'ff0102030405060708');
      assert.equal((await capture.message('its answer', (seen) => isAnswer(seen, asked), since)).type, 'ack');
    }
    assert.deepEqual([addressOf(client), addressOf(other)], before);
    await one.cut();
    await two.cut();
  });

  test('a host with one client identifier on two cards of one wire, and with one MAC on two wires, has an address on each', async () => {
    const words = ['-x', '0x3d:ff0a0b0c0d0e0f'];
    const cards = ['eth0', 'eth1', 'eth2'].map((card) => ({ ...other, card }));
    const addresses: string[] = [];
    for (const card of cards) addresses.push(await bound(card, startUdhcpc(card, { words })));
    assert.deepEqual(
      addresses.map((address) => address.replace(/\d+$/, '')),
      ['10.92.0.', '10.92.0.', '10.93.0.'],
    );
    assert.equal(new Set(addresses).size, 3, addresses.join(' '));
    for (const address of addresses) assert.equal((await leaseAt(address)).state, 'bound');
  });

  test('tshark finds no fault in anything that the server sent', async () => {
    await capture.stop();
    await capture.assertWellFormed(SERVER_MAC);
  });

  /** The messages of one machine and those to it, after the first `since` ones. */
  function said(since: number, mac = CLIENT_MAC): SeenMessage[] {
    return capture
      .messages()
      .slice(since)
      .filter((one) => one.client === mac);
  }

  const leases = (): Promise<LeaseRow[]> => appliance.get('/api/v1/leases');

  async function leaseAt(address: string): Promise<LeaseRow> {
    const row = (await leases()).find((one) => one.address === address);
    assert.ok(row, `no lease of ${address}`);
    return row;
  }
});

/** Whether this is a server's answer to that request. */
function isAnswer(one: SeenMessage, request: SeenMessage): boolean {
  return one.packet.op === 'reply' && one.packet.xid === request.packet.xid && one.client === request.client;
}
