import { errorAt, FOR_EVER_SECONDS, type ImportProblem, linesOf, quote } from './imported.ts';

/** A piece between commas: `text` as it is meant, `syntax` the same with a NUL for every character that was in quotes,
 *  where `:`, `.`, `=` and the like mean nothing. */
export type DnsmasqField = { text: string; syntax: string };

/** A line of a configuration (`keyword=fields`), or of a dhcp-hostsfile (fields only). A keyword alone has no fields. */
export type DnsmasqLine = { line: number; keyword?: string; fields: DnsmasqField[]; text: string };

/** The lines that say something. Comments begin with # after a blank; quotes take the meaning from what is inside them.
 *  Leading `--`, as on a command line, is forgiven. */
export function readDnsmasqLines(text: string): { lines: DnsmasqLine[]; problems: ImportProblem[] } {
  const lines: DnsmasqLine[] = [];
  const problems: ImportProblem[] = [];
  for (const [index, raw] of linesOf(text).entries()) {
    const whole = unquote(raw);
    if (whole === undefined) {
      problems.push(errorAt(index + 1, `a quote is never closed, and the line not read: ${quote(raw.trim())}`));
      continue;
    }
    const field = trimField(whole);
    if (field.text === '') continue;
    const equals = field.syntax.indexOf('=');
    const before = equals < 0 ? field.syntax : field.syntax.slice(0, equals).trimEnd();
    const keyword = /^(?:--)?([a-z0-9][a-z0-9-]*)$/i.exec(before)?.[1]?.toLowerCase();
    if (keyword === undefined) lines.push({ line: index + 1, fields: splitField(field), text: field.text });
    else if (equals < 0) lines.push({ line: index + 1, keyword, fields: [], text: field.text });
    else lines.push({ line: index + 1, keyword, fields: splitField(sliceField(field, equals + 1)), text: field.text });
  }
  return { lines, problems };
}

/** The field without its first `length` characters (`id:`, `set:`), and the blanks after them. */
export function sliceField(field: DnsmasqField, from: number, to?: number): DnsmasqField {
  return trimField({ text: field.text.slice(from, to), syntax: field.syntax.slice(from, to) });
}

/** Seconds of `45m`, `12h`, `2d`, `1w`, `3600` or `infinite`; undefined for anything else. dnsmasq gives no lease of less
 *  than two minutes. */
export function readDnsmasqTime(text: string): number | undefined {
  if (text === 'infinite') return FOR_EVER_SECONDS;
  const match = /^([0-9]{1,10})([smhdw]?)$/i.exec(text);
  if (!match) return undefined;
  const factor = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[(match[2] ?? '').toLowerCase()] ?? 1;
  return Math.min(FOR_EVER_SECONDS, Math.max(120, Number(match[1]) * factor));
}

/** The characters that can follow a backslash in quotes, and what they become. */
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  t: '\t',
  n: '\n',
  e: '\x1b',
  b: '\b',
  r: '\r',
};

function unquote(raw: string): DnsmasqField | undefined {
  let text = '';
  let syntax = '';
  let afterBlank = true;
  for (let at = 0; at < raw.length; at++) {
    const c = raw[at] as string;
    if (c === '#' && afterBlank) break;
    afterBlank = /\s/.test(c);
    if (c !== '"') {
      text += afterBlank ? ' ' : c;
      syntax += afterBlank ? ' ' : c;
      continue;
    }
    for (at += 1; raw[at] !== '"'; at++) {
      if (at >= raw.length) return undefined;
      const escaped = raw[at] === '\\' ? escapes[raw[at + 1] ?? ''] : undefined;
      text += escaped ?? raw[at];
      syntax += '\0';
      if (escaped !== undefined) at += 1;
    }
  }
  return { text, syntax };
}

function splitField(field: DnsmasqField): DnsmasqField[] {
  const fields: DnsmasqField[] = [];
  let start = 0;
  for (let comma = field.syntax.indexOf(','); comma >= 0; comma = field.syntax.indexOf(',', start)) {
    fields.push(sliceField(field, start, comma));
    start = comma + 1;
  }
  return [...fields, sliceField(field, start)];
}

/** Without the blanks around it; quoted blanks stay. */
function trimField({ text, syntax }: DnsmasqField): DnsmasqField {
  const start = syntax.length - syntax.trimStart().length;
  const end = Math.max(start, syntax.trimEnd().length);
  return { text: text.slice(start, end), syntax: syntax.slice(start, end) };
}
