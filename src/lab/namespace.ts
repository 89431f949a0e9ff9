import { existsSync } from 'node:fs';
import type { Children } from './children.ts';
import type { RackPlan } from './plan.ts';

/** Makes the rack's network namespace: a bridge for each network, a tap for each card, and no way out. */
export async function openNamespace(plan: RackPlan, children: Children): Promise<void> {
  const { namespace } = plan;
  await children.run('ip', ['netns', 'add', namespace]);
  const ip = (...args: string[]) => children.run('ip', ['-n', namespace, ...args]);
  await ip('link', 'set', 'lo', 'up');
  for (const { bridge, address } of plan.networks) {
    // Snooping would swallow router solicitations: nobody here answers the bridge's membership queries.
    await ip('link', 'add', bridge, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0');
    await ip('address', 'add', address, 'brd', '+', 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
  }
  for (const nic of plan.machines.flatMap((machine) => machine.nics)) {
    await ip('tuntap', 'add', 'dev', nic.tap, 'mode', 'tap');
    await ip('link', 'set', nic.tap, 'master', nic.network, 'up');
  }
}

export function hasNamespace(namespace: string): boolean {
  return existsSync(`/run/netns/${namespace}`);
}
