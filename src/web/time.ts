import { signal } from '@preact/signals';

export { duration, roughDuration, wholeDuration } from '../model/duration.ts';

/** The present moment, one step a second: whatever shows a duration reads it and is drawn again by itself. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

/** `14:02:07`, in the reader's own time zone. */
export function clockTime(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-22 14:02:07`. */
export function dayAndTime(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockTime(at)}`;
}

/** `14:02` when it is of today, else `2026-11-22`. */
export function shortMoment(at: number): string {
  const [day] = dayAndTime(at).split(' ');
  return dayAndTime(now.peek()).startsWith(`${day} `) ? clockTime(at).slice(0, 5) : `${day}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
