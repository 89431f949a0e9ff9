import type { DriverName } from '../model/bmc.ts';
import { DRIVER_PORTS } from '../model/bmc.ts';
import type { NewLink } from '../store/bmcs.ts';
import { type BmcDriver, BmcError, type BmcErrorKind, type BmcTarget } from './driver.ts';
import type { MachineFacts } from './redfish/match.ts';
import { settingsOfMachine } from './redfish/settings.ts';

/** A login to be tried; of a credential when it has a name. `refusedBy`: the ways that it is known to be refused by, and not tried. */
export type Login = { name?: string; user: string; password: string; refusedBy?: readonly DriverName[] };

/** How BMCs are reached. */
export type FindOptions = {
  open: (target: BmcTarget) => BmcDriver;
  /** Runs a call in the BMC's lane. */
  call: <T>(address: string, work: () => Promise<T>) => Promise<T>;
};

/** What was found at an address: the chain of ways that work, a sentence for each way that was tried, and what did not work. */
export type Found = { chain: NewLink[]; told: string[]; failures: Failure[] };
/** A login that was tried at a way, and what became of it. */
export type Failure = { driver: DriverName; login: Login; kind: BmcErrorKind };

/** The ways that are tried, in the order of the chain that is made of them. */
export const WAYS: readonly DriverName[] = ['redfish', 'ipmi'];
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
 * accounts. Changes nothing there. By its `facts` the machine is found among several behind one BMC.
 */
export async function findBmc(
  address: string,
  logins: readonly Login[],
  { open, call }: FindOptions,
  facts: MachineFacts = {},
): Promise<Found> {
  const chain: NewLink[] = [];
  const told: string[] = [];
  const failures: Failure[] = [];
  for (const driver of WAYS) {
    const port = DRIVER_PORTS[driver];
    const settings = driver === 'redfish' ? settingsOfMachine(facts) : {};
    for (const login of logins) {
      const { name, user, password, refusedBy } = login;
      const who = name !== undefined ? `credential ${name}` : `user ${user}`;
      if (refusedBy?.includes(driver)) {
        told.push(`${driver}: ${who} was refused before, and is not tried again`);
        continue;
      }
      const target: BmcTarget = { driver, address, port, user, password, settings };
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
        chain.push({
          driver,
          address,
          port,
          settings: {},
          ...(name !== undefined ? { credential: name } : { user, password }),
        });
        break;
      } catch (error) {
        if (!(error instanceof BmcError)) throw error;
        told.push(`${driver}: ${who}: ${error.text}`);
        failures.push({ driver, login, kind: error.kind });
        if (NOT_THE_LOGIN.includes(error.kind)) break;
      }
    }
  }
  return { chain, told, failures };
}
