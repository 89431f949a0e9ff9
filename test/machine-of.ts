import type { Machine, MachineState } from '../src/model/machine.ts';
import type { Instant } from '../src/model/time.ts';
import { MAC } from './harness.ts';

/** The machine vm-01 in its fifth boot, of which nothing else is known. */
export function machineOf(state: MachineState, more: Partial<Machine> = {}): Machine {
  return {
    id: 1,
    name: 'vm-01',
    state,
    locked: false,
    macs: [MAC],
    params: {},
    profiles: [],
    pxeStyle: 'auto',
    replyDelayMs: 0,
    hasBmc: false,
    boot: 5,
    status: '',
    createdAt: 0 as Instant,
    ...more,
  };
}
