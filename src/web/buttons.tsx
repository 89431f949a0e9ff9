import { useSignal } from '@preact/signals';
import { type Action, type ActionName, actionsFor, questionFor, reasonsOf } from './actions.ts';
import { type ApiProblem, ask, type Method, machinePath } from './api.ts';
import { Dialog } from './dialog.tsx';
import { putMachine, putPower } from './rack.ts';
import { ReimageDialog } from './reimage.tsx';
import type { Row, ShownMachine } from './shapes.ts';
import { now, wholeDuration } from './time.ts';

/** What each button asks of the API. Reimage has a dialog of its own. */
const REQUESTS: Readonly<Record<Exclude<ActionName, 'reimage'>, [Method, string, unknown?]>> = {
  accept: ['POST', '/accept'],
  cancel: ['POST', '/cancel'],
  lock: ['PATCH', '', { locked: true }],
  unlock: ['PATCH', '', { locked: false }],
  'power-on': ['POST', '/power', { action: 'on' }],
  'power-off': ['POST', '/power', { action: 'off' }],
  'power-cycle': ['POST', '/power', { action: 'cycle' }],
};

export function ActionButtons({ row }: { row: Row }) {
  const { machine } = row;
  const asked = useSignal<ActionName | undefined>(undefined);
  const doing = useSignal<{ word: string; since: number } | undefined>(undefined);
  const problem = useSignal<ApiProblem | undefined>(undefined);
  const actions = actionsFor(row);

  function press(action: Action): void {
    if (action.whyNot !== '' || doing.value) return;
    if (action.name === 'reimage' || questionFor(action.name, row)) asked.value = action.name;
    else void perform(action.name);
  }

  async function perform(name: Exclude<ActionName, 'reimage'>): Promise<void> {
    asked.value = undefined;
    problem.value = undefined;
    doing.value = { word: actions.find((one) => one.name === name)?.word.replace('…', '') ?? name, since: Date.now() };
    try {
      const [method, path, body] = REQUESTS[name];
      const answer = await ask<Partial<ShownMachine> & { power?: 'on' | 'off' }>(
        method,
        machinePath(machine.name, path),
        body,
      );
      if (answer.power) putPower(machine.id, { word: answer.power, at: Date.now() });
      if (answer.macs) putMachine(answer as ShownMachine);
    } catch (error) {
      problem.value = error as ApiProblem;
    }
    doing.value = undefined;
  }

  // a question is over when what it asks about has ended meanwhile
  const canStill = actions.some((one) => one.name === asked.value && one.whyNot === '');
  const question = asked.value && canStill && questionFor(asked.value, row);
  return (
    <div class="actions">
      <div class="buttons">
        {actions.map((action) => (
          <button
            type="button"
            key={action.name}
            class={action.isGrave ? 'grave' : ''}
            aria-disabled={action.whyNot !== '' || doing.value !== undefined}
            aria-describedby={action.whyNot === '' ? undefined : 'why-not'}
            title={action.whyNot}
            onClick={() => press(action)}
          >
            {action.word}
          </button>
        ))}
      </div>
      {doing.value && (
        <p role="status">
          {doing.value.word}: asked {wholeDuration(now.value - doing.value.since)} ago, a BMC may take a minute to show
          it
        </p>
      )}
      {problem.value && (
        <p class="problem" role="alert">
          {problem.value.message}
          {problem.value.next && <small>{problem.value.next}</small>}
        </p>
      )}
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
