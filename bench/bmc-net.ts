import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BMC_NETWORK } from './bmc-plan.ts';
import { BenchError } from './error.ts';

/** One wire, the appliance at one end and all BMCs at the other: what is counted in a namespace is of that end alone. */
export const APPLIANCE_NAMESPACE = 'fl-bench-appliance';
export const BMC_NAMESPACE = 'fl-bench-bmcs';
const INTERFACE = 'bench0';
const APPLIANCE = '10.97.0.1';
const GATEWAY = '10.97.0.2';

/** Make the namespaces and the wire. What a killed run left of them goes first. Throws BenchError with the complaint of `ip`. */
export function openBmcNet(): void {
  closeBmcNet();
  ip('netns', 'add', APPLIANCE_NAMESPACE);
  ip('netns', 'add', BMC_NAMESPACE);
  ip(
    ...['link', 'add', INTERFACE, 'netns', APPLIANCE_NAMESPACE],
    ...['type', 'veth', 'peer', 'name', INTERFACE, 'netns', BMC_NAMESPACE],
  );
  for (const [namespace, address] of [
    [APPLIANCE_NAMESPACE, APPLIANCE],
    [BMC_NAMESPACE, GATEWAY],
  ] as const) {
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', INTERFACE);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', INTERFACE, 'up');
  }
  // a whole network that is local there: each BMC may listen on an address of it
  ip('-n', BMC_NAMESPACE, 'route', 'add', 'local', BMC_NETWORK, 'dev', 'lo');
  ip('-n', APPLIANCE_NAMESPACE, 'route', 'add', BMC_NETWORK, 'via', GATEWAY);
}

/** Remove them; those that are not there are no error. */
export function closeBmcNet(): void {
  for (const namespace of [APPLIANCE_NAMESPACE, BMC_NAMESPACE])
    if (existsSync(`/run/netns/${namespace}`)) ip('netns', 'delete', namespace);
}

function ip(...args: string[]): void {
  try {
    execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const complaint = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new BenchError(`ip ${args.join(' ')} failed: ${complaint}`);
  }
}
