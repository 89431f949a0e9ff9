import { networkInterfaces } from 'node:os';
import { type Static, Type } from 'typebox';
import { counted } from '../model/counted.ts';
import { AppError } from '../model/errors.ts';
import { isHeld, newSubnet, type Subnet } from '../model/network.ts';
import { networkChanged, type ShownFields } from '../model/network-change.ts';
import type { Arrival } from '../model/view.ts';
import { type Cidr, cidrContains, cidrToText, type Ipv4, parseCidr } from '../wire/address.ts';
import { readAddress } from './client-text.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';
import { checkSubnet, notesOn } from './subnet-rules.ts';

const Pool = Type.Object({ first: Type.String(), last: Type.String() }, strict);
/** null takes the value away. A union would not do: it coerces null to '' and 0 before it is asked what null means. */
const Gateway = Type.Unsafe<string | null>({ type: ['string', 'null'] });
const Guests = Type.Unsafe<number | null>({ type: ['integer', 'null'], minimum: 0 });
/** A year. DHCP could say 136 of them, but no machine should keep an address that long unasked. */
const LeaseSeconds = Type.Integer({ minimum: 120, maximum: 365 * 24 * 3600 });
const Addresses = Type.Array(Type.String(), { maxItems: 64 });
const Wanted = Type.Object(
  {
    name: Type.Optional(Type.String()),
    cidr: Type.Optional(Type.String()),
    interface: Type.Optional(Type.String({ maxLength: 15 })),
    sharedNetwork: Type.Optional(Type.String()),
    pools: Type.Optional(Type.Array(Pool, { maxItems: 256 })),
    gateway: Type.Optional(Gateway),
    dns: Type.Optional(Addresses),
    domain: Type.Optional(Type.String()),
    leaseSeconds: Type.Optional(LeaseSeconds),
    authoritative: Type.Optional(Type.Boolean()),
    relays: Type.Optional(Addresses),
    guests: Type.Optional(Guests),
    conflictDetection: Type.Optional(Type.Boolean()),
    loaders: Type.Optional(Type.Record(Type.String(), Type.String())),
  },
  strict,
);
type Wanted = Static<typeof Wanted>;
const Removal = Type.Object({ force: Type.Optional(Type.Boolean()) }, strict);

/** Subnets by name or CIDR: list, make, change, take away. */
export function addSubnetRoutes(app: Api, options: ApiOptions): void {
  const { network, leases, optionSettings, events, arrivals, clock } = options;
  const shown = (subnet: Subnet) => ({ ...show(subnet), notes: notesOn(subnet, network.subnets(), arrivals) });

  app.get('/api/v1/subnets', () => network.subnets().map(show));
  app.get('/api/v1/subnets/:name', { schema: { params: ByName } }, (request) =>
    shown(network.subnetNamed(request.params.name)),
  );

  app.post('/api/v1/subnets', { schema: { body: Wanted } }, (request, reply) => {
    const { body } = request;
    const cidr = body.cidr !== undefined ? parseCidr(body.cidr) : interfaceCidr(body.interface, options);
    const subnet = withLimits(
      newSubnet({
        ...readWanted(body),
        cidr,
        name: body.name ?? (body.cidr === undefined ? (body.interface as string) : cidrToText(cidr).replace('/', '-')),
      }),
      body,
    );
    checkSubnet(subnet, network.subnets(), arrivals);
    const made = events.settle(() => {
      const after = network.putSubnet(subnet);
      tell(request.operator, after.name, undefined, fieldsOf(after));
      return after;
    });
    return reply.code(201).send(shown(made));
  });

  app.patch('/api/v1/subnets/:name', { schema: { params: ByName, body: Wanted } }, (request) => {
    const { body } = request;
    const present = network.subnetNamed(request.params.name);
    const cidr = body.cidr === undefined ? present.cidr : parseCidr(body.cidr);
    const subnet = withLimits({ ...present, ...readWanted(body), cidr }, body);
    const arrival = arrivalOn(present, arrivals);
    if (arrival && (subnet.interface !== present.interface || cidrToText(cidr) !== cidrToText(present.cidr)))
      throw new AppError(
        'bad-request',
        `${present.name} is the network of ${arrival.interface}, where ${arrival.serverAddress} serves: that interface tells its network`,
        'change the address of the interface and start again, or make another subnet with: firstlight subnets add',
      );
    checkSubnet(
      subnet,
      network.subnets().filter((one) => one.id !== present.id),
      arrivals,
    );
    refuseStranded(present, cidr);
    const changed = events.settle(() => {
      const after = network.changeSubnet({ ...subnet, id: present.id });
      tell(request.operator, present.name, fieldsOf(present), fieldsOf(after));
      return after;
    });
    return shown(changed);
  });

  app.delete('/api/v1/subnets/:name', { schema: { params: ByName, querystring: Removal } }, (request, reply) => {
    const subnet = network.subnetNamed(request.params.name);
    const arrival = arrivalOn(subnet, arrivals);
    if (arrival)
      throw new AppError(
        'bad-request',
        `${subnet.name} is the network of ${arrival.interface}, which is served`,
        `start without --interface ${arrival.interface} first`,
      );
    const { reserved, held } = countUse(subnet);
    if (reserved + held > 0 && !request.query.force)
      throw new AppError(
        'expectation-failed',
        `${subnet.name} has ${counted(reserved, 'reservation')} and ${counted(held, 'lease')} in use`,
        'take it away with them with: firstlight subnets remove NAME --force (API: ?force=true)',
      );
    events.settle(() => {
      const before = optionSettings.all().length;
      network.removeSubnet(subnet.id);
      // the database has taken what belongs to it away as well
      leases.reload();
      optionSettings.reload();
      tell(request.operator, subnet.name, {
        ...fieldsOf(subnet),
        reservations: reserved || undefined,
        leases: held || undefined,
        options: before - optionSettings.all().length || undefined,
      });
    });
    return reply.code(204).send();
  });

  function tell(by: string, name: string, before: ShownFields | undefined, after?: ShownFields): void {
    const event = networkChanged({ what: 'subnet', name, by, before, after });
    if (event) events.emit(event);
  }

  function countUse(subnet: Subnet): { reserved: number; held: number } {
    const now = clock();
    return {
      reserved: network.reservations().filter((one) => one.subnetId === subnet.id).length,
      held: leases.all().filter((lease) => lease.subnetId === subnet.id && isHeld(lease, now)).length,
    };
  }

  /** A network that becomes smaller, or another one, must not leave anybody outside. */
  function refuseStranded(subnet: Subnet, cidr: Cidr): void {
    if (cidrToText(cidr) === cidrToText(subnet.cidr)) return;
    const now = clock();
    const isOutside = (address: Ipv4 | undefined): boolean => address !== undefined && !cidrContains(cidr, address);
    const reservation = network.reservations().find((one) => one.subnetId === subnet.id && isOutside(one.address));
    if (reservation)
      throw new AppError(
        'expectation-failed',
        `${reservation.address} is reserved in ${subnet.name} and is outside of ${cidrToText(cidr)}`,
        `take it away first with: firstlight unreserve ${reservation.address}`,
      );
    const lease = leases.all().find((one) => one.subnetId === subnet.id && isHeld(one, now) && isOutside(one.address));
    if (lease)
      throw new AppError(
        'expectation-failed',
        `${lease.address} is in use in ${subnet.name} and is outside of ${cidrToText(cidr)}`,
        `end that lease first with: firstlight lease free ${lease.address}`,
      );
  }
}

/** The interface of ours whose own network this subnet is. */
function arrivalOn(subnet: Subnet, arrivals: readonly Arrival[]): Arrival | undefined {
  return arrivals.find((one) => one.interface === subnet.interface && cidrContains(subnet.cidr, one.serverAddress));
}

function interfaceCidr(name: string | undefined, options: ApiOptions): Cidr {
  if (!name)
    throw new AppError(
      'bad-request',
      'a subnet needs a cidr, or an interface that has one',
      'firstlight subnets add NAME --cidr 10.1.0.0/24, or --interface eth1',
    );
  const present = options.network.subnets().find((one) => one.interface === name);
  if (present)
    throw new AppError(
      'name-taken',
      `interface ${name} has subnet ${present.name} (${cidrToText(present.cidr)}) already`,
      `change it with: firstlight subnets set ${present.name}, or give a second network of that wire with --cidr`,
    );
  const interfaces = (options.interfaces ?? hostInterfaces)();
  const found = interfaces.find((one) => one.name === name);
  if (!found)
    throw new AppError(
      'bad-request',
      `there is no interface ${JSON.stringify(name)} with an IPv4 address here (here are ${interfaces.map((one) => `${one.name} ${one.cidr.address}/${one.cidr.prefix}`).join(', ') || 'none'})`,
      'give the network with --cidr',
    );
  return found.cidr;
}

/** The IPv4 interfaces of this host with a carrier, in the namespace that the appliance was started in. */
function hostInterfaces(): { name: string; cidr: Cidr }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) => {
    const first = addresses.find((one) => one.family === 'IPv4' && !one.internal && one.cidr !== null);
    return first?.cidr ? [{ name, cidr: parseCidr(first.cidr) }] : [];
  });
}

/** What can be absent from a subnet: undefined leaves it as it is, null takes it away. */
function withLimits<T extends Omit<Subnet, 'id'>>(subnet: T, { gateway, guests }: Wanted): T {
  const { gateway: presentGateway, guests: presentGuests, ...rest } = subnet;
  const nextGateway = gateway === undefined ? presentGateway : gateway || undefined;
  const nextGuests = guests === undefined ? presentGuests : (guests ?? undefined);
  return {
    ...rest,
    ...(nextGateway !== undefined ? { gateway: readAddress('gateway', nextGateway) } : {}),
    ...(nextGuests !== undefined ? { guests: nextGuests } : {}),
  } as T;
}

/** The fields of a body that are always there in a subnet; addresses checked for what they are, not for where. */
function readWanted(body: Wanted): Partial<Omit<Subnet, 'id' | 'cidr' | 'gateway' | 'guests'>> {
  const { cidr: _, gateway: __, guests: ___, pools, dns, relays, ...rest } = body;
  return {
    ...rest,
    ...(pools
      ? {
          pools: pools.map(({ first, last }) => ({
            first: readAddress('pool', first),
            last: readAddress('pool', last),
          })),
        }
      : {}),
    ...(dns ? { dns: dns.map((one) => readAddress('dns', one)) } : {}),
    ...(relays ? { relays: [...new Set(relays.map((one) => readAddress('relay', one)))] } : {}),
  };
}

const show = (subnet: Subnet) => ({ ...subnet, cidr: cidrToText(subnet.cidr) });

/** For its events. */
function fieldsOf(subnet: Subnet): ShownFields {
  return {
    ...show(subnet),
    id: undefined,
    pools: subnet.pools.map(({ first, last }) => `${first}-${last}`),
    loaders: Object.entries(subnet.loaders).map(([firmware, file]) => `${firmware}=${file}`),
  };
}
