import type { BmcDriver } from '../../bmc/driver.ts';
import type { Machine } from '../../model/machine.ts';
import type { Clock } from '../../model/time.ts';
import type { ActionName } from '../../model/workflow.ts';
import { bootNetwork } from './boot-network.ts';
import { powerOff } from './power-off.ts';
import { powerOn } from './power-on.ts';

/** What an action works with. */
export type ActionContext = { machine: Machine; bmc: BmcDriver; clock: Clock };

/**
 * Something the server does to a machine for a stage. Performing it twice does no harm. Gives what came of it as words for
 * the timeline; throws a BmcError that says why not.
 */
export type Action = (context: ActionContext) => Promise<string>;

/** Every action. A new one is one file and one line here. */
export const PERFORM: Readonly<Record<ActionName, Action>> = {
  'power-off': powerOff,
  'boot-network': bootNetwork,
  'power-on': powerOn,
};
