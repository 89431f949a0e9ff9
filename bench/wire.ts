import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { BenchError } from './error.ts';

/** One end of a wire: a namespace of its own, and its address with the length of its prefix. */
export type WireEnd = { namespace: string; address: string };

/** What the wire's interface is called at both ends. */
export const INTERFACE = 'bench0';

/**
 * Make both namespaces and the wire between them, which reaches no real network. What a killed run left goes first. Throws BenchError
 * with the complaint of `ip`.
 */
export function openWire(one: WireEnd, other: WireEnd): void {
  closeWire(one, other);
  for (const { namespace } of [one, other]) ip('netns', 'add', namespace);
  ip(
    ...['link', 'add', INTERFACE, 'netns', one.namespace],
    ...['type', 'veth', 'peer', 'name', INTERFACE, 'netns', other.namespace],
  );
  for (const { namespace, address } of [one, other]) {
    ip('-n', namespace, 'address', 'add', address, 'dev', INTERFACE);
    ip('-n', namespace, 'link', 'set', 'lo', 'up');
    ip('-n', namespace, 'link', 'set', INTERFACE, 'up');
  }
}

/** Remove them; those that are not there are no error. */
export function closeWire(...ends: WireEnd[]): void {
  for (const { namespace } of ends) if (existsSync(`/run/netns/${namespace}`)) ip('netns', 'delete', namespace);
}

/** Throws BenchError with the complaint of `ip`. */
export function ip(...args: string[]): void {
  try {
    execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    const complaint = (error as { stderr?: string }).stderr?.trim() || String(error);
    throw new BenchError(`ip ${args.join(' ')} failed: ${complaint}`);
  }
}
