import type { BootWish, DriverName } from '../model/bmc.ts';
import type { FirmwareMode } from '../model/machine.ts';

/** Drivers that can say what is booted next. */
const SETS_BOOT: readonly DriverName[] = ['redfish', 'ipmi', 'ipmitool'];

export type OtherWay = { wish: BootWish; via: DriverName; text: string };

/**
 * How a machine is started from the network the second time, when its first start showed no DHCP. A firmware mode that was only
 * guessed is guessed the other way; else another driver sets the boot device; else the same is done once more, because BMCs lose it.
 */
export function otherWay(
  tried: { wish: BootWish; driver: DriverName },
  view: { firmware: FirmwareMode | undefined; drivers: readonly DriverName[] },
): OtherWay {
  const { wish, driver } = tried;
  if (view.firmware === undefined) {
    const firmware = wish.firmware === 'uefi' ? 'bios' : 'uefi';
    return { wish: { ...wish, firmware }, via: driver, text: `in ${firmware} mode instead of ${wish.firmware}` };
  }
  const other = view.drivers.find((one) => one !== driver && SETS_BOOT.includes(one));
  if (other) return { wish, via: other, text: `with ${other} instead of ${driver}` };
  return { wish, via: driver, text: `in the same way once more` };
}
