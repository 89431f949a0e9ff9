import { signal } from '@preact/signals';

const TOKEN_KEY = 'firstlight-token';

/** The operator's token: in this tab only, and never in an address. '' while nobody has given one. */
export const token = signal(sessionStorage.getItem(TOKEN_KEY) ?? '');
/** Why a token is asked for again. */
export const tokenProblem = signal('');

export function keepToken(text: string): void {
  sessionStorage.setItem(TOKEN_KEY, text);
  tokenProblem.value = '';
  token.value = text;
}

export function forgetToken(why = ''): void {
  sessionStorage.removeItem(TOKEN_KEY);
  tokenProblem.value = why;
  token.value = '';
}

/** What the API says is wrong, in its own sentence, and what to do next. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly status: number;
  readonly next: string;

  constructor(status: number, text: string, next = '') {
    super(text);
    this.status = status;
    this.next = next;
  }
}

export type Method = 'GET' | 'POST' | 'PATCH';

/** Ask the API. Throws ApiProblem; a token that is refused is forgotten. `signal` breaks the request off. */
export async function openResponse(
  method: Method,
  path: string,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  const used = token.peek();
  const response = await fetch(`api/v1/${path}`, {
    method,
    headers: { Authorization: `Bearer ${used}`, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal ? { signal } : {}),
    cache: 'no-store',
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new ApiProblem(0, 'the appliance does not answer');
  });
  if (response.ok) return response;
  const said = (await response.json().catch(() => ({}))) as { error?: string; next?: string };
  if (response.status === 401 && token.peek() === used) forgetToken(said.error ?? 'this token is refused');
  throw new ApiProblem(response.status, said.error ?? `the appliance answers ${response.status}`, said.next);
}

export async function ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
  return (await openResponse(method, path, body)).json() as Promise<T>;
}

/** The path of a machine, and of what can be asked of it. */
export function machinePath(name: string, rest = ''): string {
  return `machines/${encodeURIComponent(name)}${rest}`;
}
