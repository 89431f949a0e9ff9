import { useEffect, useRef } from 'preact/hooks';
import { describeHardware } from '../model/size.ts';
import { BmcBlock } from './bmc.tsx';
import { ActionButtons } from './buttons.tsx';
import { LastLine, StateWord, Waited } from './marks.tsx';
import { OrdersUnderWay } from './orders.tsx';
import { openMachine } from './place.ts';
import { PowerFact } from './power.tsx';
import { isListed, rowNamed } from './rack.ts';
import type { Row, ShownJob } from './shapes.ts';
import { dayAndTime } from './time.ts';
import { Timeline } from './timeline-view.tsx';

/** Everything about one machine: what it is, what runs, what can be done, what happened. */
export function MachinePanel({ name }: { name: string }) {
  const row = rowNamed(name)?.value;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    panel.current?.focus({ preventScroll: true });
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) close();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);

  function close(): void {
    openMachine.value = '';
    const links = document.querySelectorAll<HTMLElement>('.row-link');
    [...links].find((one) => one.textContent === name)?.focus();
  }

  if (!row && !isListed.value) return null;
  return (
    <section class="panel" ref={panel} tabIndex={-1} aria-label={`machine ${name}`}>
      <div class="panel-head">
        <h2>{name}</h2>
        {row && <StateWord state={row.machine.state} />}
        {row?.machine.locked && <span class="locked">locked</span>}
        <button type="button" class="quiet close" onClick={close}>
          Close <kbd>Esc</kbd>
        </button>
      </div>
      {row ? (
        <>
          {row.machine.job && <Stages job={row.machine.job} heardAt={row.heardAt} />}
          <LastLine row={row} />
          <OrdersUnderWay row={row} />
          <ActionButtons row={row} />
          <Facts row={row} />
          <BmcBlock row={row} />
          <Timeline machine={row.machine} />
        </>
      ) : (
        <p class="problem">There is no machine {name}: it was renamed or removed.</p>
      )}
    </section>
  );
}

/** The stages of the job in their order, the present one marked. */
function Stages({ job, heardAt }: { job: ShownJob; heardAt: number | undefined }) {
  return (
    <div class="stages">
      <span>
        job {job.id}: {job.workflow} {job.bootenv}
      </span>
      <ol>
        {job.plan.map((stage, index) => (
          <li
            key={stage}
            class={index < job.stage ? 'past' : index === job.stage ? 'present' : ''}
            aria-current={index === job.stage ? 'step' : undefined}
          >
            {stage}
            {index < job.stage && <span class="dim"> done</span>}
            {index === job.stage && (
              <span class="dim">
                {' '}
                <Waited job={job} heardAt={heardAt} />
              </span>
            )}
          </li>
        ))}
      </ol>
    </div>
  );
}

function Facts({ row }: { row: Row }) {
  const { machine } = row;
  const { inventory } = machine;
  const facts: [string, string | undefined][] = [
    ['Serial', machine.serial],
    ['Model', inventory && `${inventory.vendor} ${inventory.model}`.trim()],
    ['Address', machine.address],
    ['MAC', machine.macs.join(', ')],
    ['Hardware', inventory && describeHardware(inventory)],
    ['Firmware', machine.firmware?.toUpperCase()],
    ['Boots', `${machine.boot}`],
    ['Known since', dayAndTime(machine.createdAt)],
  ];
  return (
    <dl class="facts">
      <div class="whole">
        <dt>Power</dt>
        <dd>
          <PowerFact row={row} />
        </dd>
      </div>
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
