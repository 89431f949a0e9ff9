import { BMC_NETWORK } from './bmc-plan.ts';
import { closeWire, ip, openWire } from './wire.ts';

/** The appliance at one end and all BMCs at the other: what is counted in a namespace is of that end alone. */
export const APPLIANCE_NAMESPACE = 'fl-bench-appliance';
export const BMC_NAMESPACE = 'fl-bench-bmcs';
const GATEWAY = '10.97.0.2';
const ENDS = [
  { namespace: APPLIANCE_NAMESPACE, address: '10.97.0.1/24' },
  { namespace: BMC_NAMESPACE, address: `${GATEWAY}/24` },
] as const;

/** Throws BenchError. */
export function openBmcNet(): void {
  openWire(...ENDS);
  // a whole network that is local there: each BMC may listen on an address of it
  ip('-n', BMC_NAMESPACE, 'route', 'add', 'local', BMC_NETWORK, 'dev', 'lo');
  ip('-n', APPLIANCE_NAMESPACE, 'route', 'add', BMC_NETWORK, 'via', GATEWAY);
}

export function closeBmcNet(): void {
  closeWire(...ENDS);
}
