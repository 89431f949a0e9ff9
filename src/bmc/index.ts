import type { BmcDriver, BmcTarget } from './driver.ts';
import { type IpmiOptions, openIpmi } from './ipmi.ts';

export type DriverOptions = IpmiOptions;

/** Every way to speak to a BMC. A new one is one file and one line here. */
const DRIVERS: Record<BmcTarget['driver'], (target: BmcTarget, options?: DriverOptions) => BmcDriver> = {
  ipmi: openIpmi,
};

/** The driver for a BMC. It sends nothing until it is asked something. */
export function openBmc(target: BmcTarget, options?: DriverOptions): BmcDriver {
  return DRIVERS[target.driver](target, options);
}
