import { type Static, Type } from 'typebox';
import { AppError } from './errors.ts';

/** A param's declaration, as written in `workflows/params.yaml`. The default makes it always present in a template. */
export const ParamDeclaration = Type.Object(
  {
    description: Type.String(),
    type: Type.Union([
      Type.Literal('text'), // one line
      Type.Literal('script'), // several lines
      Type.Literal('integer'),
      Type.Literal('boolean'),
      Type.Literal('list'), // of one-line texts
    ]),
    default: Type.Union([Type.String(), Type.Integer(), Type.Boolean(), Type.Array(Type.String())]),
    /** A regular expression that a text, or every item of a list, has to match. An empty text is the absence of one. */
    pattern: Type.Optional(Type.String()),
    /** What the pattern asks for, in words. */
    patternHint: Type.Optional(Type.String()),
    secret: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type ParamDeclaration = Static<typeof ParamDeclaration>;

export type ParamDeclarations = Record<string, ParamDeclaration>;

/** A param's value for one machine, and where it came from. */
export type EffectiveParam = { name: string; value: unknown; source: string };

/**
 * Look every named param up in the sources, first one wins, and check it. Throws AppError `bad-param` that names the
 * param, its source and what is wrong.
 */
export function resolveParams(
  names: readonly string[],
  declarations: ParamDeclarations,
  sources: readonly { name: string; values: Record<string, unknown> }[],
): EffectiveParam[] {
  return names.map((name) => {
    const declaration = declarations[name];
    if (!declaration) throw new AppError('bad-param', `param ${name} is not declared in workflows/params.yaml`);
    const source = sources.find((one) => one.values[name] !== undefined);
    const value = source ? source.values[name] : declaration.default;
    const problem = checkParam(declaration, value);
    if (problem) throw new AppError('bad-param', `param ${name} from ${source?.name ?? 'its default'}: ${problem}`);
    return { name, value, source: source?.name ?? 'default' };
  });
}

/** What is wrong with this value for this declaration, as a sentence; undefined when nothing is. Never shows a secret. */
export function checkParam(declaration: ParamDeclaration, value: unknown): string | undefined {
  const shown = declaration.secret ? 'the value' : JSON.stringify(value);
  switch (declaration.type) {
    case 'integer':
      return Number.isSafeInteger(value) ? undefined : `${shown} is not an integer`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `${shown} is not true or false`;
    case 'list':
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
        return `${shown} is not a list of texts`;
      return value.map((item) => checkLine(declaration, item)).find((problem) => problem !== undefined);
    case 'script':
      return typeof value === 'string' && !value.includes('\0') ? undefined : `${shown} is not a text`;
    case 'text':
      return typeof value === 'string' ? checkLine(declaration, value) : `${shown} is not a text`;
  }
}

function checkLine(declaration: ParamDeclaration, line: string): string | undefined {
  const shown = declaration.secret ? 'the value' : JSON.stringify(line);
  if (/[\x00-\x1f\x7f]/.test(line)) return `${shown} has a control character or a line break`;
  if (line === '' || !declaration.pattern || new RegExp(declaration.pattern, 'u').test(line)) return undefined;
  return `${shown} is not ${declaration.patternHint ?? `of the form ${declaration.pattern}`}`;
}

/** Names among `given` that no declaration knows: a typing error that must not pass in silence. */
export function unknownParams(given: Record<string, unknown>, declarations: ParamDeclarations): string[] {
  return Object.keys(given).filter((name) => !Object.hasOwn(declarations, name));
}
