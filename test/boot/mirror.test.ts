import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createMirror, type Mirror, readMirrorPath } from '../../src/boot/mirror.ts';
import type { NewEvent } from '../../src/model/event.ts';

const DEB = 'pool/main/h/hello/hello_2.10-3_amd64.deb';
const sha256 = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex');
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

test('fetches a file once and serves it for ever, also with the upstream gone', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(700_000));
  const first = await rack.get(DEB);
  assert.equal(first.status, 200);
  assert.ok(first.body.equals(deb));
  assert.equal(first.headers['content-length'], '700000');
  assert.match(first.headers.etag ?? '', /^"[^"]+"$/);
  assert.equal(first.headers['last-modified'], rack.archive.lastModified);
  assert.ok(first.rawHeaders.includes('Content-Length'), 'header names keep their case');

  await rack.archive.die();
  const second = await rack.get(DEB);
  assert.ok(second.body.equals(deb));
  assert.equal(second.headers.etag, first.headers.etag);
  assert.equal(rack.archive.asked(DEB), 1);
  await rack.reopen();
  assert.ok((await rack.get(DEB)).body.equals(deb), 'another process finds it too');
  assert.equal((await rack.get('pool/main/o/other.deb')).status, 502);
  assert.deepEqual(
    rack.events.map(({ kind }) => kind),
    ['mirror.fetched', 'mirror.failed'],
  );
});

test('answers HEAD with the headers of GET and no body, in either order', async (t) => {
  const rack = await openRack(t);
  rack.archive.put(DEB, randomBytes(5000));
  const head = await rack.get(DEB, { method: 'HEAD' });
  const get = await rack.get(DEB);
  const again = await rack.get(DEB, { method: 'HEAD' });
  for (const name of ['content-length', 'etag', 'last-modified', 'content-type', 'accept-ranges']) {
    assert.equal(head.headers[name], get.headers[name], name);
    assert.equal(again.headers[name], get.headers[name], name);
  }
  assert.equal(head.body.length, 0);
  assert.equal(get.body.length, 5000);
  assert.equal((await rack.get(DEB, { method: 'POST' })).status, 405);
});

test('answers ranges and conditions', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(1000));
  const { headers } = await rack.get(DEB);
  const etag = headers.etag ?? '';
  const table: [Record<string, string>, number, Buffer | undefined, string | undefined][] = [
    [{ Range: 'bytes=0-0' }, 206, deb.subarray(0, 1), 'bytes 0-0/1000'],
    [{ Range: 'bytes=900-' }, 206, deb.subarray(900), 'bytes 900-999/1000'],
    [{ Range: 'bytes=900-5000' }, 206, deb.subarray(900), 'bytes 900-999/1000'],
    [{ Range: 'bytes=-10' }, 206, deb.subarray(990), 'bytes 990-999/1000'],
    [{ Range: 'bytes=-5000' }, 206, deb, 'bytes 0-999/1000'],
    [{ Range: 'bytes=1000-' }, 416, undefined, 'bytes */1000'],
    [{ Range: 'bytes=-0' }, 416, undefined, 'bytes */1000'],
    [{ Range: 'bytes=5-2' }, 200, deb, undefined],
    [{ Range: 'bytes=0-1,5-6' }, 200, deb, undefined],
    [{ Range: 'lines=1-2' }, 200, deb, undefined],
    [{ Range: 'bytes=1-2', 'If-Range': etag }, 206, deb.subarray(1, 3), 'bytes 1-2/1000'],
    [{ Range: 'bytes=1-2', 'If-Range': '"other"' }, 200, deb, undefined],
    [{ 'If-None-Match': etag }, 304, undefined, undefined],
    [{ 'If-None-Match': `"other", W/${etag}` }, 304, undefined, undefined],
    [{ 'If-Modified-Since': headers['last-modified'] ?? '' }, 304, undefined, undefined],
    [{ 'If-None-Match': '"other"', 'If-Modified-Since': headers['last-modified'] ?? '' }, 200, deb, undefined],
  ];
  for (const [asked, status, body, range] of table) {
    const answer = await rack.get(DEB, { headers: asked });
    assert.equal(answer.status, status, JSON.stringify(asked));
    assert.ok(answer.body.equals(body ?? Buffer.alloc(0)), JSON.stringify(asked));
    assert.equal(answer.headers['content-range'], range, JSON.stringify(asked));
  }
});

test('fifty clients at once make one fetch, and follow it while it grows', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(2_000_000));
  rack.archive.pause(DEB, 1_000_000);
  const clients = Array.from({ length: 50 }, () => rack.get(DEB));
  let halves = 0;
  for (const client of rack.clients) client.then((it) => it.received(900_000)).then(() => halves++);
  while (halves < 50) await sleep(5);
  rack.archive.resume();
  for (const answer of await Promise.all(clients)) assert.ok(answer.body.equals(deb));
  assert.equal(rack.archive.asked(DEB), 1);
});

test('a range of a file that still arrives comes from that fetch', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(1_000_000));
  rack.archive.pause(DEB, 500_000);
  const whole = rack.get(DEB);
  const early = await rack.get(DEB, { headers: { Range: 'bytes=100-199' } });
  assert.ok(early.body.equals(deb.subarray(100, 200)));
  const late = rack.get(DEB, { headers: { Range: 'bytes=999000-' } });
  rack.archive.resume();
  assert.ok((await late).body.equals(deb.subarray(999_000)));
  assert.ok((await whole).body.equals(deb));
  assert.equal(rack.archive.asked(DEB), 1);
});

test('a slow client does not slow the fetch', async (t) => {
  const rack = await openRack(t);
  rack.archive.put(DEB, randomBytes(30_000_000));
  const slow = request(`${rack.url}/${DEB}`);
  slow.end();
  const response = await new Promise<IncomingMessage>((resolve) => slow.on('response', resolve));
  response.pause();
  await rack.event('mirror.fetched');
  slow.destroy();
  await rack.archive.die();
  assert.equal((await rack.get(DEB)).body.length, 30_000_000);
});

test('an upstream that breaks off breaks the client off, and nothing of it stays', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(400_000));
  rack.archive.breakAt(DEB, 200_000);
  await assert.rejects(rack.get(DEB), /aborted|ECONNRESET|socket hang up/);
  assert.match(await rack.event('mirror.failed'), /did not get pool\/.*hello/);
  assert.deepEqual(await readdir(join(rack.folder, 'tmp')), []);

  rack.archive.breakAt(DEB, undefined);
  assert.ok((await rack.get(DEB)).body.equals(deb));
  assert.equal(rack.archive.asked(DEB), 2);
});

test('an upstream that falls silent in the middle is given up', async (t) => {
  const rack = await openRack(t, { fetchTimeoutMs: 150 });
  rack.archive.put(DEB, randomBytes(400_000));
  rack.archive.pause(DEB, 200_000);
  await assert.rejects(rack.get(DEB), /aborted|ECONNRESET|socket hang up/);
  assert.match(await rack.event('mirror.failed'), /silent for 0.15 s/);
});

test('a file whose length nobody told is served when it is whole', async (t) => {
  const rack = await openRack(t);
  const deb = rack.archive.put(DEB, randomBytes(100_000));
  rack.archive.chunked = true;
  const answer = await rack.get(DEB);
  assert.equal(answer.headers['content-length'], '100000');
  assert.ok(answer.body.equals(deb));
});

test('an empty file is a file', async (t) => {
  const rack = await openRack(t);
  rack.archive.put(DEB, '');
  for (const _ of [1, 2]) {
    const answer = await rack.get(DEB);
    assert.deepEqual([answer.status, answer.headers['content-length']], [200, '0']);
  }
});

test('404 is passed on and not remembered', async (t) => {
  const rack = await openRack(t);
  assert.equal((await rack.get(DEB)).status, 404);
  assert.equal((await rack.get('dists/nowhere/InRelease')).status, 404);
  rack.archive.put(DEB, 'now');
  assert.equal((await rack.get(DEB)).body.toString(), 'now');
  assert.deepEqual(await readdir(join(rack.folder, 'tmp')), []);
});

test('redirects are followed, in circles not for ever', async (t) => {
  const rack = await openRack(t);
  rack.archive.put('elsewhere/hello.deb', 'hello');
  rack.archive.redirect(DEB, '/debian/elsewhere/hello.deb');
  assert.equal((await rack.get(DEB)).body.toString(), 'hello');
  rack.archive.redirect('pool/a/b.deb', '/debian/pool/a/b.deb');
  assert.equal((await rack.get('pool/a/b.deb')).status, 502);
  assert.match(await rack.event('mirror.failed'), /more than 5 redirects/);
});

test('several upstreams are tried in order', async (t) => {
  const dead = await openArchive();
  await dead.die();
  const rack = await openRack(t, {}, [dead.url]);
  rack.archive.put(DEB, 'hello');
  assert.equal((await rack.get(DEB)).body.toString(), 'hello');
  // One that cannot be asked may have it.
  assert.equal((await rack.get('pool/no/such.deb')).status, 502);
});

test('the upstream is asked for a bounded number of files at once', async (t) => {
  const rack = await openRack(t, { fetchesAtOnce: 3 });
  const paths = Array.from({ length: 20 }, (_, number) => `pool/main/f/file${number}.deb`);
  for (const path of paths) rack.archive.put(path, path);
  rack.archive.delayMs = 10;
  const answers = await Promise.all(paths.map((path) => rack.get(path)));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    paths,
  );
  assert.equal(rack.archive.mostAtOnce, 3);
});

test('paths that no archive has go nowhere', async (t) => {
  const rack = await openRack(t);
  const bad = [
    '../etc/passwd',
    'pool/../../etc/passwd',
    'pool/%2e%2e/%2e%2e/etc/passwd',
    'pool/a%2f..%2fb',
    'pool/a%00b/c',
    'pool/a/%zz',
    'pool//',
    '/etc/passwd',
    'pool/a/b/',
    'pool/a\\b/c',
    'project/trace/x',
    'dists/bookworm',
    `pool/a/${'x'.repeat(300)}`,
  ];
  for (const path of bad) {
    assert.equal(readMirrorPath(path), undefined, path);
    assert.equal((await rack.get(path)).status, 404, path);
  }
  assert.equal(rack.archive.requests.length, 0);
  assert.equal(
    readMirrorPath('pool//main/l/linux/linux_6.1%2Bb~1-2_amd64.deb'),
    'pool/main/l/linux/linux_6.1+b~1-2_amd64.deb',
  );
});

test('index files are renewed as one set, and only when older than a minute', async (t) => {
  const rack = await openRack(t);
  rack.archive.publish('one');
  assert.equal(
    (await rack.get('dists/bookworm/InRelease')).body.toString(),
    rack.archive.text('dists/bookworm/InRelease'),
  );
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages one');
  rack.archive.publish('two');
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: one/);
  assert.equal(rack.archive.asked('dists/bookworm/InRelease'), 1);

  await rack.reopen({ freshMs: 0 });
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: two/);
  assert.equal(rack.archive.asked('dists/bookworm/main/Packages'), 2, 'renewed with its list, before anybody asks');
  await rack.archive.die();
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: two/);
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages two');
  assert.equal((await readdir(join(rack.folder, 'dists', 'blobs'))).length, 2, 'the old set is gone from the disk');
});

test('an unchanged list is asked for with its validators and renews nothing', async (t) => {
  const rack = await openRack(t, { freshMs: 0 });
  rack.archive.publish('one');
  await rack.get('dists/bookworm/main/Packages');
  await rack.get('dists/bookworm/main/Packages');
  assert.equal(rack.archive.requests.at(-1)?.headers['if-modified-since'], rack.archive.lastModified);
  assert.equal(rack.archive.asked('dists/bookworm/main/Packages'), 1);
});

test('a set that cannot be renewed whole is served as it was', async (t) => {
  const rack = await openRack(t, { freshMs: 0 });
  rack.archive.publish('one');
  await rack.get('dists/bookworm/main/Packages');
  rack.archive.publish('two');
  rack.archive.breakAt('dists/bookworm/main/Packages', 3);
  for (const _ of [1, 2]) {
    assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: one/);
    assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages one');
  }
  assert.ok(
    rack.events.some(({ kind, text }) => kind === 'mirror.failed' && text.includes('serving bookworm as it was')),
  );
  rack.archive.breakAt('dists/bookworm/main/Packages', undefined);
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages two');
});

test('an index file that its list does not know as it is makes the list be read again', async (t) => {
  const rack = await openRack(t);
  rack.archive.publish('one');
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: one/);
  rack.archive.publish('two');
  await rack.get('dists/bookworm/main/Packages').catch(() => {}); // may break off: it belongs to the next list
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages two');
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: two/);
});

test('files by hash are immutable and ask for no list', async (t) => {
  const rack = await openRack(t, { freshMs: 0 });
  const path = `dists/bookworm/main/by-hash/SHA256/${sha256('packages one')}`;
  rack.archive.put(path, 'packages one');
  await rack.get(path);
  await rack.archive.die();
  assert.equal((await rack.get(path)).body.toString(), 'packages one');
  assert.deepEqual(
    rack.archive.requests.map(({ path }) => path),
    [path],
  );
});

test('a cache that somebody emptied is filled again', async (t) => {
  const rack = await openRack(t);
  rack.archive.publish('one');
  rack.archive.put(DEB, 'hello');
  for (const path of [DEB, 'dists/bookworm/main/Packages']) await rack.get(path);
  for (const name of ['pool', 'dists']) await rm(join(rack.folder, name), { recursive: true });
  assert.equal((await rack.get(DEB)).body.toString(), 'hello');
  assert.match((await rack.get('dists/bookworm/InRelease')).body.toString(), /Version: one/);
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages one');
});

test('a broken description of a cached set is no set', async (t) => {
  const rack = await openRack(t);
  rack.archive.publish('one');
  await mkdir(join(rack.folder, 'dists'), { recursive: true });
  await writeFile(join(rack.folder, 'dists/bookworm.json'), '{ "anchor"');
  assert.equal((await rack.get('dists/bookworm/main/Packages')).body.toString(), 'packages one');
});

test('a full disk is told by name and kept apart from an upstream that fails', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mirror-full-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k', 'firstlight-test', folder], { stdio: 'ignore' });
  } catch {
    await rm(folder, { recursive: true });
    return t.skip('this test may not mount');
  }
  t.after(async () => {
    execFileSync('umount', [folder]);
    await rm(folder, { recursive: true });
  });
  const rack = await openRack(t, { cacheFolder: folder });
  rack.archive.put(DEB, randomBytes(1_000_000));
  await assert.rejects(rack.get(DEB), /aborted|ECONNRESET|socket hang up/);
  assert.match(await rack.event('mirror.failed'), /the disk that holds the mirror's cache \(.*\) is full: pool\/main/);
  rack.archive.put('pool/s/small.deb', 'small');
  assert.equal((await rack.get('pool/s/small.deb')).body.toString(), 'small');
});

// The rest: an archive, a mirror before it, and a client that keeps what it got.

type Asked = { path: string; headers: IncomingMessage['headers'] };

/** A Debian archive on loopback that can be told to misbehave. */
async function openArchive() {
  const files = new Map<string, Buffer>();
  const redirects = new Map<string, string>();
  const breaks = new Map<string, number>();
  const requests: Asked[] = [];
  let paused: { path: string; at: number; promise: Promise<void>; resume: () => void } | undefined;
  let atOnce = 0;

  const archive = {
    url: '',
    requests,
    lastModified: 'Sat, 10 Jun 2023 10:00:00 GMT',
    chunked: false,
    delayMs: 0,
    mostAtOnce: 0,
    put(path: string, content: Buffer | string): Buffer {
      files.set(path, Buffer.from(content));
      return files.get(path)!;
    },
    text: (path: string) => files.get(path)?.toString(),
    redirect: (path: string, to: string) => redirects.set(path, to),
    breakAt: (path: string, at: number | undefined) => (at === undefined ? breaks.delete(path) : breaks.set(path, at)),
    pause(path: string, at: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      paused = { path, at, promise, resume: resolve };
    },
    resume: () => paused?.resume(),
    asked: (path: string) => requests.filter((request) => request.path === path).length,
    /** A suite whose list names its one index file; each version has a date of its own. */
    publish(version: string) {
      const packages = archive.put('dists/bookworm/main/Packages', `packages ${version}`);
      const sum = `SHA256:\n ${sha256(packages)} ${packages.length} main/Packages\n`;
      archive.put('dists/bookworm/InRelease', `Version: ${version}\n${sum}`);
      archive.lastModified = new Date(Date.parse(archive.lastModified) + 1000).toUTCString();
    },
    async die() {
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
    },
  };

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = (req.url ?? '').replace(/^\/debian\//, '');
    requests.push({ path, headers: req.headers });
    if (archive.delayMs > 0) await sleep(archive.delayMs);
    const target = redirects.get(path);
    const content = files.get(path);
    if (target !== undefined) return void res.writeHead(302, { Location: target }).end();
    if (!content) return void res.writeHead(404).end('no');
    if (req.headers['if-modified-since'] === archive.lastModified) return void res.writeHead(304).end();
    const length = archive.chunked ? {} : { 'Content-Length': content.length };
    res.writeHead(200, { 'Last-Modified': archive.lastModified, ...length });
    const end = breaks.get(path);
    if (end !== undefined) {
      res.write(content.subarray(0, end));
      await sleep(20);
      return void res.destroy();
    }
    if (paused?.path !== path) return void res.end(content);
    res.write(content.subarray(0, paused.at));
    await paused.promise;
    res.end(content.subarray(paused.at));
  }

  const server = createServer((req, res) => {
    archive.mostAtOnce = Math.max(archive.mostAtOnce, ++atOnce);
    res.on('close', () => atOnce--);
    serve(req, res);
  });
  archive.url = `${await listen(server)}/debian`;
  return archive;
}

type Answer = { status: number; headers: IncomingMessage['headers']; rawHeaders: string[]; body: Buffer };
type Client = { received(count: number): Promise<void> };
type Options = { fetchTimeoutMs?: number; freshMs?: number; fetchesAtOnce?: number; cacheFolder?: string };

async function openRack(t: TestContext, options: Options = {}, before: string[] = []) {
  const archive = await openArchive();
  const folder = options.cacheFolder ?? (await mkdtemp(join(tmpdir(), 'mirror-')));
  const events: NewEvent[] = [];
  const open = (more: Options = {}): Mirror =>
    createMirror({
      upstream: [...before, archive.url],
      cacheFolder: folder,
      onEvent: (event) => events.push(event),
      fetchTimeoutMs: 2000,
      ...options,
      ...more,
    });
  let mirror = open();
  const server = createServer((req, res) =>
    mirror.handle(req, res, (req.url ?? '').replace(/^\/mirror\/debian\//, '')),
  );
  const url = `${await listen(server)}/mirror/debian`;
  t.after(async () => {
    await mirror.close();
    archive.resume();
    await archive.die();
    server.closeAllConnections();
    server.close();
    if (options.cacheFolder === undefined) await rm(folder, { recursive: true, force: true });
  });

  const clients: Promise<Client>[] = [];
  function get(path: string, { method = 'GET', headers = {} as Record<string, string> } = {}): Promise<Answer> {
    const client = Promise.withResolvers<Client>();
    clients.push(client.promise);
    return new Promise((resolve, reject) => {
      // As text: a URL object would tidy the path up.
      const { hostname, port, pathname } = new URL(url);
      const req = request({ hostname, port, path: `${pathname}/${path}`, method, headers }, (res) => {
        const pieces: Buffer[] = [];
        let count = 0;
        client.resolve({
          async received(wanted) {
            while (count < wanted) await sleep(5);
          },
        });
        res.on('data', (piece: Buffer) => {
          pieces.push(piece);
          count += piece.length;
        });
        res.on('error', reject);
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            headers: res.headers,
            rawHeaders: res.rawHeaders,
            body: Buffer.concat(pieces),
          }),
        );
      });
      req.on('error', reject);
      req.end();
    });
  }

  /** The text of the first event of that kind, which may come after what the client sees. */
  async function event(kind: NewEvent['kind']): Promise<string> {
    for (;;) {
      const found = events.find((one) => one.kind === kind);
      if (found) return found.text;
      await sleep(5);
    }
  }

  async function reopen(more: Options = {}): Promise<void> {
    await mirror.close();
    mirror = open(more);
  }
  return { archive, folder, events, url, clients, get, event, reopen };
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
