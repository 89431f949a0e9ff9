import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import { Bootenv } from '../model/bootenv.ts';
import { checkParam, ParamDeclaration, type ParamDeclarations } from '../model/params.ts';
import { Workflow } from '../model/workflow.ts';

/** A mistake in a content file: names file, line and field. */
export type ContentProblem = {
  file: string;
  line?: number | undefined;
  field?: string | undefined;
  problem: string;
  /** The file is there and could not be read: the next time it may be, without having changed. */
  isUnread?: true;
};

/** What the three content folders hold, read and checked by their schemas; what names what is checked by boot/library. */
export type Content = {
  bootenvs: Map<string, Bootenv>;
  workflows: Map<string, Workflow>;
  params: ParamDeclarations;
  /** Template sources by their path below templates/: `ipxe/boot.ipxe.hbs`. */
  templates: Map<string, string>;
  problems: ContentProblem[];
};

const MAX_TEMPLATE_BYTES = 256 * 1024;

/** Read `bootenvs/`, `workflows/` and `templates/` below `folder`. Never throws for content: what is wrong is in `problems`. */
export function loadContent(folder: string): Content {
  const problems: ContentProblem[] = [];
  const bootenvs = readNamed(folder, 'bootenvs', Bootenv, () => true, problems);
  const workflows = readNamed(folder, 'workflows', Workflow, (file) => file !== 'params.yaml', problems);
  const params = readParams(folder, problems);
  const templates = new Map<string, string>();
  for (const path of listFiles(join(folder, 'templates'), '.hbs')) {
    const name = relative(join(folder, 'templates'), path);
    const text = readText(path, `templates/${name}`, problems);
    if (text === undefined) continue;
    if (Buffer.byteLength(text) > MAX_TEMPLATE_BYTES)
      problems.push({ file: `templates/${name}`, problem: `is larger than ${MAX_TEMPLATE_BYTES} bytes` });
    else templates.set(name, text);
  }
  return { bootenvs, workflows, params, templates, problems };
}

/** Changes whenever a content file does: what tells that it has to be read again. */
export function contentStamp(folder: string): string {
  const files = [
    ...listFiles(join(folder, 'bootenvs'), '.yaml'),
    ...listFiles(join(folder, 'workflows'), '.yaml'),
    ...listFiles(join(folder, 'templates'), '.hbs'),
  ];
  return files
    .map((path) => {
      const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0 };
      return `${path} ${size} ${mtimeMs}`;
    })
    .join('\n');
}

/** One line for a person: `bootenvs/x.yaml:3: kind: must be ...`. */
export function describeProblem(problem: ContentProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return `${place}: ${problem.field ? `${problem.field}: ` : ''}${problem.problem}`;
}

function readNamed<T extends TSchema>(
  folder: string,
  sub: string,
  schema: T,
  wanted: (file: string) => boolean,
  problems: ContentProblem[],
): Map<string, Static<T>> {
  const found = new Map<string, Static<T>>();
  for (const path of listFiles(join(folder, sub), '.yaml')) {
    const file = relative(folder, path);
    if (!wanted(relative(join(folder, sub), path))) continue;
    const value = readYaml(path, file, schema, problems) as Static<T> | undefined;
    if (value === undefined) continue;
    const { name } = value as unknown as { name: string };
    if (file !== `${sub}/${name}.yaml`)
      problems.push({ file, field: 'name', problem: `${name} is not the file's name` });
    else found.set(name, value);
  }
  return found;
}

function readParams(folder: string, problems: ContentProblem[]): ParamDeclarations {
  const file = 'workflows/params.yaml';
  const path = join(folder, file);
  try {
    statSync(path);
  } catch {
    problems.push({ file, problem: 'is not there' });
    return {};
  }
  const params: ParamDeclarations = {};
  const read = parseYaml(path, file, problems);
  if (!read || !isMap(read.root)) return params;
  for (const [name, declaration] of Object.entries(read.value as Record<string, unknown>)) {
    const tell = (at: readonly string[], problem: string): void =>
      void problems.push({ file, line: lineOf(read.root, at, read.counter), field: at.join('.'), problem });
    const [error] = [...Value.Errors(ParamDeclaration, declaration)];
    if (error) {
      tell([name, ...error.instancePath.split('/').slice(1)], describeError(error));
      continue;
    }
    const wrong = checkDeclaration(declaration as ParamDeclaration);
    if (wrong) tell([name, wrong.field], wrong.problem);
    else params[name] = declaration as ParamDeclaration;
  }
  return params;
}

/** What no schema can say: a pattern that is one, and a default that the declaration itself would take. */
function checkDeclaration(declaration: ParamDeclaration): { field: string; problem: string } | undefined {
  try {
    new RegExp(declaration.pattern ?? '', 'u');
  } catch (error) {
    return { field: 'pattern', problem: (error as Error).message };
  }
  const problem = checkParam(declaration, declaration.default);
  return problem === undefined ? undefined : { field: 'default', problem };
}

function describeError(error: { keyword: string; message: string }): string {
  return error.keyword === 'boolean' ? 'there is no such field' : error.message; // `additionalProperties: false`
}

/** The text of a file; undefined and told when it cannot be read: an editor may be at work in the folder. */
function readText(path: string, file: string, problems: ContentProblem[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    problems.push({ file, problem: `cannot be read: ${oneLine((error as Error).message)}`, isUnread: true });
    return undefined;
  }
}

function parseYaml(
  path: string,
  file: string,
  problems: ContentProblem[],
): { value: unknown; root: unknown; counter: LineCounter } | undefined {
  const text = readText(path, file, problems);
  if (text === undefined) return undefined;
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true });
  for (const error of document.errors)
    problems.push({ file, line: error.linePos?.[0].line, problem: oneLine(error.message) });
  if (document.errors.length > 0) return undefined;
  try {
    return { value: document.toJS(), root: document.contents, counter };
  } catch (error) {
    problems.push({ file, problem: oneLine((error as Error).message) }); // an alias of nothing, or of too much
    return undefined;
  }
}

function readYaml(path: string, file: string, schema: TSchema, problems: ContentProblem[]): unknown {
  const read = parseYaml(path, file, problems);
  if (!read) return undefined;
  const errors = [...Value.Errors(schema, read.value)];
  if (errors.length === 0) return read.value;
  const told = new Set<string>();
  for (const error of errors) {
    const extra = (error.params as { additionalProperties?: string[]; requiredProperties?: string[] })
      .additionalProperties;
    const at = [...error.instancePath.split('/').slice(1), ...(extra?.slice(0, 1) ?? [])];
    const field = at.join('.');
    if (told.has(field)) continue; // a union tells one mistake once per member
    told.add(field);
    const problem = extra ? 'there is no such field' : describeError(error);
    problems.push({ file, line: lineOf(read.root, at, read.counter), field: field || undefined, problem });
  }
  return undefined;
}

/** The line on which the value at this path stands, or the nearest thing around it that is there. */
function lineOf(root: unknown, path: readonly string[], counter: LineCounter): number | undefined {
  let node: unknown = root;
  let offset = isNode(root) ? root.range?.[0] : undefined;
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === key);
      if (!pair) break;
      if (isScalar(pair.key) && pair.key.range) offset = pair.key.range[0];
      node = pair.value;
    } else if (node !== null && typeof node === 'object' && 'items' in node) {
      node = (node as { items: unknown[] }).items[Number(key)];
      if (isNode(node) && node.range) offset = node.range[0];
    } else break;
  }
  return offset === undefined ? undefined : counter.linePos(offset).line;
}

function oneLine(message: string): string {
  return message.split('\n')[0] as string;
}

function listFiles(folder: string, ending: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(ending))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
