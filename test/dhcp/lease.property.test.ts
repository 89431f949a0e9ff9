import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import type { Ipv4, Mac } from '../../src/wire/address.ts';
import { getOption } from '../../src/wire/dhcp-options.ts';
import type { DhcpPacket } from '../../src/wire/dhcp-packet.ts';
import { type Ask, type Harness, MAC, SERVER, withHarness } from '../harness.ts';

const FIRST = 100;
const SIZE = 3;
const CLIENTS = 5;
const LEASE_S = 600;
const address = (offset: number): Ipv4 => `10.77.0.${FIRST + offset}` as Ipv4;
const mac = (client: number): Mac => `52:54:00:aa:bb:0${client}` as Mac;

type Step = { do: (typeof ACTS)[number]; client: number; offset: number; seconds: number };
const ACTS = [
  'join',
  'discover',
  'select',
  'reboot',
  'renew',
  'rebind',
  'release',
  'decline',
  'wait',
  'reserve',
  'free',
] as const;
const step = fc.record<Step>({
  do: fc.constantFrom(...ACTS),
  client: fc.nat(CLIENTS - 1),
  offset: fc.nat(SIZE - 1),
  seconds: fc.constantFrom(1, 59, 61, 300, 601, 90_000),
});

/** What the clients believe, kept as they would keep it. */
class World {
  readonly harness: Harness;
  readonly disk: Database.Database;
  readonly offered = new Map<number, Ipv4>();
  /** What each client uses by its last ACK, and until when. */
  readonly used = new Map<number, { address: Ipv4; until: number }>();
  /** What each client had last, while nobody else has been given it since. */
  readonly last = new Map<number, Ipv4>();
  /** Those with a reservation move to it when they can. */
  readonly reserved = new Set<number>();
  acks = 0;

  constructor(harness: Harness) {
    this.harness = harness;
    // another connection sees only what is committed
    this.disk = new Database(join(harness.folder, 'data', 'firstlight.db'), { readonly: true });
  }

  async perform({ do: act, client, offset, seconds }: Step): Promise<void> {
    const { harness } = this;
    const own = this.used.get(client);
    const has = own?.address;
    const unicast = { unicast: true, source: has };
    switch (act) {
      case 'join':
        await this.perform({ do: 'discover', client, offset, seconds });
        return this.perform({ do: 'select', client, offset, seconds });
      case 'discover':
        return this.ask(client, { type: 'discover', asks: offset === 0 ? undefined : address(offset) });
      case 'select': {
        const asks = this.offered.get(client);
        if (asks) await this.ask(client, { type: 'request', names: SERVER, asks });
        return;
      }
      case 'reboot':
        return this.ask(client, { type: 'request', asks: has ?? address(offset) });
      case 'renew':
        if (has) await this.ask(client, { type: 'request', has, ...unicast });
        return;
      case 'rebind':
        if (has) await this.ask(client, { type: 'request', has });
        return;
      case 'release':
        if (has) await this.ask(client, { type: 'release', names: SERVER, has, ...unicast });
        this.used.delete(client);
        return;
      case 'decline':
        if (has) await this.ask(client, { type: 'decline', names: SERVER, asks: has });
        this.used.delete(client);
        this.last.delete(client);
        return;
      case 'wait':
        return harness.pass(seconds * 1000);
      case 'reserve':
        if (this.reserved.has(client) || harness.network.reservationAt(harness.subnet.id, address(offset))) return;
        harness.network.addReservation({
          subnetId: harness.subnet.id,
          mac: mac(client),
          address: address(offset),
          hostname: '',
        });
        this.reserved.add(client);
        for (const [other, theirs] of this.last) if (theirs === address(offset)) this.last.delete(other);
        return;
      case 'free':
        harness.network.removeReservation(
          harness.network.reservationOf(harness.subnet.id, { mac: mac(client) })?.id ?? 0,
        );
        this.reserved.delete(client);
    }
  }

  async ask(client: number, ask: Ask): Promise<void> {
    const reply = await this.harness.ask({ ...ask, mac: mac(client) }, (sent) => this.beforeSend(client, sent));
    const type = reply && getOption(reply, 'messageType');
    const given = reply?.yiaddr;
    if (type === 'nak') this.used.delete(client); // RFC 2131 3.1 (5): it begins anew
    if (!given || type === 'nak') return;
    const remembered = this.last.get(client);
    if (type === 'offer') {
      if (remembered && !this.reserved.has(client))
        assert.equal(given, remembered, `client ${client} is offered another address than it had`);
      this.offered.set(client, given);
    } else {
      this.used.set(client, { address: given, until: this.harness.clock() + LEASE_S * 1000 });
      this.offered.delete(client);
      this.last.set(client, given);
      this.acks++;
    }
    for (const [other, theirs] of this.last) if (other !== client && theirs === given) this.last.delete(other);
  }

  /** At the moment when the answer leaves: its lease is on disk, and nobody else lives at its address. */
  beforeSend(client: number, reply: DhcpPacket): void {
    if (getOption(reply, 'messageType') !== 'ack') return;
    const now = this.harness.clock();
    const row = this.disk.prepare('SELECT mac, state, expires_at FROM lease WHERE address = ?').get(reply.yiaddr);
    assert.deepEqual(row, { mac: mac(client), state: 'bound', expires_at: now + LEASE_S * 1000 });
    for (const [other, theirs] of this.used)
      if (other !== client && theirs.until > now)
        assert.notEqual(theirs.address, reply.yiaddr, `clients ${client} and ${other} live on one address`);
  }

  /** What must be true of the leases after every message. */
  check(): void {
    const now = this.harness.clock();
    const live = this.harness.leases.all().filter((lease) => lease.state === 'bound' && lease.expiresAt > now);
    assert.ok(live.length <= SIZE, `${live.length} leases of ${SIZE} addresses`);
    assert.equal(new Set(live.map((lease) => lease.mac)).size, live.length, 'a machine holds two addresses');
    for (const lease of live) {
      const offset = Number(lease.address.split('.')[3]) - FIRST;
      assert.ok(offset >= 0 && offset < SIZE, `${lease.address} is outside of the pool`);
    }
    for (const [client, { address: used, until }] of this.used)
      if (until > now)
        assert.ok(
          live.some((lease) => lease.address === used && lease.mac === mac(client)),
          `client ${client} lives at ${used} without a lease`,
        );
  }
}

test('whatever clients do, no two live on one address, none holds two, and each comes back to its own', async () => {
  let acks = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), (steps) =>
      withHarness(
        { subnet: { pools: [{ first: address(0), last: address(SIZE - 1) }], leaseSeconds: LEASE_S } },
        async (harness) => {
          const world = new World(harness);
          try {
            for (const one of steps) {
              await world.perform(one);
              world.check();
            }
            acks += world.acks;
          } finally {
            world.disk.close();
          }
        },
      ),
    ),
    { numRuns: 60 },
  );
  assert.ok(acks > 50, `the sequences lead to leases (${acks} ACKs)`);
});

test('a full pool serves again what was freed, however many leases of an earlier pool have ended before', () =>
  withHarness({ subnet: { pools: [{ first: '10.77.0.20' as Ipv4, last: '10.77.0.20' as Ipv4 }] } }, async (harness) => {
    const ended = {
      subnetId: harness.subnet.id,
      hostname: '',
      state: 'bound' as const,
      startedAt: 0 as never,
      isGuest: false,
    };
    for (let host = 100; host < 200; host++)
      harness.leases.put({ ...ended, address: `10.77.0.${host}` as Ipv4, expiresAt: 1 as never });
    harness.leases.put({ ...ended, address: '10.77.0.20' as Ipv4, expiresAt: 2 as never });
    const reply = await harness.ask({ type: 'discover', mac: MAC });
    assert.equal(reply?.yiaddr, '10.77.0.20');
  }));
