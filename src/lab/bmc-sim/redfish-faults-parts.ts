import { answer, type Json, refuse } from './redfish-answer.ts';
import type { FaultRow } from './redfish-faults.ts';
import { changeSystem, without } from './redfish-faults-shape.ts';
import { chassisPath, MANAGER, ROOT } from './redfish-paths.ts';

const INSERT = '/Actions/VirtualMedia.InsertMedia';
const EJECT = '/Actions/VirtualMedia.EjectMedia';
const TASK = `${ROOT}/TaskService/TaskMonitors/1`;

/** How sensors, lamps and virtual drives differ and go wrong. */
export const PART_FAULTS = {
  'no-new-sensors': {
    what: 'has Thermal and Power and nothing newer',
    after: (given, { method, path }) =>
      method === 'GET' && /\/Chassis\/[^/]+$/.test(path)
        ? { ...given, body: without(given.body as Json, 'Sensors', 'EnvironmentMetrics') }
        : undefined,
  },
  'led-only': {
    what: 'has an IndicatorLED and no LocationIndicatorActive',
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => without(resource, 'LocationIndicatorActive')),
  },

  'no-lamp': {
    what: 'has no lamp on its System',
    after: (given, request, _, world) =>
      changeSystem(given, request, world, (resource) => without(resource, 'LocationIndicatorActive', 'IndicatorLED')),
  },
  'lamp-on-chassis': {
    what: 'has its lamp on the chassis, where it can be lit but not blink',
    after: (given, request, _, world) => {
      const shown = world.model.systems.find((system) => request.path === chassisPath(system));
      if (!shown || request.method !== 'GET')
        return changeSystem(given, request, world, (resource) =>
          without(resource, 'LocationIndicatorActive', 'IndicatorLED'),
        );
      const lamp = {
        IndicatorLED: shown.isLampLit ? 'Lit' : 'Off',
        'IndicatorLED@Redfish.AllowableValues': ['Lit', 'Off'],
      };
      return { ...given, body: { ...(given.body as Json), ...lamp } };
    },
  },
  'media-on-system': {
    what: 'has its virtual drives below the System',
    after: (given, request, _, world) => {
      if (request.method === 'GET' && request.path === MANAGER)
        return { ...given, body: without(given.body as Json, 'VirtualMedia') };
      return changeSystem(given, request, world, (resource) => ({
        ...resource,
        VirtualMedia: { '@odata.id': `${MANAGER}/VirtualMedia` },
      }));
    },
  },
  'image-ignored': {
    what: 'says yes to an image and does not insert it',
    before: ({ path }) => (path.endsWith(INSERT) ? answer(204) : undefined),
  },
  'image-alone': {
    what: 'takes an image and nothing beside it (R15, Supermicro)',
    before: ({ path, body }) => {
      const beside = Object.keys(body).find((name) => name !== 'Image');
      return path.endsWith(INSERT) && beside
        ? refuse(400, 'ActionParameterUnknown', `Unknown: ${beside}.`, ['InsertMedia', beside])
        : undefined;
    },
  },
  'image-needs': {
    what: 'wants the parameter `text` with an image (R14, R15)',
    before: ({ path, body }, { text = 'TransferProtocolType' }) =>
      path.endsWith(INSERT) && body[text] === undefined
        ? refuse(400, 'ActionParameterMissing', `The action InsertMedia requires the parameter ${text}.`, [
            'InsertMedia',
            text,
          ])
        : undefined,
  },
  'stays-in': {
    what: 'says for a while after an ejection that the image is in (R15d)',
    after: (given, { method, path }, _, { model }) => {
      const isOut = model.slots.some((slot) => path === `${MANAGER}/VirtualMedia/${slot.id}` && slot.image === null);
      const wasEjected = model.done.some((one) => one.endsWith(' eject'));
      return method === 'GET' && isOut && wasEjected
        ? { ...given, body: { ...(given.body as Json), Inserted: true } }
        : undefined;
    },
  },
  'eject-needs-body': {
    what: 'wants a body with an ejection (R15, iLO)',
    before: ({ path, headers }) =>
      path.endsWith(EJECT) && headers['content-type'] === undefined
        ? refuse(415, 'MalformedJSON', 'There is no JSON.')
        : undefined,
  },
  'image-task': {
    what: 'inserts images by a task, which is not there at first and then takes two looks (R11)',
    after: (given, { path }, { text }, { tasks }) => {
      if (!path.endsWith(INSERT) || given.status >= 300) return undefined;
      const running = answer(202, { TaskState: 'Running' });
      const end =
        text === undefined
          ? answer(200, { TaskState: 'Completed' })
          : answer(200, { TaskState: 'Exception', Messages: [{ Message: text }] });
      tasks.set(TASK, [refuse(404, 'ResourceMissingAtURI', 'Not there yet.'), running, end]);
      return answer(202, { '@odata.id': TASK }, { Location: TASK });
    },
  },
} satisfies Record<string, FaultRow>;
