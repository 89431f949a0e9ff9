import { type ContextParts, templateContext } from '../boot/context.ts';
import { compileTemplates, TemplateError } from '../boot/render.ts';
import { paramSources } from '../boot/script.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Reservation, Subnet } from '../model/network.ts';
import { type EffectiveParam, resolveParams } from '../model/params.ts';
import type { Arrival } from '../model/view.ts';
import type { Job } from '../model/workflow.ts';
import type { OptionSetting, OptionSettings } from '../store/options.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { type CustomOption, type OptionText, OptionTextError, parseOption } from '../wire/dhcp-option-text.ts';
import { getOption } from '../wire/dhcp-options.ts';
import { refuseBootOption } from './boot-options.ts';

/** Whose options are wanted. */
export type OptionsFor = {
  subnet: Subnet;
  reservation?: Reservation | undefined;
  machine?: Machine | undefined;
  /** The job that runs on the machine: its params come before the machine's own. */
  job?: Job | undefined;
  mac?: Mac | undefined;
  arrival: Arrival;
};

/** Values by code; `force`: sent unasked. */
export type ChosenOptions = ReadonlyMap<number, { bytes: Buffer; force: boolean }>;

/** What people set, brought together for one client: global, subnet, profile, reservation, machine, the later before the earlier. */
export type OptionLevels = {
  of(whose: OptionsFor): ChosenOptions;
  /** Every address that option 3 names at any level: a router's, and no client's. */
  routers(): ReadonlySet<Ipv4>;
  /** What is wrong with a setting, or undefined; a template is judged when it is rendered. */
  check(setting: Pick<OptionSetting, 'name' | 'value'>): string | undefined;
};

const NONE: ChosenOptions = new Map();
const templates = compileTemplates(new Map());

/**
 * The levels of these settings, read anew when they have changed. A setting that cannot be sent is left out and told of: a template
 * each time that it is rendered, all others once for each change.
 */
export function createOptionLevels(settings: OptionSettings, tell: (problem: string) => void): OptionLevels {
  let revision = -1;
  let isEmpty = true;
  /** Settings without a template, by the setting: the same for everybody. */
  let parsed = new Map<OptionSetting, { code: number; bytes: Buffer }>();
  /** The params that a template names, by its setting. */
  let named = new Map<OptionSetting, readonly string[]>();
  let routers: ReadonlySet<Ipv4> = new Set();

  function refresh(): void {
    if (revision === settings.revision()) return;
    revision = settings.revision();
    isEmpty = settings.all().length === 0;
    parsed = new Map();
    named = new Map();
    for (const setting of settings.all()) {
      if (isTemplate(setting.value)) continue;
      const read = attempt(setting, setting.value);
      if (read) parsed.set(setting, read);
    }
    const options = [...parsed.values()].map(({ code, bytes }) =>
      getOption({ options: new Map([[code, bytes]]) }, 'routers'),
    );
    routers = new Set(options.flatMap((addresses) => addresses ?? []));
  }

  function attempt(setting: OptionSetting, value: unknown): { code: number; bytes: Buffer } | undefined {
    try {
      return parseOption(setting.name, value as OptionText, customOptions(settings));
    } catch (error) {
      if (!(error instanceof OptionTextError)) throw error;
      tell(`DHCP option of ${setting.scope} ${setting.scopeId}: ${error.message}`);
      return undefined;
    }
  }

  function render(setting: OptionSetting, whose: OptionsFor): { code: number; bytes: Buffer } | undefined {
    try {
      const context = templateContext({ ...partsOf(whose), params: paramsOf(setting, whose) });
      return attempt(setting, templates.renderText(setting.name, setting.value as string, context));
    } catch (error) {
      if (!(error instanceof TemplateError || error instanceof AppError)) throw error;
      // it cannot be said for this client: the others of its options are sent
      const where = error instanceof AppError ? `${setting.name}: ` : '';
      tell(`DHCP option of ${setting.scope} ${setting.scopeId}: ${where}${error.message}`);
      return undefined;
    }
  }

  /** The params that the template names, each from the job, the machine or its default. Throws AppError for one that is wrong. */
  function paramsOf(setting: OptionSetting, { job, machine }: OptionsFor): EffectiveParam[] {
    const names = named.get(setting) ?? [...templates.paramsOfText(setting.name, setting.value as string)];
    named.set(setting, names);
    const declarations = settings.declarations();
    // the content may have changed since it was set
    const secret = names.find((name) => declarations[name]?.secret);
    if (secret !== undefined)
      throw new AppError('bad-param', `param ${secret} is a secret, and DHCP is read by the whole wire`);
    return resolveParams(names, declarations, paramSources({ job, machine }));
  }

  return {
    of(whose) {
      refresh();
      if (isEmpty) return NONE;
      const chosen = new Map<number, { bytes: Buffer; force: boolean }>();
      for (const setting of levelsOf(whose, settings)) {
        const option = parsed.get(setting) ?? (isTemplate(setting.value) ? render(setting, whose) : undefined);
        if (option) chosen.set(option.code, { bytes: option.bytes, force: setting.force });
      }
      return chosen;
    },

    routers() {
      refresh();
      return routers;
    },

    check({ name, value }) {
      try {
        if (isTemplate(value)) {
          templates.paramsOfText(name, value);
          return undefined;
        }
        const { code, bytes } = parseOption(name, value as OptionText, customOptions(settings));
        return refuseBootOption(code, bytes);
      } catch (error) {
        if (error instanceof OptionTextError || error instanceof TemplateError) return error.message;
        throw error;
      }
    },
  };
}

/** The settings that touch this client, the least particular first. */
function levelsOf({ subnet, reservation, machine }: OptionsFor, settings: OptionSettings): OptionSetting[] {
  return [
    ...settings.of('global', ''),
    ...settings.of('subnet', String(subnet.id)),
    ...(machine?.profiles ?? []).flatMap((profile) => settings.of('profile', profile)),
    ...(reservation ? settings.of('reservation', String(reservation.id)) : []),
    ...(machine ? settings.of('machine', String(machine.id)) : []),
  ];
}

function partsOf({ mac, machine, arrival, subnet }: OptionsFor): ContextParts {
  return {
    mac: mac ?? (machine?.macs[0] as Mac) ?? ('00:00:00:00:00:00' as Mac),
    machine,
    arrival,
    subnet,
    address: machine?.address,
  };
}

function isTemplate(value: unknown): value is string {
  return typeof value === 'string' && value.includes('{{');
}

/** What the store holds was checked when it was put there. */
function customOptions(settings: OptionSettings): readonly CustomOption[] {
  return settings.custom() as readonly CustomOption[];
}
