import type { Events } from '../events.ts';
import { isHeld, type Subnet } from '../model/network.ts';
import type { Clock } from '../model/time.ts';
import type { Leases } from '../store/leases.ts';
import type { Ipv4, Mac } from '../wire/address.ts';
import { restingLease } from './decide.ts';
import type { ProbeAnswer, Prober } from './probe.ts';

/** So many new addresses a second are a storm: whoever boots a rack must not wait for the wire to be silent. */
const CALM_PER_SECOND = 10;
const STORM_MS = 10_000;
/** An address that nobody answered for is not asked for again in this time. */
const FREE_MS = 30_000;
const REMEMBERED = 10_000;
/** Somebody answered for an address that we were about to offer: it is left alone this long. */
const REST_MINUTES = 10;

/** What a conflict is written to. */
export type ConflictParts = {
  clock: Clock;
  /** Milliseconds that go on evenly whatever the host's clock is set to. */
  steady: () => number;
  leases: Leases;
  events: Events;
  log: (line: string) => void;
};

/** When the wire is asked for an address before it is offered, what it said, and what is kept of that. */
export function createConflicts({ clock, steady, leases, events, log }: ConflictParts) {
  /** Until when, by the steady clock: the oldest first. */
  const free = new Map<Ipv4, number>();
  let second = 0;
  let asked = 0;
  let stormUntil = Number.NEGATIVE_INFINITY;

  /** Whether one more question fits into calm; notes the storm when it does not. */
  function isCalm(now: number): boolean {
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
      const now = steady();
      return now < stormUntil || (free.get(address) ?? now) > now;
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
      if (prober && isCalm(steady()) && prober.ask(address, how, settle) === 'asked') return true;
      remember(address);
      return false;
    },

    /** Somebody has an address that we were about to offer: nobody is offered it for a while. */
    note(subnet: Subnet, address: Ipv4, holder: Mac | undefined): void {
      const now = clock();
      // leased to another while the wire was asked: it is that one who answers
      const lease = leases.at(subnet.id, address);
      if (lease && isHeld(lease, now)) return;
      const write = (): void => {
        leases.put(restingLease(subnet, address, { now }, REST_MINUTES * 60_000));
        events.emit({
          kind: 'dhcp.conflict',
          text: `${address} of ${subnet.name} is in use by ${holder ?? 'somebody'}, who has no lease: it rests for ${REST_MINUTES} minutes`,
          data: { address, ...(holder ? { holder } : {}) },
        });
      };
      try {
        events.settle(write);
      } catch (error) {
        log(`the conflict about ${address} could not be recorded: ${String(error)}`);
      }
    },
  };

  function remember(address: Ipv4): void {
    free.delete(address);
    free.set(address, steady() + FREE_MS);
    for (const oldest of free.keys()) {
      if (free.size <= REMEMBERED) break;
      free.delete(oldest);
    }
  }
}
