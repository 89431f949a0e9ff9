import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ProbeAnswer, Prober } from '../../src/dhcp/probe.ts';
import { newSubnet } from '../../src/model/network.ts';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { ARRIVAL, buildRequest, MAC, SERVER, withHarness } from '../harness.ts';

const OTHER = '52:54:00:aa:bb:02' as Mac;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A wire that is asked, and answers when the test says so. */
function openWire() {
  const asked: { address: Ipv4; done: (answer: ProbeAnswer) => void }[] = [];
  const prober: Prober = {
    ask(address, _how, done) {
      asked.push({ address, done });
      return 'asked';
    },
    inFlight: () => asked.length,
    close: () => undefined,
  };
  const out: Buffer[] = [];
  const socket = () => {
    let listener: ((batch: { bytes: Buffer; address: Ipv4; port: number }[]) => void) | undefined;
    return {
      hear: (bytes: Buffer) => listener?.([{ bytes, address: '0.0.0.0' as Ipv4, port: 68 }]),
      listen: (wanted: typeof listener) => {
        listener = wanted;
      },
      send: (batch: readonly { bytes: Buffer }[]) => {
        out.push(...batch.map(({ bytes }) => bytes));
        return { sent: batch.length, waiting: 0, failed: [] };
      },
      onError: () => undefined,
      close: () => undefined,
      plainBecause: undefined,
    };
  };
  return { asked, prober, out, dhcp: socket(), dhcpBroadcast: socket() };
}

test('an address that was leased to another while the wire was asked stays with that one, who answers for it', () =>
  withHarness({ subnet: { conflictDetection: true } }, async (harness) => {
    const { dhcp, leases, subnet } = harness;
    const wire = openWire();
    dhcp.serve(wire, ARRIVAL, wire.prober);
    wire.dhcpBroadcast.hear(buildRequest({ type: 'discover', mac: OTHER }));
    await turn();
    const [first] = wire.asked;
    assert.ok(first, 'the wire is asked before the offer');
    assert.equal(wire.out.length, 0);

    wire.dhcpBroadcast.hear(buildRequest({ type: 'request', mac: MAC, asks: first.address }));
    await turn();
    assert.equal(leases.at(subnet.id, first.address)?.mac, MAC);

    first.done({ inUse: true, mac: MAC });
    await turn();
    assert.equal(leases.at(subnet.id, first.address)?.state, 'bound');
    assert.equal(leases.at(subnet.id, first.address)?.mac, MAC);
    const second = wire.asked[1];
    assert.ok(second && second.address !== first.address, 'the other one is found another address');
    second.done({ inUse: false });
    await turn();
    assert.equal(wire.out.length, 2, 'an ACK and an OFFER');
  }));

test('an address that a stranger answers for rests, and the client that asked is offered another', () =>
  withHarness({ subnet: { conflictDetection: true } }, async (harness) => {
    const { dhcp, leases, subnet, told } = harness;
    const wire = openWire();
    dhcp.serve(wire, ARRIVAL, wire.prober);
    wire.dhcpBroadcast.hear(buildRequest({ type: 'discover', mac: MAC }));
    await turn();
    const address = wire.asked[0]?.address as Ipv4;
    wire.asked[0]?.done({ inUse: true, mac: OTHER });
    await turn();
    assert.equal(leases.at(subnet.id, address)?.state, 'declined');
    assert.match(told.find((event) => event.kind === 'dhcp.conflict')?.text ?? '', /is in use by 52:54:00:aa:bb:02/);
    wire.asked[1]?.done({ inUse: false });
    await turn();
    assert.equal(wire.out.length, 1);
    assert.equal(
      await harness.ask({ type: 'request', asks: address, names: SERVER }).then((reply) => reply?.yiaddr),
      '0.0.0.0',
    );
  }));

test('a client that answers for its own former address gets it', () =>
  withHarness({ subnet: { conflictDetection: true } }, async (harness) => {
    const wire = openWire();
    harness.dhcp.serve(wire, ARRIVAL, wire.prober);
    wire.dhcpBroadcast.hear(buildRequest({ type: 'discover', mac: MAC, asks: '10.77.0.104' as Ipv4 }));
    await turn();
    wire.asked[0]?.done({ inUse: true, mac: MAC });
    await turn();
    assert.equal(wire.out.length, 1);
    assert.deepEqual(harness.leases.all(), []);
  }));

test('an address on our wire is asked for by ARP, also when its subnet names no interface and shares the wire', () =>
  withHarness({ subnet: { sharedNetwork: 'x', pools: [], relays: ['10.77.0.254' as Ipv4] } }, async (harness) => {
    harness.network.putSubnet(newSubnet({ name: 'rack2', cidr: parseCidr('10.78.0.0/24'), sharedNetwork: 'x' }));
    const asked: ('arp' | 'icmp')[] = [];
    const wire = openWire();
    harness.dhcp.serve(wire, ARRIVAL, {
      ...wire.prober,
      ask(_address, how) {
        asked.push(how);
        return 'asked';
      },
    });
    wire.dhcpBroadcast.hear(buildRequest({ type: 'discover' }));
    await turn();
    assert.deepEqual(asked, ['arp']);
    wire.dhcpBroadcast.hear(buildRequest({ type: 'discover', mac: OTHER, relay: '10.77.0.254' as Ipv4 }));
    await turn();
    assert.deepEqual(asked, ['arp', 'icmp'], 'behind a relay it cannot be asked for by ARP');
  }));
