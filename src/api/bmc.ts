import { PassThrough } from 'node:stream';
import { Type } from 'typebox';
import { judgeBootOrder } from '../bmc/boot-order.ts';
import { type BmcDriver, BmcError } from '../bmc/driver.ts';
import { scanBmcs } from '../bmc/scan.ts';
import { parseScanRange } from '../bmc/scan-range.ts';
import { BOOT_DEVICES } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import { BmcChain, describeLink, readChain, showLink } from './bmc-chain.ts';
import { tellFailure } from './failure.ts';
import { powerFacts, powerWord } from './power.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const Find = Type.Object(
  {
    address: Type.String({ minLength: 1, maxLength: 253 }),
    credential: Type.Optional(Type.String()),
    user: Type.Optional(Type.String({ maxLength: 64 })),
    password: Type.Optional(Type.String({ maxLength: 256 })),
  },
  strict,
);
const Device = Type.Union(BOOT_DEVICES.map((device) => Type.Literal(device)));
const Scan = Type.Object({ range: Type.String({ maxLength: 64 }) }, strict);
const LAST_ORDERS = 20;

/** The chains of BMCs, their health and what they tell. */
export function addBmcRoutes(app: Api, options: ApiOptions): void {
  const { machines, bmcs, orders, supervisor, events, scan = scanBmcs } = options;

  app.get('/api/v1/machines/:name/bmc', { schema: { params: ByName } }, (request) => {
    const { id } = machines.named(request.params.name);
    return {
      chain: bmcs.chain(id).map(showLink),
      power: powerWord(supervisor, id),
      ...powerFacts(supervisor, id),
      health: supervisor.health(id),
      quirks: supervisor.quirks(id),
      orders: orders.lastOf(id, LAST_ORDERS),
    };
  });

  app.put('/api/v1/machines/:name/bmc', { schema: { params: ByName, body: BmcChain } }, async (request) => {
    const machine = machines.named(request.params.name);
    const chain = await readChain(request.body, supervisor.check, bmcs.chain(machine.id));
    events.settle(() => {
      bmcs.put(machine.id, chain);
      events.emit({
        kind: 'bmc.changed',
        text: `BMC set by ${request.operator}: ${chain.map(describeLink).join(', then ')}`,
        machineId: machine.id,
      });
    });
    return { chain: bmcs.chain(machine.id).map(showLink) };
  });

  app.delete('/api/v1/machines/:name/bmc', { schema: { params: ByName } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    events.settle(() => {
      bmcs.put(machine.id, []);
      events.emit({ kind: 'bmc.changed', text: `BMC removed by ${request.operator}`, machineId: machine.id });
    });
    return reply.code(204).send();
  });

  app.post(
    '/api/v1/machines/:name/bmc/allow',
    {
      schema: {
        params: ByName,
        body: Type.Object({ newCertificate: Type.Optional(Type.Boolean()) }, strict),
      },
    },
    (request) => {
      const machine = machines.named(request.params.name);
      const isNew = request.body.newCertificate === true;
      events.settle(() => {
        if (isNew) bmcs.forgetCertificates(machine.id);
        else bmcs.allow(machine.id);
        events.emit({
          kind: 'bmc.changed',
          text: `the BMC may be used again, says ${request.operator}${isNew ? ', whatever certificate it shows next' : ''}`,
          machineId: machine.id,
        });
      });
      return { chain: bmcs.chain(machine.id).map(showLink) };
    },
  );

  app.post('/api/v1/machines/:name/bmc/find', { schema: { params: ByName, body: Find } }, async (request) => {
    const machine = machines.named(request.params.name);
    const { address, credential, user, password } = request.body;
    const shared = bmcs.openCredentials();
    const logins =
      credential !== undefined
        ? shared.filter((one) => one.name === credential)
        : user !== undefined
          ? [{ user, password: password ?? '' }]
          : shared;
    if (logins.length === 0)
      throw new AppError(
        'bad-request',
        credential !== undefined ? `there is no credential ${credential}` : 'there is no login to try',
        'give a user and password, or make credentials with: firstlight credentials set',
      );
    const { chain, told } = await supervisor.find(address, logins, machine);
    if (chain.length === 0) throw new AppError('bmc-failed', `nobody was let in at ${address}:\n${told.join('\n')}`);
    events.settle(() => {
      bmcs.put(machine.id, chain);
      events.emit({
        kind: 'bmc.changed',
        text: `BMC found by ${request.operator}: ${chain.map(describeLink).join(', then ')}`,
        machineId: machine.id,
      });
    });
    return { found: told, chain: bmcs.chain(machine.id).map(showLink) };
  });

  // one JSON object a line, as they come
  app.post('/api/v1/bmc/scan', { schema: { body: Scan } }, (request, reply) => {
    const { range } = request.body;
    parseScanRange(range);
    const abort = new AbortController();
    const out = new PassThrough();
    reply.raw.on('close', () => abort.abort());
    const machineAt = new Map([...bmcs.chains()].flatMap(([id, chain]) => chain.map((link) => [link.address, id])));
    const write = (line: unknown): void => void out.write(`${JSON.stringify(line)}\n`);
    scan(range, {
      signal: abort.signal,
      onAnswer: (answer) => write({ answer, machine: machines.byId(machineAt.get(answer.address) ?? 0)?.name }),
    })
      .then((summary) => write({ summary }))
      .catch((error: unknown) => write(tellFailure(error, `POST /api/v1/bmc/scan of ${range}`).told))
      .finally(() => out.end());
    return reply.type('application/x-ndjson').send(out);
  });

  /** What a BMC tells when it is asked. */
  function addAnswer<T>(path: string, what: string, work: (driver: BmcDriver) => Promise<T> | undefined): void {
    app.get(`/api/v1/machines/:name/bmc/${path}`, { schema: { params: ByName } }, async (request) => {
      const answer = await supervisor.ask(machines.named(request.params.name).id, what, work).catch(bmcFailure);
      return { driver: answer.link.driver, [path]: answer.value };
    });
  }
  addAnswer('identity', 'identity', (driver) => driver.identity());
  addAnswer('boot', 'boot device', (driver) => driver.boot());
  addAnswer('sensors', 'sensors', (driver) => driver.sensors?.());
  addAnswer('watts', 'power reading', (driver) => driver.powerReading?.());
  addAnswer('log', 'event log', (driver) => driver.log?.());
  addAnswer('inventory', 'inventory', (driver) => driver.inventory?.());
  addAnswer('cause', 'restart cause', (driver) => driver.restartCause?.());

  app.get(
    '/api/v1/machines/:name/bmc/boot-order',
    { schema: { params: ByName, querystring: Type.Object({ device: Type.Optional(Device) }, strict) } },
    async (request) => {
      const machine = machines.named(request.params.name);
      const { value, link } = await supervisor
        .ask(machine.id, 'boot order', (driver) => driver.bootOrder?.())
        .catch(bmcFailure);
      const device = request.query.device ?? 'network';
      const [mac] = device === 'network' || device === 'http' ? machine.macs : [];
      return { driver: link.driver, ...value, verdict: judgeBootOrder(value, { device, ...(mac ? { mac } : {}) }) };
    },
  );

  app.delete('/api/v1/machines/:name/bmc/log', { schema: { params: ByName } }, async (request, reply) => {
    const machine = machines.named(request.params.name);
    await supervisor.ask(machine.id, 'event log', (driver) => driver.clearLog?.()).catch(bmcFailure);
    events.emit({ kind: 'bmc.changed', text: `event log cleared by ${request.operator}`, machineId: machine.id });
    return reply.code(204).send();
  });
}

/** A BMC's failure as the caller's answer. */
export function bmcFailure(error: unknown): never {
  if (error instanceof BmcError) throw new AppError('bmc-failed', error.text);
  throw error;
}
