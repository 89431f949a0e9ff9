import { Type } from 'typebox';
import { FIRMWARE_KINDS, type FirmwareKind } from '../explain.ts';
import { AppError } from '../model/errors.ts';
import { parseMac } from '../wire/address.ts';
import type { Api, ApiOptions } from './server.ts';

const Kind = Type.Union((Object.keys(FIRMWARE_KINDS) as FirmwareKind[]).map((kind) => Type.Literal(kind)));

/** What the appliance is and has to boot from: status, bootenvs, params; and how a machine would boot. */
export function addContentRoutes(app: Api, options: ApiOptions): void {
  const { library, machines, explain } = options;

  app.get('/api/v1/status', () => ({
    version: options.version,
    serves: options.arrivals,
    settings: options.settings,
    contentProblems: options.problems(),
    machines: machines.all().length,
  }));

  app.get('/api/v1/bootenvs', () =>
    [...library().content.bootenvs.values()].map((bootenv) => ({
      name: bootenv.name,
      kind: bootenv.kind,
      description: bootenv.description,
      params: bootenv.params ?? [],
      missing: library().offered(bootenv.name)?.missing ?? '',
    })),
  );

  app.get('/api/v1/params', () => library().content.params);

  app.get(
    '/api/v1/explain/:machine',
    {
      schema: {
        params: Type.Object({ machine: Type.String() }),
        querystring: Type.Object({ firmware: Type.Optional(Kind), interface: Type.Optional(Type.String()) }),
      },
    },
    (request) => {
      const { machine } = request.params;
      const mac = machines.byName(machine)?.macs[0] ?? parseMac(machine);
      if (!mac) throw new AppError('bad-request', `machine ${machine} has no MAC`);
      return explain(mac, request.query.firmware as FirmwareKind | undefined, request.query.interface);
    },
  );
}
