import { Type } from 'typebox';
import { compileTemplates } from '../boot/render.ts';
import { AppError } from '../model/errors.ts';
import { type NetworkChange, networkChanged, type ShownFields } from '../model/network-change.ts';
import type { CustomOptionRow, OptionScope, OptionSetting } from '../store/options.ts';
import {
  type CustomOption,
  checkCustomOption,
  formatOption,
  listOptions,
  type OptionText,
  OptionTextError,
  parseOption,
} from '../wire/dhcp-option-text.ts';
import { strict } from './schemas.ts';
import type { Api, ApiOptions } from './server.ts';

const OF = ['subnet', 'profile', 'reservation', 'machine'] as const;
const Of = { scope: Type.Union(OF.map((scope) => Type.Literal(scope))), of: Type.String() };
const Named = { option: Type.String() };
const Setting = Type.Object({ value: Type.Unknown(), force: Type.Optional(Type.Boolean()) }, strict);
const ByCode = Type.Object({ code: Type.Integer({ minimum: 1, maximum: 254 }) });
const Custom = Type.Object({ name: Type.String(), shape: Type.String() }, strict);

/** A pattern: a profile is there as soon as a machine or an option names it. */
export const PROFILE_NAME = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$';
const templates = compileTemplates(new Map());

/** Where options are set: `id` for the store, `name` for people. */
type Level = { scope: OptionScope; id: string; name: string };

/** DHCP options that people set: at every level, and codes of their own. */
export function addDhcpOptionRoutes(app: Api, options: ApiOptions): void {
  const { network, machines, events, optionSettings, dhcp, library } = options;
  const custom = (): CustomOption[] => optionSettings.custom().map(toCustom);

  app.get('/api/v1/options', () => optionSettings.all().map((one) => show(one, nameOfLevel(one))));
  app.get('/api/v1/options/known', () => [
    ...custom().map((one) => ({ ...one, source: 'defined here' })),
    ...listOptions(),
  ]);

  app.get('/api/v1/options/custom', () => optionSettings.custom());
  app.put('/api/v1/options/custom/:code', { schema: { params: ByCode, body: Custom } }, (request) => {
    const { code } = request.params;
    const others = custom().filter((one) => one.code !== code);
    const option = asAppError(() => checkCustomOption({ code, ...request.body }, others));
    for (const setting of settingsOf(code)) {
      if (setting.name !== option.name) throw inUse(code, setting);
      if (isTemplate(setting.value)) continue;
      asAppError(() => parseOption(setting.name, setting.value as OptionText, [...others, option]));
    }
    const before = optionSettings.custom().find((one) => one.code === code);
    events.settle(() => {
      optionSettings.putCustom(option);
      tell({
        what: 'option definition',
        name: String(code),
        by: request.operator,
        before: before && definitionFields(before),
        after: definitionFields(option),
      });
    });
    return option;
  });
  app.delete('/api/v1/options/custom/:code', { schema: { params: ByCode } }, (request, reply) => {
    const { code } = request.params;
    const [setting] = settingsOf(code);
    if (setting) throw inUse(code, setting);
    const before = optionSettings.custom().find((one) => one.code === code);
    if (!before)
      throw new AppError('not-found', `option ${code} is not defined here`, 'list them with: firstlight option known');
    events.settle(() => {
      optionSettings.removeCustom(code);
      tell({
        what: 'option definition',
        name: String(code),
        by: request.operator,
        before: definitionFields(before),
      });
    });
    return reply.code(204).send();
  });

  app.get('/api/v1/options/global', () => settingsAt(GLOBAL));
  app.put('/api/v1/options/global/:option', { schema: { params: Type.Object(Named), body: Setting } }, (request) =>
    put(GLOBAL, request.params.option, request.body, request.operator),
  );
  app.delete('/api/v1/options/global/:option', { schema: { params: Type.Object(Named) } }, (request, reply) => {
    remove(GLOBAL, request.params.option, request.operator);
    return reply.code(204).send();
  });

  app.get('/api/v1/options/:scope/:of', { schema: { params: Type.Object(Of) } }, (request) =>
    settingsAt(levelOf(request.params.scope as OptionScope, request.params.of)),
  );
  const params = Type.Object({ ...Of, ...Named });
  app.put('/api/v1/options/:scope/:of/:option', { schema: { params, body: Setting } }, (request) => {
    const { scope, of, option } = request.params;
    return put(levelOf(scope as OptionScope, of), option, request.body, request.operator);
  });
  app.delete('/api/v1/options/:scope/:of/:option', { schema: { params } }, (request, reply) => {
    const { scope, of, option } = request.params;
    remove(levelOf(scope as OptionScope, of), option, request.operator);
    return reply.code(204).send();
  });

  function put(level: Level, option: string, body: { value: unknown; force?: boolean }, operator: string) {
    const name = canonicalName(option, custom(), body.value);
    const setting = { scope: level.scope, scopeId: level.id, name, value: body.value, force: body.force ?? false };
    const problem = dhcp.levels.check(setting);
    if (problem !== undefined)
      throw new AppError('bad-request', problem, `see how its value is written with: firstlight option known ${name}`);
    if (isTemplate(setting.value)) checkTemplate(name, setting.value);
    const before = optionSettings.of(level.scope, level.id).find((one) => one.name === name);
    events.settle(() => {
      optionSettings.put(setting);
      tellSetting(level, operator, before, setting);
    });
    return show(setting, level.name);
  }

  function remove(level: Level, option: string, operator: string): void {
    const name = canonicalName(option, custom(), '');
    const before = optionSettings.of(level.scope, level.id).find((one) => one.name === name);
    if (!before)
      throw new AppError(
        'not-found',
        `option ${name} is not set at ${levelText(level)}`,
        'list those that are with: firstlight options',
      );
    events.settle(() => {
      optionSettings.remove(level.scope, level.id, name);
      tellSetting(level, operator, before);
    });
  }

  /** A param has to be there, and what must stay secret does not go onto the wire. */
  function checkTemplate(name: string, text: string): void {
    const declarations = library().content.params;
    for (const param of templates.paramsOfText(name, text)) {
      const declaration = declarations[param];
      if (!declaration)
        throw new AppError('bad-param', `${name}: there is no param ${param}`, 'list them with: firstlight params');
      if (declaration.secret)
        throw new AppError('bad-param', `${name}: param ${param} is a secret, and DHCP is read by the whole wire`);
    }
  }

  function levelOf(scope: OptionScope, of: string): Level {
    switch (scope) {
      case 'subnet': {
        const { id, name } = network.subnetNamed(of);
        return { scope, id: String(id), name };
      }
      case 'machine': {
        const { id, name } = machines.named(of);
        return { scope, id: String(id), name };
      }
      case 'reservation': {
        const reservation = /^\d{1,10}$/.test(of) ? network.reservation(Number(of)) : undefined;
        if (!reservation)
          throw new AppError(
            'not-found',
            `there is no reservation ${of}`,
            'its number is in the list: firstlight reservations',
          );
        return { scope, id: of, name: of };
      }
      case 'profile':
        if (!new RegExp(PROFILE_NAME).test(of))
          throw new AppError(
            'bad-request',
            `${JSON.stringify(of)} is no name for a profile`,
            'small letters, digits, hyphens',
          );
        return { scope, id: of, name: of };
      case 'global':
        return GLOBAL;
    }
  }

  function nameOfLevel({ scope, scopeId }: OptionSetting): string {
    if (scope === 'subnet') return network.subnets().find((one) => String(one.id) === scopeId)?.name ?? scopeId;
    if (scope === 'machine') return machines.byId(Number(scopeId))?.name ?? scopeId;
    return scopeId;
  }

  function settingsAt(level: Level) {
    return optionSettings.of(level.scope, level.id).map((one) => show(one, level.name));
  }

  /** Code and text are left out where the value is a template: they are each client's own. */
  function show({ scope, name, value, force }: OptionSetting, of: string) {
    const shown = { scope, of, name, value, force };
    if (isTemplate(value)) return shown;
    try {
      const { code, bytes } = parseOption(name, value as OptionText, custom());
      return { ...shown, code, text: formatOption(code, bytes, custom()).text };
    } catch (error) {
      if (error instanceof OptionTextError) return { ...shown, problem: error.message };
      throw error;
    }
  }

  function settingsOf(code: number): OptionSetting[] {
    const names = new Set([`option-${code}`, ...custom().flatMap((one) => (one.code === code ? [one.name] : []))]);
    return optionSettings.all().filter((one) => names.has(one.name));
  }

  function inUse(code: number, setting: OptionSetting): AppError {
    const level = levelText({ scope: setting.scope, name: nameOfLevel(setting) });
    return new AppError(
      'expectation-failed',
      `option ${code} is set as ${setting.name} at ${level}`,
      `take that away first with: firstlight option unset ${level} ${setting.name}`,
    );
  }

  function tellSetting(level: Level, by: string, before?: OptionSetting, after?: OptionSetting): void {
    const { name = '' } = before ?? after ?? {};
    tell({
      what: 'option',
      name: `${name} at ${levelText(level)}`,
      by,
      before: before && settingFields(before, level),
      after: after && settingFields(after, level),
      machineId: level.scope === 'machine' ? Number(level.id) : undefined,
    });
  }

  function settingFields(setting: OptionSetting, level: Level): ShownFields {
    const { value } = setting;
    const { text } = { text: undefined, ...show(setting, level.name) };
    return {
      value: text ?? (typeof value === 'string' ? value : JSON.stringify(value)),
      sent: setting.force ? 'always' : 'when asked for',
    };
  }

  function tell(change: NetworkChange): void {
    const event = networkChanged(change);
    if (event) events.emit(event);
  }
}

const definitionFields = ({ name, shape }: CustomOptionRow): ShownFields => ({ name, shape });

const GLOBAL: Level = { scope: 'global', id: '', name: '' };

function levelText({ scope, name }: Pick<Level, 'scope' | 'name'>): string {
  return scope === 'global' ? 'global' : `${scope} ${name}`;
}

/** One name for each code, whichever of its names was written. Throws for what is no option, or is not ours to set. */
export function canonicalName(written: string, custom: readonly CustomOption[], value: unknown): string {
  const digits = /^(?:option-)?(\d{1,3})$/.exec(written)?.[1];
  const kebab = written.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const own = custom.find((one) => one.name === written || one.code === Number(digits));
  const known = listOptions().find((one) => one.name === kebab || one.code === Number(digits));
  if (own) return own.name;
  if (known && !('refused' in known)) return known.name;
  if (!known && digits !== undefined && Number(digits) > 0 && Number(digits) < 255) return `option-${Number(digits)}`;
  // what is wrong with the name is told by the one who knows the table
  return asAppError(() => formatOption(parseOption(written, value as OptionText, custom).code, Buffer.alloc(0)).name);
}

function isTemplate(value: unknown): value is string {
  return typeof value === 'string' && value.includes('{{');
}

/** The store keeps shapes that were checked when they were defined. */
function toCustom({ code, name, shape }: CustomOptionRow): CustomOption {
  return { code, name, shape: shape as CustomOption['shape'] };
}

function asAppError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof OptionTextError)
      throw new AppError('bad-request', error.message, 'list the options with: firstlight option known');
    throw error;
  }
}
