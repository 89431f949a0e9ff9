import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ipv4, type Mac, parseCidr } from '../../src/wire/address.ts';
import { relayInformation } from '../../src/wire/dhcp-shapes.ts';
import { type Ask, buildRequest, type Harness, withHarness } from '../harness.ts';

const WIDE = {
  cidr: parseCidr('10.77.0.1/16'),
  pools: [{ first: '10.77.1.0' as Ipv4, last: '10.77.254.255' as Ipv4 }],
};
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const hex = (value: number): string => value.toString(16).padStart(2, '0');

/** A boot client that takes the address of its number. */
const boot = (index: number): Ask => ({
  type: 'request',
  as: 'uefi',
  mac: `02:00:00:00:${hex(index >> 8)}:${hex(index & 255)}` as Mac,
  asks: `10.77.${1 + (index >> 8)}.${index & 255}` as Ipv4,
});

async function bootMany(harness: Harness, first: number, after: number): Promise<void> {
  for (let index = first; index < after; index += 50) {
    harness.hear(Array.from({ length: Math.min(50, after - index) }, (_, step) => buildRequest(boot(index + step))));
    await turn();
  }
}

test('made-up cards that boot get addresses, and a thousand rows of machines at once and ten a second after that', () => {
  const log: string[] = [];
  return withHarness({ subnet: WIDE, log: (line) => log.push(line) }, async (harness) => {
    await bootMany(harness, 0, 1100);
    assert.equal(harness.leases.all().length, 1100);
    assert.equal(harness.machines.all().length, 1000);
    harness.dhcp.keepHouse();
    const lines = (): string[] => log.filter((line) => line.includes('not recorded as machines'));
    assert.deepEqual(lines(), [
      'DHCP: 100 new cards that boot were not recorded as machines, since too many came: they are when they boot again',
    ]);
    harness.pass(1000);
    await bootMany(harness, 1000, 1050);
    assert.equal(harness.machines.all().length, 1010, 'they are recorded when they boot again');
    harness.dhcp.keepHouse();
    assert.equal(lines().length, 1, 'not yet: told once a minute');
    harness.pass(60_000);
    harness.dhcp.keepHouse();
    assert.match(lines()[1] ?? '', /40 new cards/);
    harness.pass(3_600_000);
    harness.dhcp.keepHouse();
    assert.equal(lines().length, 2);
  });
});

test('the port of a machine brings it four new cards a day, and the fifth is told of', () =>
  withHarness({ subnet: { relays: ['10.77.0.254' as Ipv4] } }, async (harness) => {
    const machine = harness.addMachine('vm-01');
    harness.network.addReservation({
      subnetId: harness.subnet.id,
      address: '10.77.0.20' as Ipv4,
      hostname: '',
      port: { circuitId: Buffer.from('eth1'), remoteId: Buffer.alloc(0) },
      machineId: machine.id,
    });
    const plug = async (last: number): Promise<void> => {
      const card = {
        mac: `52:54:00:00:00:${hex(last)}` as Mac,
        relay: '10.77.0.254' as Ipv4,
        unicast: true,
        source: '10.77.0.254' as Ipv4,
        options: [[82, relayInformation.encode({ circuitId: Buffer.from('eth1') })]] as [number, Buffer][],
      };
      const reply = await harness.ask({ ...card, type: 'request', asks: '10.77.0.20' as Ipv4 });
      assert.equal(reply?.yiaddr, '10.77.0.20');
      await harness.ask({ ...card, type: 'release', has: '10.77.0.20' as Ipv4, names: '10.77.0.1' as Ipv4 });
    };
    const cards = () => harness.machines.byId(machine.id)?.macs.length;
    const refused = () => harness.told.filter(({ text }) => text.includes('is not made a card of vm-01'));
    for (let last = 1; last <= 6; last++) await plug(last);
    assert.equal(cards(), 5);
    assert.deepEqual(
      refused().map(({ kind, machineId }) => [kind, machineId]),
      [['machine.changed', machine.id]],
    );
    harness.pass(24 * 3_600_000);
    await plug(7);
    assert.equal(cards(), 6);
  }));
