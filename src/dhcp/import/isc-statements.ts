import { errorAt, type ImportProblem } from './imported.ts';
import { type IscToken, readIscTokens } from './isc-tokens.ts';

/** One statement: the tokens before its semicolon, or before the braces of its block. */
export type IscStatement = { line: number; tokens: IscToken[]; block?: IscStatement[] };

/** Far more blocks in blocks than anybody writes; what reads them may call itself for each. */
const MAX_DEPTH = 50;

/** The statements of a dhcpd.conf or dhcpd.leases with their blocks, one by one: a large file as a whole would be many times
 *  its size. What is wrong with the braces is among the problems, and the reading goes on. */
export function* readIscStatements(text: string, problems: ImportProblem[]): Generator<IscStatement> {
  /** Those at the top that are whole and not given yet. */
  const top: IscStatement[] = [];
  /** The open blocks, the innermost last. */
  const open: { line: number; statements: IscStatement[] }[] = [];
  let inner = top;
  let pending: IscToken[] = [];
  let skipped = 0;
  const end = (block?: IscStatement[]) => {
    if (pending.length > 0 || block)
      inner.push({ line: pending[0]?.line ?? open.at(-1)?.line ?? 1, tokens: pending, ...(block && { block }) });
    pending = [];
  };
  for (const token of readIscTokens(text, problems)) {
    if (skipped > 0) {
      if (token.kind === 'mark') skipped += token.text === '{' ? 1 : token.text === '}' ? -1 : 0;
    } else if (token.kind !== 'mark') pending.push(token);
    else if (token.text === ';') end();
    else if (token.text === '{') {
      if (open.length === MAX_DEPTH) {
        problems.push(errorAt(token.line, `a block inside of ${MAX_DEPTH} others is not read`));
        pending = [];
        skipped = 1;
        continue;
      }
      const statements: IscStatement[] = [];
      end(statements);
      open.push({ line: token.line, statements: inner });
      inner = statements;
    } else if (token.text === '}') {
      if (pending.length > 0) problems.push(errorAt(token.line, 'a semicolon is missing before this brace'));
      end();
      const outer = open.pop();
      if (outer) inner = outer.statements;
      else problems.push(errorAt(token.line, 'this brace closes nothing'));
    } else pending.push(token);
    if (open.length === 0 && top.length > 0) yield* top.splice(0);
  }
  if (pending.length > 0)
    problems.push(errorAt((pending[0] as IscToken).line, 'this statement is not taken: its semicolon is missing'));
  const unclosed = open.at(-1);
  if (unclosed || skipped > 0) problems.push(errorAt(unclosed?.line ?? 1, 'the block that opens here is never closed'));
  yield* top;
}

/** The word in lower case, as dhcpd compares its keywords; '' for a string, a mark, and nothing. */
export function keywordOf(token: IscToken | undefined): string {
  return token?.kind === 'word' ? token.text.toLowerCase() : '';
}
