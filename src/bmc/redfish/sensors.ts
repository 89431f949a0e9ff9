import type { Sensor, SensorState } from '../driver.ts';
import { readMembers } from './collection.ts';
import type { Talk } from './discover.ts';
import { linkAt, numberAt, partAt, partsAt, type Resource, textAt } from './json.ts';

const SENSOR_LIMIT = 400;

/**
 * All readings of the machine's chassis. The Sensors collection has the most, and costs a request per sensor where the BMC does
 * not put its members into it: there the two older resources, Thermal and Power, come first.
 */
export async function readSensors({ client, site }: Talk): Promise<Sensor[]> {
  const sensors: Sensor[] = [];
  const ways = site.root.canExpand ? [readNewer, readOlder] : [readOlder, readNewer];
  for (const path of site.chassis) {
    const chassis = (await client.find(path))?.resource ?? {};
    for (const read of ways) {
      const found = await read({ client, site }, chassis);
      sensors.push(...found);
      if (found.length > 0) break;
    }
  }
  if (sensors.length === 0) throw client.error('unsupported', 'has no sensors in its chassis');
  return sensors.slice(0, SENSOR_LIMIT);
}

async function readNewer({ client, site }: Talk, chassis: Resource): Promise<Sensor[]> {
  const limits = { members: SENSOR_LIMIT, canExpand: site.root.canExpand };
  return (await readMembers(client, linkAt(chassis, 'Sensors'), limits)).map(sensorOf);
}

async function readOlder({ client }: Talk, chassis: Resource): Promise<Sensor[]> {
  const thermal = await client.find(linkAt(chassis, 'Thermal'));
  const power = await client.find(linkAt(chassis, 'Power'));
  return [...thermalSensors(thermal?.resource ?? {}), ...powerSensors(power?.resource ?? {})];
}

/** Watts drawn now: the newer EnvironmentMetrics, else the first PowerControl of Power that says it. */
export async function readWatts({ client, site }: Talk): Promise<number> {
  for (const path of site.chassis) {
    const chassis = await client.find(path);
    const metrics = await client.find(linkAt(chassis?.resource ?? {}, 'EnvironmentMetrics'));
    const newer = numberAt(metrics?.resource ?? {}, 'PowerWatts', 'Reading');
    if (newer !== undefined) return newer;
    const power = await client.find(linkAt(chassis?.resource ?? {}, 'Power'));
    const controls = partsAt(power?.resource ?? {}, 'PowerControl');
    const older = controls.map((control) => numberAt(control, 'PowerConsumedWatts')).find((one) => one !== undefined);
    if (older !== undefined) return older;
  }
  throw client.error('unsupported', 'does not measure the power that its machine draws');
}

/** DSP0268 Sensor. */
export function sensorOf(sensor: Resource): Sensor {
  const units = textAt(sensor, 'ReadingUnits');
  return makeSensor(
    sensor,
    textAt(sensor, 'Name') || textAt(sensor, 'Id'),
    numberAt(sensor, 'Reading'),
    unitOf(units),
    {
      upperCritical: numberAt(sensor, 'Thresholds', 'UpperCritical', 'Reading'),
      upperWarning: numberAt(sensor, 'Thresholds', 'UpperCaution', 'Reading'),
      lowerCritical: numberAt(sensor, 'Thresholds', 'LowerCritical', 'Reading'),
      lowerWarning: numberAt(sensor, 'Thresholds', 'LowerCaution', 'Reading'),
    },
  );
}

/** DSP0268 Thermal: degrees Celsius, and fans in what they say. */
function thermalSensors(thermal: Resource): Sensor[] {
  const temperatures = partsAt(thermal, 'Temperatures').map((one) =>
    makeSensor(one, textAt(one, 'Name'), numberAt(one, 'ReadingCelsius'), 'C', olderThresholds(one)),
  );
  const fans = partsAt(thermal, 'Fans').map((one) => {
    const units = textAt(one, 'ReadingUnits');
    const value = numberAt(one, 'Reading') ?? numberAt(one, 'ReadingRPM');
    return makeSensor(
      one,
      textAt(one, 'Name') || textAt(one, 'FanName'),
      value,
      unitOf(units) || 'RPM',
      olderThresholds(one),
    );
  });
  return [...temperatures, ...fans];
}

/** DSP0268 Power: volts, and the watts that each supply gives. */
function powerSensors(power: Resource): Sensor[] {
  const voltages = partsAt(power, 'Voltages').map((one) =>
    makeSensor(one, textAt(one, 'Name'), numberAt(one, 'ReadingVolts'), 'V', olderThresholds(one)),
  );
  const supplies = partsAt(power, 'PowerSupplies').map((one) => {
    const value = numberAt(one, 'PowerOutputWatts') ?? numberAt(one, 'LastPowerOutputWatts');
    return makeSensor(one, textAt(one, 'Name'), value, 'W', {});
  });
  return [...voltages, ...supplies];
}

type Thresholds = {
  [Name in 'upperCritical' | 'upperWarning' | 'lowerCritical' | 'lowerWarning']?: number | undefined;
};

function olderThresholds(sensor: Resource): Thresholds {
  return {
    upperCritical: numberAt(sensor, 'UpperThresholdCritical'),
    upperWarning: numberAt(sensor, 'UpperThresholdNonCritical'),
    lowerCritical: numberAt(sensor, 'LowerThresholdCritical'),
    lowerWarning: numberAt(sensor, 'LowerThresholdNonCritical'),
  };
}

function makeSensor(
  source: Resource,
  name: string,
  value: number | undefined,
  unit: string,
  thresholds: Thresholds,
): Sensor {
  const status = partAt(source, 'Status');
  const state = stateOf(textAt(status, 'State'), textAt(status, 'Health'), value, thresholds);
  const text = value === undefined ? textAt(status, 'State') || 'no reading' : `${value}${unit && ` ${unit}`}`;
  const sensor: Sensor = { name: name || 'unnamed', unit, state, text };
  return value === undefined ? sensor : { ...sensor, value };
}

/** What the BMC thinks of it, and where it does not say, what its thresholds say. */
function stateOf(state: string, health: string, value: number | undefined, limits: Thresholds): SensorState {
  if (['Absent', 'Disabled', 'UnavailableOffline', 'Deferring'].includes(state)) return 'absent';
  if (health === 'Critical') return 'critical';
  if (health === 'Warning') return 'warning';
  if (health === 'OK') return 'ok';
  if (value === undefined) return 'absent';
  const isBeyond = (lower: number | undefined, upper: number | undefined) =>
    (lower !== undefined && value <= lower) || (upper !== undefined && value >= upper);
  if (isBeyond(limits.lowerCritical, limits.upperCritical)) return 'critical';
  return isBeyond(limits.lowerWarning, limits.upperWarning) ? 'warning' : 'ok';
}

/** Units of UCUM as Redfish has them, as people write them; others as they are. */
function unitOf(units: string): string {
  return UNITS[units] ?? units;
}

const UNITS: Readonly<Record<string, string>> = {
  Cel: 'C',
  '{rev}/min': 'RPM',
  Percent: '%',
  'kW.h': 'kWh',
  'J/s': 'W',
  '[ft_i]3/min': 'ft³/min',
};
