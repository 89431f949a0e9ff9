import { AppError } from '../model/errors.ts';
import {
  type ClientMarks,
  describeClient,
  type Pool,
  type RelayPort,
  type Reservation,
  type Subnet,
} from '../model/network.ts';
import { cidrContains, cidrToText, type Ipv4, type Mac, parseCidr } from '../wire/address.ts';
import { bySubnet } from './by-subnet.ts';
import type { Db } from './db.ts';

type SubnetRow = {
  id: number;
  name: string;
  interface: string;
  shared_network: string;
  cidr: string;
  pools: string;
  gateway: string | null;
  dns: string;
  domain: string;
  lease_seconds: number;
  authoritative: number;
  relays: string;
  guests: number | null;
  conflict_detection: number;
  loaders: string;
};

type ReservationRow = {
  id: number;
  subnet_id: number;
  address: string | null;
  hostname: string;
  mac: string | null;
  client_id: Buffer | null;
  uuid: string | null;
  circuit_id: Buffer;
  remote_id: Buffer;
  machine_id: number | null;
};

export type NewReservation = Omit<Reservation, 'id'>;

const NOTHING = Buffer.alloc(0);

/** Subnets and reservations: on disk, and all of them in memory, because each datagram asks for some. */
export type Network = ReturnType<typeof openNetwork>;

export function openNetwork(db: Db) {
  const selectSubnets = db.sql.prepare<[], SubnetRow>('SELECT * FROM subnet ORDER BY id');
  const upsertSubnet = db.sql.prepare(`
    INSERT INTO subnet (name, interface, shared_network, cidr, pools, gateway, dns, domain, lease_seconds, authoritative,
      relays, guests, conflict_detection, loaders)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (cidr) DO UPDATE SET name = excluded.name, interface = excluded.interface,
      shared_network = excluded.shared_network, pools = excluded.pools, gateway = excluded.gateway, dns = excluded.dns,
      domain = excluded.domain, lease_seconds = excluded.lease_seconds, authoritative = excluded.authoritative,
      relays = excluded.relays, guests = excluded.guests, conflict_detection = excluded.conflict_detection,
      loaders = excluded.loaders`);
  const updateSubnet = db.sql.prepare(`
    UPDATE subnet SET name = ?, interface = ?, shared_network = ?, cidr = ?, pools = ?, gateway = ?, dns = ?, domain = ?,
      lease_seconds = ?, authoritative = ?, relays = ?, guests = ?, conflict_detection = ?, loaders = ?
     WHERE id = ?`);
  // an interface whose address was changed: its old network keeps its leases and reservations, but is served no more
  const retireSubnet = db.sql.prepare(`UPDATE subnet SET interface = '', name = name || ' ' || cidr WHERE id = ?`);
  const deleteSubnet = db.sql.prepare('DELETE FROM subnet WHERE id = ?');
  const selectReservations = db.sql.prepare<[], ReservationRow>(
    'SELECT * FROM reservation ORDER BY subnet_id, address',
  );
  const insertReservation = db.sql.prepare(`
    INSERT INTO reservation (subnet_id, address, hostname, mac, client_id, uuid, circuit_id, remote_id, machine_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const deleteReservation = db.sql.prepare('DELETE FROM reservation WHERE id = ?');

  let subnets: readonly Subnet[] = [];
  const byMark = bySubnet<string, Reservation>();
  const byAddress = bySubnet<Ipv4, Reservation>();
  const reservations = new Map<number, Reservation>();
  reload();
  db.onRollback(reload);

  function reload(): void {
    subnets = selectSubnets.all().map(toSubnet);
    for (const map of [byMark, byAddress]) map.clear();
    reservations.clear();
    for (const row of selectReservations.iterate()) enter(toReservation(row));
  }

  function enter(reservation: Reservation): void {
    reservations.set(reservation.id, reservation);
    if (reservation.address) byAddress.of(reservation.subnetId).set(reservation.address, reservation);
    for (const mark of marksOf(reservation)) byMark.of(reservation.subnetId).set(mark, reservation);
  }

  function leave(reservation: Reservation): void {
    reservations.delete(reservation.id);
    if (reservation.address) byAddress.of(reservation.subnetId).delete(reservation.address);
    for (const mark of marksOf(reservation)) byMark.of(reservation.subnetId).delete(mark);
  }

  return {
    reload,
    subnets: (): readonly Subnet[] => subnets,
    subnetOf: (address: Ipv4): Subnet | undefined => subnets.find((one) => cidrContains(one.cidr, address)),
    /** The subnet that a person names, by name or CIDR. Throws `no-such-subnet`. */
    subnetNamed(text: string): Subnet {
      const subnet = subnets.find((one) => one.name === text || cidrToText(one.cidr) === text);
      if (!subnet)
        throw new AppError('no-such-subnet', `there is no subnet ${text}`, 'list them with: firstlight subnets');
      return subnet;
    },

    /** Make this subnet, or bring the one with the same CIDR to it. Leases and reservations stay. */
    putSubnet(subnet: Omit<Subnet, 'id'>): Subnet {
      const cidr = cidrToText(subnet.cidr);
      const isSame = (one: Subnet): boolean => cidrToText(one.cidr) === cidr;
      db.transact(() => {
        for (const one of subnets)
          if (one.name === subnet.name && one.interface === subnet.interface && !isSame(one)) retireSubnet.run(one.id);
        upsertSubnet.run(...columnsOf(subnet));
      });
      reload();
      return subnets.find(isSame) as Subnet;
    },
    /** The subnet with this number becomes what is told, its CIDR too. Leases and reservations stay, so they have to fit. */
    changeSubnet(subnet: Subnet): Subnet {
      updateSubnet.run(...columnsOf(subnet), subnet.id);
      reload();
      return subnets.find((one) => one.id === subnet.id) as Subnet;
    },
    removeSubnet(id: number): void {
      deleteSubnet.run(id);
      reload();
    },

    /** What is kept for this client on that subnet. A port counts only after everything that the client says of itself. */
    reservationOf(subnetId: number, client: ClientMarks): Reservation | undefined {
      const present = byMark.of(subnetId);
      if (present.size === 0) return undefined;
      const marks = marksOf(client);
      // a reservation may name the whole relay, or a port name that is the same on all of them
      if (client.port) {
        marks.push(portMark({ ...client.port, remoteId: NOTHING }), portMark({ ...client.port, circuitId: NOTHING }));
      }
      for (const mark of marks) {
        const reservation = present.get(mark);
        if (reservation) return reservation;
      }
      return undefined;
    },
    reservationAt: (subnetId: number, address: Ipv4): Reservation | undefined => byAddress.of(subnetId).get(address),
    /** Whether any subnet keeps something for a card. */
    hasMac: (mac: Mac): boolean => subnets.some((subnet) => byMark.of(subnet.id).has(`mac ${mac}`)),
    reservations: (): Reservation[] => [...reservations.values()],
    reservation: (id: number): Reservation | undefined => reservations.get(id),

    /** Throws `name-taken` when another one has the address, or one of the marks, on this subnet. */
    addReservation(wanted: NewReservation): Reservation {
      const holder = wanted.address && byAddress.of(wanted.subnetId).get(wanted.address);
      if (holder)
        throw new AppError(
          'name-taken',
          `${wanted.address} is reserved for ${describeClient(holder)} already`,
          `choose another address, or take that away with: firstlight unreserve ${wanted.address}`,
        );
      for (const mark of marksOf(wanted)) {
        const present = byMark.of(wanted.subnetId).get(mark);
        if (present)
          throw new AppError(
            'name-taken',
            `${describeClient(present)} has ${present.address ? `${present.address} reserved` : 'a reservation'} already`,
            `take that away first with: firstlight unreserve ${present.address ?? present.id}`,
          );
      }
      const { lastInsertRowid } = insertReservation.run(
        wanted.subnetId,
        wanted.address ?? null,
        wanted.hostname,
        wanted.mac ?? null,
        wanted.clientId ?? null,
        wanted.uuid ?? null,
        wanted.port?.circuitId ?? NOTHING,
        wanted.port?.remoteId ?? NOTHING,
        wanted.machineId ?? null,
      );
      const reservation = { ...wanted, id: Number(lastInsertRowid) };
      enter(reservation);
      return reservation;
    },
    removeReservation(id: number): boolean {
      const reservation = reservations.get(id);
      if (reservation) leave(reservation);
      return deleteReservation.run(id).changes > 0;
    },
  };
}

function marksOf({ clientId, mac, uuid, port }: ClientMarks): string[] {
  const marks: string[] = [];
  if (clientId) marks.push(`id ${clientId.toString('latin1')}`);
  if (mac) marks.push(`mac ${mac}`);
  if (uuid) marks.push(`uuid ${uuid}`);
  if (port && port.circuitId.length + port.remoteId.length > 0) marks.push(portMark(port));
  return marks;
}

const portMark = ({ circuitId, remoteId }: RelayPort): string =>
  `port ${circuitId.toString('latin1')}\0${remoteId.toString('latin1')}`;

/** In the order of the statements above. */
function columnsOf(subnet: Omit<Subnet, 'id'>): (string | number | null)[] {
  return [
    subnet.name,
    subnet.interface,
    subnet.sharedNetwork,
    cidrToText(subnet.cidr),
    JSON.stringify(subnet.pools),
    subnet.gateway ?? null,
    JSON.stringify(subnet.dns),
    subnet.domain,
    subnet.leaseSeconds,
    subnet.authoritative ? 1 : 0,
    JSON.stringify(subnet.relays),
    subnet.guests ?? null,
    subnet.conflictDetection ? 1 : 0,
    JSON.stringify(subnet.loaders),
  ];
}

function toSubnet(row: SubnetRow): Subnet {
  return {
    id: row.id,
    name: row.name,
    interface: row.interface,
    sharedNetwork: row.shared_network,
    cidr: parseCidr(row.cidr),
    pools: JSON.parse(row.pools) as Pool[],
    ...(row.gateway !== null ? { gateway: row.gateway as Ipv4 } : {}),
    dns: JSON.parse(row.dns) as Ipv4[],
    domain: row.domain,
    leaseSeconds: row.lease_seconds,
    authoritative: row.authoritative === 1,
    relays: JSON.parse(row.relays) as Ipv4[],
    ...(row.guests !== null ? { guests: row.guests } : {}),
    conflictDetection: row.conflict_detection === 1,
    loaders: JSON.parse(row.loaders) as Record<string, string>,
  };
}

function toReservation(row: ReservationRow): Reservation {
  const port = { circuitId: row.circuit_id, remoteId: row.remote_id };
  return {
    id: row.id,
    subnetId: row.subnet_id,
    ...(row.address !== null ? { address: row.address as Ipv4 } : {}),
    hostname: row.hostname,
    ...(row.mac !== null ? { mac: row.mac as Mac } : {}),
    ...(row.client_id !== null ? { clientId: row.client_id } : {}),
    ...(row.uuid !== null ? { uuid: row.uuid } : {}),
    ...(port.circuitId.length + port.remoteId.length > 0 ? { port } : {}),
    ...(row.machine_id !== null ? { machineId: row.machine_id } : {}),
  };
}
