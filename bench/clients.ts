import { type Mac, macFromBytes, macToBytes } from '../src/wire/address.ts';

/** Clients whose MACs count up from the first, and begin again after `count`. */
export type Clients = { firstMac: Mac; count: number };

/** No client comes twice in one probe below 12,000 exchanges per second. */
export const STRANGERS: Clients = { firstMac: '52:54:02:00:00:00' as Mac, count: 60_000 };
/** Those that are machines where some are entered. */
export const MACHINES: Clients = { firstMac: '52:54:00:00:00:00' as Mac, count: 10_000 };
/** The clients that warm a server up are others, and few: what they lease is not to make the server slower. */
export const FIRST_WARM_UP_CLIENT = '52:54:01:00:00:00' as Mac;
export const WARM_UP_CLIENTS = 100;

/** The MAC of the client at this place, counted from 0: perfdhcp counts them so too. */
export function clientMac({ firstMac, count }: Clients, place: number): Mac {
  const bytes = macToBytes(firstMac);
  bytes.writeUInt32BE(bytes.readUInt32BE(2) + (place % count), 2);
  return macFromBytes(bytes);
}
