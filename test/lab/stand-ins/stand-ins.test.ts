import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { openStandIns } from './stand-ins.ts';
import { dispensable, standIns } from './udebs.ts';

const names = [...new Set([...standIns.flatMap(({ wants }) => wants), ...dispensable, 'netcfg'])];

test('an archive that has everything gets no stand-in', async (t) => {
  const { upstream, folder } = await openArchive(t, []);
  const opened = await openStandIns({ upstream, folder });
  t.after(() => opened.close());
  assert.deepEqual(opened.used, []);
  assert.deepEqual(Object.keys(await readPackages(opened.url)).sort(), [...names].sort());
});

test('what is missing is stood in for, and the rest passes through', async (t) => {
  const { upstream, folder } = await openArchive(t, ['di-utils-mapdevfs', 'libpcre3-udeb']);
  const opened = await openStandIns({ upstream, folder });
  t.after(() => opened.close());
  assert.deepEqual(opened.used, ['di-utils-mapdevfs']);
  const packages = await readPackages(opened.url);
  assert.equal(packages['libpcre3-udeb'], undefined);
  assert.equal(packages.netcfg, 'pool/netcfg.udeb');

  const path = packages['di-utils-mapdevfs'] ?? '';
  assert.match(path, /^pool\/stand-ins\/di-utils-mapdevfs_[0-9a-f]{16}\.udeb$/);
  const file = join(folder, 'got.udeb');
  await writeFile(file, Buffer.from(await (await fetch(`${opened.url}/${path}`)).arrayBuffer()));
  assert.match(execFileSync('dpkg-deb', ['-c', file]).toString(), /-rwxr-xr-x root\/root .* \.\/bin\/mapdevfs/);
  assert.equal(await (await fetch(`${opened.url}/pool/netcfg.udeb`)).text(), 'netcfg');
  assert.equal((await fetch(`${opened.url}/dists/stand-ins/InRelease`)).status, 404, 'nothing of the suite is signed');

  const release = await (await fetch(`${opened.url}/dists/stand-ins/Release`)).text();
  const head = await fetch(`${opened.url}/dists/stand-ins/main/debian-installer/binary-amd64/Packages.gz`, {
    method: 'HEAD',
  });
  assert.match(
    release,
    new RegExp(` ${head.headers.get('content-length')} main/debian-installer/binary-amd64/Packages.gz`),
  );
});

/** An archive on loopback whose index names every udeb, of which it does not serve `missing`. */
async function openArchive(t: TestContext, missing: string[]) {
  const folder = await mkdtemp(join(tmpdir(), 'stand-ins-'));
  const index = names.map((name) => `Package: ${name}\nFilename: pool/${name}.udeb\n`).join('\n');
  const server = createServer((req, res) => {
    const name = /^\/debian\/pool\/(.*)\.udeb$/.exec(req.url ?? '')?.[1];
    const known = name !== undefined && names.includes(name) && !missing.includes(name);
    const body = req.url?.endsWith('/Packages.gz') ? gzipSync(index) : known ? Buffer.from(name) : undefined;
    res.writeHead(body ? 200 : 404, { 'Content-Length': body?.length ?? 0 });
    res.end(req.method === 'HEAD' ? undefined : body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    server.close();
    server.closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  });
  return { upstream: `http://127.0.0.1:${(server.address() as AddressInfo).port}/debian/`, folder };
}

/** Package to Filename, of the suite that the fixture adds. */
async function readPackages(url: string): Promise<Record<string, string>> {
  const answer = await fetch(`${url}/dists/stand-ins/main/debian-installer/binary-amd64/Packages.gz`);
  const text = gunzipSync(Buffer.from(await answer.arrayBuffer())).toString();
  const field = (paragraph: string, name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(paragraph)?.[1] ?? '';
  return Object.fromEntries(text.split('\n\n').map((one) => [field(one, 'Package'), field(one, 'Filename')]));
}
