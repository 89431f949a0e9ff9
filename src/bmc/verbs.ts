import { WireError } from '../wire/bytes.ts';
import { type BmcDriver, BmcError, type BmcTarget, type BootWish, type PowerState } from './driver.ts';
import { createInTurn } from './in-turn.ts';
import { cleanText, decodeResource, textAt } from './redfish/json.ts';

/** What drivers have in common that have a program or a URL for each verb. */
export const VERBS = ['on', 'off', 'cycle', 'reset', 'soft', 'status', 'boot'] as const;
/** One of them. */
export type Verb = (typeof VERBS)[number];
/** Whether the name of a setting is a verb. */
export const isVerb = (name: string): name is Verb => VERBS.includes(name as Verb);

/** What such a driver is told to do; `wish` is there for `boot`. */
export type VerbOrder = { verb: Verb; wish?: BootWish };

type VerbDriverParts = {
  /** Named in errors. */
  place: Pick<BmcTarget, 'address' | 'port'>;
  /** What is set for each verb: a program, a URL. */
  noun: string;
  verbs: ReadonlySet<Verb>;
  /** Gives the text of the answer, or fails with a BmcError. */
  perform: (order: VerbOrder) => Promise<string>;
  /** Never shown, whoever says them. */
  secrets: readonly string[];
};

/** A driver from something that can be done for each verb. A verb for which nothing is set is `unsupported`. */
export function createVerbDriver({ place, noun, verbs, perform, secrets }: VerbDriverParts): BmcDriver {
  const inTurn = createInTurn(place);

  function operate(order: VerbOrder): Promise<string> {
    return inTurn.call(() => {
      if (verbs.has(order.verb)) return perform(order);
      const next = `Give it a ${noun} in the setting ${order.verb}, or use another driver for this`;
      throw new BmcError('unsupported', place, `has no ${noun} for "${order.verb}"`, next);
    });
  }

  const cannot = (what: string) => async (): Promise<never> => {
    throw new BmcError('unsupported', place, `cannot ${what}: a ${noun} per verb has no word for it`);
  };

  return {
    async powerState() {
      const text = await operate({ verb: 'status' });
      const state = readPowerText(text);
      if (state) return state;
      const said = JSON.stringify(cleanText(blot(text, secrets), 80));
      const next = `Have the ${noun} of "status" answer on, off or {"power":"on"}`;
      throw new BmcError('protocol', place, `said ${said} for its power state`, next);
    },
    setPower: async (action) => void (await operate({ verb: action })),
    setBoot: async (wish) => void (await operate({ verb: 'boot', wish })),
    boot: cannot('tell what the next boot will be'),
    identity: cannot('say what it is'),
    close: inTurn.close,
  };
}

/** `on` or `off` in any case, alone or as `{"power": "on"}`; undefined for anything else. */
export function readPowerText(text: string): PowerState | undefined {
  const plain = text.trim();
  const word = (plain.startsWith('{') ? textOfJson(plain) : plain).toLowerCase();
  return word === 'on' || word === 'off' ? word : undefined;
}

function textOfJson(text: string): string {
  try {
    return textAt(decodeResource(Buffer.from(text)), 'power');
  } catch (error) {
    if (error instanceof WireError) return '';
    throw error;
  }
}

/** A stranger's text without our secrets, should it have repeated one. */
export function blot(text: string, secrets: readonly string[]): string {
  return secrets
    .filter((secret) => secret !== '')
    .reduce((shown, secret) => shown.replaceAll(secret, '(secret)'), text);
}
