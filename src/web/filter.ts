import type { Row } from './shapes.ts';

/** The fields that a filter can name. */
const FIELDS: Readonly<Record<string, (row: Row) => string>> = {
  name: ({ machine }) => machine.name,
  serial: ({ machine }) => machine.serial ?? '',
  mac: ({ machine }) => machine.macs.join(' '),
  address: ({ machine }) => machine.address ?? '',
  state: ({ machine }) => machine.state,
  power: ({ machine: { power } }) =>
    `${power.word}${power.unreachableSince === undefined ? '' : ' unreachable'}${power.asked === undefined ? '' : ' asked'}`,
  stage: ({ machine }) => machine.job?.stageName ?? '',
  os: (row) => row.lastInstall?.bootenv ?? '',
  model: ({ machine }) => `${machine.inventory?.vendor ?? ''} ${machine.inventory?.model ?? ''}`,
  locked: ({ machine }) => (machine.locked ? 'yes locked' : 'no'),
  line: (row) => row.line,
};
/** A MAC or a part of it with at least two octets, in whatever way it was typed or pasted. */
const MAC_PART = /^[0-9a-f]{2}([:.-]?[0-9a-f]{2})+$/;

/**
 * The test that a filter stands for. Words are joined by "and": `rack4 state:failed,new !debian` is every machine with rack4
 * in it that is failed or new and has no debian in it. `FIELD:` looks into one field only, a comma means "or", `!` "not".
 */
export function readFilter(text: string): (row: Row) => boolean {
  const tests = text.trim().toLowerCase().split(/\s+/).filter(Boolean).map(readWord);
  return (row) => tests.every((test) => test(row));
}

function readWord(word: string): (row: Row) => boolean {
  const not = word.startsWith('!');
  const [, field, rest] = /^!?(?:([a-z]+):)?(.*)$/.exec(word) as unknown as [string, string | undefined, string];
  // an unknown field is part of a word, such as a MAC with colons
  const value = field === undefined ? undefined : FIELDS[field];
  const wanted = (value ? rest : word.replace(/^!/, '')).split(',').filter(Boolean);
  if (wanted.length === 0) return () => true;
  return (row) => {
    const where = value
      ? value(row)
      : Object.values(FIELDS)
          .map((one) => one(row))
          .join('\n');
    return wanted.some((one) => isIn(one, where.toLowerCase(), row)) !== not;
  };
}

function isIn(wanted: string, where: string, row: Row): boolean {
  if (where.includes(wanted)) return true;
  if (!MAC_PART.test(wanted)) return false;
  const digits = wanted.replace(/[:.-]/g, '');
  return row.machine.macs.some((mac) => where.includes(mac) && mac.replaceAll(':', '').includes(digits));
}
