import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Mac } from '../../src/wire/address.ts';
import { MAC, SERVER, withHarness } from '../harness.ts';

const DAY = 24 * 3600 * 1000;

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
