import type { KeptOrder, Row, ShownJob, ShownMachine } from '../../src/web/shapes.ts';

/** A row of the page with what a test cares for; `bootenv` is what was last installed. */
export function machineRow(machine: { [Key in keyof ShownMachine]?: unknown }, bootenv?: string): Row {
  return {
    machine: {
      id: 1,
      name: 'm',
      state: 'ready',
      locked: false,
      macs: [],
      hasBmc: true,
      status: '',
      power: { word: 'unknown' },
      ...machine,
    } as ShownMachine,
    ...(bootenv === undefined ? {} : { lastInstall: job({ bootenv, state: 'done' }) }),
    line: '',
    orders: [],
    endedOrders: [],
    bmcTurn: 0,
  };
}

export function job(what: { [Key in keyof ShownJob]?: unknown }): ShownJob {
  return {
    id: 4,
    machineId: 1,
    workflow: 'install',
    state: 'running',
    stage: 0,
    plan: ['install', 'first-boot'],
    ...what,
  } as ShownJob;
}

/** An order of a BMC that has not ended, unless `what` says so. */
export function order(what: { [Key in keyof KeptOrder]?: unknown }): KeptOrder {
  return {
    id: 1,
    machineId: 1,
    order: { kind: 'power', action: 'cycle' },
    state: 'running',
    askedBy: 'ada',
    result: '',
    createdAt: 1000,
    ...what,
  } as KeptOrder;
}
