import { useSignal } from '@preact/signals';
import { type Action, type ActionName, actionsFor, questionFor, reasonsOf } from './actions.ts';
import { ask, type Method, machinePath } from './api.ts';
import { Problem, useAsking } from './asking.tsx';
import { Dialog } from './dialog.tsx';
import { changeRow, putMachine } from './rack.ts';
import { ReimageDialog } from './reimage.tsx';
import { rowWithOrder } from './row-bmc.ts';
import type { KeptOrder, Row, ShownMachine } from './shapes.ts';
import { now, wholeDuration } from './time.ts';

/** IPMI keeps the lamp on for 255 s at most. */
const LAMP_SECONDS = 240;

/** What each button asks of the API. Reimage has a dialog of its own. */
const REQUESTS: Readonly<Record<Exclude<ActionName, 'reimage'>, [Method, string, unknown?]>> = {
  accept: ['POST', '/accept'],
  cancel: ['POST', '/cancel'],
  lock: ['PATCH', '', { locked: true }],
  unlock: ['PATCH', '', { locked: false }],
  'power-on': ['POST', '/power', { action: 'on' }],
  'power-off': ['POST', '/power', { action: 'off' }],
  'power-cycle': ['POST', '/power', { action: 'cycle' }],
  'power-reset': ['POST', '/power', { action: 'reset' }],
  'power-soft': ['POST', '/power', { action: 'soft' }],
  identify: ['POST', '/identify', { seconds: LAMP_SECONDS }],
};

export function ActionButtons({ row }: { row: Row }) {
  const { machine } = row;
  const asked = useSignal<ActionName | undefined>(undefined);
  const doing = useSignal('');
  const { run, since, problem } = useAsking();
  const actions = actionsFor(row);

  function press(action: Action): void {
    if (action.whyNot !== '' || since.value !== undefined) return;
    if (action.name === 'reimage' || questionFor(action.name, row)) asked.value = action.name;
    else void perform(action.name);
  }

  async function perform(name: Exclude<ActionName, 'reimage'>): Promise<void> {
    asked.value = undefined;
    doing.value = actions.find((one) => one.name === name)?.word.replace('…', '') ?? name;
    await run(async () => {
      const [method, path, body] = REQUESTS[name];
      const answer = await ask<Partial<ShownMachine> & { order?: KeptOrder }>(
        method,
        machinePath(machine.name, path),
        body,
      );
      const { order } = answer;
      if (order) changeRow(machine.id, (before) => rowWithOrder(before, order));
      if (answer.macs) putMachine(answer as ShownMachine);
    });
  }

  // a question is over when what it asks about has ended meanwhile
  const canStill = actions.some((one) => one.name === asked.value && one.whyNot === '');
  const question = asked.value && canStill && questionFor(asked.value, row);
  return (
    <div class="actions">
      {[false, true].map((isOrder) => (
        <div class="buttons" key={`${isOrder}`}>
          {actions
            .filter((action) => (action.isOrder ?? false) === isOrder)
            .map((action) => (
              <button
                type="button"
                key={action.name}
                class={action.isGrave ? 'grave' : ''}
                aria-disabled={action.whyNot !== '' || since.value !== undefined}
                aria-describedby={action.whyNot === '' ? undefined : 'why-not'}
                title={action.whyNot}
                onClick={() => press(action)}
              >
                {action.word}
              </button>
            ))}
        </div>
      ))}
      {since.value !== undefined && (
        <p role="status">
          {doing.value}: asking the appliance, {wholeDuration(now.value - since.value)}
        </p>
      )}
      <Problem of={problem.value} />
      <ul class="why-not" id="why-not">
        {reasonsOf(actions).map(({ words, why }) => (
          <li key={why}>
            {words}: {why}
          </li>
        ))}
      </ul>
      {asked.value === 'reimage' && (
        <ReimageDialog
          row={row}
          onClose={() => {
            asked.value = undefined;
          }}
        />
      )}
      {question && (
        <Dialog
          title={machine.name}
          onClose={() => {
            asked.value = undefined;
          }}
        >
          <p>{question.text}</p>
          <div class="buttons">
            <button type="button" onClick={(event) => event.currentTarget.closest('dialog')?.close()}>
              {question.leave}
            </button>
            <button
              type="button"
              class="main grave"
              onClick={() => void perform(asked.value as Exclude<ActionName, 'reimage'>)}
            >
              {question.go}
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}
