/** Every error that a caller can be told, with its HTTP status. The message names the thing and the value. */
export const ERRORS = {
  'bad-request': 400,
  unauthorized: 401,
  'no-such-machine': 404,
  'no-such-bootenv': 404,
  'no-such-job': 404,
  'no-such-subnet': 404,
  'no-such-order': 404,
  'not-found': 404,
  'name-taken': 409,
  'machine-locked': 409,
  'machine-not-accepted': 409,
  'machine-ignored': 409,
  'job-running': 409,
  'expectation-failed': 409,
  'no-bmc': 409,
  'order-ended': 409,
  'bootenv-unavailable': 409,
  'bad-param': 422,
  'bad-content': 422,
  'bmc-failed': 502,
} as const;
export type ErrorCode = keyof typeof ERRORS;

/** The caller is wrong, or something the caller named is. `next` says what to do about it. */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  readonly next: string | undefined;

  constructor(code: ErrorCode, message: string, next?: string) {
    super(message);
    this.code = code;
    this.next = next;
  }

  get status(): number {
    return ERRORS[this.code];
  }
}
