import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance, type FastifySchema } from 'fastify';
import type { Consoles } from '../bmc/console.ts';
import type { scanBmcs } from '../bmc/scan.ts';
import type { Supervisor } from '../bmc/supervisor.ts';
import type { Library } from '../boot/library.ts';
import type { OptionLevels } from '../dhcp/options.ts';
import type { DhcpCounts } from '../dhcp/server.ts';
import type { WatchedServer } from '../dhcp/watch.ts';
import type { Events } from '../events.ts';
import type { Explain } from '../explain.ts';
import { AppError } from '../model/errors.ts';
import type { Clock } from '../model/time.ts';
import type { Arrival } from '../model/view.ts';
import { StartError } from '../start-error.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { History } from '../store/history.ts';
import type { Jobs } from '../store/jobs.ts';
import type { Leases } from '../store/leases.ts';
import type { Machines } from '../store/machines.ts';
import type { Network } from '../store/network.ts';
import type { OptionSettings } from '../store/options.ts';
import type { Orders } from '../store/orders.ts';
import type { Secrets } from '../store/secrets.ts';
import type { Tokens } from '../store/tokens.ts';
import type { Cidr } from '../wire/address.ts';
import type { Discovery } from '../workflow/discovery.ts';
import type { Runner } from '../workflow/runner.ts';
import { addBmcRoutes } from './bmc.ts';
import { addConsoleRoutes } from './console.ts';
import { addContentRoutes } from './content.ts';
import { addCredentialRoutes } from './credentials.ts';
import { addEventRoutes } from './events.ts';
import { tellFailure } from './failure.ts';
import { addJobRoutes } from './jobs.ts';
import { addMachineRoutes } from './machines.ts';
import { addNetworkRoutes } from './network.ts';
import { addPage } from './page.ts';
import { addPowerRoutes } from './power.ts';

/** What the API reads, changes and asks. */
export type ApiOptions = {
  machines: Machines;
  bmcs: Bmcs;
  orders: Orders;
  supervisor: Supervisor;
  consoles: Consoles;
  /** How BMCs are looked for in a range; without it, from this host. */
  scan?: typeof scanBmcs;
  secrets: Secrets;
  network: Network;
  leases: Leases;
  optionSettings: OptionSettings;
  /** The running DHCP server: what it counts, and how it reads the options that people set. */
  dhcp: { counts: DhcpCounts; levels: OptionLevels };
  /** Other DHCP servers on the served wires, as the watch has seen them. */
  foreignServers?: () => readonly WatchedServer[];
  /** The interfaces that a subnet can be made from; without it those that Node sees. */
  interfaces?: () => readonly { name: string; cidr: Cidr }[];
  jobs: Jobs;
  history: History;
  events: Events;
  tokens: Tokens;
  runner: Runner;
  discovery: Discovery;
  library: () => Library;
  settings: { unknownBoots: 'scout' | 'local'; acceptAutomatically: boolean };
  clock: Clock;
  explain: Explain;
  version: string;
  arrivals: readonly Arrival[];
  /** What is wrong with the content folder now. */
  problems: () => readonly string[];
};

/** Routes know their request bodies by their TypeBox schemas. */
export type Api = FastifyInstance<
  import('node:http').Server,
  import('node:http').IncomingMessage,
  import('node:http').ServerResponse,
  import('fastify').FastifyBaseLogger,
  TypeBoxTypeProvider
>;

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose token the request carries. */
    operator: string;
  }
}

/** A route that an operator may call, with the schemas of what it takes. */
export type ApiRoute = { method: string; path: string; schema: FastifySchema };

/** The operator's API: parses, calls one function, answers. Every route below /api needs a token. */
export async function createApi(options: ApiOptions): Promise<{
  listen(at: { host: string; port: number }): Promise<void>;
  close(): Promise<void>;
  inject: Api['inject'];
  /** Every route below /api, as docs/api.md has them. */
  routes: readonly ApiRoute[];
}> {
  const app: Api = Fastify({
    forceCloseConnections: true,
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.decorateRequest('operator', '');
  app.addHook('onRequest', async (request) => {
    if (!request.url.startsWith('/api/')) return;
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const operator = token === undefined ? undefined : options.tokens.owner(token);
    if (!operator)
      throw new AppError(
        'unauthorized',
        token === undefined ? 'this needs a token' : 'this token is not known here',
        'send the header: Authorization: Bearer TOKEN',
      );
    request.operator = operator;
  });
  app.setErrorHandler((error, request, reply) => {
    const { status, told } = tellFailure(error, `${request.method} ${request.url}`);
    return reply.code(status).send(told);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ code: 'not-found', error: `there is no ${request.method} ${request.url}` }),
  );

  const routes: ApiRoute[] = [];
  app.addHook('onRoute', ({ method, url, schema = {} }) => {
    // a HEAD comes by itself with each GET
    for (const one of [method].flat())
      if (one !== 'HEAD' && url.startsWith('/api/')) routes.push({ method: one, path: url, schema });
  });

  addMachineRoutes(app, options);
  addJobRoutes(app, options);
  addPowerRoutes(app, options);
  addBmcRoutes(app, options);
  addCredentialRoutes(app, options);
  addConsoleRoutes(app, options);
  addNetworkRoutes(app, options);
  addContentRoutes(app, options);
  addEventRoutes(app, options);
  addPage(app);
  await app.ready();
  return {
    inject: app.inject.bind(app) as Api['inject'],
    routes,
    listen: async (at) => {
      try {
        await app.listen(at);
      } catch (error) {
        if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
        const { findHolder } = await import('../sockets.ts');
        throw new StartError(
          `cannot listen on ${at.host}:${at.port} for the page and API: the port is taken by ${findHolder(at.port) ?? 'another process'}; choose another with --api`,
        );
      }
    },
    close: () => app.close(),
  };
}
