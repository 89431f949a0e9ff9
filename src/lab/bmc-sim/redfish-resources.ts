import type { Json } from './redfish-answer.ts';
import {
  BOOT_ENABLED,
  BOOT_MODES,
  BOOT_TARGETS,
  RESET_TYPES,
  type SimModel,
  type SimSlot,
  type SimSystem,
} from './redfish-model.ts';
import { type Add, addChassis, addLog, addParts, type Collect, link, OK } from './redfish-parts.ts';
import { chassisPath, MANAGER, ROOT, SESSIONS, systemPath } from './redfish-paths.ts';

/** Every resource of a BMC by its path without a slash at its end, each made when it is asked for (DSP0268). */
export function listResources(model: SimModel, sessionIds: readonly string[]): Map<string, () => Json> {
  const resources = new Map<string, () => Json>();
  const add = (path: string, type: string, make: () => Json) =>
    resources.set(path, () => ({ '@odata.id': path, '@odata.type': `#${type}`, ...named(path), ...make() }));
  const collect = (path: string, type: string, members: () => string[]) =>
    add(path, `${type}Collection.${type}Collection`, () => ({
      Members: members().map(link),
      'Members@odata.count': members().length,
    }));

  resources.set('/redfish', () => ({ v1: `${ROOT}/` }));
  add(ROOT, 'ServiceRoot.v1_15_0.ServiceRoot', () => rootOf(model));
  add(`${ROOT}/SessionService`, 'SessionService.v1_1_8.SessionService', () => ({
    ServiceEnabled: true,
    SessionTimeout: 600,
    Sessions: link(SESSIONS),
  }));
  collect(SESSIONS, 'Session', () => sessionIds.map((id) => `${SESSIONS}/${id}`));
  for (const id of sessionIds) add(`${SESSIONS}/${id}`, 'Session.v1_3_0.Session', () => ({ UserName: 'admin' }));
  add(`${ROOT}/TaskService`, 'TaskService.v1_2_0.TaskService', () => ({ ServiceEnabled: true }));

  collect(`${ROOT}/Systems`, 'ComputerSystem', () => model.systems.map(systemPath));
  collect(`${ROOT}/Chassis`, 'Chassis', () => model.systems.map(chassisPath));
  collect(`${ROOT}/Managers`, 'Manager', () => [MANAGER]);
  add(MANAGER, 'Manager.v1_11_0.Manager', () => ({
    Model: model.managerModel,
    FirmwareVersion: model.firmware,
    ManagerType: 'BMC',
    UUID: '00000000-0000-0000-0000-00000000b3c1',
    VirtualMedia: link(`${MANAGER}/VirtualMedia`),
    Links: { ManagerForServers: model.systems.map((system) => link(systemPath(system))) },
  }));
  collect(`${MANAGER}/VirtualMedia`, 'VirtualMedia', () =>
    model.slots.map(({ id }) => `${MANAGER}/VirtualMedia/${id}`),
  );
  for (const slot of model.slots)
    add(`${MANAGER}/VirtualMedia/${slot.id}`, 'VirtualMedia.v1_6_0.VirtualMedia', () => slotOf(slot));
  for (const system of model.systems) {
    addSystem(system, add, collect);
    addParts(system, add, collect);
    addLog(system, add, collect);
    addChassis(system, add, collect);
  }
  return resources;
}

function addSystem(system: SimSystem, add: Add, collect: Collect): void {
  const path = systemPath(system);
  add(path, 'ComputerSystem.v1_20_0.ComputerSystem', () => systemOf(system));
  // What a fault may lead to in the place of what the System itself has.
  add(`${path}/Settings`, 'ComputerSystem.v1_20_0.ComputerSystem', () => ({ Boot: bootOf(system) }));
  add(`${path}/ResetActionInfo`, 'ActionInfo.v1_2_0.ActionInfo', () => ({
    Parameters: [{ Name: 'ResetType', Required: true, DataType: 'String', AllowableValues: RESET_TYPES }],
  }));
  collect(`${path}/BootOptions`, 'BootOption', () => BOOT_OPTIONS.map(({ id }) => `${path}/BootOptions/${id}`));
  for (const option of BOOT_OPTIONS)
    add(`${path}/BootOptions/${option.id}`, 'BootOption.v1_0_4.BootOption', () => ({
      BootOptionReference: option.id,
      DisplayName: option.name,
      UefiDevicePath: option.path(system),
      BootOptionEnabled: true,
    }));
  add(`${path}/Bios`, 'Bios.v1_2_0.Bios', () => ({
    Attributes: system.biosAttributes,
    '@Redfish.Settings': { '@odata.type': '#Settings.v1_3_5.Settings', SettingsObject: link(`${path}/Bios/Settings`) },
  }));
  add(`${path}/Bios/Settings`, 'Bios.v1_2_0.Bios', () => ({ Attributes: system.biosAttributes }));
}

const BOOT_OPTIONS = [
  {
    id: 'Boot0001',
    name: 'UEFI PXEv4',
    path: ({ mac }: SimSystem) => `PciRoot(0x0)/Pci(0x3,0x0)/MAC(${mac.replaceAll(':', '')},0x1)/IPv4(0.0.0.0)`,
  },
  {
    id: 'Boot0002',
    name: 'debian',
    path: () => 'HD(1,GPT,0fc63daf-8483-4772-8e79-3d69d8477de4)/\\EFI\\debian\\shimx64.efi',
  },
  {
    id: 'Boot0003',
    name: 'UEFI HTTPv4',
    path: ({ mac }: SimSystem) => `PciRoot(0x0)/Pci(0x3,0x0)/MAC(${mac.replaceAll(':', '')},0x1)/IPv4(0.0.0.0)/Uri()`,
  },
];

function rootOf(model: SimModel): Json {
  return {
    Id: 'RootService',
    RedfishVersion: '1.15.0',
    UUID: '00000000-0000-0000-0000-00000000b3c0',
    Vendor: model.vendor,
    Product: model.product,
    Systems: link(`${ROOT}/Systems`),
    Chassis: link(`${ROOT}/Chassis`),
    Managers: link(`${ROOT}/Managers`),
    Tasks: link(`${ROOT}/TaskService`),
    SessionService: link(`${ROOT}/SessionService`),
    Links: { Sessions: link(SESSIONS) },
    ProtocolFeaturesSupported: {
      ExpandQuery: { ExpandAll: false, Levels: true, Links: false, NoLinks: true, MaxLevels: 1 },
    },
  };
}

function systemOf(system: SimSystem): Json {
  const path = systemPath(system);
  return {
    Manufacturer: system.manufacturer,
    Model: system.model,
    SerialNumber: system.serial,
    SKU: system.sku,
    UUID: system.uuid,
    SystemType: 'Physical',
    BiosVersion: '2.4',
    PowerState: system.power,
    LocationIndicatorActive: system.isLampLit,
    IndicatorLED: system.isLampLit ? 'Blinking' : 'Off',
    ProcessorSummary: { Count: 1, Model: 'Xeon', Status: OK },
    MemorySummary: { TotalSystemMemoryGiB: 32, Status: OK },
    Boot: bootOf(system),
    Bios: link(`${path}/Bios`),
    Processors: link(`${path}/Processors`),
    Memory: link(`${path}/Memory`),
    EthernetInterfaces: link(`${path}/EthernetInterfaces`),
    Storage: link(`${path}/Storage`),
    LogServices: link(`${path}/LogServices`),
    Links: { Chassis: [link(chassisPath(system))], ManagedBy: [link(MANAGER)] },
    Status: OK,
    Actions: {
      '#ComputerSystem.Reset': {
        target: `${path}/Actions/ComputerSystem.Reset`,
        'ResetType@Redfish.AllowableValues': RESET_TYPES,
      },
    },
  };
}

function bootOf(system: SimSystem): Json {
  const { target, enabled, mode, httpUri } = system.boot;
  return {
    BootSourceOverrideTarget: target,
    BootSourceOverrideEnabled: enabled,
    BootSourceOverrideMode: mode,
    HttpBootUri: httpUri,
    BootOrder: system.bootOrder,
    BootOptions: link(`${systemPath(system)}/BootOptions`),
    'BootSourceOverrideTarget@Redfish.AllowableValues': BOOT_TARGETS,
    'BootSourceOverrideEnabled@Redfish.AllowableValues': BOOT_ENABLED,
    'BootSourceOverrideMode@Redfish.AllowableValues': BOOT_MODES,
  };
}

function slotOf({ id, types, image, canInsert }: SimSlot): Json {
  const path = `${MANAGER}/VirtualMedia/${id}`;
  const action = (name: string) => ({ [`#VirtualMedia.${name}`]: { target: `${path}/Actions/VirtualMedia.${name}` } });
  return {
    MediaTypes: types,
    Image: image,
    ImageName: image === null ? '' : (image.split('/').at(-1) ?? ''),
    Inserted: image !== null,
    ConnectedVia: image === null ? 'NotConnected' : 'URI',
    WriteProtected: true,
    ...(canInsert ? { Actions: { ...action('InsertMedia'), ...action('EjectMedia') } } : {}),
  };
}

function named(path: string): Json {
  const id = path.split('/').at(-1) as string;
  return { Id: id, Name: id };
}
