import { WireError } from '../../wire/bytes.ts';
import { errorAt, type ImportProblem, noteAt, quote } from './imported.ts';

/** A JSON value that knows its line. `nothing` is null, and a value that stands in another file. */
export type Json = { line: number } & (
  | { kind: 'object'; members: ReadonlyMap<string, Json> }
  | { kind: 'array'; items: readonly Json[] }
  | { kind: 'text'; text: string }
  | { kind: 'number'; number: number }
  | { kind: 'boolean'; boolean: boolean }
  | { kind: 'nothing' }
);

/** Far deeper than any configuration; the reader calls itself for each. */
const MAX_DEPTH = 100;
const numberText = /-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?/iy;
const include = /<\?include\s+"[^"\n]*"\s*\?>/y;
const controls: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * The JSON that Kea reads (RFC 8259, and comments after # and //, comments between slash-stars, a comma before a closing
 * brace or bracket). A mistake ends the reading with a problem and no value; a name that stands twice and an include,
 * whose file is not opened, are problems only.
 */
export function readJson(text: string): { value?: Json; problems: ImportProblem[] } {
  const reader = new JsonReader(text);
  try {
    return { value: reader.readDocument(), problems: reader.problems };
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return { problems: [...reader.problems, errorAt(reader.line, `${error.message}: nothing of the file is read`)] };
  }
}

class JsonReader {
  readonly problems: ImportProblem[] = [];
  line = 1;
  readonly #text: string;
  #at = 0;
  #included = false;

  constructor(text: string) {
    this.#text = text;
  }

  readDocument(): Json {
    const value = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) this.#fail('the end of the file');
    return value;
  }

  #value(depth: number): Json {
    this.#skip();
    const line = this.line;
    const c = this.#text[this.#at] ?? '';
    if (depth > MAX_DEPTH) this.#fail(`no more than ${MAX_DEPTH} values inside of each other`);
    if (c === '{') return { line, kind: 'object', members: this.#members(depth) };
    if (c === '[') return { line, kind: 'array', items: this.#items(depth) };
    if (c === '"') return { line, kind: 'text', text: this.#string() };
    if (this.#included && /[,}\]]|^$/.test(c)) return { line, kind: 'nothing' };
    for (const [word, value] of [
      ['true', true],
      ['false', false],
      ['null', null],
    ] as const)
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value === null ? { line, kind: 'nothing' } : { line, kind: 'boolean', boolean: value };
      }
    numberText.lastIndex = this.#at;
    const number = numberText.exec(this.#text)?.[0];
    if (number === undefined) this.#fail('a value');
    this.#at += number.length;
    return { line, kind: 'number', number: Number(number) };
  }

  #members(depth: number): Map<string, Json> {
    const members = new Map<string, Json>();
    this.#at += 1;
    while (!this.#takes('}')) {
      if (this.#text[this.#at] !== '"') this.#fail('a name in quotes or }');
      const line = this.line;
      const name = this.#string();
      if (!this.#takes(':')) this.#fail('a colon');
      const value = this.#value(depth + 1);
      if (members.has(name))
        this.problems.push(errorAt(line, `${quote(name)} stands twice: the first one is not taken`));
      members.set(name, value);
      if (!this.#takes(',') && !this.#included && !this.#stands('}')) this.#fail('a comma or }');
    }
    return members;
  }

  #items(depth: number): Json[] {
    const items: Json[] = [];
    this.#at += 1;
    while (!this.#takes(']')) {
      items.push(this.#value(depth + 1));
      if (!this.#takes(',') && !this.#included && !this.#stands(']')) this.#fail('a comma or ]');
    }
    return items;
  }

  #string(): string {
    let text = '';
    this.#at += 1;
    for (let from = this.#at; ; ) {
      const c = this.#text[this.#at];
      if (c === undefined || c < ' ') this.#fail('a closing quote');
      if (c !== '"' && c !== '\\') {
        this.#at += 1;
        continue;
      }
      text += this.#text.slice(from, this.#at);
      this.#at += 1;
      if (c === '"') return text;
      text += this.#escape();
      from = this.#at;
    }
  }

  #escape(): string {
    const c = this.#text[this.#at] ?? '';
    const code = c === 'u' ? /^[0-9a-f]{4}$/i.exec(this.#text.slice(this.#at + 1, this.#at + 5))?.[0] : undefined;
    const said =
      code === undefined ? ('"\\/'.includes(c) ? c : controls[c]) : String.fromCharCode(Number.parseInt(code, 16));
    if (said === undefined || c === '') this.#fail('an escape of JSON');
    this.#at += code === undefined ? 1 : 5;
    return said;
  }

  #takes(mark: string): boolean {
    if (!this.#stands(mark)) return false;
    this.#at += 1;
    return true;
  }

  #stands(mark: string): boolean {
    this.#skip();
    return this.#text[this.#at] === mark;
  }

  /** Goes over blanks, comments and includes, and remembers whether there was an include. */
  #skip(): void {
    this.#included = false;
    for (;;) {
      const c = this.#text[this.#at];
      if (c === '\n') {
        this.line += 1;
        this.#at += 1;
      } else if (c === ' ' || c === '\t' || c === '\r') this.#at += 1;
      else if (c === '#' || this.#text.startsWith('//', this.#at)) this.#skipTo('\n', 0);
      else if (this.#text.startsWith('/*', this.#at)) this.#skipTo('*/', 2);
      else if (c === '<' && this.#skipsInclude()) this.#included = true;
      else return;
    }
  }

  #skipTo(mark: string, beyond: number): void {
    const end = this.#text.indexOf(mark, this.#at + beyond);
    const next = end < 0 ? this.#text.length : end + beyond;
    for (let at = this.#text.indexOf('\n', this.#at); at >= 0 && at < next; at = this.#text.indexOf('\n', at + 1))
      this.line += 1;
    this.#at = next;
  }

  #skipsInclude(): boolean {
    include.lastIndex = this.#at;
    const told = include.exec(this.#text)?.[0];
    if (told === undefined) return false;
    this.problems.push(noteAt(this.line, `${quote(told)} is not read: import that file on its own`));
    this.#at += told.length;
    return true;
  }

  #fail(wanted: string): never {
    const rest = this.#text.slice(this.#at, this.#at + 20).split('\n')[0] as string;
    const found = this.#at >= this.#text.length ? 'the file ends' : `${quote(rest)} stands`;
    throw new WireError('malformed', 'JSON', this.#at, `${found} where ${wanted} should be`);
  }
}

/** The member of an object; undefined when there is none, or `json` is no object. */
export function memberOf(json: Json, name: string): Json | undefined {
  return json.kind === 'object' ? json.members.get(name) : undefined;
}

/** What a text of JSON says; undefined for anything else. */
export function textOf(json: Json | undefined): string | undefined {
  return json?.kind === 'text' ? json.text : undefined;
}

/** The value of a number of JSON; undefined for anything else. */
export function numberOf(json: Json | undefined): number | undefined {
  return json?.kind === 'number' ? json.number : undefined;
}

/** The elements of the list that is this member; a problem when it is something else than a list. */
export function itemsOf(json: Json, name: string): { items: readonly Json[]; problems: ImportProblem[] } {
  const member = memberOf(json, name);
  if (member?.kind === 'array') return { items: member.items, problems: [] };
  const isWrong = member !== undefined && member.kind !== 'nothing';
  return {
    items: [],
    problems: isWrong ? [errorAt(member.line, `${quote(name)} is not taken: it is no list`)] : [],
  };
}

/** Does it say nothing: null, '', [] or {}? */
export function isEmpty(json: Json): boolean {
  if (json.kind === 'object') return json.members.size === 0;
  return json.kind === 'nothing' || (json.kind === 'array' && json.items.length === 0) || textOf(json) === '';
}
