import { duration } from '../model/duration.ts';
import { timeOfDay } from '../model/moment.ts';
import type { StreamedEvent } from './client.ts';

/** Rows as aligned columns under their titles. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(titles), ...rows.map(line)].join('\n');
}

/** Prints events one by one, each with the time since the one before, and with its reasons when they are asked for. */
export function timelinePrinter(write: (line: string) => void, withReasons = false): (event: StreamedEvent) => void {
  let before: number | undefined;
  let boot: number | undefined;
  return (event) => {
    if (event.boot !== undefined && event.boot !== boot) {
      boot = event.boot;
      write(`--- boot ${boot}`);
    }
    const delta = before === undefined ? '' : `+${duration(event.at - before)}`;
    before = event.at;
    write(`${clockTime(event.at)} ${delta.padStart(8)}  ${event.kind.padEnd(18)} ${event.text}`);
    if (withReasons) for (const reason of event.because ?? []) write(`${''.padEnd(42)}because ${reason.text}`);
  };
}

/** `14:02:07.123`, in the reader's own time zone. */
export function clockTime(at: number): string {
  return `${timeOfDay(at)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`;
}

/** `3m20s ago`; 'never' for what never was. */
export function ago(at: number | undefined): string {
  return at === undefined ? 'never' : `${duration(Date.now() - at)} ago`;
}
