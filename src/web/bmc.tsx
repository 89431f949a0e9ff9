import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { DRIVER_PORTS, describeOrder } from '../model/bmc.ts';
import { ask, machinePath } from './api.ts';
import { Problem, useAsking } from './asking.tsx';
import { Dialog } from './dialog.tsx';
import { changeRow } from './rack.ts';
import { rowWithBmc } from './row-bmc.ts';
import type { KeptOrder, Row, ShownBmc, ShownLink } from './shapes.ts';
import { dayAndTime, duration, now, roughDuration } from './time.ts';

/** What the appliance knows is cheap to ask for: often while an order is under way, for its progress, else for the clock times. */
const BUSY_MS = 2000;
const IDLE_MS = 15_000;

/** The ways to a machine's BMC, how it answers, and what was asked of it: read when the panel opens, and again as it changes. */
export function BmcBlock({ row }: { row: Row }) {
  const { machine, bmcTurn } = row;
  const bmc = useSignal<ShownBmc | undefined>(undefined);
  const { run, problem } = useAsking();
  const everyMs = row.orders.length > 0 ? BUSY_MS : IDLE_MS;

  useEffect(() => {
    if (!machine.hasBmc) return;
    let isOver = false;
    const read = (): Promise<void> =>
      run(async () => {
        const answer = await ask<ShownBmc>('GET', machinePath(machine.name, '/bmc'));
        if (isOver) return; // something happened meanwhile: it is asked again
        bmc.value = answer;
        changeRow(machine.id, (before) => rowWithBmc(before, answer));
      });
    void read();
    const timer = setInterval(read, everyMs);
    return () => {
      isOver = true;
      clearInterval(timer);
    };
  }, [machine.id, machine.name, machine.hasBmc, bmcTurn, everyMs]);

  if (!machine.hasBmc) return null;
  return (
    <section class="bmc" aria-label="BMC">
      <h3>BMC</h3>
      <Problem of={problem.value} />
      {bmc.value && <Known bmc={bmc.value} name={machine.name} />}
    </section>
  );
}
