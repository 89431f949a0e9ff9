import type { Events } from '../events.ts';
import type { DriverName } from '../model/bmc.ts';
import type { Event } from '../model/event.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import { hashToken } from '../store/secrets.ts';
import type { BmcErrorKind } from './driver.ts';
import { type Failure, type Found, type Login, WAYS } from './find.ts';
import type { MachineFacts } from './redfish/match.ts';

/** What adoption reads, changes and tells. */
export type AdoptOptions = {
  machines: Pick<Machines, 'byId'>;
  bmcs: Pick<Bmcs, 'chain' | 'put' | 'openCredentials'>;
  events: Pick<Events, 'emit' | 'listen' | 'settle'>;
  /** `facts`: what tells the machine from others behind the same BMC. */
  find: (address: string, logins: readonly Login[], facts: MachineFacts) => Promise<Found>;
};

/** What a BMC says to a login that it will say again. */
const REFUSED: readonly BmcErrorKind[] = ['wrong-password', 'no-such-user', 'privilege'];

/**
 * Gives a machine its BMC by itself: the scout reports the BMC's address, and the credentials are tried there in their order. Only
 * for machines that were accepted: whoever reports an address is shown our passwords. One that did not answer, and credentials that
 * are new, are tried at the next report.
 */
export function createAdoption({ machines, bmcs, events, find }: AdoptOptions): { close: () => void } {
  /** Logins that were refused: one that is refused again and again locks the account. */
  const refused = new Set<string>();
  /** Addresses where logins are being tried. */
  const underWay = new Set<string>();
  /** Machines of which it was told that their BMC does not answer. */
  const away = new Set<number>();

  async function adopt(machineId: number): Promise<void> {
    const machine = machines.byId(machineId);
    const address = machine?.inventory?.bmc?.address;
    if (!machine || machine.state === 'new' || machine.state === 'ignored' || !address || underWay.has(address)) return;
    if (bmcs.chain(machineId).length > 0) return;
    const logins = bmcs.openCredentials().map((login) => ({
      ...login,
      refusedBy: WAYS.filter((driver) => refused.has(keyOf(address, driver, login))),
    }));
    if (logins.every(({ refusedBy }) => refusedBy.length === WAYS.length)) return;
    underWay.add(address);
    const found = await find(address, logins, machine).finally(() => underWay.delete(address));
    const { chain, failures } = found;
    for (const { driver, login, kind } of failures)
      if (REFUSED.includes(kind)) refused.add(keyOf(address, driver, login));
    if (!machines.byId(machineId) || bmcs.chain(machineId).length > 0) return; // somebody was faster
    const told = describeFound(address, logins, found);
    events.settle(() => {
      if (chain.length > 0) bmcs.put(machineId, chain);
      if (told.kind === 'bmc.unreachable') away.add(machineId);
      else if (away.delete(machineId))
        events.emit({ kind: 'bmc.answers', text: `its BMC at ${address} answers now`, machineId });
      events.emit({ ...told, machineId });
    });
  }

  const close = events.listen(({ kind, machineId }: Event) => {
    if (machineId === undefined || (kind !== 'machine.accepted' && kind !== 'machine.discovered')) return;
    adopt(machineId).catch((error: Error) => console.error(`BMC of machine ${machineId}: ${error.stack}`));
  });
  return { close };
}

/** A login at a way of an address. Not the password itself, which is nowhere kept open. */
function keyOf(address: string, driver: DriverName, { user, password }: Login): string {
  return JSON.stringify([address, driver, user, hashToken(password)]);
}

function describeFound(address: string, logins: readonly Login[], { chain, told, failures }: Found) {
  const ways = chain.map((link) => `${link.driver} with credential ${link.credential}`).join(', then ');
  if (chain.length > 0)
    return { kind: 'bmc.changed', text: `its BMC at ${address} was found by itself: ${ways}` } as const;
  const wasRefused = logins.some(({ refusedBy = [] }) => refusedBy.length > 0);
  const isRefused = ({ kind }: Failure): boolean => REFUSED.includes(kind);
  const said = told.join('; ');
  if (wasRefused || failures.some(isRefused))
    return { kind: 'bmc.refuses', text: `its BMC at ${address} lets in none of the credentials: ${said}` } as const;
  const isAway = failures.every(({ kind }) => kind === 'unreachable');
  const what = isAway ? 'does not answer' : 'cannot be used';
  const text = `its BMC at ${address} ${what}, and is tried again when the scout reports next: ${said}`;
  return { kind: isAway ? 'bmc.unreachable' : 'bmc.refuses', text } as const;
}
