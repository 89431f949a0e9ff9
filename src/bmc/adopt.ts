import type { Events } from '../events.ts';
import type { Event } from '../model/event.ts';
import type { Bmcs } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { Found, Login } from './find.ts';

export type AdoptOptions = {
  machines: Pick<Machines, 'byId'>;
  bmcs: Pick<Bmcs, 'chain' | 'put' | 'openCredentials'>;
  events: Pick<Events, 'emit' | 'listen' | 'settle'>;
  find: (address: string, logins: readonly Login[]) => Promise<Found>;
};

/**
 * Gives a machine its BMC by itself: the scout reports the BMC's address, and the credentials are tried there in their order. Only
 * for machines that were accepted: whoever reports an address is shown our passwords.
 */
export function createAdoption({ machines, bmcs, events, find }: AdoptOptions): { close: () => void } {
  /** Addresses that were tried: a login that is refused again and again locks the account. */
  const tried = new Set<string>();

  async function adopt(machineId: number): Promise<void> {
    const machine = machines.byId(machineId);
    const address = machine?.inventory?.bmc?.address;
    if (!machine || machine.state === 'new' || machine.state === 'ignored' || !address || tried.has(address)) return;
    if (bmcs.chain(machineId).length > 0) return;
    const logins = bmcs.openCredentials();
    if (logins.length === 0) return;
    tried.add(address);
    const { chain, told } = await find(address, logins);
    if (!machines.byId(machineId) || bmcs.chain(machineId).length > 0) return; // somebody was faster
    events.settle(() => {
      if (chain.length > 0) bmcs.put(machineId, chain);
      events.emit({
        kind: chain.length > 0 ? 'bmc.changed' : 'bmc.refuses',
        text:
          chain.length > 0
            ? `its BMC at ${address} was found by itself: ${chain.map((link) => `${link.driver} with credential ${link.credential}`).join(', then ')}`
            : `its BMC at ${address} lets in none of the credentials: ${told.join('; ')}`,
        machineId,
      });
    });
  }

  const close = events.listen(({ kind, machineId }: Event) => {
    if (machineId === undefined || (kind !== 'machine.accepted' && kind !== 'machine.discovered')) return;
    adopt(machineId).catch((error: Error) => console.error(`BMC of machine ${machineId}: ${error.stack}`));
  });
  return { close };
}
