import { Type } from 'typebox';
import { isOnSubnet } from '../dhcp/lease.ts';
import { AppError } from '../model/errors.ts';
import { cidrBroadcast, cidrToText, parseIpv4, parseMac } from '../wire/address.ts';
import type { Api, ApiOptions } from './server.ts';

const Reservation = Type.Object({ mac: Type.String(), address: Type.String() }, { additionalProperties: false });

export function addNetworkRoutes(app: Api, options: ApiOptions): void {
  const { network, machines } = options;

  app.get('/api/v1/subnets', () => network.subnets().map((subnet) => ({ ...subnet, cidr: cidrToText(subnet.cidr) })));

  app.get('/api/v1/leases', () =>
    network.leases().map(({ clientId, ...lease }) => ({
      ...lease,
      clientId: clientId?.toString('hex'),
      machine: lease.mac ? machines.byMac(lease.mac)?.name : undefined,
    })),
  );

  app.get('/api/v1/reservations', () => network.reservations());

  app.post('/api/v1/reservations', { schema: { body: Reservation } }, (request, reply) => {
    const mac = parseMac(request.body.mac);
    const address = parseIpv4(request.body.address);
    const subnet = network.subnets().find((one) => isOnSubnet(address, one));
    if (!subnet) throw new AppError('no-such-subnet', `${address} is on no subnet that is served`);
    const isTaken = [subnet.cidr.base, cidrBroadcast(subnet.cidr), subnet.gateway].includes(address);
    if (isTaken || options.arrivals.some((one) => one.serverAddress === address))
      throw new AppError(
        'bad-request',
        `${address} is no address for a machine: it is the network's, the router's or ours`,
      );
    network.addReservation(subnet.id, mac, address);
    return reply.code(201).send({ mac, address, subnet: subnet.name });
  });

  app.delete(
    '/api/v1/reservations/:mac',
    { schema: { params: Type.Object({ mac: Type.String() }) } },
    (request, reply) => {
      const mac = parseMac(request.params.mac);
      if (!network.removeReservation(mac)) throw new AppError('not-found', `${mac} has no reservation`);
      return reply.code(204).send();
    },
  );
}
