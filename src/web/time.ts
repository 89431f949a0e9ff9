import { signal } from '@preact/signals';
import { dayAndTime, timeOfDay } from '../model/moment.ts';

export { duration, roughDuration, wholeDuration } from '../model/duration.ts';
export { dayAndTime, timeOfDay } from '../model/moment.ts';

/** The present moment, one step a second: whatever shows a duration reads it and is drawn again by itself. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

/** `14:02` when it is of today, else `2026-11-22`. */
export function shortMoment(at: number): string {
  const [day] = dayAndTime(at).split(' ');
  return dayAndTime(now.peek()).startsWith(`${day} `) ? timeOfDay(at).slice(0, 5) : `${day}`;
}
