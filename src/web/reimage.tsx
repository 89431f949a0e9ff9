import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Reason } from '../model/reason.ts';
import { type ApiProblem, ask, machinePath } from './api.ts';
import { Dialog } from './dialog.tsx';
import type { Row, ShownBootenv } from './shapes.ts';

type Answer = { ok: true; because: Reason[] } | { ok: false; problem: ApiProblem };

/** Choose a system, see what would happen, type the machine's name: only then is a disk written. */
export function ReimageDialog({ row, onClose }: { row: Row; onClose: () => void }) {
  const { machine } = row;
  const bootenvs = useSignal<ShownBootenv[] | undefined>(undefined);
  const chosen = useSignal('');
  const answer = useSignal<Answer | undefined>(undefined);
  const typed = useSignal('');
  const isAsking = useSignal(false);
  // asked twice by a nervous click or a lost answer, it is still one job
  const key = useSignal(`page-${randomHex()}`);

  useEffect(() => {
    ask<ShownBootenv[]>('GET', 'bootenvs')
      .then((all) => {
        bootenvs.value = all.filter((one) => one.kind === 'installer' || one.kind === 'image');
      })
      .catch((error: ApiProblem) => {
        answer.value = { ok: false, problem: error };
      });
  }, []);

  /** The machine is to be what the person looked at: another serial or state by now refuses it. */
  const body = (bootenv: string) => ({
    bootenv,
    expect: { state: machine.state, ...(machine.serial ? { serial: machine.serial } : {}) },
  });

  async function choose(name: string): Promise<void> {
    chosen.value = name;
    answer.value = undefined;
    if (name === '') return;
    const said = await ask<{ because: Reason[] }>('POST', machinePath(machine.name, '/reimage'), {
      ...body(name),
      dryRun: true,
    })
      .then((plan): Answer => ({ ok: true, because: plan.because }))
      .catch((problem: ApiProblem): Answer => ({ ok: false, problem }));
    if (chosen.value === name) answer.value = said; // another one may have been chosen meanwhile
  }

  async function reimage(event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> {
    event.preventDefault();
    if (whyNot !== '') return;
    const dialog = event.currentTarget.closest('dialog');
    isAsking.value = true;
    try {
      await ask('POST', machinePath(machine.name, '/reimage'), { ...body(chosen.value), idempotencyKey: key.value });
      dialog?.close();
    } catch (error) {
      answer.value = { ok: false, problem: error as ApiProblem };
    }
    isAsking.value = false;
  }

  const whyNot =
    chosen.value === ''
      ? 'choose a system first'
      : isAsking.value || !answer.value
        ? 'asking the appliance…'
        : !answer.value.ok
          ? 'it cannot be done'
          : typed.value !== machine.name
            ? `type ${machine.name} to go on`
            : '';
  return (
    <Dialog title={`Reimage ${machine.name}`} onClose={onClose}>
      <form onSubmit={(event) => void reimage(event as never)}>
        <p>A new system is written over what is on its disk now. Nothing is kept.</p>
        <label for="bootenv">System</label>
        <select id="bootenv" value={chosen.value} onChange={(event) => void choose(event.currentTarget.value)}>
          <option value="">{bootenvs.value ? 'Choose…' : 'Asking…'}</option>
          {bootenvs.value?.map((one) => (
            <option key={one.name} value={one.name} disabled={one.missing !== ''}>
              {one.name}: {one.missing === '' ? one.description : `not here, ${one.missing}`}
            </option>
          ))}
        </select>
        <div class="answer" aria-live="polite">
          {answer.value?.ok && (
            <>
              <p>What will happen:</p>
              <ol class="reasons">
                {answer.value.because.map((reason) => (
                  <li key={reason.rule}>{reason.text}</li>
                ))}
              </ol>
              <p class="dim">
                The same on the command line:{' '}
                <code>
                  firstlight reimage {machine.name} --bootenv {chosen.value}
                </code>
              </p>
            </>
          )}
          {answer.value && !answer.value.ok && (
            <p class="problem">
              {answer.value.problem.message}
              {answer.value.problem.next && <small>{answer.value.problem.next}</small>}
            </p>
          )}
        </div>
        <label for="typed">
          Type <b>{machine.name}</b> to confirm
        </label>
        <input
          id="typed"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          onInput={(event) => {
            typed.value = event.currentTarget.value.trim();
          }}
        />
        <div class="buttons">
          <button type="button" onClick={(event) => event.currentTarget.closest('dialog')?.close()}>
            Leave it as it is
          </button>
          <button type="submit" class="main grave" aria-disabled={whyNot !== ''} aria-describedby="reimage-why">
            Reimage {machine.name}
          </button>
        </div>
        <p class="dim why" id="reimage-why">
          {whyNot}
        </p>
      </form>
    </Dialog>
  );
}

/** crypto.randomUUID is only there on https pages; this one is mostly served by http on a network of its own. */
function randomHex(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
