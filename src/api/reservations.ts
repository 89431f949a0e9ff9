import { Type } from 'typebox';
import { exportReservationsCsv } from '../dhcp/import/index.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import { describeClient, isHeld, type Reservation, type Subnet } from '../model/network.ts';
import { networkChanged, type ShownFields } from '../model/network-change.ts';
import type { NewReservation } from '../store/network.ts';
import { cidrContains, cidrToText, type Ipv4, isIpv4, type Mac, parseMac } from '../wire/address.ts';
import { portIdText, readAddress, readClientId, readHostname, readPortId, readUuid } from './client-text.ts';
import { type FoundWho, findWho, WHO, type Who } from './filters.ts';
import { Limit, pageOf } from './paging.ts';
import { strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';
import { isHostOf } from './subnet-rules.ts';

const Text = Type.Optional(Type.String());
const Wanted = Type.Object(
  {
    subnet: Text,
    address: Text,
    hostname: Text,
    mac: Text,
    clientId: Text,
    uuid: Text,
    circuitId: Text,
    remoteId: Text,
    machine: Text,
  },
  strict,
);
const Filters = Type.Object({ ...WHO, limit: Limit, after: Type.Optional(Type.Integer()) }, strict);
const Which = Type.Object({ which: Type.String() });

/** A reservation as the API shows it: bytes as the text that is taken back. */
export type ShownReservation = {
  id: number;
  subnet: string;
  address?: Ipv4;
  hostname: string;
  mac?: Mac;
  /** Hex. */
  clientId?: string;
  uuid?: string;
  circuitId?: string;
  remoteId?: string;
  machine?: string | undefined;
};

/** Reservations: list, make, take away, export; src/api/import.ts reads them from the files of other servers. */
export function addReservationRoutes(app: Api, options: ApiOptions): void {
  const { network, optionSettings } = options;

  app.get('/api/v1/reservations', { schema: { querystring: Filters } }, (request, reply) => {
    const { limit, after, ...wanted } = request.query;
    const { items, total, next } = pageOf(chosen(wanted), (one) => one.id, { limit, after });
    reply.header('X-Total-Count', total);
    if (next !== undefined) reply.header('X-Next', next);
    return items.map((one) => showReservation(one, options));
  });

  app.get('/api/v1/reservations/export', { schema: { querystring: Type.Object(WHO, strict) } }, (request, reply) =>
    reply
      .header('Content-Disposition', 'attachment; filename="reservations.csv"')
      .type('text/csv; charset=utf-8')
      .send(exportReservationsCsv(chosen(request.query))),
  );

  app.post('/api/v1/reservations', { schema: { body: Wanted } }, (request, reply) => {
    const wanted = readReservation(request.body, options);
    const reservation = addReservation(options, request.operator, wanted);
    const note = noteOnLease(reservation, options);
    return reply.code(201).send({ ...showReservation(reservation, options), notes: note === undefined ? [] : [note] });
  });

  app.delete('/api/v1/reservations/:which', { schema: { params: Which } }, (request, reply) => {
    const { which } = request.params;
    const found = named(which);
    if (found.length === 0)
      throw new AppError('not-found', `${which} has no reservation`, 'list them with: firstlight reservations');
    options.events.settle(() => {
      for (const one of found) {
        tell(options, request.operator, one, 'removed');
        network.removeReservation(one.id);
      }
    });
    optionSettings.reload(); // the database has taken the options of theirs away as well
    return reply.code(204).send();
  });

  /** By number, address or MAC; a MAC may have one on each subnet. */
  function named(which: string): Reservation[] {
    if (/^\d{1,10}$/.test(which)) return [network.reservation(Number(which))].filter((one) => one !== undefined);
    const mac = isIpv4(which) ? undefined : parseMac(which);
    return network.reservations().filter((one) => (mac ? one.mac === mac : one.address === which));
  }

  function chosen(wanted: Who): Reservation[] {
    const fits = reservationFilter(findWho(wanted, options));
    return network.reservations().filter(fits);
  }
}

/** Keep it, and tell the timeline of its machine. Throws `name-taken` for an address or client that has one. */
export function addReservation(options: ApiOptions, operator: string, wanted: NewReservation): Reservation {
  return options.events.settle(() => {
    const reservation = options.network.addReservation(wanted);
    tell(options, operator, reservation, 'added');
    return reservation;
  });
}

/** Its machine is the one it names, else the one whose card it is for. */
export function showReservation(reservation: Reservation, { network, machines }: ApiOptions): ShownReservation {
  const { subnetId, clientId, port, machineId, ...rest } = reservation;
  const machine =
    machineId !== undefined ? machines.byId(machineId) : rest.mac !== undefined ? machines.byMac(rest.mac) : undefined;
  return {
    ...rest,
    subnet: network.subnets().find((one) => one.id === subnetId)?.name ?? '',
    ...(clientId ? { clientId: clientId.toString('hex') } : {}),
    ...(port && port.circuitId.length > 0 ? { circuitId: portIdText(port.circuitId) } : {}),
    ...(port && port.remoteId.length > 0 ? { remoteId: portIdText(port.remoteId) } : {}),
    ...(machine ? { machine: machine.name } : {}),
  };
}

/** The subnet that keeps an address for a client. Throws when it is on none, or is one that no client can have. */
export function subnetForClient(
  address: Ipv4,
  { network, arrivals }: Pick<ApiOptions, 'network' | 'arrivals'>,
  wanted?: Subnet,
): Subnet {
  const subnet = wanted ?? network.subnetOf(address);
  if (!subnet)
    throw new AppError(
      'no-such-subnet',
      `${address} is on no subnet that is served`,
      'list them with: firstlight subnets; make one with: firstlight subnets add',
    );
  if (!cidrContains(subnet.cidr, address))
    throw new AppError('bad-request', `${address} is outside of ${subnet.name} (${cidrToText(subnet.cidr)})`);
  const isTaken = !isHostOf(subnet.cidr, address) || address === subnet.gateway || subnet.relays.includes(address);
  if (isTaken || arrivals.some((one) => one.serverAddress === address))
    throw new AppError(
      'bad-request',
      `${address} is no address for a machine: it is the network's, the router's, a relay's or ours`,
      `choose another address of ${cidrToText(subnet.cidr)}`,
    );
  return subnet;
}

/** Who holds the address at the moment, when it is somebody else. */
export function noteOnLease(reservation: NewReservation, { leases, clock }: ApiOptions): string | undefined {
  const { address, subnetId } = reservation;
  const lease = address && leases.at(subnetId, address);
  if (!lease || !isHeld(lease, clock())) return undefined;
  const isOwn =
    (reservation.mac !== undefined && lease.mac === reservation.mac) ||
    (reservation.clientId !== undefined && lease.clientId?.equals(reservation.clientId) === true);
  if (isOwn || reservation.uuid !== undefined || reservation.port !== undefined) return undefined;
  const until = new Date(lease.expiresAt).toISOString();
  return lease.state === 'declined'
    ? `${address} rests until ${until}: somebody used it without a lease (end that with: firstlight lease free ${address})`
    : `${address} is leased to ${lease.mac ?? 'another client'} until ${until}: it can be given only after that`;
}

function reservationFilter({ subnetId, mac, machine, text, named }: FoundWho): (one: Reservation) => boolean {
  const isOf = (one: Reservation): boolean =>
    machine === undefined || one.machineId === machine.id || (one.mac !== undefined && machine.macs.includes(one.mac));
  const hasText = (one: Reservation, part: string): boolean =>
    (one.address?.includes(part) ?? false) ||
    one.hostname.toLowerCase().includes(part) ||
    describeClient(one).toLowerCase().includes(part) ||
    (one.mac !== undefined && named.has(one.mac));
  return (one) =>
    (subnetId === undefined || one.subnetId === subnetId) &&
    (mac === undefined || one.mac === mac) &&
    isOf(one) &&
    (text === undefined || hasText(one, text));
}

type Wanted = { [field in keyof (typeof Wanted)['properties']]?: string | undefined };

/** The body of a request as a reservation. Throws what is wrong with it. */
function readReservation(body: Wanted, options: ApiOptions): NewReservation {
  const { network, machines } = options;
  const address = body.address === undefined ? undefined : readAddress('address', body.address);
  const named = body.subnet === undefined ? undefined : network.subnetNamed(body.subnet);
  const subnet = address ? subnetForClient(address, options, named) : (named ?? onlySubnet(options));
  const machine = body.machine === undefined ? undefined : machines.named(body.machine);
  const hasPort = body.circuitId !== undefined || body.remoteId !== undefined;
  const hasMark = body.mac !== undefined || body.clientId !== undefined || body.uuid !== undefined || hasPort;
  const mac = body.mac !== undefined ? parseMac(body.mac) : hasMark || !machine ? undefined : onlyMac(machine);
  if (!hasMark && !mac)
    throw new AppError(
      'bad-request',
      'a reservation is for somebody: mac, clientId, uuid, circuitId and remoteId, or machine',
      'firstlight reserve ADDRESS --mac MAC (or --client-id, --uuid, --port, --machine)',
    );
  if (machine && mac) refuseCardOfAnother(mac, machine, options);
  return {
    subnetId: subnet.id,
    ...(address ? { address } : {}),
    hostname: readHostname(body.hostname ?? ''),
    ...(mac ? { mac } : {}),
    ...(body.clientId !== undefined ? { clientId: readClientId(body.clientId) } : {}),
    ...(body.uuid !== undefined ? { uuid: readUuid(body.uuid) } : {}),
    ...(hasPort ? { port: readPort(body) } : {}),
    ...(machine ? { machineId: machine.id } : {}),
  };
}

/** Throws when a card belongs to a machine, and not to this one. */
export function refuseCardOfAnother(mac: Mac, machine: Machine, { machines }: ApiOptions): void {
  const owner = machines.byMac(mac);
  if (owner && owner.id !== machine.id)
    throw new AppError(
      'bad-request',
      `${mac} is a card of ${owner.name}, not of ${machine.name}`,
      `leave the machine out, or name ${owner.name}`,
    );
}

function readPort({ circuitId, remoteId }: Wanted) {
  const read = (field: string, text: string | undefined): Buffer =>
    text === undefined ? Buffer.alloc(0) : readPortId(field, text);
  return { circuitId: read('circuitId', circuitId), remoteId: read('remoteId', remoteId) };
}

function onlySubnet({ network }: ApiOptions): Subnet {
  const [first, second] = network.subnets();
  if (!first || second)
    throw new AppError(
      'bad-request',
      `a reservation without an address needs a subnet: there are ${network.subnets().length}`,
      'name one of them: firstlight subnets',
    );
  return first;
}

function onlyMac(machine: { name: string; macs: Mac[] }): Mac {
  const [first, second] = machine.macs;
  if (!first || second)
    throw new AppError(
      'bad-request',
      `${machine.name} has ${machine.macs.length} cards (${machine.macs.join(', ')})`,
      'name the one that the reservation is for, with --mac',
    );
  return first;
}

/** The timeline of its machine has it, or that of the appliance where it is no machine's. */
function tell(options: ApiOptions, by: string, reservation: Reservation, change: 'added' | 'removed'): void {
  const { id, ...shown } = showReservation(reservation, options);
  const lost = options.optionSettings.of('reservation', String(id)).length;
  const fields: ShownFields = { ...shown, ...(lost > 0 ? { options: lost } : {}) };
  const event = networkChanged({
    what: 'reservation',
    name: String(id),
    by,
    ...(change === 'added' ? { after: fields } : { before: fields }),
    machineId: reservation.machineId ?? (reservation.mac && options.machines.byMac(reservation.mac)?.id),
  });
  if (event) options.events.emit(event);
}
