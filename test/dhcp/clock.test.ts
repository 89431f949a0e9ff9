import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createConflicts } from '../../src/dhcp/conflicts.ts';
import type { Prober } from '../../src/dhcp/probe.ts';
import type { Instant } from '../../src/model/time.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { buildRequest, MAC, SERVER, withHarness } from '../harness.ts';

const DAY = 24 * 3600 * 1000;
const ONE_ADDRESS = { pools: [{ first: '10.77.0.100' as Ipv4, last: '10.77.0.100' as Ipv4 }] };

for (const [direction, ms] of [
  ['forward', DAY],
  ['back', -DAY],
] as const)
  test(`a clock that is set ${direction} by a day takes no lease and no offer from anybody, and gives none more time`, () =>
    withHarness({}, async (harness) => {
      const { dhcp, leases, clock } = harness;
      const offer = await harness.ask({ type: 'discover' });
      await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
      const other = '52:54:00:aa:bb:02' as Mac;
      const offered = await harness.ask({ type: 'discover', mac: other });
      harness.pass(10_000);
      harness.setClock(ms);
      dhcp.keepHouse();
      const [lease] = leases.all();
      assert.equal((lease?.expiresAt ?? 0) - clock(), 3_590_000);
      assert.equal(lease?.mac, MAC);
      const ack = await harness.ask({ type: 'request', mac: other, names: SERVER, asks: offered?.yiaddr });
      assert.equal(ack?.yiaddr, offered?.yiaddr, 'the offer still stands');
    }));

test('time that passes evenly is no step, however much of it there is between two looks', () =>
  withHarness({}, async (harness) => {
    const offer = await harness.ask({ type: 'discover' });
    await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
    harness.pass(DAY);
    harness.dhcp.keepHouse();
    assert.equal((harness.leases.all()[0]?.expiresAt ?? 0) - harness.clock(), 3_600_000 - DAY);
  }));

test('a lease that ended a month ago is forgotten, a hundred of them at a time', () =>
  withHarness({}, (harness) => {
    const { leases, subnet, clock } = harness;
    for (let host = 0; host < 150; host++)
      leases.put({
        subnetId: subnet.id,
        address: `10.77.1.${host}` as never,
        client: `hw:1:${host}` as never,
        hostname: '',
        state: 'bound',
        startedAt: clock(),
        expiresAt: clock(),
        isGuest: false,
      });
    harness.pass(31 * DAY);
    harness.dhcp.keepHouse();
    assert.equal(leases.all().length, 50);
    harness.dhcp.keepHouse();
    assert.equal(leases.all().length, 0);
    assert.equal((harness.db.sql.prepare('SELECT count(*) AS n FROM lease').get() as { n: number }).n, 0);
  }));

test('a clock that is set forward gives the address of a live lease to nobody else, not even before the house looks', () =>
  withHarness({ subnet: ONE_ADDRESS }, async (harness) => {
    harness.pass(61_000);
    const offer = await harness.ask({ type: 'discover' });
    await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
    harness.setClock(DAY);
    const other = '52:54:00:aa:bb:02' as Mac;
    assert.equal(await harness.ask({ type: 'discover', mac: other }), undefined);
    const renewed = await harness.ask({ type: 'request', has: offer?.yiaddr, unicast: true, source: offer?.yiaddr });
    assert.equal(renewed?.yiaddr, offer?.yiaddr);
    assert.deepEqual(
      harness.leases.all().map(({ mac }) => mac),
      [MAC],
    );
  }));

test('a clock that is set back makes a server that has run for long no fresh one', () =>
  withHarness({}, async (harness) => {
    const takesWhatItWasNotOffered = () => harness.ask({ type: 'request', names: SERVER, asks: '10.77.0.105' as Ipv4 });
    harness.pass(61_000);
    assert.equal((await takesWhatItWasNotOffered())?.yiaddr, '0.0.0.0', 'a NAK');
    harness.setClock(-DAY);
    assert.equal((await takesWhatItWasNotOffered())?.yiaddr, '0.0.0.0');
    harness.pass(3_600_000);
    assert.equal((await takesWhatItWasNotOffered())?.yiaddr, '0.0.0.0');
  }));

test('a clock that is set back does not have the DECLINEs of a minute ago count for a day', () =>
  withHarness(
    { subnet: { pools: [{ first: '10.77.0.50' as Ipv4, last: '10.77.0.150' as Ipv4 }] } },
    async (harness) => {
      const decline = async (last: number) => {
        const mac = `52:54:00:dd:00:${last}` as Mac;
        const offer = await harness.ask({ type: 'discover', mac });
        await harness.ask({ type: 'request', mac, names: SERVER, asks: offer?.yiaddr });
        await harness.ask({ type: 'decline', mac, names: SERVER, asks: offer?.yiaddr });
        return harness.leases.at(harness.subnet.id, offer?.yiaddr as Ipv4)?.state;
      };
      for (let last = 10; last < 30; last++) assert.equal(await decline(last), 'declined');
      assert.equal(await decline(30), 'bound', 'too many in a minute are not believed');
      harness.setClock(-DAY);
      harness.pass(3_600_000);
      assert.equal(await decline(31), 'declined');
    },
  ));

test('a clock that is set back does not end the asking of the wire for a day', () => {
  const time = { wall: 1_800_000_000_000, steady: 0 };
  const conflicts = createConflicts({
    clock: () => time.wall as Instant,
    steady: () => time.steady,
    leases: undefined as never,
    events: undefined as never,
    log: () => undefined,
  });
  const prober: Prober = { ask: () => 'asked', inFlight: () => 0, close: () => undefined };
  const ask = (last: number) => conflicts.ask(prober, `10.0.0.${last}` as Ipv4, 'arp', undefined, () => undefined);
  for (let last = 1; last <= 10; last++) assert.equal(ask(last), true);
  assert.equal(ask(11), false, 'a storm');
  time.wall -= DAY;
  time.steady += 10_000;
  assert.equal(conflicts.isProbed('10.0.0.200' as Ipv4), false);
  assert.equal(ask(12), true);
});

test('a request that waited for two seconds is not answered, however the clock was set meanwhile, and counted', () =>
  withHarness({}, async (harness) => {
    const { dhcp, sent } = harness;
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const discover = buildRequest({ type: 'discover' });
    harness.hear([discover]);
    harness.pass(2001);
    await turn();
    assert.deepEqual([sent().length, dhcp.counts.stale], [0, 1]);
    harness.hear([discover]);
    harness.setClock(DAY);
    await turn();
    assert.deepEqual([sent().length, dhcp.counts.stale], [1, 1], 'it has not waited, the clock was set');
    harness.hear([discover]);
    harness.pass(2000);
    harness.setClock(-DAY);
    await turn();
    assert.deepEqual([sent().length, dhcp.counts.stale], [2, 1]);
  }));
