import { Type } from 'typebox';
import { AppError } from '../model/errors.ts';
import { isMachineName, type Machine, PXE_STYLES, type PxeStyle, refuseLocked } from '../model/machine.ts';
import { checkParam, type ParamDeclarations, unknownParams } from '../model/params.ts';
import { parseMac } from '../wire/address.ts';
import { BmcChain, readChain } from './bmc-chain.ts';
import { PROFILE_NAME } from './dhcp-options.ts';
import { showJob, withoutSecrets } from './jobs.ts';
import { powerFacts, powerWord } from './power.ts';
import { ByName, Params, strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const NewMachine = Type.Object(
  {
    name: Type.Optional(Type.String()),
    macs: Type.Array(Type.String(), { minItems: 1 }),
    bmc: Type.Optional(BmcChain),
    accepted: Type.Optional(Type.Boolean()),
    params: Type.Optional(Params),
  },
  strict,
);
const MachineChange = Type.Object(
  {
    name: Type.Optional(Type.String()),
    locked: Type.Optional(Type.Boolean()),
    params: Type.Optional(Params),
    pxeStyle: Type.Optional(Type.Union(PXE_STYLES.map((style) => Type.Literal(style)))),
    replyDelayMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
    /** Sets of DHCP options, all of them anew. Where two set the same option, the later in the alphabet counts. */
    profiles: Type.Optional(Type.Array(Type.String({ pattern: PROFILE_NAME }), { maxItems: 32 })),
  },
  strict,
);

/** Machines by name or MAC: list, enter, change, accept, ignore, remove. */
export function addMachineRoutes(app: Api, options: ApiOptions): void {
  const { machines, bmcs, supervisor, jobs, events, discovery, library, clock } = options;

  /** A machine as the API shows it, with its job. */
  function show(machine: Machine) {
    const declarations = library().content.params;
    const job = jobs.runningOf(machine.id);
    return {
      ...machine,
      params: withoutSecrets(machine.params, declarations),
      power: { word: powerWord(supervisor, machine.id), ...powerFacts(supervisor, machine.id) },
      ...(job ? { job: showJob(job, declarations) } : {}),
    };
  }

  app.get('/api/v1/machines', () => machines.all().map(show));

  app.post('/api/v1/machines', { schema: { body: NewMachine } }, async (request, reply) => {
    const { body } = request;
    if (body.name !== undefined && !isMachineName(body.name))
      throw new AppError('bad-request', `${JSON.stringify(body.name)} is not a host name`);
    if (body.params) checkMachineParams(body.params, library().content.params);
    const macs = body.macs.map(parseMac);
    const chain = body.bmc && (await readChain(body.bmc, supervisor.check));
    const machine = events.settle(() => {
      const created = machines.create({ macs, name: body.name, state: body.accepted ? 'ready' : 'new' }, clock());
      if (chain) bmcs.put(created.id, chain);
      if (body.params) machines.setParams(created.id, body.params);
      events.emit({
        kind: 'machine.created',
        text: `${created.name} was entered by ${request.operator}`,
        machineId: created.id,
        mac: macs[0],
      });
      discovery.beginDiscovery(created, request.operator);
      return machines.named(created.name);
    });
    return reply.code(201).send(show(machine));
  });

  app.get('/api/v1/machines/:name', { schema: { params: ByName } }, (request) =>
    show(machines.named(request.params.name)),
  );

  app.patch('/api/v1/machines/:name', { schema: { params: ByName, body: MachineChange } }, (request) => {
    const machine = machines.named(request.params.name);
    const { name, locked, params, pxeStyle, replyDelayMs, profiles } = request.body;
    if (name !== undefined && !isMachineName(name))
      throw new AppError('bad-request', `${JSON.stringify(name)} is not a host name`);
    const merged = params && withoutNulls({ ...machine.params, ...params });
    if (merged) checkMachineParams(merged, library().content.params);
    events.settle(() => {
      if (name !== undefined) machines.rename(machine, name);
      if (locked !== undefined) machines.setLocked(machine.id, locked);
      if (merged) machines.setParams(machine.id, merged);
      if (pxeStyle !== undefined || replyDelayMs !== undefined)
        machines.setPxe(
          machine.id,
          (pxeStyle as PxeStyle | undefined) ?? machine.pxeStyle,
          replyDelayMs ?? machine.replyDelayMs,
        );
      if (profiles) machines.setProfiles(machine.id, profiles);
      const what = [
        name !== undefined ? `name ${name}` : '',
        locked === undefined ? '' : locked ? 'locked' : 'unlocked',
        params ? `params ${Object.keys(params).join(', ')}` : '',
        pxeStyle !== undefined ? `PXE style ${pxeStyle}` : '',
        replyDelayMs !== undefined ? `reply delay ${replyDelayMs} ms` : '',
        profiles ? `profiles ${profiles.join(', ') || 'none'}` : '',
      ];
      events.emit({
        kind: 'machine.changed',
        text: `changed by ${request.operator}: ${what.filter((one) => one !== '').join(', ')}`,
        machineId: machine.id,
      });
    });
    return show(machines.byId(machine.id) as Machine);
  });

  app.delete('/api/v1/machines/:name', { schema: { params: ByName } }, (request, reply) => {
    const machine = machines.named(request.params.name);
    refuseLocked(machine);
    events.settle(() => {
      machines.remove(machine.id);
      // its own timeline ends with it: this is for that of the appliance, which has no MACs of machines
      events.emit({
        kind: 'machine.removed',
        text: `${machine.name} (${machine.macs.join(', ')}) was removed by ${request.operator}`,
        data: { name: machine.name, macs: machine.macs },
      });
    });
    return reply.code(204).send();
  });

  app.post('/api/v1/machines/:name/accept', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    if (machine.state === 'new' || machine.state === 'ignored') discovery.accept(machine, request.operator);
    return show(machines.byId(machine.id) as Machine);
  });

  app.post('/api/v1/machines/:name/ignore', { schema: { params: ByName } }, (request) => {
    const machine = machines.named(request.params.name);
    events.settle(() => {
      machines.setState(machine.id, 'ignored');
      events.emit({ kind: 'machine.changed', text: `ignored, says ${request.operator}`, machineId: machine.id });
    });
    return show(machines.byId(machine.id) as Machine);
  });
}

/** Throws `bad-param` for a value that its declaration does not allow, and for a param that is not declared. */
function checkMachineParams(params: Record<string, unknown>, declarations: ParamDeclarations): void {
  const [unknown] = unknownParams(params, declarations);
  if (unknown !== undefined)
    throw new AppError(
      'bad-param',
      `there is no param ${unknown}`,
      `there are: ${Object.keys(declarations).join(', ')}`,
    );
  for (const [name, value] of Object.entries(params)) {
    const declaration = declarations[name];
    const problem = declaration && checkParam(declaration, value);
    if (problem) throw new AppError('bad-param', `param ${name}: ${problem}`);
  }
}

/** RFC 7396: null takes a value away. */
function withoutNulls(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}
