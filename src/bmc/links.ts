import type { KeptLink } from '../store/bmcs.ts';
import type { BmcDriver, BmcTarget } from './driver.ts';
import type { DriverOptions } from './index.ts';
import type { MachineFacts } from './redfish/match.ts';
import { settingsOfMachine } from './redfish/settings.ts';

/** What opens drivers, and what is to be kept of what they find out. */
export type LinkOptions = {
  open: (target: BmcTarget, options: DriverOptions) => BmcDriver;
  password: (machineId: number, position: number) => string;
  learn: (link: KeptLink, learned: KeptLink['learned']) => void;
  /** What tells the machine from others behind the same BMC; the newest that is known. */
  factsOf?: (machineId: number) => MachineFacts | undefined;
};

/** `facts`: what the driver was told of its machine. */
type Opened = { driver: BmcDriver; facts: string };

/** The open drivers. One is kept for each link that was used, because it remembers what it found: the next call is cheaper. */
export type Links = ReturnType<typeof createLinks>;

export function createLinks({ open, password, learn, factsOf = () => undefined }: LinkOptions) {
  const drivers = new Map<number, Map<number, Opened>>();

  /** The chain of a machine is another one: its drivers end after their running calls. */
  function forget(machineId: number): void {
    const ofMachine = drivers.get(machineId);
    drivers.delete(machineId);
    for (const { driver } of ofMachine?.values() ?? []) void driver.close();
  }

  return {
    /** The driver of a link. Throws BmcError when its settings make no sense. */
    driver(link: KeptLink): BmcDriver {
      const ofMachine = drivers.get(link.machineId) ?? new Map<number, Opened>();
      drivers.set(link.machineId, ofMachine);
      const known = link.driver === 'redfish' ? settingsOfMachine(factsOf(link.machineId) ?? {}) : {};
      const facts = JSON.stringify(known);
      const present = ofMachine.get(link.position);
      if (present?.facts === facts) return present.driver;
      // the scout has told more since: the machine's System may be another one than was found, or be found now
      void present?.driver.close();
      const { cipherSuite, fingerprint } = link.learned;
      const target: BmcTarget = {
        driver: link.driver,
        address: link.address,
        port: link.port,
        user: link.user,
        password: password(link.machineId, link.position),
        settings: { ...(fingerprint !== undefined ? { fingerprint } : {}), ...known, ...link.settings },
      };
      // what a call finds out that outlives its link is not of the link in its place
      const note = (learned: KeptLink['learned']): void => {
        if (drivers.get(link.machineId) === ofMachine) learn(link, learned);
      };
      const driver = open(target, {
        ...(cipherSuite !== undefined ? { cipherSuite } : {}),
        onCipherSuite: (suite) => note({ cipherSuite: suite }),
        onFingerprint: (seen) => note({ fingerprint: seen }),
      });
      ofMachine.set(link.position, { driver, facts });
      return driver;
    },
    /** The driver of a link that was used since its chain was set. */
    opened: (link: KeptLink): BmcDriver | undefined => drivers.get(link.machineId)?.get(link.position)?.driver,
    forget,
    /** Those of machines that are gone. */
    forgetRemoved(isThere: (machineId: number) => boolean): void {
      for (const machineId of drivers.keys()) if (!isThere(machineId)) forget(machineId);
    },
    async close(): Promise<void> {
      const all = [...drivers.values()].flatMap((ofMachine) => [...ofMachine.values()]);
      drivers.clear();
      await Promise.all(all.map(({ driver }) => driver.close()));
    },
  };
}
