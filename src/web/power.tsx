import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ask, machinePath } from './api.ts';
import { putPower } from './rack.ts';
import type { Row } from './shapes.ts';
import { now, wholeDuration } from './time.ts';

/** Whether the machine is on, as its BMC says: asked when the panel opens, after each power command, and on demand. */
export function PowerFact({ row }: { row: Row }) {
  const { machine, power } = row;
  const problem = useSignal('');
  const isAsking = useSignal(false);

  async function askBmc(): Promise<void> {
    isAsking.value = true;
    problem.value = '';
    try {
      const answer = await ask<{ power: 'on' | 'off' }>('GET', machinePath(machine.name, '/power'));
      putPower(machine.id, { word: answer.power, at: Date.now() });
    } catch (error) {
      problem.value = (error as Error).message;
      putPower(machine.id, { word: 'unknown', at: Date.now() });
    }
    isAsking.value = false;
  }

  // a failed answer is a known one: only a power command makes it unknown again
  const isUnasked = power === undefined;
  useEffect(() => {
    if (machine.hasBmc && isUnasked) void askBmc();
  }, [machine.id, machine.hasBmc, isUnasked]);

  if (!machine.hasBmc) return <>unknown: no BMC</>;
  return (
    <>
      <span class={`power-${power?.word ?? 'unknown'}`}>{power?.word ?? 'unknown'}</span>{' '}
      {isAsking.value ? (
        <span class="dim">asking the BMC…</span>
      ) : (
        <>
          <span class={problem.value ? 'problem' : 'dim'}>
            {problem.value || (power && `asked ${wholeDuration(now.value - power.at)} ago`)}
          </span>{' '}
          <button type="button" class="quiet small" onClick={() => void askBmc()}>
            Ask again
          </button>
        </>
      )}
    </>
  );
}
