import type { PowerState } from '../model/bmc.ts';
import { AppError } from '../model/errors.ts';
import type { Bmcs, KeptLink } from '../store/bmcs.ts';
import type { Machines } from '../store/machines.ts';
import type { Caller } from './caller.ts';
import { type BmcDriver, BmcError } from './driver.ts';
import { lacks } from './perform.ts';
import { usableLinks } from './retry.ts';

export type AskingOptions = {
  machines: Pick<Machines, 'byId'>;
  bmcs: Pick<Bmcs, 'chain'>;
  caller: Pick<Caller, 'call' | 'health' | 'noteReading'>;
};

/** Questions to BMCs that change nothing. */
export type Asking = ReturnType<typeof createAsking>;

export function createAsking({ machines, bmcs, caller }: AskingOptions) {
  /** Throws `no-bmc` for a machine without one. */
  function chainOf(machineId: number): KeptLink[] {
    const chain = bmcs.chain(machineId);
    if (chain.length === 0)
      throw new AppError(
        'no-bmc',
        `no BMC is known for ${machines.byId(machineId)?.name}`,
        'give it one with: firstlight bmc set MACHINE ADDRESS --password-file FILE',
      );
    return chain;
  }

  /** Ask a machine's BMC something, now, by the first driver of its chain that has it. Throws BmcError, `no-bmc`. */
  async function ask<T>(
    machineId: number,
    what: string,
    work: (driver: BmcDriver) => Promise<T> | undefined,
    pool: 'order' | 'poll' = 'order',
  ): Promise<{ value: T; link: KeptLink }> {
    const chain = chainOf(machineId);
    const last = caller.health(machineId).driver;
    const usable = usableLinks(chain);
    // the one that answered last comes first: the others may be waited for in vain each time
    const links = [...usable.filter((link) => link.driver === last), ...usable.filter((link) => link.driver !== last)];
    let problem: unknown = new BmcError(
      'refused',
      chain[0] as KeptLink,
      `is not asked any more: ${chain.find((link) => link.refusal)?.refusal?.text.replace(/\.$/, '')}`,
      'Set it again with: firstlight bmc set',
    );
    for (const link of links) {
      try {
        const value = await caller.call(link, pool, (driver) => {
          const answer = work(driver);
          if (answer === undefined) throw lacks(link, what);
          return answer;
        });
        return { value, link };
      } catch (error) {
        if (!(error instanceof BmcError)) throw error;
        // the first driver's trouble is what a person wants to read, unless it merely has no such thing
        const isFirst = !(problem instanceof BmcError) || problem.kind === 'unsupported' || link === links[0];
        if (isFirst) problem = error;
        // somebody may stand in between: no other door is shown the password either
        if (error.kind === 'certificate') break;
      }
    }
    throw problem;
  }

  async function readPower(machineId: number, pool: 'order' | 'poll' = 'order'): Promise<PowerState> {
    const { value } = await ask(machineId, 'power reading', (driver) => driver.powerState(), pool);
    caller.noteReading(machineId, value);
    return value;
  }

  return { chainOf, ask, readPower };
}
