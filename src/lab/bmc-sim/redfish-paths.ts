import type { SimSystem } from './redfish-model.ts';

/** Where things are in the simulated service. */
export const ROOT = '/redfish/v1';
export const SESSIONS = `${ROOT}/SessionService/Sessions`;
export const MANAGER = `${ROOT}/Managers/bmc`;
export const systemPath = ({ id }: SimSystem): string => `${ROOT}/Systems/${id}`;
export const chassisPath = ({ id }: SimSystem): string => `${ROOT}/Chassis/${id}`;
