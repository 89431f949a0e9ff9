import { type Mac, macFromBytes } from '../src/wire/address.ts';

/** How many clients there are: no client comes twice in one probe below 12,000 exchanges per second. */
export const CLIENTS = 60_000;
export const FIRST_CLIENT = '52:54:00:00:00:00' as Mac;
/** The clients that warm a server up are others, and few: what they lease is not to make the server slower. */
export const FIRST_WARM_UP_CLIENT = '52:54:01:00:00:00' as Mac;
export const WARM_UP_CLIENTS = 100;

/** The MAC of this client, counted from 0, as perfdhcp counts up from FIRST_CLIENT. */
export function clientMac(place: number): Mac {
  const bytes = Buffer.from([0x52, 0x54, 0, 0, 0, 0]);
  bytes.writeUInt32BE(place, 2);
  return macFromBytes(bytes);
}
