import { type Ipv4, ipv4FromNumber, ipv4ToNumber } from '../src/wire/address.ts';
import { closeWire, openWire } from './wire.ts';

/** The server at one end, the clients at the other. */
export const SERVER_NAMESPACE = 'fl-bench-server';
export const CLIENT_NAMESPACE = 'fl-bench-client';
export const SERVER = '10.99.0.1' as Ipv4;
/** Where the clients sit. They all come through one relay, because one host cannot be 60,000 clients on an Ethernet. */
export const RELAY = '10.99.0.2' as Ipv4;
export const SUBNET = '10.99.0.0/16';
export const NETMASK = '255.255.0.0';
const ENDS = [
  { namespace: SERVER_NAMESPACE, address: `${SERVER}/16` },
  { namespace: CLIENT_NAMESPACE, address: `${RELAY}/16` },
] as const;
/** 65,279 addresses: more than there are clients, so that no server ever has to look for one that was used before. */
export const POOL = { first: '10.99.1.0' as Ipv4, last: '10.99.255.254' as Ipv4 };

/** The address at this place of the pool, counted from 0. */
export function poolAddress(place: number): Ipv4 {
  return ipv4FromNumber(ipv4ToNumber(POOL.first) + place);
}

/** Throws BenchError. */
export function openNet(): void {
  openWire(...ENDS);
}

export function closeNet(): void {
  closeWire(...ENDS);
}
