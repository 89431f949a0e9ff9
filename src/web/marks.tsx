import type { MachineState } from '../model/machine.ts';
import { link } from './live.ts';
import type { Row, ShownJob } from './shapes.ts';
import { now, wholeDuration } from './time.ts';

/** A running job whose machine says nothing for this long deserves a look. */
const SILENT_MS = 5 * 60_000;

/** The state as a word in its colour: the word alone says it all. */
export function StateWord({ state }: { state: MachineState }) {
  return <span class={`badge state-${state}`}>{state}</span>;
}

export function Percent({ value, of }: { value: number; of: string }) {
  return (
    <span class="percent">
      <progress max={100} value={value} aria-label={`progress of ${of}`} /> {Math.round(value)} %
    </span>
  );
}

/** How long the stage lasts, and for how long nothing was heard: counted from when this page began to listen. */
export function Waited({ job, heardAt }: { job: ShownJob; heardAt: number | undefined }) {
  const lasts = now.value - job.stageStartedAt;
  const silent = now.value - Math.max(heardAt ?? 0, job.stageStartedAt, link.value.since);
  const isSilent = link.value.is === 'live' && silent > SILENT_MS;
  return (
    <>
      {wholeDuration(lasts)}
      {isSilent && <span class="silent">, silent for {wholeDuration(silent)}</span>}
    </>
  );
}

/** The last that was said of a machine. Why it failed stays in sight, whatever it says afterwards. */
export function LastLine({ row }: { row: Row }) {
  const { machine } = row;
  const failure = machine.state === 'failed' ? machine.status : '';
  const line = row.line === failure || row.line === machine.state ? '' : row.line;
  return (
    <>
      {failure !== '' && (
        <div class="line problem" title={failure}>
          {failure}
        </div>
      )}
      {line !== '' && (
        <div class={failure === '' ? 'line' : 'line dim'} title={line}>
          {line}
        </div>
      )}
    </>
  );
}
