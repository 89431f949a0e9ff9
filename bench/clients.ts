import { type Mac, macFromBytes } from '../src/wire/address.ts';

/** Clients whose MACs count up from the first, and begin again after `count`. */
export type Clients = { firstMac: Mac; count: number };

/** No client comes twice in one probe below 12,000 exchanges per second. */
export const STRANGERS: Clients = { firstMac: '52:54:02:00:00:00' as Mac, count: 60_000 };
/** Those that are machines where some are entered: `clientMac` gives theirs. */
export const MACHINES: Clients = { firstMac: '52:54:00:00:00:00' as Mac, count: 10_000 };
/** The clients that warm a server up are others, and few: what they lease is not to make the server slower. */
export const FIRST_WARM_UP_CLIENT = '52:54:01:00:00:00' as Mac;
export const WARM_UP_CLIENTS = 100;

/** The MAC of this client, counted from 0, as perfdhcp counts up from the first machine's. */
export function clientMac(place: number): Mac {
  const bytes = Buffer.from([0x52, 0x54, 0, 0, 0, 0]);
  bytes.writeUInt32BE(place, 2);
  return macFromBytes(bytes);
}
