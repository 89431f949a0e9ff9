import { computed, type Signal, signal } from '@preact/signals';
import { readFilter } from './filter.ts';
import { rowAfter, rowOf } from './row.ts';
import type { Event, Row, ShownJob, ShownMachine, ShownStatus } from './shapes.ts';

/** Every machine has a signal of its own, so that an event draws one row again and no other. */
const rows = new Map<number, Signal<Row>>();
/** Steps when machines come, go or are renamed. */
const membership = signal(0);

/** False until the first list has come. */
export const isListed = signal(false);
export const status = signal<ShownStatus | undefined>(undefined);

const byName = new Intl.Collator('en', { numeric: true });

/** All machines by their names, node-2 before node-10. */
export const allRows = computed<readonly Signal<Row>[]>(() => {
  membership.value;
  return [...rows.values()].sort((a, b) => byName.compare(a.peek().machine.name, b.peek().machine.name));
});

export const filterText = signal('');

export const shownRows = computed<readonly Signal<Row>[]>(() => {
  const fits = readFilter(filterText.value);
  return filterText.value.trim() === '' ? allRows.value : allRows.value.filter((row) => fits(row.value));
});

export function rowNamed(name: string): Signal<Row> | undefined {
  return allRows.value.find((row) => row.peek().machine.name === name);
}

export function peekRow(id: number): Row | undefined {
  return rows.get(id)?.peek();
}

/**
 * Take the whole list; machines that are not in it are gone. `isAnew`: events may have been missed since the last one, so
 * that what they said before does not count any more.
 */
export function putList(machines: readonly ShownMachine[], jobs: readonly ShownJob[], isAnew = false): void {
  if (isAnew) rows.clear();
  const present = new Set(machines.map((machine) => machine.id));
  for (const id of rows.keys()) if (!present.has(id)) rows.delete(id);
  for (const machine of machines) put(machine, jobs);
  membership.value++;
  isListed.value = true;
}

/** Take one machine, with the job that ended on it if one did. */
export function putMachine(machine: ShownMachine, jobs: readonly ShownJob[] = []): void {
  const before = rows.get(machine.id)?.peek().machine.name;
  put(machine, jobs);
  if (before !== machine.name) membership.value++;
}

function put(machine: ShownMachine, jobs: readonly ShownJob[]): void {
  const row = rows.get(machine.id);
  if (row) row.value = rowOf(machine, jobs, row.peek());
  else rows.set(machine.id, signal(rowOf(machine, jobs)));
}

/** An event happened to a machine. False when it is one that we do not know. */
export function putEvent(machineId: number, event: Event): boolean {
  const row = rows.get(machineId);
  if (row) row.value = rowAfter(row.peek(), event);
  return row !== undefined;
}

/** Something else became known of a machine. */
export function changeRow(machineId: number, change: (row: Row) => Row): void {
  const row = rows.get(machineId);
  if (row) row.value = change(row.peek());
}

export function forgetRack(): void {
  rows.clear();
  membership.value++;
  isListed.value = false;
  status.value = undefined;
}
