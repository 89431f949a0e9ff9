import { type Static, Type } from 'typebox';
import type { Supervisor } from '../bmc/supervisor.ts';
import { BOOT_DEVICES, type KeptOrder, type Order, POWER_ACTIONS } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import { firmwareModeOf, type Machine } from '../model/machine.ts';
import { bmcFailure } from './bmc.ts';
import { ByName, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const ById = Type.Object({ id: Type.Integer({ minimum: 1 }) });
const Device = Type.Union(BOOT_DEVICES.map((device) => Type.Literal(device)));
/** Answer once it has ended, and with an error when it failed, but within a minute: what takes longer is asked after again. Else at once. */
const Wait = Type.Optional(Type.Boolean());
const power = {
  action: Type.Union(POWER_ACTIONS.map((action) => Type.Literal(action))),
  /** How long a soft off may take. */
  graceSeconds: Type.Optional(Type.Integer({ minimum: 1, maximum: 3600 })),
  /** Switch off what has not shut down then. */
  hardAfter: Type.Optional(Type.Boolean()),
  /** What is booted next, set before. */
  boot: Type.Optional(Device),
};
const Power = Type.Object({ ...power, wait: Wait }, strict);
const PowerOfMany = Type.Object(
  { ...power, machines: Type.Array(Type.String(), { minItems: 1, maxItems: 10_000 }) },
  strict,
);
const BootDevice = Type.Object(
  {
    device: Device,
    persistent: Type.Optional(Type.Boolean()),
    firmware: Type.Optional(Type.Union([Type.Literal('bios'), Type.Literal('uefi')])),
    /** What the device `http` loads. */
    uri: Type.Optional(Type.String({ pattern: '^https?://', maxLength: 1024 })),
    wait: Wait,
  },
  strict,
);
const Identify = Type.Object({ seconds: Type.Integer({ minimum: 0, maximum: 86_400 }), wait: Wait }, strict);
const Media = Type.Object(
  { url: Type.Optional(Type.String({ pattern: '^(https?|nfs|cifs)://', maxLength: 1024 })), wait: Wait },
  strict,
);

type PowerBody = Omit<Static<typeof Power>, 'wait'>;

/** Nobody waits longer for an answer: clients and proxies take a connection for dead that says nothing for some minutes. */
const WAIT_MS = 60_000;

/** Power, boot device, lamp and virtual drive: each is an order, which is kept, carried out in its turn, and verified. */
export function addPowerRoutes(app: Api, { machines, orders, supervisor }: ApiOptions): void {
  const show = (order: KeptOrder) => ({ ...order, machine: machines.byId(order.machineId)?.name });

  function placePower(machine: Machine, body: PowerBody, operator: string): KeptOrder {
    const { action, graceSeconds, hardAfter, boot } = body;
    const place = (order: Order): KeptOrder => supervisor.place({ machineId: machine.id, order, askedBy: operator });
    const more = {
      ...(graceSeconds !== undefined ? { graceSeconds } : {}),
      ...(hardAfter !== undefined ? { isHardAfter: hardAfter } : {}),
    };
    if (boot === undefined) return place({ kind: 'power', action, ...more });
    // some BMCs forget the boot device a minute after it was set, or when the power goes off (B1, B2): it is set between off and on
    const off = action === 'cycle' ? place({ kind: 'power', action: 'off' }) : undefined;
    const wish = { device: boot, firmware: firmwareModeOf(machine), isPersistent: false };
    const { id } = place({ kind: 'boot', wish, ...(off ? { needs: off.id } : {}) });
    return place({ kind: 'power', action: off ? 'on' : action, ...more, needs: id });
  }

  /** The order, as it is or as it ended. */
  async function answer(order: KeptOrder, wait: boolean | undefined) {
    if (!wait) return { order: show(order) };
    const ended = await supervisor.whenEnded(order.id, WAIT_MS);
    if (ended.endedAt === undefined) return { order: show(ended) };
    if (ended.state !== 'done') throw new AppError('bmc-failed', ended.result);
    return { order: show(ended), power: powerWord(supervisor, order.machineId) };
  }

  app.get(
    '/api/v1/machines/:name/power',
    { schema: { params: ByName, querystring: Type.Object({ fresh: Type.Optional(Type.Boolean()) }, strict) } },
    async (request) => {
      const { id } = machines.named(request.params.name);
      if (request.query.fresh) await supervisor.readPower(id).catch(bmcFailure);
      return { power: powerWord(supervisor, id), ...powerFacts(supervisor, id), orders: orders.openOf(id).map(show) };
    },
  );

  app.post('/api/v1/machines/:name/power', { schema: { params: ByName, body: Power } }, async (request, reply) => {
    const order = placePower(machines.named(request.params.name), request.body, request.operator);
    const answered = await answer(order, request.body.wait);
    return reply.code(answered.order.endedAt !== undefined ? 200 : 202).send(answered);
  });

  // one that cannot be done does not keep the others from it
  app.post('/api/v1/power', { schema: { body: PowerOfMany } }, (request, reply) => {
    const results = request.body.machines.map((name) => {
      try {
        return { machine: name, order: show(placePower(machines.named(name), request.body, request.operator)) };
      } catch (error) {
        if (!(error instanceof AppError)) throw error;
        return { machine: name, code: error.code, error: error.message, ...(error.next ? { next: error.next } : {}) };
      }
    });
    return reply.code(202).send({ results });
  });

  app.post('/api/v1/machines/:name/power/confirm', { schema: { params: ByName } }, (request) => {
    const { id } = machines.named(request.params.name);
    supervisor.confirm(id, request.operator);
    return { power: powerWord(supervisor, id) };
  });

  app.post('/api/v1/machines/:name/boot-device', { schema: { params: ByName, body: BootDevice } }, async (request) => {
    const machine = machines.named(request.params.name);
    const { device, persistent = false, firmware = firmwareModeOf(machine), uri, wait } = request.body;
    if (uri !== undefined) refuseLogin('uri', uri);
    if (uri !== undefined && device !== 'http')
      throw new AppError('bad-request', `uri is for the device http, not for ${device}`);
    const wish = { device, firmware, isPersistent: persistent, ...(uri !== undefined ? { httpUri: uri } : {}) };
    const order = supervisor.place({
      machineId: machine.id,
      order: { kind: 'boot', wish },
      askedBy: request.operator,
    });
    return answer(order, wait);
  });

  app.post('/api/v1/machines/:name/identify', { schema: { params: ByName, body: Identify } }, (request) => {
    const order: Order = { kind: 'identify', seconds: request.body.seconds };
    const { id } = machines.named(request.params.name);
    return answer(supervisor.place({ machineId: id, order, askedBy: request.operator }), request.body.wait);
  });

  app.post('/api/v1/machines/:name/media', { schema: { params: ByName, body: Media } }, (request) => {
    const { url, wait } = request.body;
    if (url !== undefined) refuseLogin('url', url);
    const order: Order = { kind: 'media', ...(url !== undefined ? { url } : {}) };
    const { id } = machines.named(request.params.name);
    return answer(supervisor.place({ machineId: id, order, askedBy: request.operator }), wait);
  });

  app.get('/api/v1/machines/:name/orders', { schema: { params: ByName } }, (request) =>
    orders.lastOf(machines.named(request.params.name).id, 50).map(show),
  );
  app.get(
    '/api/v1/orders/:id',
    { schema: { params: ById, querystring: Type.Object({ wait: Wait }, strict) } },
    async (request) => {
      if (request.query.wait) return show(await supervisor.whenEnded(request.params.id, WAIT_MS));
      const order = orders.byId(request.params.id);
      if (!order) throw new AppError('no-such-order', `there is no power order ${request.params.id}`);
      return show(order);
    },
  );
  app.post('/api/v1/orders/:id/cancel', { schema: { params: ById } }, async (request) =>
    show(await supervisor.cancel(request.params.id, request.operator)),
  );
}

/** A URL stands in the order, its events and the lists of all who look: it may have no password in it. The answer has none either. */
function refuseLogin(name: string, text: string): void {
  const url = URL.parse(text);
  if (!url) throw new AppError('bad-request', `the ${name} is not a URL`);
  if (url.username !== '' || url.password !== '')
    throw new AppError(
      'bad-request',
      `the ${name} has a user or a password in it, which everybody would see`,
      'let the server give the file to the BMC without a login',
    );
}

/** `on`, `off`, or `unknown` while nobody has read it. */
export function powerWord(supervisor: Pick<Supervisor, 'health'>, machineId: number): 'on' | 'off' | 'unknown' {
  return supervisor.health(machineId).power?.state ?? 'unknown';
}

/** What is known of the power beside that word. */
export function powerFacts(supervisor: Pick<Supervisor, 'health' | 'askedOf'>, machineId: number) {
  const { power, unreachableSince } = supervisor.health(machineId);
  const asked = supervisor.askedOf(machineId);
  return {
    ...(power ? { since: power.since, readAt: power.at } : {}),
    ...(unreachableSince !== undefined ? { unreachableSince } : {}),
    ...(asked !== undefined ? { asked } : {}),
  };
}
