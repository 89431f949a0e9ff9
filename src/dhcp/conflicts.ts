import type { Clock, Instant } from '../model/time.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import type { ProbeAnswer, Prober } from './probe.ts';

/** So many new addresses a second are a storm: whoever boots a rack must not wait for the wire to be silent. */
const CALM_PER_SECOND = 10;
const STORM_MS = 10_000;
/** An address that nobody answered for is not asked for again in this time. */
const FREE_MS = 30_000;
const REMEMBERED = 10_000;

/** When the wire is asked for an address before it is offered, and what it said. */
export type Conflicts = ReturnType<typeof createConflicts>;

export function createConflicts(clock: Clock) {
  const free = new Map<Ipv4, Instant>();
  let second = 0;
  let asked = 0;
  let stormUntil = 0;

  /** Whether one more question fits into calm; notes the storm when it does not. */
  function isCalm(now: Instant): boolean {
    if (now < stormUntil) return false;
    const present = Math.floor(now / 1000);
    if (present !== second) {
      second = present;
      asked = 0;
    }
    if (++asked <= CALM_PER_SECOND) return true;
    stormUntil = now + STORM_MS;
    return false;
  }

  return {
    /** Whether an address may be offered as far as the wire is concerned: it was asked, or there is no time to. */
    isProbed(address: Ipv4): boolean {
      const until = free.get(address);
      if (until !== undefined && until > clock()) return true;
      return clock() < stormUntil;
    },

    /**
     * Ask. True: `then` is told, later, whether somebody else has the address. False: it is not asked for, because there is nobody to
     * ask or no time to, and may be offered.
     */
    ask(
      prober: Prober | undefined,
      address: Ipv4,
      how: 'arp' | 'icmp',
      client: Mac | undefined,
      then: (holder: ProbeAnswer) => void,
    ): boolean {
      const settle = (answer: ProbeAnswer): void => {
        // the client itself may still answer for the address that it had
        const isOther = answer.inUse && !(answer.mac !== undefined && answer.mac === client);
        if (!isOther) remember(address);
        then(isOther ? answer : { inUse: false });
      };
      if (prober && isCalm(clock()) && prober.ask(address, how, settle) === 'asked') return true;
      remember(address);
      return false;
    },
  };

  function remember(address: Ipv4): void {
    free.delete(address);
    free.set(address, (clock() + FREE_MS) as Instant);
    for (const oldest of free.keys()) {
      if (free.size <= REMEMBERED) break;
      free.delete(oldest);
    }
  }
}
