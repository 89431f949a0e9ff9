import { Type } from 'typebox';
import { AppError } from '../model/errors.ts';
import type { Lease } from '../model/network.ts';
import type { Instant } from '../model/time.ts';
import { ipv4FromNumber, ipv4ToNumber } from '../wire/address.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { isHostname, portIdText, readAddress, readHostname } from './client-text.ts';
import { type FoundWho, findWho, WHO } from './filters.ts';
import { Limit, pageOf } from './paging.ts';
import { addReservation, refuseCardOfAnother, showReservation } from './reservations.ts';
import { strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const STATES = ['bound', 'expired', 'released', 'declined'] as const;
type State = (typeof STATES)[number];
const Filters = Type.Object(
  {
    state: Type.Optional(Type.Union(STATES.map((state) => Type.Literal(state)))),
    ...WHO,
    limit: Limit,
    after: Type.Optional(Type.String()),
  },
  strict,
);
const ByAddress = Type.Object({ address: Type.String() });
const OnSubnet = Type.Object({ subnet: Type.Optional(Type.String()) }, strict);
const Keep = Type.Object({ hostname: Type.Optional(Type.String()), machine: Type.Optional(Type.String()) }, strict);

/** Leases: list them page by page, end one, make one a reservation. */
export function addLeaseRoutes(app: Api, options: ApiOptions): void {
  const { network, leases, machines, events, clock } = options;

  app.get('/api/v1/leases', { schema: { querystring: Filters } }, (request, reply) => {
    const { limit, after, state, ...who } = request.query;
    const fits = leaseFilter(state as State | undefined, findWho(who, options));
    const now = clock();
    const { items, total, next } = pageOf(
      leases.all().filter((lease) => fits(lease, now)),
      (lease) => ipv4ToNumber(lease.address),
      { limit, after: after === undefined ? undefined : ipv4ToNumber(readAddress('after', after)) },
    );
    reply.header('X-Total-Count', total);
    if (next !== undefined) reply.header('X-Next', ipv4FromNumber(next));
    return items.map((lease) => show(lease, now));
  });

  app.post(
    '/api/v1/leases/:address/reserve',
    { preValidation: emptyBody, schema: { params: ByAddress, querystring: OnSubnet, body: Keep } },
    (request, reply) => {
      const lease = leaseAt(request.params.address, request.query.subnet);
      const { mac, clientId, address, subnetId } = lease;
      if (!lease.client || (!mac && !clientId))
        throw new AppError(
          'bad-request',
          `${address} is ${stateOf(lease, clock())}: there is no client to reserve it for`,
          `reserve it for somebody with: firstlight reserve ${address} --mac MAC`,
        );
      const { hostname, machine: name } = request.body;
      const machine = name === undefined ? undefined : machines.named(name);
      if (machine && mac) refuseCardOfAnother(mac, machine, options);
      const told = isHostname(lease.hostname) ? lease.hostname : '';
      const reservation = addReservation(options, request.operator, {
        subnetId,
        address,
        hostname: hostname === undefined ? told : readHostname(hostname),
        // ROM, installer and system send different client identifiers on one card
        ...(mac ? { mac } : { clientId: clientId as Buffer }),
        ...(machine ? { machineId: machine.id } : {}),
      });
      return reply.code(201).send(showReservation(reservation, options));
    },
  );

  app.delete('/api/v1/leases/:address', { schema: { params: ByAddress, querystring: OnSubnet } }, (request, reply) => {
    const lease = leaseAt(request.params.address, request.query.subnet);
    const who = lease.mac ?? lease.clientId?.toString('hex') ?? 'nobody';
    options.events.settle(() => {
      leases.remove(lease);
      events.emit({
        kind: 'dhcp.released',
        text: `the lease of ${lease.address} (${who}, ${stateOf(lease, clock())}) was ended by ${request.operator}`,
        mac: lease.mac,
        data: { address: lease.address },
      });
    });
    return reply.code(204).send();
  });

  function leaseAt(text: string, subnetName: string | undefined): Lease {
    const address = readAddress('address', text);
    const subnets = subnetName === undefined ? network.subnets() : [network.subnetNamed(subnetName)];
    const found = subnets.flatMap((subnet) => leases.at(subnet.id, address) ?? []);
    if (found.length > 1)
      throw new AppError(
        'bad-request',
        `${address} is leased on ${found.length} subnets`,
        'name one with ?subnet=NAME',
      );
    const [lease] = found;
    if (!lease) throw new AppError('not-found', `there is no lease of ${address}`, 'list them with: firstlight leases');
    return lease;
  }

  function show(lease: Lease, now: Instant) {
    const { subnetId, client: _, clientId, relayInformation, giaddr, ...rest } = lease;
    const port = relayInformation && getOption({ options: new Map([[82, relayInformation]]) }, 'relayInformation');
    return {
      ...rest,
      state: stateOf(lease, now),
      subnet: network.subnets().find((one) => one.id === subnetId)?.name ?? '',
      ...(clientId ? { clientId: clientId.toString('hex') } : {}),
      ...(giaddr ? { relay: giaddr } : {}),
      ...(port?.circuitId ? { circuitId: portIdText(port.circuitId) } : {}),
      ...(port?.remoteId ? { remoteId: portIdText(port.remoteId) } : {}),
      ...(lease.mac && machines.hasMac(lease.mac) ? { machine: machines.byMac(lease.mac)?.name } : {}),
    };
  }
}

/** Nothing need be said: then nothing was sent. */
async function emptyBody(request: { body?: unknown }): Promise<void> {
  request.body ??= {};
}

/** A lease whose time is over is expired, whatever it was. */
function stateOf(lease: Lease, now: Instant): State {
  if (lease.state === 'released') return 'released';
  return lease.expiresAt <= now ? 'expired' : lease.state;
}

/** Whether a lease is one of those that are wanted. */
function leaseFilter(state: State | undefined, who: FoundWho): (lease: Lease, now: Instant) => boolean {
  const { subnetId, mac, machine, text, named } = who;
  const hasText = (lease: Lease, part: string): boolean =>
    lease.address.includes(part) ||
    lease.hostname.toLowerCase().includes(part) ||
    (lease.mac !== undefined && (lease.mac.includes(part) || named.has(lease.mac))) ||
    (lease.clientId?.toString('hex').includes(part) ?? false);
  return (lease, now) =>
    (subnetId === undefined || lease.subnetId === subnetId) &&
    (mac === undefined || lease.mac === mac) &&
    (state === undefined || stateOf(lease, now) === state) &&
    (machine === undefined || (lease.mac !== undefined && machine.macs.includes(lease.mac))) &&
    (text === undefined || hasText(lease, text));
}
