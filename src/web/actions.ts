import type { Row } from './shapes.ts';

export type OrderName = 'power-on' | 'power-off' | 'power-cycle' | 'power-reset' | 'power-soft' | 'identify';
export type ActionName = 'accept' | 'reimage' | 'cancel' | 'lock' | 'unlock' | OrderName;

/** What can be done to a machine: the button's word, and why it cannot be pressed ('' when it can). `isOrder`: its BMC does it. */
export type Action = { name: ActionName; word: string; whyNot: string; isGrave: boolean; isOrder?: true };

/** The buttons of a machine, in their order. */
export function actionsFor({ machine }: Row): Action[] {
  const { job } = machine;
  const locked = machine.locked ? `${machine.name} is locked` : '';
  const noBmc = machine.hasBmc ? '' : 'no BMC is known for it';
  const notAccepted =
    machine.state === 'new' ? 'nobody has accepted it yet' : machine.state === 'ignored' ? 'it is ignored' : '';
  const running = job ? `job ${job.id} (${job.workflow}) is running` : '';
  return [
    { name: 'accept', word: 'Accept', whyNot: notAccepted ? '' : 'it is accepted already', isGrave: false },
    { name: 'reimage', word: 'Reimage…', whyNot: locked || notAccepted || running, isGrave: true },
    { name: 'cancel', word: 'Cancel job…', whyNot: job ? '' : 'no job is running', isGrave: true },
    machine.locked
      ? { name: 'unlock', word: 'Unlock', whyNot: '', isGrave: false }
      : { name: 'lock', word: 'Lock', whyNot: '', isGrave: false },
    { name: 'power-on', word: 'Power on', whyNot: noBmc, isGrave: false, isOrder: true },
    { name: 'power-off', word: 'Power off…', whyNot: noBmc || locked, isGrave: true, isOrder: true },
    { name: 'power-cycle', word: 'Power cycle…', whyNot: noBmc || locked, isGrave: true, isOrder: true },
    { name: 'power-reset', word: 'Reset…', whyNot: noBmc || locked, isGrave: true, isOrder: true },
    { name: 'power-soft', word: 'Shut down…', whyNot: noBmc || locked, isGrave: true, isOrder: true },
    { name: 'identify', word: 'Identify', whyNot: noBmc, isGrave: false, isOrder: true },
  ];
}

/** Reasons with the buttons they hold back, for one line each. */
export function reasonsOf(actions: readonly Action[]): { words: string; why: string }[] {
  const byReason = new Map<string, string[]>();
  for (const { word, whyNot } of actions)
    if (whyNot !== '') byReason.set(whyNot, [...(byReason.get(whyNot) ?? []), word.replace('…', '')]);
  return [...byReason].map(([why, words]) => ({ words: words.join(', '), why }));
}

/** What is asked before a grave action, and the words of the button that goes on; undefined: it is done at once. */
export function questionFor(
  name: ActionName,
  { machine }: Row,
): { text: string; go: string; leave: string } | undefined {
  const { job } = machine;
  const breaks = job ? ` Job ${job.id} (${job.workflow}) is running on it.` : '';
  switch (name) {
    case 'cancel':
      return {
        text: `End job ${job?.id} (${job?.workflow}${job?.bootenv ? ` ${job.bootenv}` : ''}) on ${machine.name}? ${
          job?.bootenv ? 'Its disk may hold half a system: the machine will count as failed.' : ''
        }`,
        go: 'End the job',
        leave: 'Leave it running',
      };
    case 'power-off':
      return { text: `Switch ${machine.name} off, at once?${breaks}`, go: 'Power off', leave: 'Leave it on' };
    case 'power-cycle':
      return {
        text: `Switch ${machine.name} off and on again, at once?${breaks}`,
        go: 'Power cycle',
        leave: 'Leave it',
      };
    case 'power-reset':
      return {
        text: `Reset ${machine.name}, at once? Its operating system is not asked.${breaks}`,
        go: 'Reset',
        leave: 'Leave it',
      };
    case 'power-soft':
      return {
        text: `Ask the operating system of ${machine.name} to shut down?${breaks}`,
        go: 'Shut down',
        leave: 'Leave it on',
      };
    default:
      return undefined;
  }
}
