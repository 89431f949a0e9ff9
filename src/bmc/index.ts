import { type BmcDriver, BmcError, type BmcTarget, type DriverName } from './driver.ts';
import { type IpmiOptions, openIpmi } from './ipmi.ts';
import { openIpmitool } from './ipmitool.ts';
import { openRedfish, type RedfishOptions } from './redfish.ts';

/** What a driver is told beside its target, and whom it tells what it found out. Each takes what it knows. */
export type DriverOptions = Pick<IpmiOptions, 'cipherSuite' | 'onCipherSuite'> & Pick<RedfishOptions, 'onFingerprint'>;

/** Every way to speak to a BMC. A new one is one file and one line here. */
const DRIVERS: Partial<Record<DriverName, (target: BmcTarget, options?: DriverOptions) => BmcDriver>> = {
  redfish: openRedfish,
  ipmi: openIpmi,
  ipmitool: openIpmitool,
};

/** The driver for a BMC. It sends nothing until it is asked something. Throws BmcError for settings it does not understand. */
export function openBmc(target: BmcTarget, options?: DriverOptions): BmcDriver {
  const open = DRIVERS[target.driver];
  if (!open) throw new BmcError('unsupported', target, `has the driver ${target.driver}, which is not built in`);
  return open(target, options);
}
