import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import Fastify from 'fastify';
import { build } from 'vite';
import { addPage } from '../../src/api/page.ts';
import type { Api } from '../../src/api/server.ts';

const REPOSITORY = join(import.meta.dirname, '../..');
/** What a phone on a bad radio link has to fetch before it shows anything. */
const MAX_GZIP_BYTES = 30_000;

let folder: string;
let names: string[];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'page-'));
  await build({
    configFile: join(REPOSITORY, 'src/web/vite.config.ts'),
    logLevel: 'silent',
    build: { outDir: folder },
  });
  names = (readdirSync(folder, { recursive: true, withFileTypes: true }) as import('node:fs').Dirent[])
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
});
after(() => rmSync(folder, { recursive: true }));

function serve(t: TestContext, from = folder): Api {
  const app = Fastify() as unknown as Api;
  t.after(() => app.close());
  addPage(app, from);
  return app;
}

test('serves the page to whoever asks for /, to be asked for again every time', async (t) => {
  const answer = await serve(t).inject('/');
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(answer.headers['cache-control'], 'no-cache');
  assert.match(answer.body, /<div id="page">/);
});

test('serves everything that the page names, to be kept for a year', async (t) => {
  const app = serve(t);
  const named = [...(await app.inject('/')).body.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map((match) => match[1]);
  assert.deepEqual(named.map((name) => name?.replace(/^.*\./, '')).sort(), ['css', 'js', 'svg']);
  for (const name of named) {
    const answer = await app.inject(`/${name}`);
    assert.equal(answer.statusCode, 200, name);
    assert.equal(answer.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.match(String(answer.headers['content-type']), /^(text\/(javascript|css); charset=utf-8|image\/svg\+xml)$/);
  }
});

test('lets the page run our own files only, in every answer', async (t) => {
  const app = serve(t);
  for (const name of names) {
    const { headers } = await app.inject(name === 'index.html' ? '/' : `/${name}`);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'; script-src 'self'; /);
    assert.doesNotMatch(policy, /unsafe|\*|data:|https?:/);
    assert.match(policy, /frame-ancestors 'none'/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['referrer-policy'], 'no-referrer');
  }
});

test('names no other host in any of its files', () => {
  for (const name of names) {
    const text = readFileSync(join(folder, name), 'utf8');
    // names of XML namespaces look like addresses and are never asked for
    const urls = (text.match(/(https?:)?\/\/[a-z0-9.-]+\.[a-z]{2,}[^\s"'`)]*/gi) ?? []).filter(
      (url) => !url.startsWith('http://www.w3.org/'),
    );
    assert.deepEqual(urls, [], name);
  }
});

test('has no inline script, which the policy would refuse', () => {
  const html = readFileSync(join(folder, 'index.html'), 'utf8');
  for (const [, attributes, body] of html.matchAll(/<script([^>]*)>(.*?)<\/script>/gs)) {
    assert.match(attributes ?? '', / src="/);
    assert.equal(body, '');
  }
  assert.doesNotMatch(html, /<style|\sstyle=|\son[a-z]+=/);
});

test('is small enough for a phone on a bad link', () => {
  const total = names.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
  assert.ok(total < MAX_GZIP_BYTES, `${total} bytes`);
});

test('is sent compressed to whoever can read that', async (t) => {
  const app = serve(t);
  const plain = await app.inject('/');
  const packed = await app.inject({ url: '/', headers: { 'accept-encoding': 'br, gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.equal(packed.headers.vary, 'Accept-Encoding');
  assert.equal(gunzipSync(packed.rawPayload).toString(), plain.body);
  assert.equal(plain.headers['content-encoding'], undefined);
});

test('gives no file but its own, however it is asked for', async (t) => {
  const app = serve(t);
  for (const url of [
    '/nothing.js',
    '/assets/',
    '/assets/nothing.js',
    '/package.json',
    '/../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/%2e%2e/%2e%2e/etc/passwd',
  ])
    assert.equal((await app.inject(url)).statusCode, 404, url);
});

test('says what to do when it was not built', async (t) => {
  const answer = await serve(t, join(folder, 'nowhere')).inject('/');
  assert.equal(answer.statusCode, 503);
  assert.match(answer.body, /npm run build/);
  assert.match(String(answer.headers['content-security-policy']), /default-src 'none'/);
});
