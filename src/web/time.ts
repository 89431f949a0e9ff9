import { signal } from '@preact/signals';

/** The present moment, one step a second: whatever shows a duration reads it and is drawn again by itself. */
export const now = signal(Date.now());
setInterval(() => {
  now.value = Date.now();
}, 1000);

/** `0.4s`, `12s`, `3m20s`, `2h05m`, `6d`: as the CLI writes it. */
export function duration(ms: number): string {
  const total = Math.max(ms, 0) / 1000;
  if (total < 10) return `${total.toFixed(1)}s`;
  return wholeDuration(ms);
}

/** The same without tenths, for what counts up before one's eyes. */
export function wholeDuration(ms: number): string {
  const total = Math.floor(Math.max(ms, 0) / 1000);
  if (total < 60) return `${total}s`;
  if (total < 3600) return `${Math.floor(total / 60)}m${two(total % 60)}s`;
  if (total < 48 * 3600) return `${Math.floor(total / 3600)}h${two(Math.floor((total % 3600) / 60))}m`;
  return `${Math.floor(total / 86400)}d`;
}

/** `12s`, `34m`, `2h`, `6d`: for what nobody counts the seconds of. */
export function roughDuration(ms: number): string {
  const total = Math.floor(Math.max(ms, 0) / 1000);
  if (total < 60) return `${total}s`;
  if (total < 3600) return `${Math.floor(total / 60)}m`;
  if (total < 48 * 3600) return `${Math.floor(total / 3600)}h`;
  return `${Math.floor(total / 86400)}d`;
}

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
