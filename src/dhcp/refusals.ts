import type { Events } from '../events.ts';
import type { Reason } from '../model/reason.ts';
import { createOnceAMinute } from './once-a-minute.ts';

/** What nobody is given who asks now: somebody has to see to it. Their texts name the subnet and nothing of the client. */
const ALARMING: ReadonlySet<string> = new Set(['pool-full', 'guests-full', 'decline-storm']);

/**
 * Refusals for which the appliance is to be looked at, whoever they hit: each is counted in `counts` by its rule, and told once a
 * minute for each rule and subnet (boot-protocols 1.3, 1.7).
 */
export function createRefusals(counts: Record<string, number>, events: Events, steady: () => number) {
  const turns = createOnceAMinute<string>(steady);

  return {
    note({ rule, text }: Reason): void {
      if (!ALARMING.has(rule)) return;
      counts[rule] = (counts[rule] ?? 0) + 1;
      const leftOut = turns.turn(text);
      if (leftOut === undefined) return;
      const more = leftOut > 0 ? `; it was refused ${leftOut} times since this was last told` : '';
      events.emit({
        kind: 'dhcp.refused',
        text: text + more,
        because: [{ rule, text }],
        data: { refused: counts[rule] },
      });
    },
  };
}

/** What createRefusals gives. */
export type Refusals = ReturnType<typeof createRefusals>;
