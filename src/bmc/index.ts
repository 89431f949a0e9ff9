import type { BmcDriver, BmcTarget, DriverName } from './driver.ts';
import { openExec } from './exec.ts';
import { type IpmiOptions, openIpmi } from './ipmi.ts';
import { openIpmitool } from './ipmitool.ts';
import { openManual } from './manual.ts';
import { openRedfish, type RedfishOptions } from './redfish.ts';
import { openWebhook } from './webhook.ts';
import { openWol } from './wol.ts';

/** What a driver is told beside its target, and whom it tells what it found out. Each takes what it knows. */
export type DriverOptions = Pick<IpmiOptions, 'cipherSuite' | 'onCipherSuite'> &
  Pick<RedfishOptions, 'onFingerprint'> & { execFolder?: string };

/** Every way to speak to a BMC. A new one is one file and one line here. */
const DRIVERS: Readonly<Record<DriverName, (target: BmcTarget, options?: DriverOptions) => BmcDriver>> = {
  redfish: openRedfish,
  ipmi: openIpmi,
  ipmitool: openIpmitool,
  wol: openWol,
  webhook: (target) => openWebhook(target),
  exec: (target, { execFolder: folder } = {}) => openExec(target, folder === undefined ? {} : { folder }),
  manual: openManual,
};

/** The driver for a BMC. It sends nothing until it is asked something. Throws BmcError for settings it does not understand. */
export function openBmc(target: BmcTarget, options?: DriverOptions): BmcDriver {
  return DRIVERS[target.driver](target, options);
}
