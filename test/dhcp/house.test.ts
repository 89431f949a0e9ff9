import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ipv4 } from '../../src/wire/address.ts';
import { SERVER, withHarness } from '../harness.ts';

const DAY = 24 * 3600 * 1000;

test('a disk that takes nothing does not end the program, and what the house could not do is told once a minute', () => {
  const log: string[] = [];
  return withHarness({ log: (line) => log.push(line) }, async (harness) => {
    const { dhcp, db, leases, clock } = harness;
    const offer = await harness.ask({ type: 'discover' });
    await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
    const before = leases.all()[0]?.expiresAt ?? 0;
    db.sql.pragma('query_only = 1');
    harness.setClock(DAY);
    for (let second = 0; second < 90; second++) {
      harness.pass(1000);
      dhcp.keepHouse();
    }
    const complaints = log.filter((line) => /the leases could not follow the clock.*readonly/.test(line));
    assert.equal(complaints.length, 2, log.join('\n'));
    db.sql.pragma('query_only = 0');
    dhcp.keepHouse();
    assert.equal(leases.all()[0]?.expiresAt, before, 'not yet: it is tried once a minute');
    harness.pass(60_000);
    dhcp.keepHouse();
    assert.equal(leases.all()[0]?.expiresAt, before + DAY);
    assert.ok(before + DAY > clock());

    harness.pass(31 * DAY);
    db.sql.pragma('query_only = 1');
    dhcp.keepHouse();
    assert.ok(log.some((line) => /ended leases could not be forgotten/.test(line)));
    assert.equal(leases.all().length, 1);
    db.sql.pragma('query_only = 0');
    harness.pass(60_000);
    dhcp.keepHouse();
    assert.equal(leases.all().length, 0);
  });
});

test('requests that a full disk does not take are told of once a minute, with how often', () => {
  const log: string[] = [];
  return withHarness({ log: (line) => log.push(line) }, async (harness) => {
    const take = () => harness.ask({ type: 'request', asks: '10.77.0.105' as Ipv4 });
    harness.db.sql.pragma('query_only = 1');
    for (let time = 0; time < 20; time++) assert.equal(await take(), undefined);
    assert.equal(log.length, 1);
    harness.pass(60_000);
    assert.equal(await take(), undefined);
    assert.match(
      log[1] ?? '',
      /^DHCP: 1 requests could not be recorded, nor those of 19 slices before: SqliteError: .*readonly/,
    );
    harness.db.sql.pragma('query_only = 0');
    assert.equal((await take())?.yiaddr, '10.77.0.105');
    assert.equal(log.length, 2);
  });
});

test('a step of the clock that could not be written is followed before the next request is decided', () =>
  withHarness({ log: () => undefined }, async (harness) => {
    const offer = await harness.ask({ type: 'discover' });
    await harness.ask({ type: 'request', names: SERVER, asks: offer?.yiaddr });
    harness.db.sql.pragma('query_only = 1');
    harness.setClock(DAY);
    assert.equal(await harness.ask({ type: 'discover' }), undefined, 'nothing can be decided by this clock');
    harness.db.sql.pragma('query_only = 0');
    const renewed = await harness.ask({ type: 'request', has: offer?.yiaddr, unicast: true, source: offer?.yiaddr });
    assert.equal(renewed?.yiaddr, offer?.yiaddr);
  }));
