import { errorAt, type ImportProblem } from '../dhcp/import/index.ts';
import { AppError } from '../model/errors.ts';

/** One thing to be told of a file. */
export type Told = { line: number; text: string };

/** Does it; a refusal becomes an error of the line. */
export function attempt(line: number, problems: ImportProblem[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    problems.push(errorAt(line, error.message));
  }
}

/** Errors and notes apart, each in the order of the lines. What is wrong with the subnets of a file harms nobody who does not
 *  want them. */
export function sortProblems(
  problems: readonly ImportProblem[],
  wishes: { subnets?: boolean },
): Record<'errors' | 'notes', Told[]> {
  const isError = ({ severity, ofSubnets }: ImportProblem): boolean =>
    severity === 'error' && (!ofSubnets || wishes.subnets === true);
  const { errors = [], notes = [] } = Object.groupBy(problems, (one) => (isError(one) ? 'errors' : 'notes'));
  return { errors: inOrder(errors), notes: inOrder(notes) };
}

/** By line; without what is of no use to who reads it. */
export function inOrder(problems: readonly Told[]): Told[] {
  return problems.map(({ line, text }) => ({ line, text })).sort((a, b) => a.line - b.line);
}
