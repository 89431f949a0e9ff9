import { AppError } from '../model/errors.ts';
import { WireError } from '../wire/bytes.ts';

/** A failure as it is answered. */
export type ToldFailure = { code: string; error: string; next?: string };

/**
 * What the caller is told of a failure, with its HTTP status. A fault of ours is logged with its stack, and told as one: `during` says
 * what was asked for.
 */
export function tellFailure(error: unknown, during: string): { status: number; told: ToldFailure } {
  if (error instanceof AppError) {
    const { status, code, message, next } = error;
    return { status, told: { code, error: message, ...(next ? { next } : {}) } };
  }
  if (error instanceof WireError) return { status: 400, told: { code: 'bad-request', error: error.message } };
  const { validation, statusCode, message } = error as { validation?: unknown; statusCode?: number; message: string };
  if (validation || (statusCode !== undefined && statusCode < 500))
    return { status: statusCode ?? 400, told: { code: 'bad-request', error: message } };
  console.error(`API ${during}: ${error instanceof Error ? error.stack : String(error)}`);
  return { status: 500, told: { code: 'internal', error: 'internal error, see the log of the appliance' } };
}
