import { randomUUID } from 'node:crypto';

/** What a simulated BMC knows and does, apart from how it is asked. One BMC has one or several Systems. */

export type SimBoot = { target: string; enabled: string; mode: 'UEFI' | 'Legacy'; httpUri: string | null };

export type SimLogEntry = { id: number; at: string; severity: 'OK' | 'Warning' | 'Critical'; text: string };

/** A machine. Everything in it can be looked at and changed by whoever runs the simulator. */
export type SimSystem = {
  id: string;
  manufacturer: string;
  model: string;
  serial: string;
  sku: string;
  uuid: string;
  power: 'On' | 'Off';
  boot: SimBoot;
  /** References of its boot options, first tried first. */
  bootOrder: string[];
  isLampLit: boolean;
  watts: number;
  temperature: number;
  mac: string;
  biosAttributes: Record<string, string>;
  log: SimLogEntry[];
  /** What it started from, oldest first: `Pxe UEFI`, or `order UEFI` when no override was set. */
  starts: string[];
};

export type SimSlot = { id: string; types: string[]; image: string | null; canInsert: boolean };

export type SimModel = {
  vendor: string;
  product: string;
  managerModel: string;
  firmware: string;
  systems: SimSystem[];
  slots: SimSlot[];
  /** Every change that was carried out, oldest first: `node1 ForceOff`, `node1 boot Pxe Once UEFI`, `CD1 insert URL`. */
  done: string[];
  /** Told after each reset: the rack starts and stops a real machine by it. */
  onReset?: (system: SimSystem, type: string) => void;
};

export const RESET_TYPES = [
  'On',
  'ForceOff',
  'GracefulShutdown',
  'ForceRestart',
  'PowerCycle',
  'Nmi',
  'PushPowerButton',
];
export const BOOT_TARGETS = ['None', 'Pxe', 'UefiHttp', 'Hdd', 'Cd', 'UsbCd', 'BiosSetup'];
export const BOOT_ENABLED = ['Disabled', 'Once', 'Continuous'];
export const BOOT_MODES = ['UEFI', 'Legacy'];

/** The machine with this number, from 1, with what is given and made up for the rest. */
export function makeSystem(number: number, given: Partial<SimSystem> = {}): SimSystem {
  return {
    id: `node${number}`,
    manufacturer: 'Firstlight',
    model: 'Simulated',
    serial: `SIM${String(number).padStart(4, '0')}`,
    sku: `SKU${number}`,
    uuid: randomUUID(),
    power: 'Off',
    boot: { target: 'None', enabled: 'Disabled', mode: 'UEFI', httpUri: null },
    bootOrder: ['Boot0001', 'Boot0002'],
    isLampLit: false,
    watts: 212,
    temperature: 41,
    mac: `52:54:00:00:00:${number.toString(16).padStart(2, '0')}`,
    biosAttributes: {},
    log: [{ id: 1, at: '2026-01-01T12:00:00Z', severity: 'OK', text: 'The log was cleared.' }],
    starts: [],
    ...given,
  };
}

/** Does what a ResetType says; false when the machine is in a state where it means nothing. */
export function applyReset(model: SimModel, system: SimSystem, type: string): boolean {
  const isOn = system.power === 'On';
  const needs: Record<string, boolean> = { On: !isOn, ForceOn: !isOn, PushPowerButton: true };
  if (!(needs[type] ?? isOn)) return false;
  model.done.push(`${system.id} ${type}`);
  if (type === 'On' || type === 'ForceOn' || (type === 'PushPowerButton' && !isOn)) start(system);
  else if (type === 'ForceRestart' || type === 'PowerCycle') start(system);
  else if (type !== 'Nmi') system.power = 'Off';
  model.onReset?.(system, type);
  return true;
}

/** The firmware comes up: it uses an override, and forgets the one that was for once. */
function start(system: SimSystem): void {
  const { boot } = system;
  system.power = 'On';
  const isOverridden = boot.enabled !== 'Disabled' && boot.target !== 'None';
  system.starts.push(`${isOverridden ? boot.target : 'order'} ${boot.mode}`);
  if (boot.enabled === 'Once') system.boot = { ...boot, enabled: 'Disabled', target: 'None' };
}
