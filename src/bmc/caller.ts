import type { Events } from '../events.ts';
import type { PowerState } from '../model/bmc.ts';
import type { EventKind } from '../model/event.ts';
import type { Clock } from '../model/time.ts';
import type { Bmcs, KeptLink } from '../store/bmcs.ts';
import { type BmcDriver, BmcError, type BmcErrorKind } from './driver.ts';
import { type BmcHealth, type HealthChange, newHealth, noteAnswer, noteFailure, noteReading } from './health.ts';
import { type Lanes, laneOf, type Pool } from './lanes.ts';
import type { Links } from './links.ts';
import { isRefusal, usableLinks } from './retry.ts';

export type CallerOptions = {
  lanes: Lanes;
  links: Links;
  bmcs: Pick<Bmcs, 'chain' | 'refuse'>;
  events: Pick<Events, 'emit'>;
  clock: Clock;
  steady: () => number;
};

/** Every call to a BMC goes through here: in its lane, one at a time, and what came of it is remembered and told. */
export type Caller = ReturnType<typeof createCaller>;

export function createCaller({ lanes, links, bmcs, events, clock, steady }: CallerOptions) {
  const healths = new Map<number, BmcHealth>();
  const healthOf = (machineId: number): BmcHealth => healths.get(machineId) ?? newHealth();

  function note(machineId: number, { health, change }: { health: BmcHealth; change?: HealthChange }): void {
    healths.set(machineId, health);
    if (change) events.emit({ ...describeChange(change), machineId });
  }

  function noteError(link: KeptLink, error: BmcError): void {
    if (error.kind === 'unsupported') return; // of the protocol, and no fault of the BMC's
    note(link.machineId, noteFailure(healthOf(link.machineId), { kind: error.kind, text: error.text }, clock()));
    if (!isRefusal(error.kind)) return;
    bmcs.refuse(link, { kind: error.kind, text: error.text, at: clock() });
    events.emit({
      kind: 'bmc.refuses',
      text: `${link.driver} is not used any more until its BMC is set again: ${error.text}`,
      machineId: link.machineId,
      data: { driver: link.driver, problem: error.kind },
    });
  }

  /** A link as it is now: until its turn came, it may have been set anew, or have refused somebody else's call. */
  function presentOf(link: KeptLink): KeptLink {
    const chain = bmcs.chain(link.machineId);
    const same = chain.filter(
      (one) => one.driver === link.driver && one.address === link.address && one.port === link.port,
    );
    const present = same.find((one) => one.position === link.position) ?? same[0];
    if (!present) throw new BmcError('refused', link, 'is not the BMC of this machine any more', 'Ask again');
    if (usableLinks(chain).includes(present)) return present;
    const refusal = present.refusal ?? chain.find((one) => one.refusal?.kind === 'certificate')?.refusal;
    const kind = (refusal?.kind ?? 'refused') as BmcErrorKind;
    throw new BmcError(
      kind,
      link,
      `is not asked any more: ${refusal?.text.replace(/\.$/, '')}`,
      'Set it again with: firstlight bmc set',
    );
  }

  return {
    /** Throws BmcError as the driver does. */
    async call<T>(
      link: KeptLink,
      pool: Exclude<Pool, 'silent'>,
      work: (driver: BmcDriver) => Promise<T>,
      signal?: AbortSignal,
    ): Promise<T> {
      const isSilent = healthOf(link.machineId).silences > 0;
      return lanes.run(
        laneOf(link),
        isSilent ? 'silent' : pool,
        async () => {
          const present = presentOf(link);
          const driver = links.driver(present);
          const started = steady();
          try {
            const result = await work(driver);
            // of a BMC that was exchanged meanwhile nothing is kept
            if (links.opened(present) === driver && !driver.isUnheard)
              note(link.machineId, noteAnswer(healthOf(link.machineId), link.driver, steady() - started, clock()));
            return result;
          } catch (error) {
            if (error instanceof BmcError && links.opened(present) === driver) noteError(present, error);
            throw error;
          }
        },
        signal,
      );
    },
    /** What a read of the power said. */
    noteReading: (machineId: number, state: PowerState): void =>
      note(machineId, noteReading(healthOf(machineId), state, clock())),
    /** Two equal reads after a command: what was before is over. */
    notePower(machineId: number, state: PowerState): void {
      const now = clock();
      const { doubt: _over, power, ...rest } = healthOf(machineId);
      const since = power?.state === state ? power.since : now;
      healths.set(machineId, { ...rest, power: { state, since, at: now } });
    },
    health: healthOf,
    /** Its BMC is another one now. */
    forget: (machineId: number): void => void healths.delete(machineId),
    /** Those of machines that are gone. */
    forgetRemoved(isThere: (machineId: number) => boolean): void {
      for (const machineId of healths.keys()) if (!isThere(machineId)) healths.delete(machineId);
    },
  };
}

function describeChange(change: HealthChange): { kind: EventKind; text: string; data?: Record<string, unknown> } {
  switch (change.kind) {
    case 'unreachable':
      return { kind: 'bmc.unreachable', text: change.text };
    case 'answers':
      return { kind: 'bmc.answers', text: `the BMC answers again, after ${describeSpan(change.afterMs)}` };
    case 'power':
      return { kind: 'power.changed', text: `is ${change.state}, it was ${change.was}`, data: { power: change.state } };
  }
}

/** 42 s, 7 min, 3 h: as people say it. */
export function describeSpan(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
