import { addDhcpOptionRoutes } from './dhcp-options.ts';
import { addDhcpStatusRoute } from './dhcp-status.ts';
import { addImportRoute } from './import.ts';
import { addLeaseRoutes } from './leases.ts';
import { addReservationRoutes } from './reservations.ts';
import type { Api, ApiOptions } from './server.ts';
import { addSubnetRoutes } from './subnets.ts';

/** Everything about addresses: subnets, leases, reservations, DHCP options, and how the DHCP server does. */
export function addNetworkRoutes(app: Api, options: ApiOptions): void {
  addSubnetRoutes(app, options);
  addLeaseRoutes(app, options);
  addReservationRoutes(app, options);
  addImportRoute(app, options);
  addDhcpOptionRoutes(app, options);
  addDhcpStatusRoute(app, options);
}
