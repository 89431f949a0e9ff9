import { type BmcDriver, BmcError, type BmcTarget, type DriverName } from './driver.ts';
import { type IpmiOptions, openIpmi } from './ipmi.ts';
import { openIpmitool } from './ipmitool.ts';

export type DriverOptions = IpmiOptions;

/** Every way to speak to a BMC. A new one is one file and one line here. */
const DRIVERS: Partial<Record<DriverName, (target: BmcTarget, options?: DriverOptions) => BmcDriver>> = {
  ipmi: openIpmi,
  ipmitool: openIpmitool,
};

/** The driver for a BMC. It sends nothing until it is asked something. */
export function openBmc(target: BmcTarget, options?: DriverOptions): BmcDriver {
  const open = DRIVERS[target.driver];
  if (!open) throw new BmcError('unsupported', target, `has the driver ${target.driver}, which is not built in`);
  return open(target, options);
}
