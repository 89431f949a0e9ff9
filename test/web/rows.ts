import type { Row, ShownJob, ShownMachine } from '../../src/web/shapes.ts';

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
      ...machine,
    } as ShownMachine,
    ...(bootenv === undefined ? {} : { lastInstall: job({ bootenv, state: 'done' }) }),
    line: '',
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
