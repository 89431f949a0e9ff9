import { execFileSync } from 'node:child_process';
import { BMC_NETWORK } from './bmc-plan.ts';
import { BenchError } from './error.ts';
import { CLIENT_NAMESPACE, INTERFACE, openNet, RELAY, SERVER_NAMESPACE } from './net.ts';

/** The appliance is at the servers' end of the wire, so that only its packets are counted there; the BMCs are at the other. */
export const APPLIANCE_NAMESPACE = SERVER_NAMESPACE;
export const BMC_NAMESPACE = CLIENT_NAMESPACE;

/** The wire of the bench, with a whole network of BMCs at its far end: each may listen on an address of it. */
export function openBmcNet(): void {
  openNet();
  route(BMC_NAMESPACE, 'add', 'local', BMC_NETWORK, 'dev', 'lo');
  route(APPLIANCE_NAMESPACE, 'add', BMC_NETWORK, 'via', RELAY, 'dev', INTERFACE);
}

function route(namespace: string, ...args: string[]): void {
  try {
    execFileSync('ip', ['-n', namespace, 'route', ...args], { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const complaint = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new BenchError(`ip -n ${namespace} route ${args.join(' ')} failed: ${complaint}`);
  }
}
