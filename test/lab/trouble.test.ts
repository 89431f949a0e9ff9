import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import { Capture } from './capture.ts';
import { addressOf, bound, type Place, startUdhcpc } from './dhcp-clients.ts';
import { TestAppliance, until, whyNotHere } from './rig.ts';
import { TestNetwork } from './wires.ts';

const SERVER_MAC = '52:54:00:99:c2:01' as Mac;
const MACHINES = 20;
const LEASE_SECONDS = 120;
const DAY_MS = 24 * 3600 * 1000;
/** Room for the machines of all tests, and none to spare for one that holds two. */
const RANGE = `10.94.0.100-10.94.0.${100 + MACHINES - 1}`;

type LeaseRow = { address: string; mac?: string; state: string; startedAt: number; expiresAt: number };

/** What goes wrong on a real site, as real clients see it: frames get lost, the server loses its power, its clock is set. */
describe('clients in trouble', { skip: whyNotHere() }, () => {
  const machines = Array.from({ length: MACHINES }, (_, index) => `m${index + 1}`);
  const macs = machines.map((_, index) => `52:54:00:99:c2:${(0x10 + index).toString(16)}` as Mac);
  let network: TestNetwork;
  let appliance: TestAppliance;
  let capture: Capture;
  let serverPort: string;
  let clock: string;

  before(async () => {
    network = new TestNetwork('fl-test-bad');
    network.addSwitch('lan');
    for (const host of ['server', ...machines]) network.addHost(host);
    serverPort = network.plug('server', 'wire0', 'lan', { mac: SERVER_MAC, address: '10.94.0.1/24' });
    machines.forEach((host, index) => {
      network.plug(host, 'eth0', 'lan', { mac: macs[index] as Mac });
    });
    capture = await Capture.open(network.namespace('server'), 'wire0', join(network.folder, 'wire0.pcap'));
    const flags = ['--interface', 'wire0', '--range', RANGE, '--lease-seconds', String(LEASE_SECONDS)];
    appliance = new TestAppliance(['--namespace', network.namespace('server'), ...flags]);
    clock = join(network.folder, 'clock');
    setClock(0);
    await startWithItsOwnClock();
  });

  after(async () => {
    await appliance?.close();
    await network?.close();
  });

  afterEach(async () => {
    network.nft('lan', 'flush ruleset');
    for (const host of machines) await network.clear(host);
  });

  test(`${MACHINES} machines that start at once have their addresses although every twentieth frame is lost`, async () => {
    network.nft(
      'lan',
      `table netdev lossy {
        chain to { type filter hook egress device "${serverPort}" priority 0; numgen inc mod 20 == 0 counter drop; }
        chain from { type filter hook ingress device "${serverPort}" priority 0; numgen inc mod 20 == 0 counter drop; }
      }`,
    );
    const clients = machines.map((host) => startUdhcpc(place(host)));
    const addresses = await Promise.all(
      machines.map((host, index) => bound(place(host), clients[index] as (typeof clients)[number], 120)),
    );
    assert.equal(new Set(addresses).size, MACHINES, addresses.join(' '));
    const lost = [...listed('netdev lossy').matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
    assert.ok(lost.length === 2 && lost.every((count) => count > 0), `frames lost on the way there and back: ${lost}`);
    const held = (await leases()).filter(({ state }) => state === 'bound');
    assert.deepEqual(held.map(({ address }) => address).toSorted(), addresses.toSorted());
  });

  test('an offer of before a power cut of the server is acknowledged after it', async () => {
    const [host, mac] = [machines[0] as string, macs[0] as Mac];
    const since = capture.messages().length;
    // the REQUESTs are lost, so that the cut comes between OFFER and REQUEST; udhcpc sends three before it begins again
    network.nft(
      'lan',
      `table netdev lost { chain from { type filter hook egress device "${serverPort}" priority 0;
        ether saddr ${mac} udp dport 67 @th,1984,24 0x350103 counter drop; }; }`,
    );
    const started = startUdhcpc(place(host), { words: ['-T', '10'] });
    const offer = await capture.message('the OFFER', ({ type, client }) => type === 'offer' && client === mac, since);
    await until('a lost REQUEST', 60, async () => (/packets [1-9]/.test(listed('netdev lost')) ? true : undefined));
    await appliance.kill();
    await startWithItsOwnClock();
    const restarted = capture.messages().length;
    network.nft('lan', 'flush ruleset');
    assert.equal(await bound(place(host), started), offer.packet.yiaddr);
    await capture.message('the ACK', ({ type, client }) => type === 'ack' && client === mac, restarted);
    assert.deepEqual(
      capture
        .messages()
        .slice(restarted)
        .filter(({ client }) => client === mac)
        .map(({ type }) => type),
      ['request', 'ack'],
    );
  });

  for (const [way, days] of [
    ['forward', 1],
    ['back', -1],
  ] as const)
    test(`a lease is kept for its client when the clock of the server is set ${way} by a day`, async () => {
      const [host, stranger] = [machines[0] as string, machines[1] as string];
      const client = startUdhcpc(place(host));
      const address = await bound(place(host), client);
      const before = await leaseAt(address);
      const told = appliance.log.length;
      setClock(days);
      await until('the server sees it', 20, async () =>
        appliance.log.slice(told).includes(`the clock of this host was set ${way} by`) ? true : undefined,
      );
      const moved = (await leaseAt(address)).expiresAt - before.expiresAt;
      assert.ok(Math.abs(moved - days * DAY_MS) < 30_000, `its end was moved by ${moved} ms`);

      const other = startUdhcpc(place(stranger), { words: ['-r', address] });
      assert.notEqual(await bound(place(stranger), other), address);
      const since = capture.messages().length;
      client.program.signal('SIGUSR1');
      const answer = await capture.message('the answer', ({ to }) => to === address, since);
      assert.deepEqual([answer.type, answer.packet.yiaddr], ['ack', address]);
      setClock(0);
      await until('the server sees it', 20, async () =>
        appliance.log.slice(told).split('the clock of this host was set').length > 2 ? true : undefined,
      );
    });

  test('a client is told when to renew, and who lets its lease end loses its address to one that has none', async () => {
    const [host, mac] = [machines[0] as string, macs[0] as Mac];
    const since = capture.messages().length;
    const earliest = Date.now() + LEASE_SECONDS * 1000;
    const silent = startUdhcpc(place(host));
    const address = await bound(place(host), silent);
    await silent.cut();
    const { packet } = await capture.message('the ACK', ({ type, client }) => type === 'ack' && client === mac, since);
    assert.equal(getOption(packet, 'leaseSeconds'), LEASE_SECONDS);
    assert.equal(getOption(packet, 'renewalSeconds'), LEASE_SECONDS * 0.5); // RFC 2131 4.4.5
    assert.equal(getOption(packet, 'rebindingSeconds'), LEASE_SECONDS * 0.875);
    const row = await leaseAt(address);
    assert.ok(row.expiresAt >= earliest && row.expiresAt <= Date.now() + LEASE_SECONDS * 1000);

    // all others hold theirs, so that there is only this one for a machine that was never here
    const clients = machines.slice(1).map((one) => startUdhcpc(place(one)));
    await Promise.all(clients.map((one, index) => bound(place(machines[index + 1] as string), one)));
    network.ip(host, 'link', 'set', 'eth0', 'address', '52:54:00:99:c2:99');
    const newcomer = startUdhcpc(place(host));
    assert.equal(await bound(place(host), newcomer, LEASE_SECONDS + 60), address);
    assert.ok(capture.messages().some(({ type, client }) => type === 'discover' && client === '52:54:00:99:c2:99'));
    assert.equal((await leaseAt(address)).mac, '52:54:00:99:c2:99');
    machines.slice(1).forEach((one) => {
      assert.notEqual(addressOf(place(one)), address);
    });
  });

  test('tshark finds no fault in anything that the server sent', async () => {
    await capture.stop();
    await capture.assertWellFormed(SERVER_MAC);
  });

  function place(host: string): Place {
    return { network, host, card: 'eth0' };
  }

  const leases = (): Promise<LeaseRow[]> => appliance.get('/api/v1/leases');
  const listed = (table: string): string => network.nft('lan', `list table ${table}`);

  async function leaseAt(address: string): Promise<LeaseRow> {
    const row = (await leases()).find((one) => one.address === address);
    assert.ok(row, `no lease of ${address}`);
    return row;
  }

  /** The appliance alone gets another clock than this host; its monotonic one goes on as it does after a real change. */
  async function startWithItsOwnClock(): Promise<void> {
    const own = {
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    Object.assign(process.env, own);
    try {
      await appliance.start();
    } finally {
      for (const name of Object.keys(own)) delete process.env[name];
    }
  }

  function setClock(days: number): void {
    writeFileSync(clock, `${days < 0 ? '' : '+'}${days}d\n`);
  }
});
