import type { ClientKey, Lease, LeaseState, Subnet } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { bySubnet } from './by-subnet.ts';
import type { Db } from './db.ts';

type LeaseRow = {
  id: number;
  subnet_id: number;
  address: string;
  client: string | null;
  mac: string | null;
  client_id: Buffer | null;
  uuid: string | null;
  hostname: string;
  state: LeaseState;
  started_at: number;
  expires_at: number;
  is_guest: number;
  giaddr: string | null;
  relay_information: Buffer | null;
};

/** What takes a walk over all leases is done once in this time at most, however many ask under load. */
const SLOW_MS = 1000;
/** So many addresses that come and go are remembered for the next count. */
const MOST_CHANGES = 1000;

/**
 * The leases: on disk, and all of them in memory, because each datagram asks for some. Only this file writes the table. When
 * a transaction that wrote some is rolled back, `reload` brings the memory back to the disk.
 */
export type Leases = ReturnType<typeof openLeases>;

export function openLeases(db: Db) {
  // rows are used again: the number of one says nothing of its age
  const all = db.sql.prepare<[], LeaseRow>('SELECT * FROM lease ORDER BY expires_at, id');
  const remove = db.sql.prepare('DELETE FROM lease WHERE id = ?');
  const put = db.sql.prepare(`
    REPLACE INTO lease (id, subnet_id, address, client, mac, client_id, uuid, hostname, state, started_at, expires_at, is_guest, giaddr, relay_information)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const shift = db.sql.prepare('UPDATE lease SET expires_at = expires_at + ?, started_at = started_at + ?');

  /** The table has no index: an address has one row because it has one place here. */
  const byAddress = bySubnet<Ipv4, Kept>();
  const byClient = bySubnet<ClientKey, Lease>();
  const byClientId = bySubnet<string, Lease>();
  /** The newest lease of a card on any subnet; one that it gave back comes after one that it has. */
  const byMac = new Map<Mac, Lease>();
  /** Strangers' leases that have not been seen to end, and when the first of them will: of the subnets that were asked about. */
  const guests = new Map<number, Guests>();
  /** What countIn counted, and what has changed since. */
  const tallies = new Map<number, { subnet: Subnet; count: number; changes: [Ipv4, number][] }>();
  const ended = new Map<number, Walked>();
  const resting = new Map<number, Walked>();
  let nextRow = 1;
  reload();
  db.onRollback(reload);

  function reload(): void {
    for (const map of [byAddress, byClient, byClientId, byMac, guests, tallies, ended, resting]) map.clear();
    nextRow = 1;
    for (const row of all.iterate()) {
      enter(toLease(row), row.id);
      nextRow = Math.max(nextRow, row.id + 1);
    }
  }

  function enter(lease: Lease, row: number): void {
    byAddress.of(lease.subnetId).set(lease.address, { lease, row });
    if (lease.client) byClient.of(lease.subnetId).set(lease.client, lease);
    if (lease.mac && (lease.state === 'bound' || byMac.get(lease.mac)?.state !== 'bound')) byMac.set(lease.mac, lease);
    if (lease.clientId) byClientId.of(lease.subnetId).set(idKey(lease.clientId), lease);
    const held = guests.get(lease.subnetId);
    if (held) enterGuest(held, lease);
  }

  function leave(lease: Lease): void {
    byAddress.of(lease.subnetId).delete(lease.address);
    if (lease.client) forget(byClient.of(lease.subnetId), lease.client, lease);
    if (lease.mac) forget(byMac, lease.mac, lease);
    if (lease.clientId) forget(byClientId.of(lease.subnetId), idKey(lease.clientId), lease);
    guests.get(lease.subnetId)?.leases.delete(lease);
  }

  /** An address got its first row, or lost it: a renewal is neither. */
  function noteChange(subnetId: number, address: Ipv4, by: 1 | -1): void {
    const tally = tallies.get(subnetId);
    if (!tally) return;
    tally.changes.push([address, by]);
    // nobody has counted for long: whoever does next counts anew
    if (tally.changes.length > MOST_CHANGES) tallies.delete(subnetId);
  }

  function guestsOf(subnetId: number): Guests {
    let held = guests.get(subnetId);
    if (!held) {
      held = { leases: new Set(), nextEnd: Number.POSITIVE_INFINITY };
      for (const { lease } of byAddress.of(subnetId).values()) enterGuest(held, lease);
      guests.set(subnetId, held);
    }
    return held;
  }

  function walked(kept: Map<number, Walked>, subnetId: number, now: Instant, wanted: Wanted): readonly Ipv4[] {
    const present = kept.get(subnetId);
    if (present && Math.abs(now - present.at) < SLOW_MS) return present.addresses;
    const leases = Array.from(byAddress.of(subnetId).values(), ({ lease }) => lease).filter(wanted.isIn);
    leases.sort((a, b) => wanted.order(a) - wanted.order(b));
    const addresses = leases.map((lease) => lease.address);
    kept.set(subnetId, { at: now, addresses });
    return addresses;
  }

  function drop(lease: Lease): void {
    const kept = byAddress.of(lease.subnetId).get(lease.address);
    if (!kept) return;
    remove.run(kept.row);
    leave(kept.lease);
    noteChange(lease.subnetId, lease.address, -1);
  }

  return {
    reload,
    all: (): Lease[] => Array.from(byAddress.all(), ({ lease }) => lease),
    /** The client's own lease on the subnet, in whatever state. */
    of: (subnetId: number, client: ClientKey): Lease | undefined => byClient.of(subnetId).get(client),
    /** The newest lease of a client identifier (option 61), whatever card it came from. */
    ofClientId: (subnetId: number, clientId: Buffer): Lease | undefined => byClientId.of(subnetId).get(idKey(clientId)),
    /** Whether any subnet has a lease, in whatever state, of an Ethernet card. */
    hasMac: (mac: Mac): boolean => byMac.has(mac),
    at: (subnetId: number, address: Ipv4): Lease | undefined => byAddress.of(subnetId).get(address)?.lease,
    /** The address that one of these cards has now. */
    addressOf(macs: readonly Mac[]): Ipv4 | undefined {
      let newest: Lease | undefined;
      for (const mac of macs) {
        const lease = byMac.get(mac);
        if (lease?.state === 'bound' && lease.expiresAt > (newest?.expiresAt ?? 0)) newest = lease;
      }
      return newest?.address;
    },
    /** Whose address this is now, to tell who asks for a file without a name of its own. */
    macAt(address: Ipv4): Mac | undefined {
      let newest: Lease | undefined;
      // two subnets have the same address only when the networks never meet
      for (const leases of byAddress.maps()) {
        const lease = leases.get(address)?.lease;
        if (lease?.state === 'bound' && lease.expiresAt > (newest?.expiresAt ?? 0)) newest = lease;
      }
      return newest?.mac;
    },
    /** How many of the subnet's addresses that satisfy `isIn` have a lease, in whatever state. Counted anew when the subnet is another. */
    countIn(subnet: Subnet, isIn: (address: Ipv4) => boolean): number {
      let tally = tallies.get(subnet.id);
      if (tally?.subnet !== subnet) {
        tally = { subnet, count: 0, changes: [] };
        for (const address of byAddress.of(subnet.id).keys()) if (isIn(address)) tally.count++;
        tallies.set(subnet.id, tally);
      }
      for (const [address, by] of tally.changes) if (isIn(address)) tally.count += by;
      tally.changes = [];
      return tally.count;
    },

    /** How many addresses strangers hold. */
    guests(subnetId: number, now: Instant): number {
      const held = guestsOf(subnetId);
      if (now >= held.nextEnd) {
        held.nextEnd = Number.POSITIVE_INFINITY;
        for (const lease of held.leases)
          if (lease.expiresAt <= now) held.leases.delete(lease);
          else held.nextEnd = Math.min(held.nextEnd, lease.expiresAt);
      }
      return held.leases.size;
    },

    /** Addresses whose lease has ended, the longest ended first; at most a second old. */
    ended: (subnetId: number, now: Instant): readonly Ipv4[] =>
      walked(ended, subnetId, now, {
        isIn: (lease) => lease.state === 'released' || lease.expiresAt <= now,
        order: (lease) => lease.expiresAt,
      }),

    /** Addresses that rest after a DECLINE or a conflict, the longest resting first; at most a second old. */
    resting: (subnetId: number, now: Instant): readonly Ipv4[] =>
      walked(resting, subnetId, now, {
        isIn: (lease) => lease.state === 'declined' && lease.expiresAt > now,
        order: (lease) => lease.startedAt,
      }),

    /** Write a lease. A client that held another address of the subnet gives that one up. */
    put(lease: Lease): void {
      const before = lease.client && byClient.of(lease.subnetId).get(lease.client);
      if (before && before.address !== lease.address) drop(before);
      const holder = byAddress.of(lease.subnetId).get(lease.address);
      const row = holder?.row ?? nextRow++;
      put.run(
        row,
        lease.subnetId,
        lease.address,
        lease.client ?? null,
        lease.mac ?? null,
        lease.clientId ?? null,
        lease.uuid ?? null,
        lease.hostname,
        lease.state,
        lease.startedAt,
        lease.expiresAt,
        lease.isGuest ? 1 : 0,
        lease.giaddr ?? null,
        lease.relayInformation ?? null,
      );
      if (holder) leave(holder.lease);
      else noteChange(lease.subnetId, lease.address, 1);
      enter(lease, row);
    },

    remove: drop,

    /** The clock was set: each lease keeps the time that it had left. */
    shift(ms: number): void {
      shift.run(ms, ms);
      reload();
    },

    /** Forget leases that ended before `before`, at most `most` of them; says how many. */
    dropEnded(before: Instant, most: number): number {
      const old: Lease[] = [];
      for (const { lease } of byAddress.all()) {
        if (old.length >= most) break;
        if (lease.expiresAt < before) old.push(lease);
      }
      for (const lease of old) drop(lease);
      return old.length;
    },
  };
}

/** A lease and the row of the table that it is in. */
type Kept = { lease: Lease; row: number };

/** What a walk over the leases of a subnet found. */
type Walked = { at: Instant; addresses: readonly Ipv4[] };
type Wanted = { isIn: (lease: Lease) => boolean; order: (lease: Lease) => number };

type Guests = { leases: Set<Lease>; nextEnd: number };

function enterGuest(held: Guests, lease: Lease): void {
  if (!lease.isGuest || lease.state !== 'bound') return;
  held.leases.add(lease);
  held.nextEnd = Math.min(held.nextEnd, lease.expiresAt);
}

const idKey = (clientId: Buffer): string => clientId.toString('latin1');

function forget<K>(map: Map<K, Lease>, key: K, lease: Lease): void {
  if (map.get(key) === lease) map.delete(key);
}

function toLease(row: LeaseRow): Lease {
  return {
    subnetId: row.subnet_id,
    address: row.address as Ipv4,
    ...(row.client !== null ? { client: row.client as ClientKey } : {}),
    ...(row.mac !== null ? { mac: row.mac as Mac } : {}),
    ...(row.client_id !== null ? { clientId: row.client_id } : {}),
    ...(row.uuid !== null ? { uuid: row.uuid } : {}),
    hostname: row.hostname,
    state: row.state,
    startedAt: row.started_at as Instant,
    expiresAt: row.expires_at as Instant,
    isGuest: row.is_guest === 1,
    ...(row.giaddr !== null ? { giaddr: row.giaddr as Ipv4 } : {}),
    ...(row.relay_information !== null ? { relayInformation: row.relay_information } : {}),
  };
}
