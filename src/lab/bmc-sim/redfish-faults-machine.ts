import { answer, type Json, refuse, type SimRequest } from './redfish-answer.ts';
import type { FaultRow } from './redfish-faults.ts';
import { changeBoot, changeSystem, without } from './redfish-faults-shape.ts';
import { systemPath } from './redfish-paths.ts';

const RESET = '/Actions/ComputerSystem.Reset';

/** The Boot that a request wants to change; undefined when it is about something else. */
const bootOf = ({ method, body }: SimRequest) => (method === 'PATCH' ? (body.Boot as Json | undefined) : undefined);
const missing = (name: string) => refuse(400, 'PropertyMissing', `The property ${name} is missing.`, [name]);
const unknown = (name: string) => refuse(400, 'PropertyUnknown', `The property ${name} is not known.`, [name]);
const isAllowedList = (name: string) => name.endsWith('@Redfish.AllowableValues');

/** How power and boot differ and go wrong. */
export const MACHINE_FAULTS = {
  deaf: {
    what: 'says yes to a reset and does nothing',
    before: ({ path }) => (path.endsWith(RESET) ? answer(204) : undefined),
  },
  flips: {
    what: 'reads the opposite power state',
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => ({
        ...resource,
        PowerState: resource.PowerState === 'On' ? 'Off' : 'On',
      })),
  },
  'power-state': {
    what: 'reads the power state `text`',
    after: (given, request, { text }, world) =>
      changeSystem(given, request, world, (resource) => ({ ...resource, PowerState: text ?? null })),
  },
  'on-conflict': {
    what: 'refuses to power on for a while (R8)',
    before: ({ path, body }) =>
      path.endsWith(RESET) && body.ResetType === 'On'
        ? refuse(409, 'ActionParameterValueConflict', 'The parameter ResetType with the value On conflicts.', [
            'ResetType',
            'On',
          ])
        : undefined,
  },
  'ilo-power': {
    what: 'refuses what is so already in the words of an iLO (R9, R13)',
    after: (given, { path }) =>
      path.endsWith(RESET) && given.status === 409
        ? refuse(400, 'iLO.2.14.InvalidOperationForSystemState', 'The operation was not successful in this state.')
        : undefined,
  },
  'no-allowed-values': {
    what: 'does not say what it allows',
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => ({
        ...resource,
        Actions: { '#ComputerSystem.Reset': { target: `${request.path}${RESET}` } },
        Boot: without(resource.Boot as Json, ...Object.keys(resource.Boot as Json).filter(isAllowedList)),
      })),
  },
  'action-info': {
    what: 'says what it allows in an ActionInfo resource',
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => ({
        ...resource,
        Actions: {
          '#ComputerSystem.Reset': {
            target: `${request.path}${RESET}`,
            '@Redfish.ActionInfo': `${request.path}/ResetActionInfo`,
          },
        },
      })),
  },
  'reset-types': {
    what: 'allows only the ResetTypes of `text`',
    before: ({ path, body }, { text = '' }) =>
      path.endsWith(RESET) && !text.split(' ').includes(String(body.ResetType))
        ? refuse(400, 'ActionParameterNotSupported', `The value ${body.ResetType} is not supported.`)
        : undefined,
    after: (given, request, { text = '' }, world) =>
      changeSystem(given, request, world, (resource) => ({
        ...resource,
        Actions: {
          '#ComputerSystem.Reset': {
            target: `${request.path}${RESET}`,
            'ResetType@Redfish.AllowableValues': text.split(' '),
          },
        },
      })),
  },

  'boot-ignored': {
    what: 'says yes to a boot setting and does nothing',
    before: (request) => (bootOf(request) ? answer(204) : undefined),
  },
  'mode-lost': {
    what: 'puts the boot mode to legacy when a target is set (R6)',
    after: (_, request, __, { model }) => {
      if (!bootOf(request)?.BootSourceOverrideTarget) return undefined;
      for (const system of model.systems) if (request.path === systemPath(system)) system.boot.mode = 'Legacy';
      return answer(204);
    },
  },
  'mode-later': {
    what: 'shows another boot mode only after a reset (R11)',
    after: (given, request, _, world) =>
      changeBoot(given, request, world, (boot) => ({ ...boot, BootSourceOverrideMode: 'UEFI' })),
  },
  'during-post': {
    what: 'refuses boot settings while the machine is in POST (R7)',
    before: (request) =>
      bootOf(request)
        ? refuse(400, 'iLO.2.14.UnableToModifyDuringSystemPOST', 'It cannot be changed during POST.')
        : undefined,
  },
  'no-continuous': {
    what: 'has no continuous boot override, and still lists it (R5)',
    before: (request) =>
      bootOf(request)?.BootSourceOverrideEnabled === 'Continuous'
        ? refuse(400, 'PropertyValueNotInList', 'The value Continuous is not in its list.')
        : undefined,
  },
  'enabled-needed': {
    what: 'wants BootSourceOverrideEnabled each time (R4a)',
    before: (request) => {
      const boot = bootOf(request);
      return boot?.BootSourceOverrideTarget && !boot.BootSourceOverrideEnabled
        ? missing('BootSourceOverrideEnabled')
        : undefined;
    },
  },
  'whole-needed': {
    what: 'wants target, enabled and mode together (R4b)',
    before: (request) => {
      const boot = bootOf(request);
      const all = ['BootSourceOverrideTarget', 'BootSourceOverrideEnabled', 'BootSourceOverrideMode'];
      const absent = boot && all.find((name) => boot[name] === undefined);
      return absent ? missing(absent) : undefined;
    },
  },
  'no-mode': {
    what: 'has no boot mode (R12)',
    before: (request) => (bootOf(request)?.BootSourceOverrideMode ? unknown('BootSourceOverrideMode') : undefined),
    after: (given, request, _, world) =>
      changeBoot(given, request, world, (boot) =>
        without(boot, 'BootSourceOverrideMode', 'BootSourceOverrideMode@Redfish.AllowableValues'),
      ),
  },
  'boot-in-settings': {
    what: 'has its boot override in @Redfish.Settings only (R14)',
    before: (request, _, { model }) =>
      bootOf(request) && model.systems.some((system) => systemPath(system) === request.path)
        ? refuse(400, 'PropertyNotWritable', 'The property Boot is read only.', ['Boot'])
        : undefined,
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => ({
        ...resource,
        Boot: { BootOrder: (resource.Boot as Json).BootOrder },
        '@Redfish.Settings': { SettingsObject: { '@odata.id': `${request.path}/Settings` } },
      })),
  },
  'no-usb-cd': {
    what: 'has no boot target UsbCd',
    before: (request) => (bootOf(request)?.BootSourceOverrideTarget === 'UsbCd' ? unknown('UsbCd') : undefined),
  },
  'no-http-uri': {
    what: 'takes no HttpBootUri and does not say so',
    after: (given, request, _, world) => {
      for (const system of world.model.systems) system.boot.httpUri = null;
      return changeBoot(given, request, world, (boot) => without(boot, 'HttpBootUri'));
    },
  },
  'no-links': {
    what: 'has a System that names neither its manager nor its chassis',
    after: (given, request, _, world) => changeSystem(given, request, world, (resource) => without(resource, 'Links')),
  },
  'no-boot': {
    what: 'has nothing about its boot',
    after: (given, request, _, world) => changeBoot(given, request, world, () => ({})),
  },
} satisfies Record<string, FaultRow>;
