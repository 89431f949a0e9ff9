import type { NewEvent } from './event.ts';

/** What is set of a subnet, a reservation or an option, by the API's names, each value as people read it. */
export type ShownFields = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

/** A change by an operator. `before` is absent for what was added, `after` for what was removed. */
export type NetworkChange = {
  /** `file`: one whose subnets, reservations and options were imported, `after` counts them. */
  what: 'subnet' | 'reservation' | 'option' | 'option definition' | 'file';
  name: string;
  by: string;
  before?: ShownFields | undefined;
  after?: ShownFields | undefined;
  /** The machine whose timeline has it. */
  machineId?: number | undefined;
};

/** One field of a change, as the event's `data.changes` keeps it; `from` or `to` is absent where nothing was set. */
export type FieldChange = { field: string; from?: string; to?: string };

/** A value with more characters is cut in the event's text; its data have it whole. */
const LONGEST = 200;

/** The event of a change, its text with each field that is another now; undefined when none is. */
export function networkChanged({ what, name, by, before, after, machineId }: NetworkChange): NewEvent | undefined {
  const changes = fieldChanges(before ?? {}, after ?? {});
  if (changes.length === 0) return undefined;
  const change = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  const verb = what === 'file' ? 'imported' : change;
  const list = changes
    .filter(({ field, from, to }) => change === 'changed' || field !== 'name' || (to ?? from) !== name)
    .map(({ field, from, to }) =>
      change === 'changed'
        ? `${words(field)} from ${inLine(from)} to ${inLine(to)}`
        : `${words(field)} ${inLine(to ?? from)}`,
    )
    .join('; ');
  return {
    kind: 'network.changed',
    text: `${what} ${inLine(name)} was ${verb} by ${by}: ${list}`,
    machineId,
    data: { what, name, by, change, changes },
  };
}

function fieldChanges(before: ShownFields, after: ShownFields): FieldChange[] {
  const fields = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return fields.flatMap((field): FieldChange[] => {
    const [from, to] = [textOf(before[field]), textOf(after[field])];
    if (from === to) return [];
    return [{ field, ...(from !== '' ? { from } : {}), ...(to !== '' ? { to } : {}) }];
  });
}

/** '' for what is not set. */
function textOf(value: ShownFields[string]): string {
  if (value === undefined) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'object' ? value.join(', ') : String(value);
}

/** `leaseSeconds` in words. */
function words(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** One line of a text, without what would move the cursor of a terminal. */
function inLine(text: string | undefined): string {
  if (text === undefined) return 'none';
  const line = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, ' ');
  return line.length > LONGEST ? `${line.slice(0, LONGEST)}…` : line;
}
