/** A rack that cannot do what it was asked: the message names the thing and says what to do next. */
export class LabError extends Error {
  override readonly name = 'LabError';

  constructor(problem: string, advice: string) {
    super(`${problem}. ${advice}`);
  }
}
