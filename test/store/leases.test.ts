import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import type { ClientKey, Lease, Subnet } from '../../src/model/network.ts';
import type { Instant } from '../../src/model/time.ts';
import { type Db, openDb } from '../../src/store/db.ts';
import { openLeases } from '../../src/store/leases.ts';
import { openNetwork } from '../../src/store/network.ts';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { REPOSITORY } from '../harness.ts';

function withFolder(check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-leases-'));
  try {
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function withLeases(check: (leases: ReturnType<typeof openLeases>, db: Db) => void): void {
  withFolder((folder) => {
    const db = openDb(folder);
    db.sql.exec(
      `INSERT INTO subnet (id, name, interface, cidr, lease_seconds) VALUES (1, 'rack1', 'rack1', '10.77.0.0/24', 3600)`,
    );
    check(openLeases(db), db);
    db.close();
  });
}

function lease(address: string, client: string, more: Partial<Lease> = {}): Lease {
  return {
    subnetId: 1,
    address: address as Ipv4,
    client: client as ClientKey,
    hostname: '',
    state: 'bound',
    startedAt: 1 as Instant,
    expiresAt: 2 as Instant,
    isGuest: true,
    ...more,
  };
}

const onDisk = (db: Db): unknown[] =>
  db.sql.prepare('SELECT address, client, state FROM lease ORDER BY id').raw().all();

const byAddress = (leases: Lease[]): Lease[] => leases.sort((a, b) => (a.address < b.address ? -1 : 1));
/** What a second start would read is what is in memory. */
const sameAfterStart = (leases: ReturnType<typeof openLeases>, db: Db): void =>
  assert.deepEqual(byAddress(openLeases(db).all()), byAddress(leases.all()));

test('an address has one row, whoever gets it and however often', () =>
  withLeases((leases, db) => {
    leases.put(lease('10.77.0.10', 'a'));
    leases.put(lease('10.77.0.11', 'b'));
    leases.put(lease('10.77.0.10', 'a', { state: 'released' }));
    leases.put(lease('10.77.0.10', 'c'));
    assert.deepEqual(onDisk(db), [
      ['10.77.0.10', 'c', 'bound'],
      ['10.77.0.11', 'b', 'bound'],
    ]);
    sameAfterStart(leases, db);
  }));

test('a client that gets another address leaves no row of the former one', () =>
  withLeases((leases, db) => {
    leases.put(lease('10.77.0.10', 'a'));
    leases.put(lease('10.77.0.11', 'a'));
    assert.deepEqual(onDisk(db), [['10.77.0.11', 'a', 'bound']]);
    assert.equal(leases.of(1, 'a' as ClientKey)?.address, '10.77.0.11');
    assert.equal(leases.at(1, '10.77.0.10' as Ipv4), undefined);
  }));

test('what is removed, and what has ended long ago, leaves the disk too, and only that', () =>
  withLeases((leases, db) => {
    for (const n of [10, 11, 12, 13]) leases.put(lease(`10.77.0.${n}`, `${n}`, { expiresAt: n as Instant }));
    leases.remove(leases.at(1, '10.77.0.12' as Ipv4) as Lease);
    assert.equal(leases.dropEnded(11 as Instant, 10), 1);
    leases.put(lease('10.77.0.14', '14'));
    assert.deepEqual(onDisk(db), [
      ['10.77.0.11', '11', 'bound'],
      ['10.77.0.13', '13', 'bound'],
      ['10.77.0.14', '14', 'bound'],
    ]);
    sameAfterStart(leases, db);
  }));

test('after a rollback each lease is in the row that it was in', () =>
  withLeases((leases, db) => {
    leases.put(lease('10.77.0.10', 'a'));
    assert.throws(() =>
      db.transact(() => {
        leases.put(lease('10.77.0.11', 'b'));
        leases.put(lease('10.77.0.12', 'a'));
        throw new Error('the disk is full');
      }),
    );
    leases.put(lease('10.77.0.13', 'c'));
    leases.put(lease('10.77.0.10', 'a', { state: 'released' }));
    assert.deepEqual(onDisk(db), [
      ['10.77.0.10', 'a', 'released'],
      ['10.77.0.13', 'c', 'bound'],
    ]);
  }));

test('the leases of a store from before the table lost its indexes are all there', () =>
  withFolder((folder) => {
    const sql = new Database(join(folder, 'firstlight.db'));
    for (const name of ['0001-spine.sql', '0002-network.sql'])
      sql.exec(readFileSync(join(REPOSITORY, 'src/store/schema', name), 'utf8'));
    sql.pragma('user_version = 2');
    sql.exec(`
      INSERT INTO subnet (id, name, interface, cidr, lease_seconds) VALUES (1, 'rack1', 'rack1', '10.77.0.0/24', 3600);
      INSERT INTO lease (subnet_id, address, client, state, started_at, expires_at, is_guest) VALUES (1, '10.77.0.11', 'b', 'bound', 1, 2, 1);
      INSERT INTO lease (subnet_id, address, client, state, started_at, expires_at, is_guest) VALUES (1, '10.77.0.10', 'a', 'bound', 1, 2, 1);`);
    sql.close();
    const db = openDb(folder);
    const leases = openLeases(db);
    assert.deepEqual(leases.all(), [lease('10.77.0.11', 'b'), lease('10.77.0.10', 'a')]);
    leases.put(lease('10.77.0.10', 'a', { state: 'released' }));
    assert.deepEqual(onDisk(db), [
      ['10.77.0.11', 'b', 'bound'],
      ['10.77.0.10', 'a', 'released'],
    ]);
    db.close();
  }));

test('strangers are counted from those that were there before the first question on', () =>
  withLeases((leases) => {
    leases.put(lease('10.77.0.10', 'a', { expiresAt: 10 as Instant }));
    leases.put(lease('10.77.0.11', 'b', { isGuest: false }));
    assert.equal(leases.guests(1, 5 as Instant), 1);
    leases.put(lease('10.77.0.12', 'c', { expiresAt: 20 as Instant }));
    assert.equal(leases.guests(1, 5 as Instant), 2);
    assert.equal(leases.guests(1, 15 as Instant), 1);
    leases.put(lease('10.77.0.12', 'c', { state: 'released' }));
    assert.equal(leases.guests(1, 15 as Instant), 0);
  }));

test('a card that moved to another wire has the address of its later lease, after a restart too', () =>
  withLeases((leases, db) => {
    db.sql.exec(
      `INSERT INTO subnet (id, name, interface, cidr, lease_seconds) VALUES (2, 'rack2', '', '10.78.0.0/24', 3600)`,
    );
    const mac = '52:54:00:aa:bb:01' as Mac;
    leases.put(lease('10.78.0.10', 'b', { subnetId: 2 })); // row 1 is somebody's, then the card's
    leases.put(lease('10.77.0.10', 'a', { mac, expiresAt: 10 as Instant }));
    leases.put(lease('10.78.0.10', 'a', { mac, subnetId: 2, expiresAt: 20 as Instant }));
    assert.equal(leases.addressOf([mac]), '10.78.0.10');
    assert.equal(openLeases(db).addressOf([mac]), '10.78.0.10');
    leases.put(lease('10.77.0.10', 'a', { mac, expiresAt: 10 as Instant, state: 'released' }));
    assert.equal(leases.addressOf([mac]), '10.78.0.10', 'it gives the earlier one back when it has the later one');
  }));

test('renewals leave nothing behind that a newcomer would have to wait for', () =>
  withLeases((leases, db) => {
    const subnet = openNetwork(db).subnets()[0] as Subnet;
    let looks = 0;
    const count = (): number =>
      leases.countIn(subnet, () => {
        looks++;
        return true;
      });
    db.sql.pragma('synchronous = OFF');
    leases.put(lease('10.77.0.10', 'a'));
    assert.equal(count(), 1);
    looks = 0;
    db.transact(() => {
      for (let time = 0; time < 10_000; time++) leases.put(lease('10.77.0.10', 'a', { expiresAt: time as Instant }));
    });
    assert.deepEqual([count(), looks], [1, 0]);
  }));

test('a client that moves to and fro is counted once, and costs no more than its subnet to count anew', () =>
  withLeases((leases, db) => {
    const subnet = openNetwork(db).subnets()[0] as Subnet;
    let looks = 0;
    const count = (): number =>
      leases.countIn(subnet, (address) => {
        looks++;
        return address !== '10.77.0.12';
      });
    leases.put(lease('10.77.0.9', 'b'));
    leases.put(lease('10.77.0.10', 'a'));
    assert.equal(count(), 2);
    leases.put(lease('10.77.0.11', 'a'));
    leases.put(lease('10.77.0.12', 'c'));
    leases.remove(lease('10.77.0.9', 'b'));
    assert.equal(count(), 1);
    looks = 0;
    db.transact(() => {
      for (let time = 0; time < 5000; time++) leases.put(lease(`10.77.0.${20 + (time % 2)}`, 'a'));
    });
    assert.deepEqual([count(), looks < 3000], [1, true]);
  }));
