import { signal } from '@preact/signals';
import { ask, machinePath } from './api.ts';
import type { Event } from './shapes.ts';

/** The timeline that is open: events of one machine in the order they happened. */
export const timeline = signal<{ machineId: number; events: readonly Event[]; isLoaded: boolean; problem: string }>({
  machineId: 0,
  events: [],
  isLoaded: false,
  problem: '',
});

export const FEW_EVENTS = 200;
export const MANY_EVENTS = 3000;

/** Open the timeline of a machine with its newest `last` events. */
export async function openTimeline(machine: { id: number; name: string }, last: number): Promise<void> {
  const isOther = timeline.peek().machineId !== machine.id;
  if (isOther) timeline.value = { machineId: machine.id, events: [], isLoaded: false, problem: '' };
  try {
    const events = await ask<Event[]>('GET', machinePath(machine.name, `/timeline?last=${last}`));
    if (timeline.peek().machineId !== machine.id) return; // another one was opened meanwhile
    const newest = events.at(-1)?.id ?? 0;
    const since = timeline.peek().events.filter((event) => event.id > newest);
    timeline.value = { machineId: machine.id, events: [...events, ...since], isLoaded: true, problem: '' };
  } catch (error) {
    if (timeline.peek().machineId === machine.id)
      timeline.value = { ...timeline.peek(), problem: (error as Error).message };
  }
}

/** An event happened: it is the open timeline's when it is of its machine and was not read from history. */
export function tellTimeline(event: Event): void {
  const open = timeline.peek();
  if (event.machineId !== open.machineId || event.id <= (open.events.at(-1)?.id ?? 0)) return;
  timeline.value = { ...open, events: [...open.events.slice(-MANY_EVENTS), event] };
}
