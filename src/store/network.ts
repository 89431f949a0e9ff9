import { AppError } from '../model/errors.ts';
import type { ClientKey, Lease, LeaseState, Reservation, Subnet } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import { cidrToText, type Ipv4, type Mac, parseCidr } from '../wire/address.ts';
import type { Db } from './db.ts';

type SubnetRow = {
  id: number;
  name: string;
  interface: string;
  cidr: string;
  pool_first: string;
  pool_last: string;
  gateway: string | null;
  dns: string;
  domain: string;
  lease_seconds: number;
  authoritative: number;
};

type LeaseRow = {
  subnet_id: number;
  address: string;
  client: string | null;
  mac: string | null;
  client_id: Buffer | null;
  hostname: string;
  state: LeaseState;
  expires_at: number;
};

/** Subnets, reservations and leases. */
export type Network = ReturnType<typeof openNetwork>;

export function openNetwork(db: Db) {
  const subnets = db.sql.prepare<[], SubnetRow>('SELECT * FROM subnet ORDER BY id');
  const putSubnet = db.sql.prepare(`
    INSERT INTO subnet (name, interface, cidr, pool_first, pool_last, gateway, dns, domain, lease_seconds, authoritative)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (cidr) DO UPDATE SET name = excluded.name, interface = excluded.interface, pool_first = excluded.pool_first,
      pool_last = excluded.pool_last, gateway = excluded.gateway, dns = excluded.dns, domain = excluded.domain,
      lease_seconds = excluded.lease_seconds, authoritative = excluded.authoritative`);
  // an interface whose address was changed: its old network keeps its leases and reservations, but is served no more
  const retireSubnets = db.sql.prepare(
    `UPDATE subnet SET interface = '', name = name || ' ' || cidr WHERE interface = ? AND cidr <> ?`,
  );
  const reservationOf = db.sql.prepare<[number, string], { id: number; address: string }>(
    'SELECT id, address FROM reservation WHERE subnet_id = ? AND mac = ?',
  );
  const reservedFor = db.sql.prepare<[number, string], { mac: string }>(
    'SELECT mac FROM reservation WHERE subnet_id = ? AND address = ?',
  );
  const reservations = db.sql.prepare<[], { id: number; subnet_id: number; mac: string; address: string }>(
    'SELECT * FROM reservation ORDER BY subnet_id, address',
  );
  const insertReservation = db.sql.prepare('INSERT INTO reservation (subnet_id, mac, address) VALUES (?, ?, ?)');
  const deleteReservation = db.sql.prepare('DELETE FROM reservation WHERE mac = ?');
  const leaseOf = db.sql.prepare<[number, string], LeaseRow>('SELECT * FROM lease WHERE subnet_id = ? AND client = ?');
  const leaseAt = db.sql.prepare<[number, string], LeaseRow>('SELECT * FROM lease WHERE subnet_id = ? AND address = ?');
  const leases = db.sql.prepare<[], LeaseRow>('SELECT * FROM lease ORDER BY subnet_id, address');
  const macAt = db.sql.prepare<[string], { mac: string | null }>(
    `SELECT mac FROM lease WHERE address = ? AND state = 'bound' ORDER BY expires_at DESC LIMIT 1`,
  );
  const moveClient = db.sql.prepare('DELETE FROM lease WHERE subnet_id = ? AND client = ? AND address <> ?');
  const putLease = db.sql.prepare(`
    INSERT INTO lease (subnet_id, address, client, mac, client_id, hostname, state, expires_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (subnet_id, address) DO UPDATE SET client = excluded.client, mac = excluded.mac,
      client_id = excluded.client_id, hostname = excluded.hostname, state = excluded.state, expires_at = excluded.expires_at`);
  const oldestFree = db.sql.prepare<[number, number], { address: string }>(`
    SELECT address FROM lease WHERE subnet_id = ? AND (state = 'released' OR expires_at <= ?) ORDER BY expires_at`);

  return {
    subnets: (): Subnet[] => subnets.all().map(toSubnet),

    /** Make this subnet, or bring the one with the same CIDR to it. Leases and reservations stay. */
    putSubnet(subnet: Omit<Subnet, 'id'>): Subnet {
      retireSubnets.run(subnet.interface, cidrToText(subnet.cidr));
      putSubnet.run(
        subnet.name,
        subnet.interface,
        cidrToText(subnet.cidr),
        subnet.poolFirst,
        subnet.poolLast,
        subnet.gateway ?? null,
        JSON.stringify(subnet.dns),
        subnet.domain,
        subnet.leaseSeconds,
        subnet.authoritative ? 1 : 0,
      );
      return subnets
        .all()
        .map(toSubnet)
        .find((one) => one.cidr.base === subnet.cidr.base && one.cidr.prefix === subnet.cidr.prefix) as Subnet;
    },

    reservation(subnetId: number, mac: Mac): Reservation | undefined {
      const row = reservationOf.get(subnetId, mac);
      return row ? { id: row.id, subnetId, mac, address: row.address as Ipv4 } : undefined;
    },
    reservedFor: (subnetId: number, address: Ipv4): Mac | undefined =>
      reservedFor.get(subnetId, address)?.mac as Mac | undefined,
    reservations: (): Reservation[] =>
      reservations
        .all()
        .map((row) => ({ id: row.id, subnetId: row.subnet_id, mac: row.mac as Mac, address: row.address as Ipv4 })),
    addReservation(subnetId: number, mac: Mac, address: Ipv4): void {
      const holder = reservedFor.get(subnetId, address);
      if (holder) throw new AppError('name-taken', `${address} is reserved for ${holder.mac} already`);
      const present = reservationOf.get(subnetId, mac);
      if (present) throw new AppError('name-taken', `${mac} has ${present.address} reserved already`);
      insertReservation.run(subnetId, mac, address);
    },
    removeReservation: (mac: Mac): boolean => deleteReservation.run(mac).changes > 0,

    lease(subnetId: number, client: ClientKey): Lease | undefined {
      const row = leaseOf.get(subnetId, client);
      return row ? toLease(row) : undefined;
    },
    leaseAt(subnetId: number, address: Ipv4): Lease | undefined {
      const row = leaseAt.get(subnetId, address);
      return row ? toLease(row) : undefined;
    },
    leases: (): Lease[] => leases.all().map(toLease),
    /** Whose address this is now, to tell who asks for a file without a name of its own. */
    macAt: (address: Ipv4): Mac | undefined => (macAt.get(address)?.mac as Mac | null | undefined) ?? undefined,
    /** Addresses whose lease has ended, the longest ended first. */
    endedLeases: (subnetId: number, now: Instant): Ipv4[] =>
      oldestFree.all(subnetId, now).map((row) => row.address as Ipv4),

    /** Write a lease. A client that held another address of the subnet gives that one up. */
    putLease(lease: Lease): void {
      if (lease.client) moveClient.run(lease.subnetId, lease.client, lease.address);
      putLease.run(
        lease.subnetId,
        lease.address,
        lease.client ?? null,
        lease.mac ?? null,
        lease.clientId ?? null,
        lease.hostname,
        lease.state,
        lease.expiresAt,
      );
    },
  };
}

function toSubnet(row: SubnetRow): Subnet {
  return {
    id: row.id,
    name: row.name,
    interface: row.interface,
    cidr: parseCidr(row.cidr),
    poolFirst: row.pool_first as Ipv4,
    poolLast: row.pool_last as Ipv4,
    ...(row.gateway !== null ? { gateway: row.gateway as Ipv4 } : {}),
    dns: JSON.parse(row.dns) as Ipv4[],
    domain: row.domain,
    leaseSeconds: row.lease_seconds,
    authoritative: row.authoritative === 1,
  };
}

function toLease(row: LeaseRow): Lease {
  return {
    subnetId: row.subnet_id,
    address: row.address as Ipv4,
    ...(row.client !== null ? { client: row.client as ClientKey } : {}),
    ...(row.mac !== null ? { mac: row.mac as Mac } : {}),
    ...(row.client_id !== null ? { clientId: row.client_id } : {}),
    hostname: row.hostname,
    state: row.state,
    expiresAt: row.expires_at as Instant,
  };
}
