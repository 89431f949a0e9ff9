import { type IpmiBmcOptions, startIpmiBmc } from '../../src/lab/bmc-sim/ipmi.ts';
import type { FaultName, Faults } from '../../src/lab/bmc-sim/ipmi-faults.ts';
import type { CipherSuite } from '../../src/wire/rakp.ts';

export type WireBmcOptions = Pick<IpmiBmcOptions, 'suites' | 'users' | 'slots' | 'completions' | 'clock' | 'device'> & {
  /** What it does wrong, with its number: `{ lost: 7, hang: 1 }`. It is always strict: the hardest BMC to please. */
  faults?: Partial<Record<FaultName, number>>;
};

/** The simulated BMC in the words of a test. */
export async function startWireBmc(options: WireBmcOptions = {}) {
  const faults: Faults = new Map(Object.entries({ strict: 1, ...options.faults }) as [FaultName, number][]);
  const bmc = await startIpmiBmc({ ...options, faults });
  const { machine, sessions } = bmc;
  return {
    bmc,
    port: bmc.port,
    faults,
    get isOn(): boolean {
      return machine.isOn;
    },
    set isOn(isOn: boolean) {
      machine.isOn = isOn;
    },
    /** Every action and boot option write that was carried out, oldest first. */
    done: machine.done,
    get bootFlags(): Buffer {
      return machine.flags;
    },
    /** Session ids that consoles chose, in the order they came. */
    consoleIds: sessions.consoleIds,
    get suite(): CipherSuite | undefined {
      return sessions.lastSuite;
    },
    /** Logins that were never finished do not count: a console cannot close those. */
    openSessions: () => sessions.open,
    stop: bmc.stop,
  };
}
