import { errorAt, type ImportProblem, quote } from './imported.ts';

/** One record: the line it begins on, its fields, and where they were quoted. Quoted fields are exactly what was inside;
 *  the others are without the blanks around them. */
export type CsvRecord = { line: number; fields: string[] };

/** The separators that spreadsheets write: the comma, in many countries the semicolon, and the tab of the clipboard. */
export type Separator = ',' | ';' | '\t';

/**
 * The records of an RFC 4180 text: quotes around fields, a doubled quote inside them, line breaks inside them, CRLF or LF
 * between records. Blank lines and lines that begin with # are no records. A quote that is never closed is a problem and
 * ends the reading; text after a closing quote is a problem and leaves that record out.
 */
export function readCsv(text: string, separator: Separator): { records: CsvRecord[]; problems: ImportProblem[] } {
  const records: CsvRecord[] = [];
  const problems: ImportProblem[] = [];
  const plainEnd = new RegExp(`[${separator}\r\n]`, 'g');
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const start = line;
    const comment = text[at] === '#';
    const fields: string[] = [];
    let isWhole = true;
    let quoted = false;
    for (;;) {
      let opening = at;
      while (text[opening] === ' ') opening += 1;
      if (text[opening] === '"' && !comment) {
        const field = readQuoted(text, opening + 1);
        if (field === undefined) {
          problems.push(errorAt(line, 'the quote that opens here is never closed: nothing from here on is read'));
          return { records, problems };
        }
        quoted = true;
        fields.push(field.value);
        line += breaksIn(text.slice(opening, field.end));
        at = field.end;
        plainEnd.lastIndex = at;
        const rest = text.slice(at, plainEnd.exec(text)?.index ?? text.length);
        if (rest.trim() !== '') {
          problems.push(errorAt(line, `${quote(rest.trim())} stands after a closing quote: this record is not taken`));
          isWhole = false;
        }
        at += rest.length;
      } else {
        plainEnd.lastIndex = at;
        const end = plainEnd.exec(text)?.index ?? text.length;
        fields.push(text.slice(at, end).trim());
        at = end;
      }
      if (text[at] !== separator) break;
      at += 1;
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at += 1;
    at += 1;
    line += 1;
    const isBlank = !quoted && fields.every((field) => field === '');
    if (isWhole && !comment && !isBlank) records.push({ line: start, fields });
  }
  return { records, problems };
}

/** The field as RFC 4180 2.5 to 2.7 want it: in quotes when it has something in it that a reader would take otherwise. */
export function csvField(text: string): string {
  return /^[\s#]|[",;\r\n\t]|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** What stands from `at` to the closing quote, and the place behind that. */
function readQuoted(text: string, at: number): { value: string; end: number } | undefined {
  for (let from = at; ; ) {
    const end = text.indexOf('"', from);
    if (end < 0) return undefined;
    if (text[end + 1] !== '"') return { value: text.slice(at, end).replaceAll('""', '"'), end: end + 1 };
    from = end + 2;
  }
}

function breaksIn(text: string): number {
  return text.match(/\r\n|\n|\r/g)?.length ?? 0;
}
