import type { AnyCommand } from './ipmi.ts';
import { getBootOption, setBootOption } from './ipmi-boot.ts';
import { chassisControl, chassisIdentify, getChassisStatus, getRestartCause } from './ipmi-chassis.ts';
import { getPowerReading } from './ipmi-dcmi.ts';
import { getDeviceId, getSystemGuid } from './ipmi-device.ts';
import { getFruAreaInfo, readFru } from './ipmi-fru.ts';
import { getDeviceSdr, getSdr, getSdrRepositoryInfo, reserveDeviceSdr, reserveSdr } from './ipmi-sdr.ts';
import { clearSel, getSelEntry, getSelInfo, getSelTime, reserveSel } from './ipmi-sel.ts';
import { getReadingFactors, getSensorReading } from './ipmi-sensor.ts';
import {
  closeSession,
  getChannelAuthCapabilities,
  getChannelCipherSuites,
  setSessionPrivilege,
} from './ipmi-session.ts';
import {
  activateSol,
  deactivateSol,
  getChannelPayloads,
  getPayloadActivation,
  getSolConfiguration,
} from './ipmi-sol.ts';

/** Every command: what a simulated BMC dispatches on and what tests walk over. */
export const COMMANDS: readonly AnyCommand[] = [
  getChannelAuthCapabilities,
  getChannelCipherSuites,
  setSessionPrivilege,
  closeSession,
  getDeviceId,
  getSystemGuid,
  getChassisStatus,
  chassisControl,
  chassisIdentify,
  getRestartCause,
  setBootOption,
  getBootOption,
  getSelInfo,
  reserveSel,
  getSelEntry,
  clearSel,
  getSelTime,
  getSdrRepositoryInfo,
  reserveSdr,
  getSdr,
  reserveDeviceSdr,
  getDeviceSdr,
  getSensorReading,
  getReadingFactors,
  getFruAreaInfo,
  readFru,
  getPowerReading,
  activateSol,
  deactivateSol,
  getPayloadActivation,
  getChannelPayloads,
  getSolConfiguration,
];
