/** `0.4s`, `12s`, `3m20s`, `2h05m`, `2d05h`, `6d`: whole units that have passed, as the CLI and the page both tell them. */
export function duration(ms: number): string {
  const tenths = Math.floor(Math.max(ms, 0) / 100);
  return tenths < 100 ? `${Math.floor(tenths / 10)}.${tenths % 10}s` : wholeDuration(ms);
}

/** The same without tenths, for what counts up before one's eyes. */
export function wholeDuration(ms: number): string {
  const { seconds, minutes, hours, days } = unitsOf(ms);
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m${two(seconds % 60)}s`;
  if (days < 2) return `${hours}h${two(minutes % 60)}m`;
  return hours % 24 === 0 ? `${days}d` : `${days}d${two(hours % 24)}h`;
}

/** `12s`, `34m`, `2h`, `6d`: for what nobody counts the seconds of. */
export function roughDuration(ms: number): string {
  const { seconds, minutes, hours, days } = unitsOf(ms);
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m`;
  return days < 2 ? `${hours}h` : `${days}d`;
}

/** The whole length in each unit, rounded down. */
function unitsOf(ms: number): { seconds: number; minutes: number; hours: number; days: number } {
  const seconds = Math.floor(Math.max(ms, 0) / 1000);
  return {
    seconds,
    minutes: Math.floor(seconds / 60),
    hours: Math.floor(seconds / 3600),
    days: Math.floor(seconds / 86_400),
  };
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
