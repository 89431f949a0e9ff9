import { computed, type Signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { describeOrder } from '../model/bmc.ts';
import { LastLine, Percent, StateWord, Waited } from './marks.tsx';
import { openMachine } from './place.ts';
import { allRows, filterText, isListed, shownRows } from './rack.ts';
import { isStale, troubleOf } from './row-bmc.ts';
import type { Row, ShownPower } from './shapes.ts';
import { now, roughDuration, shortMoment } from './time.ts';

export function MachineList() {
  const rows = shownRows.value;
  if (!isListed.value) return <p class="empty">Asking for the machines…</p>;
  if (allRows.value.length === 0)
    return (
      <p class="empty">
        No machine is known yet. One that boots from the network shows up here by itself; or enter it with:{' '}
        <code>firstlight add NAME --mac MAC</code>
      </p>
    );
  if (rows.length === 0)
    return (
      <p class="empty">
        No machine fits the filter <code>{filterText.value}</code>.
      </p>
    );
  return (
    <table class="machines" onKeyDown={moveByKey}>
      <thead>
        <tr>
          <th scope="col">Machine</th>
          <th scope="col">Power</th>
          <th scope="col">State</th>
          <th scope="col">Doing now</th>
          <th scope="col">System</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <MachineRow key={row.peek().machine.id} row={row} />
        ))}
      </tbody>
    </table>
  );
}

function MachineRow({ row }: { row: Signal<Row> }) {
  const { machine } = row.value;
  const isOpen = openMachine.value === machine.name;
  const line = useRef<HTMLTableRowElement>(null);
  // beside an open panel the rows are taller: the one that was pressed stays in sight
  useEffect(() => {
    if (isOpen) line.current?.scrollIntoView({ block: 'nearest' });
  }, [isOpen]);
  return (
    <tr ref={line} class={isOpen ? 'machine open' : 'machine'}>
      <td class="which">
        {/* its ::after covers the row: the whole row is this link */}
        <a class="row-link" href={rowAddress(machine.name)} aria-current={isOpen}>
          {machine.name}
        </a>
        {machine.locked && <span class="locked">locked</span>}
        <div class="ids">
          <span>{machine.address ?? 'no address'}</span>
          <span>
            {machine.macs[0]}
            {machine.macs.length > 1 && ` +${machine.macs.length - 1}`}
          </span>
          {machine.serial && <span>{machine.serial}</span>}
        </div>
      </td>
      <td class="power">
        <PowerCell row={row.value} />
      </td>
      <td class="state">
        <StateWord state={machine.state} />
      </td>
      <td class="doing">
        <DoingCell row={row.value} />
      </td>
      <td class="system">
        <SystemCell row={row.value} />
      </td>
    </tr>
  );
}

function PowerCell({ row }: { row: Row }) {
  const { machine, heardAt, orders } = row;
  const { word, readAt, asked } = machine.power;
  return (
    <>
      <span class={`power-${word}`}>{word === 'unknown' && !machine.hasBmc ? 'no BMC' : word}</span>
      {orders[0] && <div class="ordered">{describeOrder(orders[0].order)}…</div>}
      {asked && (
        <NoteLink name={machine.name} why={asked}>
          waits for a person
        </NoteLink>
      )}
      <TroubleNote row={row} />
      {readAt !== undefined && <Stale power={machine.power} />}
      <div class="dim">{heardAt === undefined ? 'never heard' : <Ago at={heardAt} />}</div>
    </>
  );
}

function TroubleNote({ row }: { row: Row }) {
  const trouble = troubleOf(row);
  if (!trouble) return null;
  return (
    <NoteLink name={row.machine.name} why={trouble.why || 'open the machine to see why'}>
      {trouble.is === 'refuses' ? 'BMC refuses' : `unreachable since ${shortMoment(trouble.since)}`}
    </NoteLink>
  );
}

/** A note whose sentence shows under the pointer. It lies over the row's own link, and so is one to the same place. */
function NoteLink({ name, why, children }: { name: string; why: string; children: ComponentChildren }) {
  return (
    <div>
      <a class="note" href={rowAddress(name)} title={why} tabIndex={-1}>
        {children}
      </a>
    </div>
  );
}

/** A reading that is old tells so, and how old it is. */
function Stale({ power }: { power: ShownPower }) {
  const text = useMemo(
    () =>
      computed(() => (isStale(power, now.value) ? `read ${roughDuration(now.value - (power.readAt ?? 0))} ago` : '')),
    [power],
  );
  return <div class="dim">{text}</div>;
}

/** A text that follows the clock by itself: with hundreds of rows, none is drawn again for it. */
function Ago({ at }: { at: number }) {
  const text = useMemo(() => computed(() => `heard ${roughDuration(now.value - at)} ago`), [at]);
  return <span title="when the machine itself was last heard">{text}</span>;
}

function DoingCell({ row }: { row: Row }) {
  const { job } = row.machine;
  return (
    <>
      {job && (
        <div class="stage">
          <b>{job.stageName}</b>
          <span class="dim">
            {' '}
            {job.plan.length > 1 && `${job.stage + 1} of ${job.plan.length}, `}
            <Waited job={job} heardAt={row.heardAt} />
          </span>
          {row.percent !== undefined && <Percent value={row.percent} of={job.stageName} />}
        </div>
      )}
      <LastLine row={row} />
    </>
  );
}

function SystemCell({ row }: { row: Row }) {
  const { job } = row.machine;
  if (job?.bootenv) return <System name={job.bootenv} is="on its way" />;
  const install = row.lastInstall;
  if (!install?.bootenv) return <span class="dim">not known</span>;
  return <System name={install.bootenv} is={install.state === 'done' ? 'installed' : 'not finished'} />;
}

function System({ name, is }: { name: string; is: string }) {
  return (
    <>
      <span>{name}</span>
      <div class="dim">{is}</div>
    </>
  );
}

function rowAddress(name: string): string {
  const words = new URLSearchParams({ machine: name });
  if (filterText.value !== '') words.set('filter', filterText.value);
  return `#${words}`;
}

/** Up and down go from machine to machine, Home and End to the first and the last. */
function moveByKey(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const links = [...event.currentTarget.querySelectorAll<HTMLElement>('.row-link')];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  links[to]?.focus();
}
