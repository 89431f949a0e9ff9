import { ask, machinePath } from './api.ts';
import { Problem, useAsking } from './asking.tsx';
import { changeRow } from './rack.ts';
import { rowWithPower, troubleOf } from './row-bmc.ts';
import type { PowerAnswer, Row } from './shapes.ts';
import { dayAndTime, now, wholeDuration } from './time.ts';

/** Whether the machine is on, as the appliance last read it; its BMC is asked on demand. */
export function PowerFact({ row }: { row: Row }) {
  const { machine } = row;
  const { word, since, readAt } = machine.power;
  const { run, since: askedAt, problem } = useAsking();
  const trouble = troubleOf(row);

  if (!machine.hasBmc)
    return (
      <>
        unknown: no BMC. Give it one with: <code>firstlight bmc set {machine.name} ADDRESS</code>
      </>
    );

  const readNow = (): Promise<void> =>
    run(async () => {
      const answer = await ask<PowerAnswer>('GET', machinePath(machine.name, '/power?fresh=true'));
      changeRow(machine.id, (before) => rowWithPower(before, answer));
    });
  return (
    <>
      <span class={`power-${word}`}>{word}</span>{' '}
      <span class="dim">
        {since !== undefined && `since ${dayAndTime(since)}, `}
        {readAt !== undefined && `read ${wholeDuration(now.value - readAt)} ago`}
      </span>{' '}
      {askedAt.value === undefined ? (
        <button type="button" class="quiet small" onClick={() => void readNow()}>
          Read it now
        </button>
      ) : (
        <span class="dim">asking the BMC…</span>
      )}
      {trouble && (
        <p class="problem">
          {trouble.is === 'refuses'
            ? 'BMC refuses, see below'
            : `unreachable since ${dayAndTime(trouble.since)}${trouble.why && `: ${trouble.why}`}`}
        </p>
      )}
      <Problem of={problem.value} />
    </>
  );
}
