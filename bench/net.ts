import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from '../src/wire/address.ts';
import { BenchError } from './error.ts';

/** One wire with a namespace at each end: nothing of it can reach a real network. */
export const SERVER_NAMESPACE = 'fl-bench-server';
export const CLIENT_NAMESPACE = 'fl-bench-client';
export const INTERFACE = 'bench0';
export const SERVER = '10.99.0.1' as Ipv4;
/** Where the clients sit. They all come through one relay, because one host cannot be 60,000 clients on an Ethernet. */
export const RELAY = '10.99.0.2' as Ipv4;
export const SUBNET = '10.99.0.0/16';
export const NETMASK = '255.255.0.0';
/** 65,279 addresses: more than there are clients, so that no server ever has to look for one that was used before. */
export const POOL = { first: '10.99.1.0' as Ipv4, last: '10.99.255.254' as Ipv4 };

/** The address at this place of the pool, counted from 0. */
export function poolAddress(place: number): Ipv4 {
  return ipv4FromNumber(ipv4ToNumber(POOL.first) + place);
}

/** Make the namespaces and the wire. What a killed run left of them goes first. Throws BenchError with the complaint of `ip`. */
export function openNet(): void {
  closeNet();
  ip('netns', 'add', SERVER_NAMESPACE);
  ip('netns', 'add', CLIENT_NAMESPACE);
  ip(
    ...['link', 'add', INTERFACE, 'netns', SERVER_NAMESPACE],
    ...['type', 'veth', 'peer', 'name', INTERFACE, 'netns', CLIENT_NAMESPACE],
  );
  for (const [namespace, address] of [
    [SERVER_NAMESPACE, SERVER],
    [CLIENT_NAMESPACE, RELAY],
  ] as const) {
    ip('-n', namespace, 'address', 'add', `${address}/16`, 'dev', INTERFACE);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', INTERFACE, 'up');
  }
}

/** Remove them; those that are not there are no error. */
export function closeNet(): void {
  for (const namespace of [SERVER_NAMESPACE, CLIENT_NAMESPACE])
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
