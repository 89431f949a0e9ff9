import assert from 'node:assert/strict';
import { createApi } from '../../src/api/server.ts';
import { type Harness, type Options, withHarness } from '../harness.ts';

export type Answer = {
  status: number;
  body: Record<string, unknown> & { code?: string; error?: string; next?: string };
  headers: Record<string, unknown>;
};
export type Call = (
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
) => Promise<Answer>;
export type Rig = { harness: Harness; call: Call; token: string };

/** An API with one operator, ada. `more`: what main.ts would give it besides the parts. */
export function withApi(
  check: (rig: Rig) => Promise<void>,
  options: Options = {},
  more: Partial<Parameters<typeof createApi>[0]> = {},
): Promise<void> {
  return withHarness(options, async (harness) => {
    const { tokens } = harness;
    const api = await createApi({ ...harness, tokens, version: '0.0.0', problems: () => [], ...more });
    const token = tokens.issue('ada', harness.clock());
    const call: Call = async (method, path, body) => {
      const response = await api.inject({
        method,
        url: `/api/v1/${path}`,
        headers: { authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      const isJson = /json/.test(String(response.headers['content-type']));
      return {
        status: response.statusCode,
        body: isJson ? response.json() : { text: response.body },
        headers: response.headers,
      };
    };
    try {
      await check({ harness, call, token });
    } finally {
      await api.close();
    }
  });
}

/** The items of an answer that is a list. */
export function items<T>(answer: Answer): T[] {
  assert.ok(Array.isArray(answer.body), JSON.stringify(answer.body));
  return answer.body as T[];
}

export function assertAnswered(answer: Answer, status: number, part: object): void {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  assert.partialDeepStrictEqual(answer.body, part as Record<string, unknown>);
}

export function assertRefused(answer: Answer, status: number, code: string, error: RegExp, next?: RegExp): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(answer.body));
  assert.match(answer.body.error ?? '', error);
  if (next) assert.match(answer.body.next ?? '', next);
}
