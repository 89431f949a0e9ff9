import { describeOrder, type OrderStage } from '../model/bmc.ts';
import { ask, machinePath } from './api.ts';
import { Problem, useAsking } from './asking.tsx';
import { changeRow } from './rack.ts';
import { rowWithPower } from './row-bmc.ts';
import type { KeptOrder, PowerAnswer, Row } from './shapes.ts';
import { now, wholeDuration } from './time.ts';

/** What an order that runs is waiting for. */
const STAGE_WORDS: Readonly<Record<OrderStage, string>> = {
  begin: 'asking its BMC',
  'turning-off': 'turning off',
  'shutting-down': 'shutting down',
  resting: 'off, and on again in a moment',
  'turning-on': 'turning on',
  resetting: 'restarting',
  set: 'set, being read back',
};

/** What is under way at a machine's BMC, and what a person is asked to do. There even when empty, so that what appears is read out. */
export function OrdersUnderWay({ row }: { row: Row }) {
  const { machine, orders } = row;
  const { run, since, problem } = useAsking();
  const path = machinePath(machine.name, '/power');
  const isBusy = since.value !== undefined;

  const readAgain = async (): Promise<void> => {
    const answer = await ask<PowerAnswer>('GET', path);
    changeRow(machine.id, (before) => rowWithPower(before, answer));
  };
  /** What was ended is gone before its button can be pressed again. */
  const end = (rest: string): Promise<void> => run(() => ask('POST', rest).then(readAgain));

  return (
    <div class="under-way" aria-live="polite">
      {machine.power.asked && (
        <div class="asked">
          <p>
            <b>By hand:</b> {machine.power.asked}
          </p>
          <button type="button" class="main" aria-disabled={isBusy} onClick={() => void end(`${path}/confirm`)}>
            Done
          </button>
        </div>
      )}
      {orders.map((order) => (
        <div class="order" key={order.id}>
          <b>{describeOrder(order.order)}…</b>
          <span class="dim" aria-live="off">
            {describeProgress(order)}, {wholeDuration(now.value - order.createdAt)}, asked by {order.askedBy}
          </span>
          <button
            type="button"
            class="small"
            aria-label={`Cancel ${describeOrder(order.order)}`}
            aria-disabled={isBusy}
            onClick={() => void end(`orders/${order.id}/cancel`)}
          >
            Cancel
          </button>
        </div>
      ))}
      <Problem of={problem.value} />
    </div>
  );
}

function describeProgress({ state, progress, driver }: KeptOrder): string {
  if (state === 'waiting') return 'waiting for its turn';
  if (driver === 'manual') return 'waiting for a person';
  return `${STAGE_WORDS[progress?.stage ?? 'begin']}${driver === undefined ? '' : ` by ${driver}`}`;
}
