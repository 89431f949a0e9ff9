import { rowAfterBmcEvent } from './row-bmc.ts';
import type { Event, Row, ShownJob, ShownMachine } from './shapes.ts';

/** Events that a machine causes by itself: they prove that it is alive. */
const FROM_MACHINE = /^(dhcp|file|boot|task|install)\.|^machine\.(log|progress|alive|discovered)$/;
/** Events that say nothing about where a boot stands: loaders probe for files they can do without. */
const SAYS_NOTHING = /^(file\.probed|dhcp\.informed|content\.|mirror\.)/;
/** Events that end the stage that a percentage was about. */
const ENDS_PROGRESS = /^(job|install|task|boot)\./;
/** Events after which the API has more to tell of the machine than the event itself. */
const CHANGES_MACHINE =
  /^(machine\.(created|discovered|accepted|changed|alive)|(job|ticket|power|bmc)\..*|dhcp\.acked|boot\.started)$/;

/** A machine as the API lists it, with what is known of it from before. */
export function rowOf(machine: ShownMachine, jobs: readonly ShownJob[], before?: Row): Row {
  const install = newestInstall(jobs, machine.id) ?? before?.lastInstall;
  return {
    machine,
    lastInstall: machine.job?.bootenv ? machine.job : install,
    line: before?.line ?? machine.status,
    percent: machine.job ? (before ? before.percent : percentIn(machine.status)) : undefined,
    heardAt: latest(machine.seenAt, before?.heardAt),
    orders: before?.orders ?? [],
    endedOrders: before?.endedOrders ?? [],
    bmcProblem: before?.bmcProblem,
    bmcTurn: before?.bmcTurn ?? 0,
  };
}

/** The row after an event of its machine. */
export function rowAfter(row: Row, event: Event): Row {
  const percent = event.data?.percent;
  return {
    ...rowAfterBmcEvent(row, event),
    line: SAYS_NOTHING.test(event.kind) ? row.line : event.text,
    percent: typeof percent === 'number' ? percent : ENDS_PROGRESS.test(event.kind) ? undefined : row.percent,
    heardAt: FROM_MACHINE.test(event.kind) ? event.at : row.heardAt,
  };
}

export function changesMachine(event: Event): boolean {
  return CHANGES_MACHINE.test(event.kind);
}

function newestInstall(jobs: readonly ShownJob[], machineId: number): ShownJob | undefined {
  return jobs.find((job) => job.machineId === machineId && job.bootenv !== undefined);
}

/** The list has no percentage of its own; the line that a progress report leaves ends in `(40 %)`. */
function percentIn(status: string): number | undefined {
  const percent = /\((\d{1,3}) %\)$/.exec(status)?.[1];
  return percent === undefined ? undefined : Number(percent);
}

function latest(...moments: (number | undefined)[]): number | undefined {
  const known = moments.filter((moment) => moment !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
