import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ApiRoute, createApi } from '../../src/api/server.ts';
import { ERRORS } from '../../src/model/errors.ts';
import { REPOSITORY, withHarness } from '../harness.ts';

const ROOT = '/api/v1';
const text = readFileSync(join(REPOSITORY, 'docs/api.md'), 'utf8');

/** The routes that are written of, as `GET /machines`, each with its own text and that of its group. */
const written = text.split(/^##+ /m).flatMap((group) =>
  group
    .split(/^(?=- `[A-Z]+ \/)/m)
    .slice(1)
    .map((line) => ({ route: /^- `([A-Z]+ \/\S+)`:/.exec(line)?.[1] ?? line, line, group })),
);

/** The routes of an API as main.ts makes it. */
async function routesOf(check: (routes: readonly ApiRoute[]) => void): Promise<void> {
  await withHarness({}, async (harness) => {
    const api = await createApi({ ...harness, version: '0.0.0', problems: () => [] });
    try {
      check(api.routes);
    } finally {
      await api.close();
    }
  });
}

const shortOf = ({ method, path }: ApiRoute): string => `${method} ${path.replace(ROOT, '')}`;

test('docs/api.md has every route of the API once, and no other', () =>
  routesOf((routes) => {
    assert.ok(routes.every(({ path }) => path.startsWith(ROOT)));
    assert.deepEqual(written.map(({ route }) => route).sort(), routes.map(shortOf).sort());
  }));

test('docs/api.md names every field of each body and query in the group of its route', () =>
  routesOf((routes) => {
    const unnamed = routes.flatMap((route) => {
      const { group = '' } = written.find((one) => one.route === shortOf(route)) ?? {};
      return [route.schema.body, route.schema.querystring]
        .flatMap(fieldsOf)
        .filter((field) => !group.includes(`\`${field}\``))
        .map((field) => `${shortOf(route)}: ${field}`);
    });
    assert.deepEqual(unnamed, []);
  }));

test('docs/api.md marks what a body has to have, where the line of its route names it', () =>
  routesOf((routes) => {
    const unmarked = routes.flatMap((route) => {
      const { line = '' } = written.find((one) => one.route === shortOf(route)) ?? {};
      const { required = [] } = (route.schema.body ?? {}) as { required?: string[] };
      return required.filter((field) => !line.includes(`\`${field}\`*`)).map((field) => `${shortOf(route)}: ${field}`);
    });
    assert.deepEqual(unmarked, []);
  }));

test('docs/api.md has every code of an error with its status, and its routes answer no other', () => {
  const codes = Object.fromEntries(
    [...text.matchAll(/^\| `([a-z-]+)` \| (\d{3}) \|/gm)].map(([, code, status]) => [code, Number(status)]),
  );
  assert.deepEqual(codes, { ...ERRORS, internal: 500 });
  for (const { route, line } of written) {
    const [, errors = ''] = line.split(/\bErrors\b/);
    for (const [, code = ''] of errors.matchAll(/`([a-z-]+)`/g))
      assert.ok(code in codes || code === 'fresh', `${route}: ${code}`);
  }
});

/** The names of an object's fields, of each of them where there is a choice. */
function fieldsOf(schema: unknown): string[] {
  const { properties = {}, anyOf = [] } = (schema ?? {}) as { properties?: object; anyOf?: unknown[] };
  return [...Object.keys(properties), ...anyOf.flatMap(fieldsOf)];
}
