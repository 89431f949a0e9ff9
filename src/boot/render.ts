import Handlebars from 'handlebars';
import { AppError } from '../model/errors.ts';

/** A template that cannot be rendered, or must not be: names the template, the line and what is wrong. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
  readonly template: string;
  readonly line: number | undefined;

  constructor(template: string, line: number | undefined, problem: string) {
    super(`${template}${line === undefined ? '' : `:${line}`}: ${problem}`);
    this.template = template;
    this.line = line;
  }
}

/** Whether it is the content or a param that cannot be rendered, and not we who are wrong. */
export function isRenderFault(error: unknown): error is TemplateError | AppError {
  return error instanceof TemplateError || error instanceof AppError;
}

/** What templates are rendered with: plain JSON, see docs/architecture.md. */
export type TemplateData = { readonly [name: string]: unknown };

/** A public file of the bootenv, as the `asset...` helpers give it. */
export type TemplateAsset = { url: string; size: number; sha256: string };

/** Every template of a content folder, checked and compiled. */
export type Templates = {
  /** Render a template. Throws TemplateError; a missing name, a null and an object are errors wherever they stand. */
  render(name: string, data: TemplateData, assets?: ReadonlyMap<string, TemplateAsset>): string;
  /** Render a text that stands in a bootenv, such as its kernel arguments; `name` is for errors. */
  renderText(name: string, text: string, data: TemplateData): string;
  /** Params that this template or one of its partials reads. */
  paramsOf(name: string): Set<string>;
  /** The same of a text that stands in a bootenv. Throws TemplateError when it is wrong. */
  paramsOfText(name: string, text: string): Set<string>;
  /** Whether this template or one of its partials reads `run.firstBootUrl`. */
  readsFirstBoot(name: string): boolean;
  has(name: string): boolean;
};

/** What may stand at the beginning of a path outside of `#each` and `#with`, and what may follow it; '*' is anything. */
const SHAPE: Readonly<Record<string, readonly string[] | '*'>> = {
  machine: ['name', 'hostname', 'domain', 'mac', 'bootif', 'uuid', 'serial'],
  net: ['address', 'netmask', 'prefix', 'gateway', 'dns'],
  appliance: ['url', 'address', 'mirrorHost', 'mirrorPath', 'securityMirrorPath'],
  run: ['url', 'firstBootUrl'],
  bootenv: ['name', 'description'],
  params: '*',
  screen: '*',
};

const BLOCKS = ['if', 'unless', 'each', 'with'];

type HelperCall = { template: string; assets: ReadonlyMap<string, TemplateAsset> };

/** Quoting for each language a template writes, and the questions it may ask. Every one refuses what it cannot quote. */
const HELPERS: Readonly<Record<string, (call: HelperCall, ...args: unknown[]) => unknown>> = {
  sh: (_call, value) => {
    const word = text(value);
    if (word.includes('\0')) throw new Error('a word of the shell has a NUL');
    return `'${word.replaceAll("'", `'\\''`)}'`;
  },
  preseed: (_call, value) => {
    const line = text(value);
    // a preseed line ends at the line's end, and a backslash there joins the next one to it
    if (/[\r\n\0]/.test(line)) throw new Error('a value for a preseed line has a line break');
    if (line.endsWith('\\')) throw new Error('a value for a preseed line ends with a backslash');
    return line;
  },
  // JSON's scalars and lists are YAML's flow style; what YAML 1.1 takes for line ends, or does not print, is escaped
  yaml: (_call, value) =>
    JSON.stringify(value).replace(
      /[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]/g,
      (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  json: (_call, value) => JSON.stringify(value),
  url: (_call, value) => encodeURIComponent(text(value)),
  b64: (_call, value) => Buffer.from(text(value), 'utf8').toString('base64'),
  join: (_call, list, separator) => {
    if (!Array.isArray(list)) throw new Error('join needs a list');
    return list.map(text).join(text(separator));
  },
  eq: (_call, a, b) => a === b,
  assetUrl: (call, name) => asset(call, name).url,
  assetSha256: (call, name) => asset(call, name).sha256,
  assetSize: (call, name) => asset(call, name).size,
};

function asset(call: HelperCall, name: unknown): TemplateAsset {
  const found = call.assets.get(text(name));
  if (!found) throw new Error(`the bootenv has no file ${text(name)}`);
  return found;
}

/** Rewritten into the templates around every value, so that nothing missing passes, wherever it stands. */
const NEED = 'firstlightNeed';
const TEXT = 'firstlightText';

/**
 * Compile `sources` (name to text; names under `partials/` can be included). Throws TemplateError for the first thing wrong:
 * bad syntax, a helper, partial or name that nobody provides.
 */
export function compileTemplates(sources: ReadonlyMap<string, string>): Templates {
  const engine = Handlebars.create();
  for (const name of ['log', 'lookup', 'blockHelperMissing', 'helperMissing']) engine.unregisterHelper(name);
  const known: Record<string, boolean> = { [NEED]: true, [TEXT]: true };
  for (const name of [...BLOCKS, ...Object.keys(HELPERS)]) known[name] = true;
  const options = { noEscape: true, knownHelpersOnly: true, knownHelpers: known, preventIndent: true } as const;

  let current: HelperCall = { template: '', assets: new Map() };
  engine.registerHelper(NEED, (value: unknown, path: string, place: string, block: string) => {
    const given = need(value, path, place);
    if (block === 'each' && !Array.isArray(given)) throw placed(place, `${path} is no list`);
    if ((block === 'if' || block === 'unless') && typeof given === 'object' && !Array.isArray(given))
      throw placed(place, `${path} is an object, not a condition`);
    return given;
  });
  engine.registerHelper(TEXT, (value: unknown, path: string, place: string) => {
    const given = need(value, path, place);
    if (typeof given === 'object')
      throw placed(place, `${path} is ${Array.isArray(given) ? 'a list' : 'an object'}, not a text`);
    return String(given);
  });
  for (const [name, helper] of Object.entries(HELPERS))
    engine.registerHelper(name, (...args: unknown[]) => {
      const place = (args.at(-1) as { hash: { place?: string } }).hash.place ?? current.template;
      try {
        return helper(current, ...args.slice(0, -1));
      } catch (error) {
        throw error instanceof TemplateError ? error : placed(place, `${name}: ${(error as Error).message}`);
      }
    });

  const partialNames = new Set([...sources.keys()].filter((name) => name.startsWith('partials/')).map(partialName));
  const used = new Map<string, Use>();
  const compiled = new Map<string, HandlebarsTemplateDelegate>();
  for (const [name, source] of sources) {
    const { ast, use } = prepare(engine, name, source, partialNames);
    used.set(name, use);
    const template = engine.compile(ast, options);
    if (name.startsWith('partials/')) engine.registerPartial(partialName(name), template);
    else compiled.set(name, template);
  }
  const texts = new Map<string, HandlebarsTemplateDelegate>();

  function run(
    template: HandlebarsTemplateDelegate,
    name: string,
    data: TemplateData,
    assets: HelperCall['assets'],
  ): string {
    current = { template: name, assets };
    try {
      return template(data);
    } catch (error) {
      if (error instanceof TemplateError) throw error;
      throw new TemplateError(name, undefined, (error as Error).message);
    }
  }

  /** A template with its partials, and theirs. */
  function withPartials(first: Use | undefined): Set<Use> {
    const visited = new Set<Use>();
    const visit = (use: Use | undefined): void => {
      if (!use || visited.has(use)) return;
      visited.add(use);
      for (const partial of use.partials) visit(used.get(`partials/${partial}.hbs`));
    };
    visit(first);
    return visited;
  }

  const paramsOfUse = (first: Use | undefined): Set<string> =>
    new Set([...withPartials(first)].flatMap((use) => [...use.params]));

  return {
    has: (name) => compiled.has(name),
    render(name, data, assets = new Map()) {
      const template = compiled.get(name);
      if (!template) throw new TemplateError(name, undefined, 'there is no such template');
      return run(template, name, data, assets);
    },
    renderText(name, source, data) {
      const key = `${name}\0${source}`;
      let template = texts.get(key);
      if (!template) {
        template = engine.compile(prepare(engine, name, source, partialNames).ast, options);
        texts.set(key, template);
      }
      return run(template, name, data, new Map());
    },
    paramsOf: (name) => paramsOfUse(used.get(name)),
    readsFirstBoot: (name) => [...withPartials(used.get(name))].some((use) => use.readsFirstBoot),
    paramsOfText: (name, source) => paramsOfUse(prepare(engine, name, source, partialNames).use),
  };
}

/** The name by which a partial is included: `partials/pick-disk.sh.hbs` is `{{> pick-disk.sh}}`. */
function partialName(path: string): string {
  return path.slice('partials/'.length, -'.hbs'.length);
}

/** A text that stands in a template. Numbers and booleans are written as they are; anything else is refused. */
function text(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new Error(`${Array.isArray(value) ? 'a list' : typeof value} is not a text`);
}

function need(value: unknown, path: string, place: string): unknown {
  if (value === undefined) throw placed(place, `${path} is not there`);
  if (value === null) throw placed(place, `${path} is null`);
  return value;
}

function placed(place: string, problem: string): TemplateError {
  const at = place.lastIndexOf(':');
  return at < 0
    ? new TemplateError(place, undefined, problem)
    : new TemplateError(place.slice(0, at), Number(place.slice(at + 1)), problem);
}

type Use = { params: Set<string>; partials: Set<string>; readsFirstBoot: boolean };
type Node = { type: string; loc: hbs.AST.SourceLocation; [key: string]: unknown };

/** Parse a template, refuse what it must not use, and wrap every value it reads in a check. */
function prepare(
  engine: typeof Handlebars,
  name: string,
  source: string,
  partialNames: ReadonlySet<string>,
): { ast: hbs.AST.Program; use: Use } {
  let ast: hbs.AST.Program;
  try {
    ast = engine.parse(source);
  } catch (error) {
    const { message } = error as Error;
    const line = (/line (\d+)/.exec(message) ?? / - (\d+):\d+$/.exec(message))?.[1];
    throw new TemplateError(
      name,
      line ? Number(line) : undefined,
      `cannot be parsed: ${message.split('\n').join(' ')}`,
    );
  }
  const use: Use = { params: new Set(), partials: new Set(), readsFirstBoot: false };
  visitBlock(ast as unknown as Node, 0);
  return { ast, use };

  function refuse(node: Node, problem: string): never {
    throw new TemplateError(name, node.loc.start.line, problem);
  }

  /** `depth` counts the #each and #with around: inside one, a name may belong to the item. */
  function visitBlock(program: Node, depth: number): void {
    for (const statement of program.body as Node[]) visitStatement(statement, depth);
  }

  function visitStatement(node: Node, depth: number): void {
    switch (node.type) {
      case 'ContentStatement':
      case 'CommentStatement':
        return;
      case 'MustacheStatement': {
        const path = node.path as Node;
        const params = node.params as Node[];
        if (params.length > 0 || isHelper(path)) return visitCall(node, depth);
        // {{x}} becomes {{firstlightText x 'x' 'file:line'}}
        checkPath(path, depth);
        node.params = [path, literal(node, path.original as string), place(node)];
        node.path = helperPath(node, TEXT);
        return;
      }
      case 'BlockStatement': {
        const block = (node.path as Node).original as string;
        if (!BLOCKS.includes(block)) refuse(node, `there is no block {{#${block}}}`);
        node.params = (node.params as Node[]).map((param) => wrap(param, depth, block));
        const inner = block === 'each' || block === 'with' ? depth + 1 : depth;
        if (node.program) visitBlock(node.program as Node, inner);
        if (node.inverse) visitBlock(node.inverse as Node, depth);
        return;
      }
      case 'PartialStatement': {
        const partial = (node.name as Node).original as string | undefined;
        if ((node.name as Node).type !== 'PathExpression' || !partial || !partialNames.has(partial))
          refuse(node, `there is no partial ${partial ?? '(computed)'} in templates/partials`);
        use.partials.add(partial as string);
        return;
      }
      default:
        refuse(node, `${node.type} is not allowed`);
    }
  }

  /** A helper call: the helper must exist, its arguments are wrapped, and it is told where it stands. */
  function visitCall(node: Node, depth: number): void {
    const helper = (node.path as Node).original as string;
    if (!HELPERS[helper]) refuse(node, `there is no helper ${helper}`);
    node.params = (node.params as Node[]).map((param) => wrap(param, depth));
    node.hash = {
      type: 'Hash',
      loc: node.loc,
      pairs: [{ type: 'HashPair', loc: node.loc, key: 'place', value: place(node) }],
    };
  }

  /** An argument: literals stay, calls are visited, a path x becomes (firstlightNeed x 'x' 'file:line' 'if'). */
  function wrap(node: Node, depth: number, block = ''): Node {
    if (node.type === 'SubExpression') {
      visitCall(node, depth);
      return node;
    }
    if (node.type !== 'PathExpression') return node;
    checkPath(node, depth);
    return {
      type: 'SubExpression',
      loc: node.loc,
      path: helperPath(node, NEED),
      params: [node, literal(node, node.original as string), place(node), literal(node, block)],
      hash: undefined,
    } as unknown as Node;
  }

  function checkPath(node: Node, depth: number): void {
    const parts = node.parts as string[];
    const original = node.original as string;
    if (node.data === true || original === 'this' || original === '.') return;
    if (original.startsWith('this.') || original.startsWith('./') || (node.depth as number) > depth) {
      if (depth === 0) refuse(node, `${original} stands outside of #each and #with`);
      return;
    }
    const [head, second] = parts;
    const shape = head === undefined ? undefined : SHAPE[head];
    if (shape === undefined) {
      if (depth > 0) return; // a name of the item; whether it is there is seen when it is rendered
      refuse(
        node,
        `there is no ${original}; templates see ${Object.keys(SHAPE)
          .filter((one) => one !== 'screen')
          .join(', ')}`,
      );
    }
    if (head === 'params' && second !== undefined) use.params.add(second);
    // what takes all of `run`, as #with does, may read any of it
    if (head === 'run' && second !== 'url') use.readsFirstBoot = true;
    if (shape !== '*' && second !== undefined && !shape.includes(second))
      refuse(node, `there is no ${original}; ${head} has ${shape.join(', ')}`);
  }

  function isHelper(path: Node): boolean {
    return (
      path.type === 'PathExpression' &&
      (path.parts as string[]).length === 1 &&
      HELPERS[path.original as string] !== undefined
    );
  }

  function literal(node: Node, value: string): Node {
    return { type: 'StringLiteral', loc: node.loc, value, original: value } as unknown as Node;
  }

  function place(node: Node): Node {
    return literal(node, `${name}:${node.loc.start.line}`);
  }

  function helperPath(node: Node, helper: string): Node {
    return {
      type: 'PathExpression',
      loc: node.loc,
      data: false,
      depth: 0,
      parts: [helper],
      original: helper,
    } as unknown as Node;
  }
}
