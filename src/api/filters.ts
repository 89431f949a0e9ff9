import { Type } from 'typebox';
import type { Machine } from '../model/machine.ts';
import { type Mac, parseMac } from '../wire/address.ts';
import type { ApiOptions } from './server.ts';

const Text = Type.Optional(Type.String());
/** By whom, and where, an address is had: what leases and reservations are filtered by. */
export const WHO = { subnet: Text, mac: Text, machine: Text, text: Text };
/** Those filters as they are asked for. */
export type Who = { [filter in keyof typeof WHO]?: string | undefined };

/** The filters with what they name found. `named`: cards of machines whose name has the text in it. */
export type FoundWho = {
  subnetId?: number | undefined;
  mac?: Mac | undefined;
  machine?: Machine | undefined;
  /** In lower case. */
  text?: string | undefined;
  named: ReadonlySet<Mac>;
};

/** Throws for a subnet or machine that there is not, and for a MAC that is none. */
export function findWho(who: Who, { network, machines }: Pick<ApiOptions, 'network' | 'machines'>): FoundWho {
  const text = who.text?.toLowerCase();
  return {
    subnetId: who.subnet === undefined ? undefined : network.subnetNamed(who.subnet).id,
    mac: who.mac === undefined ? undefined : parseMac(who.mac),
    machine: who.machine === undefined ? undefined : machines.named(who.machine),
    text,
    named: new Set(
      text === undefined ? [] : machines.all().flatMap((one) => (one.name.includes(text) ? one.macs : [])),
    ),
  };
}
