import { errorAt, type ImportProblem } from './imported.ts';

/** A word, a string (the text between its quotes, escapes as they stand) or one of the marks { } ; , = ( ). */
export type IscToken = { line: number; kind: 'word' | 'string' | 'mark'; text: string };

const marks = '{};,=()';
const endOfWord = /[\s#"{};,=()]/g;

/** The tokens of a dhcpd.conf or dhcpd.leases, one by one, without comments (# to the end of the line). A string that is
 *  never closed is among the problems, and ends the reading. */
export function* readIscTokens(text: string, problems: ImportProblem[]): Generator<IscToken> {
  let line = 1;
  for (let at = 0; at < text.length; ) {
    const c = text[at] as string;
    if (c === '\n') {
      line += 1;
      at += 1;
    } else if (marks.includes(c)) {
      yield { line, kind: 'mark', text: c };
      at += 1;
    } else if (c === '"') {
      const end = endOfString(text, at + 1);
      if (end === undefined) {
        problems.push(errorAt(line, 'the string that opens here is never closed: nothing from here on is read'));
        return;
      }
      const inner = text.slice(at + 1, end);
      yield { line, kind: 'string', text: inner };
      line += inner.split('\n').length - 1;
      at = end + 1;
    } else if (c === '#') at = indexOrEnd(text, '\n', at);
    else if (/\s/.test(c)) at += 1;
    else {
      endOfWord.lastIndex = at;
      const end = endOfWord.exec(text)?.index ?? text.length;
      yield { line, kind: 'word', text: text.slice(at, end) };
      at = end;
    }
  }
}

/** The bytes of a string: UTF-8 but for its escapes, `\001` octal, `\x1f` hexadecimal, `\n \t \r \b`; any other character
 *  after a backslash is itself. */
export function bytesOfIscString(inner: string): Buffer {
  const parts = inner.split(/(\\(?:[0-3][0-7]{0,2}|x[0-9a-f]{1,2}|.))/is);
  return Buffer.concat(
    parts.map((part, index) => (index % 2 === 0 ? Buffer.from(part) : Buffer.from(bytesOfEscape(part)))),
  );
}

/** What the token says as text. */
export function textOfIscToken({ kind, text }: IscToken): string {
  return kind === 'string' && text.includes('\\') ? bytesOfIscString(text).toString() : text;
}

const controls: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, b: 8 };

function bytesOfEscape(told: string): Uint8Array | string {
  const c = told[1] as string;
  if (/[0-3]/.test(c)) return Uint8Array.of(Number.parseInt(told.slice(1), 8));
  if (/x/i.test(c) && told.length > 2) return Uint8Array.of(Number.parseInt(told.slice(2), 16));
  const control = controls[c];
  return control === undefined ? c : Uint8Array.of(control);
}

function endOfString(text: string, from: number): number | undefined {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '"') return at;
    if (text[at] === '\\') at += 1;
  }
  return undefined;
}

function indexOrEnd(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from);
  return at < 0 ? text.length : at;
}
