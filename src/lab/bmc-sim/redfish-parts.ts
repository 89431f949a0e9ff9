import type { Json } from './redfish-answer.ts';
import type { SimLogEntry, SimSystem } from './redfish-model.ts';
import { chassisPath, MANAGER, systemPath } from './redfish-paths.ts';

/** Puts a resource at a path; puts a collection of the resources at these paths there. */
export type Add = (path: string, type: string, make: () => Json) => void;
export type Collect = (path: string, type: string, members: () => string[]) => void;

export const link = (path: string): Json => ({ '@odata.id': path });
export const OK = { State: 'Enabled', Health: 'OK' };

/** What is built into a machine. */
export function addParts(system: SimSystem, add: Add, collect: Collect): void {
  const path = systemPath(system);
  collect(`${path}/Processors`, 'Processor', () => [`${path}/Processors/CPU1`]);
  add(`${path}/Processors/CPU1`, 'Processor.v1_16_0.Processor', () => ({
    Manufacturer: 'Intel',
    Model: 'Xeon',
    TotalCores: 8,
    TotalThreads: 16,
    Status: OK,
  }));
  collect(`${path}/Memory`, 'Memory', () => [`${path}/Memory/DIMM1`]);
  add(`${path}/Memory/DIMM1`, 'Memory.v1_16_0.Memory', () => ({
    CapacityMiB: 32768,
    MemoryDeviceType: 'DDR5',
    SerialNumber: 'D1',
  }));
  collect(`${path}/EthernetInterfaces`, 'EthernetInterface', () => [`${path}/EthernetInterfaces/NIC1`]);
  add(`${path}/EthernetInterfaces/NIC1`, 'EthernetInterface.v1_9_0.EthernetInterface', () => ({
    MACAddress: system.mac,
    LinkStatus: 'LinkUp',
    SpeedMbps: 10000,
    Status: OK,
  }));
  collect(`${path}/Storage`, 'Storage', () => [`${path}/Storage/1`]);
  add(`${path}/Storage/1`, 'Storage.v1_14_0.Storage', () => ({ Drives: [link(`${path}/Storage/1/Drives/D1`)] }));
  add(`${path}/Storage/1/Drives/D1`, 'Drive.v1_17_0.Drive', () => ({
    Model: 'MZ7',
    SerialNumber: 'S3X1',
    CapacityBytes: 480_103_981_056,
    MediaType: 'SSD',
  }));
}

/** The log of its hardware, and an audit log beside it that is none. */
export function addLog(system: SimSystem, add: Add, collect: Collect): void {
  const path = systemPath(system);
  collect(`${path}/LogServices`, 'LogService', () => [`${path}/LogServices/Audit`, `${path}/LogServices/SEL`]);
  add(`${path}/LogServices/Audit`, 'LogService.v1_3_0.LogService', () => ({
    ServiceEnabled: true,
    Entries: link(`${path}/LogServices/Audit/Entries`),
  }));
  collect(`${path}/LogServices/Audit/Entries`, 'LogEntry', () => []);
  add(`${path}/LogServices/SEL`, 'LogService.v1_3_0.LogService', () => ({
    ServiceEnabled: true,
    LogEntryType: 'SEL',
    Entries: link(`${path}/LogServices/SEL/Entries`),
    Actions: { '#LogService.ClearLog': { target: `${path}/LogServices/SEL/Actions/LogService.ClearLog` } },
  }));
  // Entries come whole within their collection, newest first, as most BMCs have it.
  const entries = `${path}/LogServices/SEL/Entries`;
  const show = ({ id, at, severity, text }: SimLogEntry): Json => ({
    ...link(`${entries}/${id}`),
    Id: String(id),
    Name: `Log entry ${id}`,
    EntryType: 'SEL',
    Created: at,
    Severity: severity,
    Message: text,
  });
  add(entries, 'LogEntryCollection.LogEntryCollection', () => ({
    Members: system.log.toReversed().map(show),
    'Members@odata.count': system.log.length,
  }));
  for (const entry of system.log) add(`${entries}/${entry.id}`, 'LogEntry.v1_15_0.LogEntry', () => show(entry));
}

/** Its chassis with sensors, in the older and the newer resources. */
export function addChassis(system: SimSystem, add: Add, collect: Collect): void {
  const path = chassisPath(system);
  add(path, 'Chassis.v1_21_0.Chassis', () => ({
    ChassisType: 'RackMount',
    Manufacturer: system.manufacturer,
    SerialNumber: `C-${system.serial}`,
    Thermal: link(`${path}/Thermal`),
    Power: link(`${path}/Power`),
    Sensors: link(`${path}/Sensors`),
    EnvironmentMetrics: link(`${path}/EnvironmentMetrics`),
    Links: { ComputerSystems: [link(systemPath(system))], ManagedBy: [link(MANAGER)] },
    Status: OK,
  }));
  add(`${path}/Thermal`, 'Thermal.v1_7_1.Thermal', () => ({
    Temperatures: [
      { MemberId: '0', Name: 'CPU1 Temp', ReadingCelsius: system.temperature, UpperThresholdCritical: 95, Status: OK },
      {
        MemberId: '1',
        Name: 'Inlet Temp',
        ReadingCelsius: 46,
        UpperThresholdNonCritical: 45,
        UpperThresholdCritical: 50,
      },
    ],
    Fans: [
      { MemberId: '0', Name: 'FAN1', Reading: 5600, ReadingUnits: 'RPM', Status: OK },
      { MemberId: '1', Name: 'FAN2', Reading: null, ReadingUnits: 'RPM', Status: { State: 'Absent' } },
    ],
  }));
  add(`${path}/Power`, 'Power.v1_7_1.Power', () => ({
    PowerControl: [{ MemberId: '0', Name: 'System Power', PowerConsumedWatts: system.watts }],
    Voltages: [{ MemberId: '0', Name: '12V', ReadingVolts: 12.1, Status: OK }],
    PowerSupplies: [
      {
        MemberId: '0',
        Name: 'PSU1',
        SerialNumber: 'P1',
        PowerOutputWatts: system.watts,
        Status: { State: 'Enabled', Health: 'Critical' },
      },
    ],
  }));
  add(`${path}/EnvironmentMetrics`, 'EnvironmentMetrics.v1_3_0.EnvironmentMetrics', () => ({
    PowerWatts: { Reading: system.watts },
  }));
  const sensors: Record<string, () => Json> = {
    cpu1: () => ({
      Name: 'CPU1 Temp',
      ReadingType: 'Temperature',
      Reading: system.temperature,
      ReadingUnits: 'Cel',
      Status: OK,
    }),
    fan1: () => ({ Name: 'FAN1', ReadingType: 'Rotational', Reading: 5600, ReadingUnits: '{rev}/min', Status: OK }),
    inlet: () => ({
      Name: 'Inlet Temp',
      Reading: 46,
      ReadingUnits: 'Cel',
      Thresholds: { UpperCaution: { Reading: 45 } },
    }),
  };
  collect(`${path}/Sensors`, 'Sensor', () => Object.keys(sensors).map((id) => `${path}/Sensors/${id}`));
  for (const [id, make] of Object.entries(sensors)) add(`${path}/Sensors/${id}`, 'Sensor.v1_7_0.Sensor', make);
}
