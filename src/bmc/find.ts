import type { DriverName } from '../model/bmc.ts';
import { DRIVER_PORTS } from '../model/bmc.ts';
import type { NewLink } from '../store/bmcs.ts';
import { type BmcDriver, BmcError, type BmcTarget } from './driver.ts';

/** A login to be tried; of a credential when it has a name. */
export type Login = { name?: string; user: string; password: string };

export type FindOptions = {
  open: (target: BmcTarget) => BmcDriver;
  /** Runs a call in the BMC's lane. */
  call: <T>(address: string, work: () => Promise<T>) => Promise<T>;
};

/** What was found at an address: the chain of ways that work, and a sentence for each way that was tried. */
export type Found = { chain: NewLink[]; told: string[] };

/** In the order of the chain that is made of them. */
const TRIED: readonly DriverName[] = ['redfish', 'ipmi'];
/** What another login would not change. */
const NOT_THE_LOGIN: readonly string[] = [
  'unreachable',
  'protocol',
  'unsupported',
  'certificate',
  'wrong-cipher-suite',
];

/**
 * Tries each way to a BMC with each login, in order, until one is let in: each login once for each way, because BMCs lock
 * accounts. Changes nothing there.
 */
export async function findBmc(address: string, logins: readonly Login[], { open, call }: FindOptions): Promise<Found> {
  const chain: NewLink[] = [];
  const told: string[] = [];
  for (const driver of TRIED) {
    const port = DRIVER_PORTS[driver];
    for (const { name, user, password } of logins) {
      const who = name !== undefined ? `credential ${name}` : `user ${user}`;
      const target: BmcTarget = { driver, address, port, user, password, settings: {} };
      try {
        const identity = await call(address, async () => {
          const bmc = open(target);
          try {
            return await bmc.identity();
          } finally {
            await bmc.close();
          }
        });
        const what = [identity.manufacturer, identity.model, identity.firmware].filter((word) => word !== '').join(' ');
        told.push(`${driver}: ${who} is let in${what === '' ? '' : ` (${what})`}`);
        const login = name !== undefined ? { credential: name } : { user, password };
        chain.push({ driver, address, port, settings: {}, ...login });
        break;
      } catch (error) {
        if (!(error instanceof BmcError)) throw error;
        told.push(`${driver}: ${who}: ${error.text}`);
        if (NOT_THE_LOGIN.includes(error.kind)) break;
      }
    }
  }
  return { chain, told };
}
